"""The sweep's loop: what goes where, in which order, what is tried again and what is kept. Runs take virtual time."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import pytest

import layerprof as lp
from layerprof.ledger import Layout, Leases, Outcome, Owner, Scan, begin, keep, load_sweep, read_plan, read_run
from layerprof.records import SCHEMA, CellFailure, FrozenMapping, Note, RunConditions, RunRecord, SweepRecord
from layerprof.sweeping.base import Job, Limits, Slot
from layerprof.sweeping.engine import Claims, Engine, EngineOptions, is_better, tasks_in_order
from layerprof.testing.sweeping import FakeExecutor, done, failed, slot

CPU = slot("host/cpu", device="cpu", device_type="Xeon")
GPU = slot("host/cuda:0", device="cuda:0", device_type="NVIDIA H200")
OTHER_GPU = slot("far/cuda:0", host="far", device="cuda:0", device_type="NVIDIA A100")

Script = Callable[[Job], Outcome | None]


class Watched:
    """A watcher that remembers."""

    def __init__(self) -> None:
        self.kept: list[str] = []
        self.repeated: list[str] = []

    def ran(self, job: Job, *, phase: str, done: int, total: int | None) -> None: ...

    def ended(self, job: Job, outcome: object) -> None:
        if isinstance(outcome, CellFailure):
            self.repeated.append(outcome.kind)
        else:
            self.kept.append(job.cell.id)

    def passed(self, *, to_do: int) -> None: ...


class Sweep:
    """A plan's sweep in a folder, driven through the engine alone."""

    def __init__(self, folder: Path, plan: lp.Plan) -> None:
        self.layout = Layout(folder)
        self.plan = plan
        self.cells = [cell for cell in plan.cells() if cell.skipped is None]
        self.watched = Watched()
        self.stack = ExitStack()

    def leases(self) -> Leases:
        return self.stack.enter_context(Leases(self.layout, Owner.here()))

    def begin(self, slots: Sequence[Slot], session: str, *, resume: bool = True) -> Scan:
        environments = FrozenMapping({place.environment.id: place.environment.facts for place in slots})
        planned = tuple(cell.planned() for cell in self.plan.cells())
        record = SweepRecord(
            plan=self.plan.record(),
            cells=planned,
            session=session,
            sessions=() if resume else (session,),
            environments=environments,
        )
        return begin(self.layout, record)

    def run(
        self,
        executor: FakeExecutor,
        *,
        leases: Leases | None = None,
        session: str = "now",
        is_leading: bool = True,
        patience_s: float = 0.0,
        resume: bool = True,
    ) -> SweepRecord:
        stored = self.begin(executor.places, session, resume=resume)
        standing = read_plan(self.layout)
        claims = Claims(self.layout, leases or self.leases(), standing=lambda: standing, replaces=is_better)
        options = EngineOptions(
            limits=Limits(timeout_s=60.0),
            work=self.layout.work / "me",
            is_leading=is_leading,
            patience_s=patience_s,
        )
        with executor:
            engine = Engine(executor, claims, self.watched, options=options, clock=executor)
            engine.run(tasks_in_order(self.cells, rounds=self.plan.rounds), stored=stored)
        return load_sweep(self.layout.folder)


Start = Callable[..., Sweep]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Makes a sweep of blip2-tiny in a folder of its own."""
    sweeps = []

    def make(rounds: int = 1, **axes: tuple[object, ...]) -> Sweep:
        plan = lp.Plan(model="blip2-tiny", axes=axes or {"batch_size": (1, 2, 4)}, rounds=rounds)  # type: ignore[arg-type]  # one helper for all axes
        sweeps.append(Sweep(tmp_path / "swept", plan))
        return sweeps[-1]

    yield make
    for made in sweeps:
        made.stack.close()


def sizes(executor: FakeExecutor) -> list[object]:
    return [job.cell.settings.batch_size for job in executor.submitted]


def statuses(record: SweepRecord) -> list[str]:
    return [cell.status for cell in record.cells]


def kinds(record: SweepRecord) -> list[str | None]:
    return [None if cell.failure is None else cell.failure.kind for cell in record.cells]


def noted(job: Job, code: str, *, others_share: float) -> Outcome:
    outcome = done(job)
    note = Note(code=code, quantity="latency_s", scope="step", text="somebody else was there")
    record = replace(
        outcome.record,
        summary=replace(outcome.record.summary, notes=(note,)),
        conditions=RunConditions(isolation="forked", others_share=others_share),
    )
    return replace(outcome, record=record)


def test_every_cell_is_run_once_a_round_and_rounds_follow_each_other(start: Start) -> None:
    executor = FakeExecutor([CPU])

    record = start(rounds=3).run(executor)

    order = sizes(executor)
    assert [sorted(map(int, map(str, order[at : at + 3]))) for at in (0, 3, 6)] == [[1, 2, 4]] * 3
    assert [job.repeat for job in executor.submitted] == [0, 0, 0, 1, 1, 1, 2, 2, 2]
    assert statuses(record) == ["done"] * 3
    assert [cell.runs_done for cell in record.cells] == [3, 3, 3]


def test_rounds_have_different_orders_and_the_same_ones_each_time() -> None:
    cells = lp.Plan(model="blip2-tiny", axes={"batch_size": tuple(range(1, 21))}).cells()

    def orders() -> list[list[str]]:
        names = [task.cell.id for task in tasks_in_order(cells, rounds=2)]
        return [names[:20], names[20:]]

    first, second = orders()
    assert first != second
    assert orders() == [first, second]
    assert [task.cell.id for task in tasks_in_order(cells[::-1], rounds=1)] == first


def test_a_free_slot_gets_the_first_run_that_fits_it(start: Start) -> None:
    executor = FakeExecutor([CPU, GPU])

    record = start(device=("cpu", "cuda")).run(executor)

    assert {(job.cell.settings.device, job.slot.name) for job in executor.submitted} == {
        ("cpu", CPU.name),
        ("cuda", GPU.name),
    }
    assert statuses(record) == ["done", "done"]


def test_a_cell_that_names_a_type_goes_only_there(start: Start) -> None:
    executor = FakeExecutor([GPU, OTHER_GPU])

    start(device=("cuda",), device_type=("a100", "H200"), seed=(0, 1, 2)).run(executor)

    places = {(job.cell.settings.device_type, job.slot.device_type) for job in executor.submitted}
    assert places == {("a100", "NVIDIA A100"), ("H200", "NVIDIA H200")}
    assert len(executor.submitted) == 6


def test_runs_on_two_slots_overlap(start: Start) -> None:
    executor = FakeExecutor([GPU, OTHER_GPU], run_s=10.0)

    start(device=("cuda",), seed=(0, 1, 2, 3)).run(executor)

    assert executor.now_s == pytest.approx(20.0)


def test_runs_on_one_host_do_not_overlap(start: Start) -> None:
    executor = FakeExecutor([CPU, GPU], run_s=10.0)

    record = start(device=("cpu", "cuda")).run(executor)

    assert executor.now_s == pytest.approx(20.0)
    assert statuses(record) == ["done", "done"]


def test_the_runs_of_a_cell_rather_stay_in_one_environment(start: Start) -> None:
    executor = FakeExecutor([GPU, OTHER_GPU])

    record = start(rounds=3, device=("cuda",), seed=(0, 1)).run(executor)

    assert all(cell.environment for cell in record.cells)


def test_a_type_that_does_not_exist_is_a_failed_row_with_what_there_is(start: Start) -> None:
    executor = FakeExecutor([GPU])

    record = start(device=("cuda",), device_type=("H200", "B300")).run(executor)

    assert kinds(record) == [None, "unavailable"]
    assert record.cells[1].failure is not None
    assert "no device cuda of type 'B300', only cuda:0 (NVIDIA H200)" in record.cells[1].failure.text


def test_a_failure_for_want_of_a_device_says_why_others_are_not_used(start: Start) -> None:
    class Explaining(FakeExecutor):
        problems = ("gpu7: it has layerprof 0.2",)

    record = start(device=("cpu", "cuda")).run(Explaining([CPU]))

    assert record.cells[1].failure is not None
    assert "not used: gpu7: it has layerprof 0.2;" in record.cells[1].failure.text


def test_a_slot_that_may_still_come_is_waited_for(start: Start) -> None:
    executor = FakeExecutor([GPU])
    wait = executor.wait

    def wait_and_join(timeout_s: float) -> object:
        if executor.now_s > 30.0:
            executor.places = (GPU, OTHER_GPU)
        return wait(timeout_s)

    executor.wait = wait_and_join  # type: ignore[method-assign, assignment]  # a node joins after half a minute

    record = start(device=("cuda",), device_type=("A100",)).run(executor, patience_s=60.0)

    assert statuses(record) == ["done"]


def test_a_failed_cell_is_not_run_in_later_rounds(start: Start) -> None:
    def script(job: Job) -> Outcome:
        return failed(job, "oom_cuda") if job.cell.settings.batch_size == 2 else done(job)

    executor = FakeExecutor([CPU], script)

    record = start(rounds=3).run(executor)

    assert sizes(executor).count(2) == 1
    assert statuses(record) == ["done", "failed", "done"]


@pytest.mark.parametrize(("kind", "attempts"), [("exception", 1), ("segv", 2), ("hang", 2), ("worker_lost", 4)])
def test_what_may_not_come_back_is_tried_again_so_often(start: Start, kind: str, attempts: int) -> None:
    sweep = start(batch_size=(1,))
    executor = FakeExecutor([CPU], lambda job: failed(job, kind))

    record = sweep.run(executor)

    assert len(executor.submitted) == attempts
    assert [job.attempt for job in executor.submitted] == list(range(attempts))
    assert kinds(record) == [kind]


def test_a_second_attempt_that_goes_well_is_the_result(start: Start) -> None:
    executor = FakeExecutor([CPU], lambda job: done(job) if job.attempt else failed(job, "crash"))

    assert statuses(start(batch_size=(1,)).run(executor)) == ["done"]


def test_a_disturbed_run_is_measured_once_more_after_the_others(start: Start) -> None:
    sweep = start(batch_size=(1, 2))

    def script(job: Job) -> Outcome:
        is_disturbed = job.cell.settings.batch_size == first and job.attempt == 0
        return noted(job, "contended", others_share=0.5) if is_disturbed else done(job)

    first = next(tasks_in_order(sweep.cells, rounds=1)).cell.settings.batch_size
    executor = FakeExecutor([CPU], script)

    record = sweep.run(executor)

    assert sizes(executor) == [first, 3 - first, first]
    assert [note.code for cell in record.cells for note in cell.notes if note.code == "contended"] == []
    assert sweep.watched.repeated == ["contended"]


def test_a_disturbed_run_is_kept_before_it_is_measured_again(start: Start) -> None:
    def script(job: Job) -> Outcome:
        if job.attempt:
            raise KeyboardInterrupt
        return noted(job, "contended", others_share=0.5)

    sweep = start()

    with pytest.raises(KeyboardInterrupt):
        sweep.run(FakeExecutor([CPU], script))

    assert statuses(load_sweep(sweep.layout.folder)) == ["done"] * 3


def test_a_better_second_attempt_takes_the_place_of_the_first(start: Start) -> None:
    def script(job: Job) -> Outcome:
        return done(job, latency_s=2.0) if job.attempt else noted(job, "contended", others_share=0.5)

    record = start(batch_size=(1,)).run(FakeExecutor([CPU], script))

    assert record.cells[0].metrics["latency_s"] == 2.0


def test_a_busy_hour_is_not_held_against_the_rest_of_the_night(start: Start) -> None:
    busy = {0, 1, 2, 3, 4, 5}  # runs by their order; then a clean one, then one that is disturbed once

    def script(job: Job) -> Outcome:
        number = len(executor.submitted) - 1
        is_disturbed = number in busy or number == 7
        return noted(job, "contended", others_share=0.5) if is_disturbed else done(job)

    executor = FakeExecutor([CPU], script, run_s=10.0)

    start(rounds=4, batch_size=(1, 2)).run(executor)

    repeated = [(job.cell.id, job.repeat) for job in executor.submitted if job.attempt]
    assert len(repeated) == 2 + 1  # two in vain, and the one after the busy hour


def test_a_disturbed_run_is_measured_again_before_the_next_round(start: Start) -> None:
    sweep = start(rounds=2, batch_size=(1, 2))
    disturbed = next(tasks_in_order(sweep.cells, rounds=1)).name

    def script(job: Job) -> Outcome:
        is_disturbed = f"{job.cell.id}.{job.repeat}" == disturbed and job.attempt == 0
        return noted(job, "contended", others_share=0.5) if is_disturbed else done(job)

    executor = FakeExecutor([CPU], script, run_s=10.0)

    sweep.run(executor)

    assert [job.repeat for job in executor.submitted] == [0, 0, 0, 1, 1]


def test_a_machine_that_is_always_busy_has_not_everything_measured_twice(start: Start) -> None:
    executor = FakeExecutor([CPU], lambda job: noted(job, "contended", others_share=0.5), run_s=10.0)

    record = start(rounds=3).run(executor)

    assert len(executor.submitted) == 9 + 2
    assert {note.code for cell in record.cells for note in cell.notes} >= {"contended"}


def test_of_two_disturbed_runs_the_less_disturbed_is_kept_and_marked(start: Start) -> None:
    shares = (0.2, 0.7)
    executor = FakeExecutor([CPU], lambda job: noted(job, "contended", others_share=shares[job.attempt]))

    sweep = start(batch_size=(1,))
    record = sweep.run(executor)

    assert len(executor.submitted) == 2
    assert statuses(record) == ["done"]
    assert "contended" in [note.code for note in record.cells[0].notes]
    (path,) = sweep.layout.cells.iterdir()
    kept = read_run(path)
    assert kept.conditions is not None
    assert kept.conditions.others_share == 0.2
    assert kept.discarded == ()  # it was the first attempt


def test_a_wrong_device_is_tried_on_another_slot(start: Start) -> None:
    twin = slot("twin/cuda:0", host="twin", device="cuda:0", device_type="NVIDIA H200")

    def script(job: Job) -> Outcome:
        return failed(job, "wrong_device") if job.slot.name == GPU.name else done(job)

    executor = FakeExecutor([GPU, twin], script)

    record = start(device=("cuda",), device_type=("H200",)).run(executor)

    assert [job.slot.name for job in executor.submitted] == [GPU.name, twin.name]
    assert statuses(record) == ["done"]


def test_a_wrong_device_whose_other_slot_goes_away_is_given_up(start: Start) -> None:
    twin = slot("twin/cuda:0", host="twin", device="cuda:0", device_type="NVIDIA H200")

    def script(job: Job) -> Outcome:
        executor.places = (GPU,)
        return failed(job, "wrong_device", "not what was asked for")

    executor = FakeExecutor([GPU, twin], script)

    record = start(device=("cuda",), device_type=("H200",)).run(executor)

    assert kinds(record) == ["wrong_device"]


def test_a_stored_run_is_not_measured_again(start: Start) -> None:
    sweep = start()
    sweep.run(FakeExecutor([CPU]), session="first")
    again = FakeExecutor([CPU])

    record = sweep.run(again, session="second")

    assert again.submitted == []
    assert statuses(record) == ["done"] * 3


def test_another_environment_measures_anew_and_overwrites_nothing(start: Start) -> None:
    old, new = slot(torch="2.12.0"), slot(torch="2.13.0")
    sweep = start(batch_size=(1,))
    sweep.run(FakeExecutor([old]), session="first")
    again = FakeExecutor([new])

    record = sweep.run(again, session="second")

    assert len(again.submitted) == 1
    assert record.cells[0].environment == new.environment.id
    assert len(list(sweep.layout.cells.iterdir())) == 2


def test_without_resume_all_is_measured_anew(start: Start) -> None:
    sweep = start()
    sweep.run(FakeExecutor([CPU], lambda job: done(job, latency_s=1.0)), session="first")
    again = FakeExecutor([CPU], lambda job: done(job, latency_s=2.0))

    record = sweep.run(again, session="second", resume=False)

    assert len(again.submitted) == 3
    assert [cell.metrics["latency_s"] for cell in record.cells] == [2.0] * 3


def test_a_failure_is_tried_again_by_the_next_start_and_not_by_this_one(start: Start) -> None:
    sweep = start(batch_size=(1,))
    sweep.run(FakeExecutor([CPU], failed), session="first")
    same, after = FakeExecutor([CPU]), FakeExecutor([CPU])

    sweep.run(same, session="first", is_leading=False)
    record = sweep.run(after, session="second")

    assert (len(same.submitted), len(after.submitted)) == (0, 1)
    assert statuses(record) == ["done"]


def test_a_helper_takes_nothing_that_another_is_on_and_ends(start: Start) -> None:
    sweep = start()
    theirs = sweep.leases()
    taken = next(tasks_in_order(sweep.cells, rounds=1))
    assert theirs.claim(taken.name)
    executor = FakeExecutor([CPU])

    record = sweep.run(executor, is_leading=False)

    assert len(executor.submitted) == 2
    assert statuses(record).count("pending") == 1


def test_the_leader_waits_for_what_another_is_on_and_does_not_measure_it(start: Start) -> None:
    sweep = start()
    theirs = sweep.leases()
    taken = next(tasks_in_order(sweep.cells, rounds=1))
    assert theirs.claim(taken.name)
    executor = FakeExecutor([CPU])
    wait = executor.wait

    def wait_while_the_other_ends(timeout_s: float) -> object:
        if executor.now_s > 10.0 and theirs.holder(taken.name) is not None:
            job = Job(
                cell=taken.cell, repeat=0, attempt=0, slot=CPU, limits=Limits(), folder=str(sweep.layout.work / "x")
            )
            standing = read_plan(sweep.layout)
            Claims(sweep.layout, theirs, standing=lambda: standing).keep(taken, done(job))
        return wait(timeout_s)

    executor.wait = wait_while_the_other_ends  # type: ignore[method-assign, assignment]  # another worker, in virtual time

    record = sweep.run(executor)

    assert len(executor.submitted) == 2
    assert statuses(record) == ["done"] * 3


def test_a_leader_without_slots_ends_when_others_have_measured_all(start: Start) -> None:
    sweep = start()
    theirs = sweep.leases()
    executor = FakeExecutor([])
    wait = executor.wait

    def wait_while_another_measures(timeout_s: float) -> object:
        for task in tasks_in_order(sweep.cells, rounds=1):
            if executor.now_s > 20.0 and theirs.claim(task.name):
                job = Job(cell=task.cell, repeat=0, attempt=0, slot=CPU, limits=Limits(), folder="")
                standing = replace(read_plan(sweep.layout), session="now")
                Claims(sweep.layout, theirs, standing=lambda standing=standing: standing).keep(task, done(job))  # type: ignore[misc]  # bound now
        return wait(timeout_s)

    executor.wait = wait_while_another_measures  # type: ignore[method-assign, assignment]  # in virtual time

    record = sweep.run(executor, patience_s=float("inf"))

    assert statuses(record) == ["done"] * 3
    assert executor.now_s < 60.0


def test_an_interrupt_leaves_what_is_kept_and_gives_back_the_rest(start: Start) -> None:
    def script(job: Job) -> Outcome:
        if len(executor.submitted) == 2:
            raise KeyboardInterrupt
        return done(job)

    executor = FakeExecutor([CPU], script)
    sweep = start()
    leases = sweep.leases()

    with pytest.raises(KeyboardInterrupt):
        sweep.run(executor, leases=leases)

    assert sorted(statuses(load_sweep(sweep.layout.folder))) == ["done", "pending", "pending"]
    assert all(leases.claim(task.name) for task in tasks_in_order(sweep.cells, rounds=1))
    assert len(executor.was_stopped) == 1


def test_a_full_disk_holds_results_until_there_is_space(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    left = [3]

    def keep_when_there_is_space(layout: Layout, outcome: Outcome, **named: object) -> RunRecord:
        if left[0]:
            left[0] -= 1
            raise lp.UnavailableError("no space left")
        return keep(layout, outcome, **named)  # type: ignore[arg-type]  # passed on as they came

    monkeypatch.setattr("layerprof.sweeping.engine.claims.keep", keep_when_there_is_space)

    record = start().run(FakeExecutor([CPU]))

    assert statuses(record) == ["done"] * 3


def test_a_disk_that_stays_full_is_an_error_at_the_end(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(layout: Layout, outcome: Outcome, **named: object) -> RunRecord:
        raise lp.UnavailableError("no space left")

    monkeypatch.setattr("layerprof.sweeping.engine.claims.keep", refuse)

    with pytest.raises(lp.UnavailableError, match="3 results found no space"):
        start().run(FakeExecutor([CPU]))


def test_a_damaged_result_is_set_aside_and_measured_again(start: Start) -> None:
    sweep = start(batch_size=(1,))
    sweep.run(FakeExecutor([CPU]), session="first")
    (path,) = sweep.layout.cells.iterdir()
    path.write_text('{"format": "layerpr')
    again = FakeExecutor([CPU])

    record = sweep.run(again, session="second")

    assert len(again.submitted) == 1
    assert statuses(record) == ["done"]
    assert len(list(sweep.layout.set_aside.iterdir())) == 1


def test_a_run_that_has_no_device_here_is_another_workers_to_take(start: Start) -> None:
    sweep = start(device=("cpu", "cuda"))
    sweep.run(FakeExecutor([CPU]), session="now")
    helper = FakeExecutor([GPU])

    record = sweep.run(helper, session="now", is_leading=False)

    assert [job.slot.name for job in helper.submitted] == [GPU.name]
    assert statuses(record)[1] == "done"


def test_a_helper_says_nothing_of_runs_that_do_not_fit_it(start: Start) -> None:
    record = start(device=("cpu", "cuda")).run(FakeExecutor([CPU]), is_leading=False)

    assert statuses(record) == ["done", "pending"]


@pytest.mark.parametrize(("code", "least_s"), [("contended", 5.0), ("throttled", 30.0)])
def test_a_disturbed_run_waits_before_it_is_measured_again(start: Start, code: str, least_s: float) -> None:
    executor = FakeExecutor([CPU], lambda job: done(job) if job.attempt else noted(job, code, others_share=0.5))

    start(batch_size=(1,)).run(executor)

    assert len(executor.submitted) == 2
    assert executor.now_s >= 1.0 + least_s + 1.0


def test_a_run_that_workers_die_on_is_given_up(start: Start) -> None:
    class Unlucky(Leases):
        def times_lost(self, name: str) -> int:
            return 5

    sweep, executor = start(batch_size=(1,)), FakeExecutor([CPU])
    leases = sweep.stack.enter_context(Unlucky(sweep.layout, Owner.here()))

    record = sweep.run(executor, leases=leases)

    assert executor.submitted == []
    assert kinds(record) == ["worker_lost"]


def test_what_a_run_took_beside_its_own_spans_is_the_engines(start: Start) -> None:
    sweep = start(batch_size=(1,))

    def script(job: Job) -> Outcome:
        outcome = done(job)
        return replace(outcome, record=replace(outcome.record, spans_s=FrozenMapping({"build": 3.0, "measure": 6.5})))

    sweep.run(FakeExecutor([CPU], script, run_s=10.0))

    (path,) = sweep.layout.cells.iterdir()
    assert read_run(path).spans_s["engine"] == pytest.approx(0.5)


def test_a_result_of_a_newer_layerprof_is_neither_read_nor_moved(start: Start) -> None:
    sweep = start(batch_size=(1,))
    sweep.run(FakeExecutor([CPU]), session="first")
    (path,) = sweep.layout.cells.iterdir()
    path.write_text(path.read_text().replace(f'"schema":{SCHEMA}', f'"schema":{SCHEMA + 1}'))
    standing = read_plan(sweep.layout)
    claims = Claims(sweep.layout, sweep.leases(), standing=lambda: standing)
    (task,) = tasks_in_order(sweep.cells, rounds=1)

    with pytest.raises(lp.RecordError, match="newer than this layerprof"):
        claims.take(task)

    assert path.is_file()
