"""`sweep`: what is kept when, what is measured again, and what ends it. The cells are measured by a fake."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import pytest
from report_records import profile_of, two_blocks

import layerprof as lp
from layerprof.records import CellFailure, CellRecord, FrozenMapping
from layerprof.store import cell_path
from layerprof.sweeping import Outcome, PlannedCell

TINY = "blip2-tiny"


class FakeExecutor:
    """Measures nothing: a cell's latency is its batch size in seconds.

    Args:
        failing: batch sizes that fail.
        interrupted_at: the batch size at which Ctrl-C comes.
    """

    def __init__(self, *, failing: Iterable[int] = (), interrupted_at: int | None = None) -> None:
        self._failing = set(failing)
        self._interrupted_at = interrupted_at
        self.measured: list[int] = []

    def __call__(self, cell: PlannedCell) -> Outcome:
        size = cell.settings.batch_size
        if size == self._interrupted_at:
            raise KeyboardInterrupt
        self.measured.append(size)
        if size in self._failing:
            failure = CellFailure(kind="exception", text="out of luck")
            return Outcome(record=CellRecord(id=cell.id, axes=cell.axes, status="failed", failure=failure))
        record = CellRecord(
            id=cell.id, axes=cell.axes, status="done", metrics=FrozenMapping({"latency_s": float(size)})
        )
        return Outcome(record=record, profile=profile_of(two_blocks()))


def plan(*sizes: int, model: str = TINY, name: str = "plan") -> lp.Plan:
    return lp.Plan(model=model, axes={"batch_size": sizes}, name=name)


def run(swept: lp.Plan, out: Path, executor: FakeExecutor, *, resume: bool = True) -> lp.SweepRecord:
    return lp.sweep(swept, out, executor=executor, resume=resume, progress=False)


def statuses(record: lp.SweepRecord) -> list[str]:
    return [cell.status for cell in record.cells]


def test_a_sweep_gives_what_loading_its_folder_gives(tmp_path: Path) -> None:
    record = run(plan(1, 2), tmp_path / "new" / "folder", FakeExecutor())

    assert statuses(record) == ["done", "done"]
    assert [cell.metrics["latency_s"] for cell in record.cells] == [1.0, 2.0]
    assert lp.load(tmp_path / "new" / "folder") == record


def test_a_cells_profile_lies_beside_it_and_is_read_on_demand(tmp_path: Path) -> None:
    record = run(plan(1), tmp_path, FakeExecutor())

    (cell,) = record.cells
    assert cell.profile_path == f"cells/{cell.id}.profile.json"
    assert cell.profile == profile_of(two_blocks())


def test_a_failed_cell_is_a_row_and_the_sweep_goes_on(tmp_path: Path) -> None:
    record = run(plan(1, 2, 4), tmp_path, FakeExecutor(failing=[2]))

    assert statuses(record) == ["done", "failed", "done"]
    assert record.cells[1].failure == CellFailure(kind="exception", text="out of luck")


def test_a_skipped_cell_is_a_row_and_is_not_measured(tmp_path: Path) -> None:
    executor = FakeExecutor()

    record = run(lp.plans.batch(sizes=(1, 4), samples=2), tmp_path, executor)

    assert statuses(record) == ["done", "skipped"]
    assert executor.measured == [1]


def test_cells_that_are_done_are_not_measured_again(tmp_path: Path) -> None:
    run(plan(1, 2), tmp_path, FakeExecutor(failing=[2]))
    again = FakeExecutor()

    record = run(plan(1, 2), tmp_path, again)

    assert again.measured == [2]
    assert statuses(record) == ["done", "done"]


def test_without_resume_all_cells_are_measured_again(tmp_path: Path) -> None:
    run(plan(1, 2), tmp_path, FakeExecutor())
    again = FakeExecutor()

    run(plan(1, 2), tmp_path, again, resume=False)

    assert again.measured == [1, 2]


def test_ctrl_c_keeps_the_finished_cells(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        run(plan(1, 2, 4), tmp_path, FakeExecutor(interrupted_at=2))

    kept = lp.load(tmp_path)

    assert isinstance(kept, lp.SweepRecord)
    assert statuses(kept) == ["done", "pending", "pending"]


def test_a_longer_plan_keeps_what_is_there(tmp_path: Path) -> None:
    run(plan(1, 2), tmp_path, FakeExecutor())
    again = FakeExecutor()

    record = run(plan(1, 2, 4), tmp_path, again)

    assert again.measured == [4]
    assert statuses(record) == ["done", "done", "done"]


def test_a_shorter_plan_deletes_nothing(tmp_path: Path) -> None:
    first = run(plan(1, 2), tmp_path, FakeExecutor())

    run(plan(1), tmp_path, FakeExecutor())

    assert cell_path(tmp_path, first.cells[1].id).is_file()


@pytest.mark.parametrize("other", [plan(1, name="other"), plan(1, model="blip2-opt-2.7b")], ids=["name", "model"])
def test_a_folder_with_another_sweep_is_refused_and_left_alone(tmp_path: Path, other: lp.Plan) -> None:
    before = run(plan(1), tmp_path, FakeExecutor())
    executor = FakeExecutor()

    with pytest.raises(lp.InputError, match="holds the sweep 'plan' of blip2-tiny; choose another folder"):
        run(other, tmp_path, executor)

    assert executor.measured == []
    assert lp.load(tmp_path) == before


def test_a_damaged_outcome_is_measured_again(tmp_path: Path) -> None:
    record = run(plan(1), tmp_path, FakeExecutor())
    cell_path(tmp_path, record.cells[0].id).write_text('{"format": "layerpr')
    again = FakeExecutor()

    assert statuses(run(plan(1), tmp_path, again)) == ["done"]
    assert again.measured == [1]


def test_a_damaged_plan_is_named(tmp_path: Path) -> None:
    (tmp_path / "sweep.json").write_text("{}")

    with pytest.raises(lp.RecordError, match=r"sweep\.json"):
        run(plan(1), tmp_path, FakeExecutor())


def test_a_place_that_cannot_be_written_is_found_out_before_any_cell_runs(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    executor = FakeExecutor()

    with pytest.raises(lp.InputError, match="cannot write"):
        run(plan(1), tmp_path / "file" / "out", executor)

    assert executor.measured == []


@pytest.mark.parametrize(
    ("swept", "message"),
    [
        (plan(1, model="blip2-small"), "no model 'blip2-small'"),
        (lp.Plan(model=TINY, axes={"dtype": ("fp32", "int3")}), "no dtype 'int3'"),
        (lp.Plan(model=TINY, axes={"seed": (0,)}, fixed={"device": "abacus"}), "no device 'abacus'"),
    ],
)
def test_what_cannot_be_measured_at_all_is_refused_before_anything_is_written(
    tmp_path: Path, swept: lp.Plan, message: str
) -> None:
    with pytest.raises(lp.InputError, match=message):
        run(swept, tmp_path / "out", FakeExecutor())

    assert not (tmp_path / "out").exists()


def test_an_unknown_executor_is_refused(tmp_path: Path) -> None:
    with pytest.raises(lp.InputError, match="no executor 'threads'; use one of process, inline"):
        lp.sweep(plan(1), tmp_path, executor="threads")


def test_the_executor_of_a_later_version_is_unavailable(tmp_path: Path) -> None:
    with pytest.raises(lp.UnavailableError, match="'ray' comes with a later version"):
        lp.sweep(plan(1), tmp_path, executor="ray")


def test_only_a_plan_is_swept(tmp_path: Path) -> None:
    with pytest.raises(lp.InputError, match=r"a layerprof\.Plan is swept; found str"):
        lp.sweep("batch", tmp_path, progress=False)  # type: ignore[arg-type]  # the mistake under test
