"""`sweep` and `work`: what is kept when, what is measured again, and what ends it. The cells are measured by a fake."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest
from report_records import profile_of, two_blocks

import layerprof as lp
from layerprof.ledger import Layout, Leases, Outcome, Owner
from layerprof.records import CellFailure
from layerprof.sweeping import Job, Terminated, work
from layerprof.testing.sweeping import FakeExecutor, done, failed, slot

TINY = "blip2-tiny"

Script = Callable[[Job], Outcome | None]


def measured_as_their_size(
    *, failing: Iterable[int] = (), interrupted_at: int | None = None, interrupt: Callable[[], None] | None = None
) -> Script:
    """A cell's latency is its batch size in seconds.

    Args:
        failing: batch sizes that fail.
        interrupted_at: the batch size at which `interrupt` is called, Ctrl-C where there is none.
        interrupt: instead of Ctrl-C.
    """

    def script(job: Job) -> Outcome:
        size = job.cell.settings.batch_size
        if size == interrupted_at:
            if interrupt is None:
                raise KeyboardInterrupt
            interrupt()
        if size in failing:
            return failed(job, "exception", "out of luck")
        outcome = done(job, latency_s=float(size))
        return Outcome(record=outcome.record, profile=profile_of(two_blocks()))

    return script


def fake(**script: object) -> FakeExecutor:
    return FakeExecutor(script=measured_as_their_size(**script))  # type: ignore[arg-type]  # as it takes them


def plan(*sizes: int, model: str = TINY, name: str = "plan", rounds: int = 1) -> lp.Plan:
    return lp.Plan(model=model, axes={"batch_size": sizes}, name=name, rounds=rounds)


def run(swept: lp.Plan, out: Path, executor: FakeExecutor, *, resume: bool = True) -> lp.SweepRecord:
    return lp.sweep(swept, out, executor=executor.factory, resume=resume, progress=False)


def sizes(executor: FakeExecutor) -> list[int]:
    return sorted(job.cell.settings.batch_size for job in executor.submitted)


def statuses(record: lp.SweepRecord) -> list[str]:
    return [cell.status for cell in record.cells]


def test_a_sweep_gives_what_loading_its_folder_gives(tmp_path: Path) -> None:
    record = run(plan(1, 2), tmp_path / "new" / "folder", fake())

    assert statuses(record) == ["done", "done"]
    assert [cell.metrics["latency_s"] for cell in record.cells] == [1.0, 2.0]
    assert lp.load(tmp_path / "new" / "folder") == record


def test_a_cells_profile_lies_beside_it_and_is_read_on_demand(tmp_path: Path) -> None:
    record = run(plan(1), tmp_path, fake())

    (cell,) = record.cells
    assert cell.profile_path == f"profiles/{cell.id}.{cell.environment}.0.json"
    assert cell.profile == profile_of(two_blocks())


def test_a_finished_sweep_leaves_no_leases_and_no_work(tmp_path: Path) -> None:
    run(plan(1, 2), tmp_path, fake())

    layout = Layout(tmp_path)
    assert list(layout.leases.iterdir()) == list(layout.work.iterdir()) == []


def test_a_plan_has_three_rounds_unless_it_says_otherwise(tmp_path: Path) -> None:
    executor = fake()

    record = run(lp.Plan(model=TINY, axes={"batch_size": (1, 2)}), tmp_path, executor)

    assert sizes(executor) == [1, 1, 1, 2, 2, 2]
    assert [(cell.runs_done, cell.runs_planned) for cell in record.cells] == [(3, 3), (3, 3)]


def test_a_failed_cell_is_a_row_and_the_sweep_goes_on(tmp_path: Path) -> None:
    record = run(plan(1, 2, 4), tmp_path, fake(failing=[2]))

    assert statuses(record) == ["done", "failed", "done"]
    assert record.cells[1].failure == CellFailure(kind="exception", text="out of luck")


def test_a_skipped_cell_is_a_row_and_is_not_measured(tmp_path: Path) -> None:
    executor = fake()

    record = run(lp.plans.batch(sizes=(1, 4), samples=2), tmp_path, executor)

    assert statuses(record) == ["done", "skipped"]
    assert set(sizes(executor)) == {1}


def test_runs_that_are_done_are_not_measured_again(tmp_path: Path) -> None:
    run(plan(1, 2), tmp_path, fake(failing=[2]))
    again = fake()

    record = run(plan(1, 2), tmp_path, again)

    assert sizes(again) == [2]
    assert statuses(record) == ["done", "done"]


def test_without_resume_all_runs_are_measured_again(tmp_path: Path) -> None:
    run(plan(1, 2), tmp_path, fake())
    again = fake()

    run(plan(1, 2), tmp_path, again, resume=False)

    assert sizes(again) == [1, 2]


def test_ctrl_c_keeps_the_finished_runs_and_gives_the_folder_back(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        run(plan(1, 2, 4), tmp_path, fake(interrupted_at=2))

    kept = lp.load(tmp_path)
    assert isinstance(kept, lp.SweepRecord)
    assert statuses(kept)[1] == "pending"
    assert statuses(run(plan(1, 2, 4), tmp_path, fake())) == ["done"] * 3


def test_sigterm_ends_a_sweep_as_ctrl_c_does(tmp_path: Path) -> None:
    executor = fake(interrupted_at=1, interrupt=lambda: os.kill(os.getpid(), signal.SIGTERM))

    with pytest.raises(Terminated):
        run(plan(1), tmp_path, executor)

    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    assert not list(Layout(tmp_path).leases.glob("*"))


def test_a_longer_plan_keeps_what_is_there(tmp_path: Path) -> None:
    run(plan(1, 2), tmp_path, fake())
    again = fake()

    record = run(plan(1, 2, 4), tmp_path, again)

    assert sizes(again) == [4]
    assert statuses(record) == ["done", "done", "done"]


def test_more_rounds_keep_the_runs_that_are_there(tmp_path: Path) -> None:
    run(plan(1, 2), tmp_path, fake())
    again = fake()

    run(plan(1, 2, rounds=2), tmp_path, again)

    assert [(job.cell.settings.batch_size, job.repeat) for job in again.submitted] in (
        [(1, 1), (2, 1)],
        [(2, 1), (1, 1)],
    )


def test_a_shorter_plan_deletes_nothing(tmp_path: Path) -> None:
    run(plan(1, 2), tmp_path, fake())
    before = sorted(Layout(tmp_path).cells.iterdir())

    run(plan(1), tmp_path, fake())

    assert sorted(Layout(tmp_path).cells.iterdir()) == before


@pytest.mark.parametrize("other", [plan(1, name="other"), plan(1, model="blip2-opt-2.7b")], ids=["name", "model"])
def test_a_folder_with_another_sweep_is_refused_and_left_alone(tmp_path: Path, other: lp.Plan) -> None:
    before = run(plan(1), tmp_path, fake())
    executor = fake()

    with pytest.raises(lp.InputError, match="holds the sweep 'plan' of blip2-tiny; choose another folder"):
        run(other, tmp_path, executor)

    assert executor.submitted == []
    assert lp.load(tmp_path) == before


def test_a_second_sweep_in_the_folder_is_told_to_help(tmp_path: Path) -> None:
    executor = fake()

    with Leases(Layout(tmp_path), Owner.here()) as leases:
        assert leases.claim("sweep")
        with pytest.raises(lp.InputError, match=f"is being swept by process {os.getpid()} on .*layerprof worker"):
            run(plan(1), tmp_path, executor)

    assert executor.submitted == []


def test_a_damaged_result_is_measured_again(tmp_path: Path) -> None:
    run(plan(1), tmp_path, fake())
    (path,) = Layout(tmp_path).cells.iterdir()
    path.write_text('{"format": "layerpr')
    again = fake()

    assert statuses(run(plan(1), tmp_path, again)) == ["done"]
    assert sizes(again) == [1]


def test_a_damaged_plan_is_named(tmp_path: Path) -> None:
    (tmp_path / "sweep.json").write_text("{}")

    with pytest.raises(lp.RecordError, match=r"sweep\.json"):
        run(plan(1), tmp_path, fake())


def test_a_place_that_cannot_be_written_is_found_out_before_any_cell_runs(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    executor = fake()

    with pytest.raises(lp.InputError, match="cannot write"):
        run(plan(1), tmp_path / "file" / "out", executor)

    assert executor.submitted == []


@pytest.mark.parametrize(
    ("swept", "message"),
    [
        (plan(1, model="blip2-small"), "no model 'blip2-small'"),
        (lp.Plan(model=TINY, axes={"dtype": ("fp32",)}, fixed={"device": "abacus"}), "no device 'abacus'"),
    ],
)
def test_what_cannot_be_measured_at_all_is_refused_before_anything_is_written(
    tmp_path: Path, swept: lp.Plan, message: str
) -> None:
    with pytest.raises(lp.InputError, match=message):
        run(swept, tmp_path / "out", fake())

    assert not (tmp_path / "out").exists()


def test_a_plan_whose_only_device_is_missing_is_unavailable(tmp_path: Path) -> None:
    swept = lp.Plan(model=TINY, axes={"device": ("cuda",)})

    with pytest.raises(lp.UnavailableError, match=r"asked for cuda, found cpu \(Xeon\)"):
        run(swept, tmp_path, FakeExecutor([slot(device_type="Xeon")]))


def test_an_unknown_executor_is_refused(tmp_path: Path) -> None:
    with pytest.raises(lp.InputError, match="no executor 'threads'; use one of"):
        lp.sweep(plan(1), tmp_path, executor="threads")


def test_only_a_plan_is_swept(tmp_path: Path) -> None:
    with pytest.raises(lp.InputError, match=r"a layerprof\.Plan is swept; found str"):
        lp.sweep("batch", tmp_path, progress=False)  # type: ignore[arg-type]  # the mistake under test


def test_a_worker_takes_what_is_left(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        run(plan(1, 2, 4), tmp_path, fake(interrupted_at=2))
    helper = fake()

    record = work(tmp_path, executor=helper.factory, progress=False)

    assert 2 in sizes(helper)
    assert statuses(record) == ["done"] * 3


def test_what_a_worker_of_another_environment_measured_counts(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        run(plan(1, 2), tmp_path, fake(interrupted_at=2))
    other = FakeExecutor([slot(torch="2.11.0")], measured_as_their_size())

    record = work(tmp_path, executor=other.factory, progress=False)

    assert statuses(record) == ["done"] * 2
    assert other.places[0].environment.id in record.environments


def test_a_worker_needs_a_sweep(tmp_path: Path) -> None:
    with pytest.raises(lp.InputError, match=r"there is no sweep\.json"):
        work(tmp_path / "gone", progress=False)

    assert not (tmp_path / "gone").exists()


def test_a_sweep_whose_folder_goes_away_ends_with_one_line(tmp_path: Path) -> None:
    def script(job: Job) -> Outcome:
        (tmp_path / "out").rename(tmp_path / "moved")
        return done(job)

    with pytest.raises(lp.InputError, match="was moved or removed while it was swept"):
        run(plan(1, 2), tmp_path / "out", FakeExecutor(script=script))


def test_without_resume_a_failure_is_not_hidden_behind_an_old_result(tmp_path: Path) -> None:
    run(plan(1, 2), tmp_path, fake())

    record = run(plan(1, 2), tmp_path, fake(failing=[1, 2]), resume=False)

    assert statuses(record) == ["failed", "failed"]


def test_a_sweep_begun_anew_and_interrupted_goes_on_with_what_is_new(tmp_path: Path) -> None:
    run(plan(1, 2, 4), tmp_path, fake())
    with pytest.raises(KeyboardInterrupt):
        run(plan(1, 2, 4), tmp_path, fake(interrupted_at=2), resume=False)
    interrupted = lp.load(tmp_path)
    again = fake()

    record = run(plan(1, 2, 4), tmp_path, again)

    assert isinstance(interrupted, lp.SweepRecord)
    assert "pending" in statuses(interrupted)
    assert len(again.submitted) == statuses(interrupted).count("pending")
    assert statuses(record) == ["done"] * 3


def test_a_worker_goes_on_counting_when_the_sweep_is_begun_again(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        run(plan(1, 2, 4), tmp_path, fake(interrupted_at=2))
    far = slot("far/cpu", host="far", device_type="EPYC", torch="2.13.0")
    begun: list[bool] = []

    def interrupted(job: Job) -> Outcome:
        raise KeyboardInterrupt

    def script(job: Job) -> Outcome:
        if not begun:
            begun.append(True)
            with pytest.raises(KeyboardInterrupt):
                run(plan(1, 2, 4), tmp_path, FakeExecutor(script=interrupted))
        return done(job)

    record = work(tmp_path, executor=FakeExecutor([far], script).factory, progress=False)

    assert statuses(record) == ["done"] * 3


def test_a_worker_without_the_devices_says_so(tmp_path: Path) -> None:
    gpu = slot("host/cuda:0", device="cuda:0", device_type="H200")
    with pytest.raises(KeyboardInterrupt):
        lp.sweep(
            lp.Plan(model=TINY, axes={"device": ("cuda",)}, rounds=1),
            tmp_path,
            executor=FakeExecutor([gpu], measured_as_their_size(interrupted_at=1)).factory,
            progress=False,
        )

    with pytest.raises(lp.UnavailableError, match="no cell of the plan has its device here: asked for cuda"):
        work(tmp_path, executor=fake().factory, progress=False)


def test_a_folder_is_found_again_after_a_change_of_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "elsewhere").mkdir()

    def script(job: Job) -> Outcome:
        os.chdir(tmp_path / "elsewhere")
        return Outcome(record=done(job).record, profile=profile_of(two_blocks()))

    record = run(plan(1, 2), Path("out"), FakeExecutor(script=script))

    assert statuses(record) == ["done", "done"]
    assert record.cells[0].profile is not None


def test_a_worker_that_would_measure_nothing_is_refused(tmp_path: Path) -> None:
    with pytest.raises(lp.InputError, match="a worker measures runs, and the executor 'workers' none"):
        work(tmp_path, executor="workers", progress=False)
