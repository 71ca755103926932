"""One run of a cell: on a model of one's own and on BLIP-2 with sample data, and what makes it a failed one."""

from __future__ import annotations

import os
import sys
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import get_args

import pytest
import torch
from quick_cells import TINY, quick_cells
from torch import nn

import layerprof as lp
from layerprof.energy import UnavailableCode
from layerprof.host import usable_cores
from layerprof.ledger import Outcome, read_outcome, write_outcome
from layerprof.records import AxisValue, FrozenMapping
from layerprof.sweeping.base import PlannedCell, settings_of, source_of
from layerprof.sweeping.base.metrics import notes_on_latency, notes_on_warmup, stop_rule
from layerprof.sweeping.base.numbers import nan_in_outputs
from layerprof.sweeping.base.refusals import RefusedError
from layerprof.sweeping.base.workload import Workload, load_workload
from layerprof.sweeping.measuring import measure
from layerprof.sweeping.measuring.batches import notes_on_outputs

QUICK: dict[str, AxisValue] = {"warmup": 1, "repeats": 2}
FLOPS = 2 * 3 * 4 * 4  # 3 rows through 4 by 4

MODULE = """
    import torch
    from torch import nn

    SEEN = set()


    class Net(nn.Module):
        def __init__(self, act=None):
            super().__init__()
            self.fc = nn.Linear(4, 4)
            self.act = act

        def forward(self, x):
            if self.act is not None:
                self.act()
            return self.fc(x)


    def fail():
        raise ValueError("no\\nluck")


    def interrupt():
        raise KeyboardInterrupt


    def good():
        return Net(), {"x": torch.ones(3, 4)}


    def failing():
        return Net(fail), torch.ones(3, 4)


    def interrupted():
        return Net(interrupt), torch.ones(3, 4)


    class Nan(nn.Module):
        def __init__(self):
            super().__init__()
            self.fc = nn.Linear(4, 4)

        def forward(self, x):
            out = self.fc(x)
            return {"good": out, "bad": [out, torch.where(x > 0, torch.nan, out)]}


    def nan():
        return Nan(), {"x": torch.tensor([[1.0, -1.0, 1.0, -1.0]])}


    def threads():
        return Net(lambda: SEEN.add(torch.get_num_threads())), torch.ones(3, 4)


    def thief():
        return Net(lambda: torch.set_num_threads(2)), torch.ones(3, 4)


    def elsewhere():
        return Net().to("meta"), torch.ones(3, 4)


    def inputs_elsewhere():
        return Net(), torch.ones(3, 4, device="meta")


    def broken():
        raise NotImplementedError("no such kernel")


    class Last(nn.Module):
        # fails as soon as it has been measured
        def __init__(self):
            super().__init__()
            self.fc = nn.Linear(4, 4)

        def forward(self, x):
            if "outputs" in TOLD:
                raise MemoryError("no room")
            return self.fc(x)


    def last():
        return Last(), torch.ones(3, 4)


    TOLD = []


    def hungry():
        return Net(starve), torch.ones(3, 4)


    def starve():
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")


    def alone():
        return Net()
"""

Cell = Callable[..., PlannedCell]


@pytest.fixture(scope="module", autouse=True)
def _quick() -> Iterator[None]:
    with quick_cells():
        yield


@pytest.fixture
def cell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Cell:
    """Makes a cell of a callable in a module of the working directory."""
    (tmp_path / "swept_models.py").write_text(textwrap.dedent(MODULE))
    monkeypatch.chdir(tmp_path)
    monkeypatch.delitem(sys.modules, "swept_models", raising=False)

    def make(name: str, **settings: AxisValue) -> PlannedCell:
        model = f"swept_models:{name}"
        return PlannedCell(model=model, settings=settings_of(model, {**QUICK, **settings}))

    return make


def preset_cell(**settings: AxisValue) -> PlannedCell:
    return PlannedCell(model=TINY, settings=settings_of(TINY, {**QUICK, **settings}))


@pytest.fixture(scope="module")
def padded() -> Outcome:
    """Of one batch, and of a sample that fills none."""
    return measure(preset_cell(batch_size=2, samples=3, text_tokens=9))


def failure_of(outcome: Outcome) -> tuple[str, str]:
    assert outcome.record.summary.status == "failed"
    assert outcome.record.summary.failure is not None
    return outcome.record.summary.failure.kind, outcome.record.summary.failure.text


def test_a_model_of_ones_own_brings_its_metrics_and_its_layers(cell: Cell) -> None:
    outcome = measure(cell("good"))

    assert outcome.record.summary.status == "done"
    assert outcome.record.summary.metrics["flops"] == FLOPS
    assert outcome.record.summary.metrics["steps"] == 2
    assert outcome.profile is not None
    assert outcome.profile["fc"].flops == FLOPS


def test_samples_are_not_made_up_for_a_model_of_ones_own(cell: Cell) -> None:
    metrics = measure(cell("good")).record.summary.metrics

    assert "latency_per_sample_s" not in metrics
    assert "flops_per_sample" not in metrics


def test_a_model_of_ones_own_is_run_in_the_dtype_asked_for(cell: Cell) -> None:
    profile = measure(cell("good", dtype="bf16")).profile

    assert profile is not None
    assert profile.spec.parts[0].dtype == "bfloat16"
    assert dict(profile.spec.inputs) == {"x": "bfloat16[3, 4]"}


def test_an_exception_is_a_failed_cell_with_one_line(cell: Cell) -> None:
    kind, text = failure_of(measure(cell("failing")))

    assert kind == "exception"
    assert "ValueError" in text
    assert "\n" not in text


def test_a_model_without_inputs_is_an_invalid_cell(cell: Cell) -> None:
    assert failure_of(measure(cell("alone"))) == (
        "invalid",
        "'swept_models:alone' returned a model alone; let it return (model, inputs)",
    )


def test_a_missing_device_is_an_unavailable_cell() -> None:
    kind, text = failure_of(measure(preset_cell(device="cuda:99")))

    assert kind == "unavailable"
    assert "cuda:99" in text


def test_ctrl_c_ends_the_measurement(cell: Cell) -> None:
    with pytest.raises(KeyboardInterrupt):
        measure(cell("interrupted"))


def test_latency_and_flops_of_a_preset_are_over_all_batches() -> None:
    planned = preset_cell(batch_size=2, samples=6)

    metrics = measure(planned).record.summary.metrics

    workload = load_workload(TINY, planned.settings)
    counts = [lp.count_flops(workload.model, batch).total for batch in workload.batches]
    assert len(set(counts)) > 1  # the questions differ in length, else this shows nothing
    assert metrics["batches"] == 3
    assert metrics["steps"] == 3
    assert metrics["flops"] == sum(counts) / 3
    assert metrics["flops_per_sample"] == sum(counts) / 6
    assert metrics["latency_per_sample_s"] == pytest.approx((metrics["latency_s"] or 0) / 2)


@pytest.mark.slow
def test_layers_and_memory_of_a_preset_are_of_the_longest_batch() -> None:
    planned = preset_cell(batch_size=1, samples=4)

    outcome = measure(planned)

    workload = load_workload(TINY, planned.settings)
    lengths = [batch["input_ids"].shape[1] for batch in workload.batches if isinstance(batch, dict)]
    assert outcome.profile is not None
    assert dict(outcome.profile.spec.inputs)["input_ids"] == f"int64[1, {max(lengths)}]"
    assert "batches_differ" in [note.code for note in outcome.record.summary.notes]


def test_a_cell_says_what_is_missing_or_left_out(padded: Outcome) -> None:
    *others, left_out = padded.record.summary.notes
    assert (left_out.code, left_out.quantity) == ("samples_left_out", "samples")
    if padded.record.summary.metrics["energy_j_per_sample"] is None:  # on a machine without a counter
        assert [note.quantity for note in others] == ["energy"]
        assert others[0].code in get_args(UnavailableCode)


@pytest.mark.parametrize(("slowest_s", "codes"), [(1.1, []), (1.5, ["unsteady"])])
def test_a_wide_interval_is_a_note(slowest_s: float, codes: list[str]) -> None:
    latency_s = lp.Distribution(samples=(1.0, 1.0, 1.0, slowest_s, slowest_s, slowest_s))

    assert [note.code for note in notes_on_latency(latency_s)] == codes


def test_a_cells_profile_says_what_it_was_run_on(padded: Outcome) -> None:
    assert padded.profile is not None
    labels = padded.profile.spec.labels
    assert (labels["task"], labels["batch_size"], labels["text_tokens"]) == ("sample", "2", "9")
    assert labels["samples"].count("easy-vqa/test/") == 2


def test_an_outcome_passes_to_another_process_whole(cell: Cell, tmp_path: Path) -> None:
    outcome = measure(cell("good"))

    write_outcome(outcome, tmp_path)

    read = read_outcome(tmp_path)
    assert read is not None
    assert read.record == outcome.record


def test_a_run_says_what_it_is_of_and_how_long_it_took(cell: Cell) -> None:
    planned = cell("good")

    record = measure(planned).record

    assert (record.summary.cell, record.axes) == (planned.id, planned.axes)
    assert set(record.spans_s) == {"build", "prepare", "measure", "look", "answer"}
    assert record.latency_s is not None
    assert record.latency_s.n == 2
    assert record.summary.ended_at_s > 0.0


def test_signs_of_life_are_told_between_steps(cell: Cell) -> None:
    told: list[tuple[str, int, int | None]] = []

    measure(cell("good"), lambda what, done, total: told.append((what, done, total)))

    assert told[0] == ("build", 0, None)
    assert ("time", 2, 2) in told
    assert [what for what, _, _ in told][-1] == "outputs"


@pytest.mark.slow
def test_the_latency_of_several_batches_is_told_too() -> None:
    told: list[tuple[str, int, int | None]] = []

    measure(preset_cell(batch_size=1, samples=2), lambda what, done, total: told.append((what, done, total)))

    assert ("latency", 1, 2) in told


def test_outputs_that_are_not_numbers_make_a_failed_run_that_keeps_its_profile(cell: Cell) -> None:
    outcome = measure(cell("nan"))

    kind, text = failure_of(outcome)
    assert kind == "nan"
    assert "2 of the 4 values of output['bad'][1] are NaN" in text
    assert outcome.profile is not None
    assert outcome.profile["fc"].flops == 2 * 4 * 4


class Giving(nn.Module):
    """Returns what it was given."""

    def forward(self, x: object) -> object:
        return x


@pytest.mark.parametrize(
    "good",
    [
        torch.tensor([float("inf"), -float("inf")]),
        torch.tensor([1, 2]),
        torch.tensor([True]),
        [torch.ones(2, dtype=torch.complex64), "text", None],
        torch.ones(2).to(torch.float8_e4m3fn),
        torch.ones(2).to_sparse(),
    ],
    ids=["inf", "int", "bool", "nested", "float8", "sparse"],
)
def test_outputs_that_are_numbers_or_infinite_are_let_pass(good: object) -> None:
    assert nan_in_outputs(Giving(), (good,)) is None


@pytest.mark.parametrize(
    "bad",
    [
        torch.tensor([float("nan")], dtype=torch.float16),
        torch.tensor([complex(float("nan"), 0.0)]),
        torch.tensor([float("nan")]).to(torch.float8_e4m3fn),
        torch.tensor([float("nan")]).to_sparse(),
    ],
    ids=["float16", "complex", "float8", "sparse"],
)
def test_nan_is_found_in_any_format(bad: torch.Tensor) -> None:
    found = nan_in_outputs(Giving(), (bad,))

    assert found is not None
    assert "1 of the 1 values of output are NaN" in found


def test_only_the_first_outputs_with_nan_are_spelled_out() -> None:
    found = nan_in_outputs(Giving(), ([torch.tensor([float("nan")])] * 5,))

    assert found is not None
    assert "output[2]" in found
    assert "output[3]" not in found
    assert "; and 2 more" in found


def test_nan_that_is_as_it_should_be_is_a_note(cell: Cell) -> None:
    summary = measure(cell("nan", allow_nan=True)).record.summary

    assert summary.status == "done"
    assert summary.metrics["flops"] == 2 * 4 * 4
    (note,) = [note for note in summary.notes if note.code == "nan_allowed"]
    assert "2 of the 4 values of output['bad'][1] are NaN, which allow_nan lets pass" in note.text


def test_outputs_that_cannot_be_looked_at_cost_no_measurement(cell: Cell) -> None:
    def tell(what: str, done: int, total: int | None) -> None:
        if what == "outputs":
            sys.modules["swept_models"].TOLD.append(what)

    outcome = measure(cell("last"), tell)

    summary = outcome.record.summary
    assert summary.status == "done"
    assert summary.metrics["steps"] == 2
    (note,) = [note for note in summary.notes if note.code == "outputs_unchecked"]
    assert "could not be looked at: MemoryError" in note.text


class Picky(nn.Module):
    """Returns NaN for one length."""

    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(4, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        out: torch.Tensor = self.fc(x)
        return out * torch.nan if len(x) == 1 else out


def test_outputs_of_every_batch_are_looked_at_whatever_their_shapes() -> None:
    batches = ({"x": torch.ones(3, 4)}, {"x": torch.ones(1, 4)}, {"x": torch.ones(3, 4)}, {"x": torch.zeros(1, 4)})
    workload = Workload(model=Picky(), batches=batches, labels=FrozenMapping())
    layers = lp.profile(workload.model, batches[2], passes=("flops",))
    told: list[tuple[str, int, int | None]] = []

    def tell(what: str, done: int, total: int | None) -> None:
        told.append((what, done, total))

    with pytest.raises(RefusedError, match="4 of the 4 values of output are NaN; try another dtype"):
        notes_on_outputs(workload, layers, allows_nan=False, tell=tell)
    assert told == [("outputs", 0, 4), ("outputs", 1, 4)]


def test_a_model_that_puts_itself_elsewhere_makes_no_row_of_the_cpu(cell: Cell) -> None:
    for name in ("elsewhere", "inputs_elsewhere"):
        kind, text = failure_of(measure(cell(name)))

        assert kind == "wrong_device"
        assert text == (
            f"swept_models:{name} put itself on meta, and a cell that names no device is the CPU's; set `device: meta`"
        )


def test_a_model_that_is_put_on_a_device_need_not_be_there(cell: Cell) -> None:
    assert failure_of(measure(cell("elsewhere", device="cpu")))[0] != "wrong_device"


def test_an_error_of_the_users_callable_has_its_kind(cell: Cell) -> None:
    kind, text = failure_of(measure(cell("broken")))

    assert kind == "unsupported"
    assert text == "calling 'swept_models:broken' failed: NotImplementedError: no such kernel"


def test_a_run_has_the_source_of_its_module_whether_or_not_it_fails(cell: Cell) -> None:
    good, failed = measure(cell("good")).record.summary, measure(cell("failing")).record.summary

    assert good.source == failed.source == source_of("swept_models:good") != ""
    assert good.source == cell("good").planned().source


def test_a_working_directory_that_was_deleted_is_told(cell: Cell, tmp_path: Path) -> None:
    planned = cell("good")
    gone = tmp_path / "gone"
    gone.mkdir()
    os.chdir(gone)  # the fixture goes back
    gone.rmdir()

    assert failure_of(measure(planned)) == (
        "invalid",
        "the working directory was deleted; change to one that exists (cd) and start again",
    )


def test_memory_that_runs_out_is_known_inside_the_error_of_the_measurement(cell: Cell) -> None:
    assert failure_of(measure(cell("hungry")))[0] == "oom_cuda"


def test_a_device_of_another_type_is_not_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAYERPROF_DEVICE_TYPE", "A100")

    assert failure_of(measure(preset_cell(device_type="H200"))) == (
        "wrong_device",
        "a device of type 'H200' was asked for and cpu is 'A100'",
    )


def test_a_model_is_looked_at_where_its_callable_put_it(cell: Cell, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAYERPROF_DEVICE_TYPE", "A100")

    assert failure_of(measure(cell("good", device_type="H200")))[0] == "wrong_device"
    assert measure(cell("good", device_type="a100")).record.summary.status == "done"


def test_threads_are_set_for_the_run_and_restored(cell: Cell) -> None:
    before = torch.get_num_threads()

    outcome = measure(cell("threads", threads=1))

    import swept_models  # type: ignore[import-not-found]  # written by the fixture

    assert outcome.record.summary.status == "done"
    seen: set[int] = swept_models.SEEN
    assert seen == {1}
    assert torch.get_num_threads() == before


def test_the_threads_that_were_in_force_are_told(cell: Cell) -> None:
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(1)
        asked = measure(cell("good", threads=1)).record.conditions
        left = measure(cell("thief")).record.conditions
        after = torch.get_num_threads()
    finally:
        torch.set_num_threads(before)

    assert asked is not None and left is not None
    assert (asked.threads, left.threads) == (1, 2)
    assert after == 1  # what one model sets is not the next one's


def test_threads_that_the_model_sets_itself_are_not_those_asked_for(cell: Cell) -> None:
    outcome = measure(cell("thief", threads=1))

    kind, text = failure_of(outcome)
    assert kind == "unsupported"
    assert text.startswith("1 threads were asked for and the model set 2 threads itself; ask for none")
    assert outcome.profile is not None
    assert outcome.record.conditions is not None
    assert outcome.record.conditions.threads == 2


def test_more_threads_than_cores_are_refused(cell: Cell) -> None:
    kind, text = failure_of(measure(cell("good", threads=usable_cores() + 1)))

    assert kind == "invalid"
    assert f"this process may use {usable_cores()} cores" in text


def test_a_quick_run_warms_up_once_and_measures_six_steps(cell: Cell) -> None:
    model = "swept_models:good"

    outcome = measure(PlannedCell(model=model, settings=settings_of(model, {"quick": True})))

    assert outcome.record.summary.metrics["warmup_steps"] == 1
    assert outcome.record.summary.metrics["steps"] == 6
    assert "no_plateau" not in [note.code for note in outcome.record.summary.notes]


def test_a_traced_run_keeps_a_timeline(cell: Cell) -> None:
    profile = measure(cell("good", trace=True)).profile

    assert profile is not None
    assert profile.timeline is not None
    assert profile["fc"].flops == FLOPS


@pytest.mark.parametrize("asked", ["eager", "sdpa"])
def test_the_attention_asked_for_is_in_force_in_every_part(asked: str) -> None:
    profile = measure(preset_cell(optimization=asked)).profile

    assert profile is not None
    assert {part.attention for part in profile.spec.parts} - {None} == {asked}
    assert profile.spec.labels["optimization"] == asked


def test_an_attention_that_the_model_refuses_is_unsupported() -> None:
    kind, text = failure_of(measure(preset_cell(optimization="flash_attention_2")))

    assert kind == "unsupported"
    assert "flash_attention_2 is refused: ValueError: Blip2ForConditionalGeneration does not support" in text


@pytest.mark.parametrize(
    ("samples", "is_asked", "codes"),
    [
        ((9.0, 5.0, 5.0, 5.0, 5.0, 5.0, 5.0), False, []),
        ((9.0, 8.0, 7.0, 6.0, 5.0, 4.0, 3.0), False, ["no_plateau"]),
        ((9.0,), False, ["no_plateau"]),
        ((9.0,), True, []),
    ],
)
def test_a_warm_up_without_an_end_is_a_note(samples: tuple[float, ...], is_asked: bool, codes: list[str]) -> None:
    notes = notes_on_warmup(lp.Distribution(samples=samples), is_asked=is_asked)

    assert [note.code for note in notes] == codes


def test_a_profile_says_why_its_steps_ended(cell: Cell) -> None:
    asked = measure(cell("good")).profile
    found_out = measure(cell("good", repeats=None)).profile

    assert asked is not None and found_out is not None
    assert asked.spec.labels["stopped_by"] == "as many as asked for"
    assert found_out.spec.labels["stopped_by"] in ("interval within 2%", "200 steps", "time")
    assert stop_rule(found_out) == {"stopped_by": found_out.spec.labels["stopped_by"]}
