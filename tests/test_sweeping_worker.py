"""One cell measured: on a model of one's own, on BLIP-2 with sample data, and in a process of its own."""

from __future__ import annotations

import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import get_args

import pytest

import layerprof as lp
from layerprof.energy import UnavailableCode
from layerprof.records import AxisValue
from layerprof.sweeping import Outcome, PlannedCell
from layerprof.sweeping.base import read_outcome, settings_of, write_outcome
from layerprof.sweeping.base.workload import load_workload
from layerprof.sweeping.process import crash_of, run_in_process
from layerprof.sweeping.worker import measure, notes_on_latency

TINY = "blip2-tiny"
QUICK: dict[str, AxisValue] = {"warmup": 1, "repeats": 2}
FLOPS = 2 * 3 * 4 * 4  # 3 rows through 4 by 4

MODULE = """
    import os
    import signal

    import torch
    from torch import nn


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


    def exiting():
        return Net(lambda: os._exit(7)), torch.ones(3, 4)


    def killed():
        return Net(lambda: os.kill(os.getpid(), signal.SIGKILL)), torch.ones(3, 4)


    def alone():
        return Net()
"""

Cell = Callable[..., PlannedCell]


@pytest.fixture
def cell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Cell:
    """Makes a cell of a callable in a module of the working directory."""
    (tmp_path / "swept_models.py").write_text(textwrap.dedent(MODULE))
    monkeypatch.chdir(tmp_path)

    def make(name: str, **settings: AxisValue) -> PlannedCell:
        model = f"swept_models:{name}"
        return PlannedCell(model=model, settings=settings_of(model, {**QUICK, **settings}))

    return make


def preset_cell(**settings: AxisValue) -> PlannedCell:
    return PlannedCell(model=TINY, settings=settings_of(TINY, {**QUICK, **settings}))


def failure_of(outcome: Outcome) -> tuple[str, str]:
    assert outcome.record.status == "failed"
    assert outcome.record.failure is not None
    return outcome.record.failure.kind, outcome.record.failure.text


def test_a_model_of_ones_own_brings_its_metrics_and_its_layers(cell: Cell) -> None:
    outcome = measure(cell("good"))

    assert outcome.record.status == "done"
    assert outcome.record.metrics["flops"] == FLOPS
    assert outcome.record.metrics["steps"] == 2
    assert outcome.profile is not None
    assert outcome.profile["fc"].flops == FLOPS


def test_samples_are_not_made_up_for_a_model_of_ones_own(cell: Cell) -> None:
    metrics = measure(cell("good")).record.metrics

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

    metrics = measure(planned).record.metrics

    workload = load_workload(TINY, planned.settings)
    counts = [lp.count_flops(workload.model, batch).total for batch in workload.batches]
    assert len(set(counts)) > 1  # the questions differ in length, else this shows nothing
    assert metrics["batches"] == 3
    assert metrics["steps"] == 3
    assert metrics["flops"] == sum(counts) / 3
    assert metrics["flops_per_sample"] == sum(counts) / 6
    assert metrics["latency_per_sample_s"] == pytest.approx((metrics["latency_s"] or 0) / 2)


def test_layers_and_memory_of_a_preset_are_of_the_longest_batch() -> None:
    planned = preset_cell(batch_size=1, samples=4)

    outcome = measure(planned)

    workload = load_workload(TINY, planned.settings)
    lengths = [batch["input_ids"].shape[1] for batch in workload.batches if isinstance(batch, dict)]
    assert outcome.profile is not None
    assert dict(outcome.profile.spec.inputs)["input_ids"] == f"int64[1, {max(lengths)}]"
    assert "batches_differ" in [note.code for note in outcome.record.notes]


def test_a_cell_says_what_is_missing_or_left_out() -> None:
    outcome = measure(preset_cell(batch_size=2, samples=3, text_tokens=9))

    *others, left_out = outcome.record.notes
    assert (left_out.code, left_out.quantity) == ("samples_left_out", "samples")
    if outcome.record.metrics["energy_j_per_sample"] is None:  # on a machine without a counter
        assert [note.quantity for note in others] == ["energy"]
        assert others[0].code in get_args(UnavailableCode)


@pytest.mark.parametrize(("slowest_s", "codes"), [(1.1, []), (1.5, ["unsteady"])])
def test_a_wide_interval_is_a_note(slowest_s: float, codes: list[str]) -> None:
    latency_s = lp.Distribution(samples=(1.0, 1.0, 1.0, slowest_s, slowest_s, slowest_s))

    assert [note.code for note in notes_on_latency(latency_s)] == codes


def test_a_cells_profile_says_what_it_was_run_on() -> None:
    profile = measure(preset_cell(batch_size=2, text_tokens=9)).profile

    assert profile is not None
    labels = profile.spec.labels
    assert (labels["task"], labels["batch_size"], labels["text_tokens"]) == ("sample", "2", "9")
    assert labels["samples"].count("easy-vqa/test/") == 2


def test_an_outcome_passes_to_another_process_whole(cell: Cell, tmp_path: Path) -> None:
    outcome = measure(cell("good"))

    write_outcome(outcome, tmp_path)

    assert read_outcome(tmp_path) == outcome


def test_a_folder_without_an_outcome_has_none(tmp_path: Path) -> None:
    assert read_outcome(tmp_path) is None


@pytest.mark.parametrize(
    ("returncode", "errors", "expected"),
    [
        (-9, "", "the cell's process ended by signal 9 (SIGKILL, as when memory runs out): it said nothing"),
        (-11, "a\nb\n\n", "the cell's process ended by signal 11 (SIGSEGV): b"),
        (3, "why", "the cell's process ended with exit status 3 and no result: why"),
    ],
)
def test_a_crash_tells_how_the_process_ended(returncode: int, errors: str, expected: str) -> None:
    assert failure_of(crash_of(preset_cell(), returncode, errors)) == ("crash", expected)


@pytest.mark.slow
def test_a_cell_in_a_process_of_its_own_counts_the_same(cell: Cell) -> None:
    outcome = run_in_process(cell("good"))

    assert outcome.record.status == "done"
    assert outcome.record.metrics["flops"] == FLOPS
    assert outcome.profile is not None


@pytest.mark.slow
@pytest.mark.parametrize(("name", "ending"), [("exiting", "exit status 7"), ("killed", "signal 9")])
def test_a_process_that_dies_is_a_crashed_cell(cell: Cell, name: str, ending: str) -> None:
    kind, text = failure_of(run_in_process(cell(name)))

    assert kind == "crash"
    assert ending in text


@pytest.mark.slow
def test_an_exception_in_a_process_is_a_failed_cell(cell: Cell) -> None:
    assert failure_of(run_in_process(cell("failing")))[0] == "exception"


@pytest.mark.slow
def test_a_file_named_like_a_standard_module_does_not_break_a_cell(cell: Cell, tmp_path: Path) -> None:
    planned = cell("good")
    (tmp_path / "random.py").write_text("raise RuntimeError('not the real one')")

    assert run_in_process(planned).record.status == "done"
