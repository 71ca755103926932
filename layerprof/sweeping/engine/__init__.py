"""The loop that measures a sweep: which run goes to which slot, what is tried again, what is kept.

    while there is something to do
        every free slot ─ the first run in order that fits it and is nobody else's ─▶ submit
        wait ─▶ signs of life are told, ends are judged: kept, or tried again

All executors are driven by this one loop, and so behave alike. It holds nothing that a kill could lose: a run is in the
folder, or it will be measured again.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from layerprof.clock import Clock, SystemClock
from layerprof.errors import UnavailableError
from layerprof.ledger import Outcome, Scan
from layerprof.records import CellFailure, RunSummary
from layerprof.sweeping.base import Beat, Event, Executor, Explains, Job, Limits, Slot
from layerprof.sweeping.engine.base import Course, Task, Watcher
from layerprof.sweeping.engine.claims import Claims
from layerprof.sweeping.engine.ends import NOWHERE, completed, device_asked, failed, no_device, too_often_lost
from layerprof.sweeping.engine.policy import COOLDOWN_S, disturbance_of, is_better, reason_to_repeat
from layerprof.sweeping.engine.schedule import Misfits, fits, tasks_in_order
from layerprof.sweeping.engine.standing import Standing, facts_of

__all__ = [
    "Claims",
    "Engine",
    "EngineOptions",
    "Standing",
    "Task",
    "Watcher",
    "device_asked",
    "facts_of",
    "fits",
    "is_better",
    "tasks_in_order",
]

_WAKE_S = 1.0  # between two looks at what other workers do, and two drawings of the time that went by
_NS_PER_S = 1e9
_MOST_VAIN = 2  # in a row; a machine that is always busy does not have everything measured twice
_LOOK_S = 10.0  # between two looks at all that is stored; for 10,000 cells one takes 0.2 s
_FULL_S = 600.0  # that a disk may be full before the sweep gives up
_MOST_LOST = 5  # workers that may die on a run before it is held to be the cause


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineOptions:
    """How the loop behaves.

    Attributes:
        limits: of every run.
        work: folder in which runs leave their results until they are kept.
        is_leading: a leading engine waits for what other workers have claimed, and tells of runs that fit no slot; a
            helping one ends where there is nothing left to take.
        patience_s: how long to wait for a slot that fits, where slots may still come.
        repeats_disturbed: whether contended and throttled runs are measured again.
        is_exclusive: whether a host measures one run at a time, whatever slots it has: runs share cores, bus and power.
    """

    limits: Limits
    work: Path
    is_leading: bool = True
    patience_s: float = 0.0
    repeats_disturbed: bool = True
    is_exclusive: bool = True


class Engine:
    """Measures the runs of a sweep until there is nothing left that this worker could do.

    Args:
        executor: where runs are measured, entered.
        claims: on the folder.
        watcher: is told.
        options: how.
        clock: where time comes from.
    """

    def __init__(
        self,
        executor: Executor,
        claims: Claims,
        watcher: Watcher,
        *,
        options: EngineOptions,
        clock: Clock | None = None,
    ) -> None:
        self._executor = executor
        self._claims = claims
        self._watcher = watcher
        self._options = options
        self._clock = clock or SystemClock()
        self._queue: dict[str, Task] = {}
        self._courses: dict[str, Course] = {}
        self._running: dict[str, tuple[Task, Job]] = {}
        self._environments: dict[str, set[str]] = {}  # by cell, where runs of it were measured
        self._failed: set[str] = set()  # cells with a run that failed for good
        self._misfits = Misfits((), patience_s=options.patience_s)
        self._looked_at_s = self._now_s()
        self._full_since_s: float | None = None
        self._vain = 0
        self._kept = 0

    def run(self, tasks: Iterable[Task], *, stored: Scan) -> int:
        """Measures the runs that have no result yet.

        Args:
            tasks: all runs, in the order in which they are to be measured.
            stored: what the folder holds at the start.

        Returns:
            How many were kept.

        Raises:
            UnavailableError: when results could not be stored for want of space.
            InputError: when the folder cannot be written.
            KeyboardInterrupt: on Ctrl-C; runs that were not finished are left to others.
        """
        self._queue = {task.name: task for task in tasks}
        self._misfits = Misfits(self._queue.values(), patience_s=self._options.patience_s)
        self._note_results(self._claims.counting(stored))
        try:
            while self._queue:
                self._fill_slots()
                self._look_around()
                if not self._running and not self._waits():
                    break
                for event in self._executor.wait(_WAKE_S):
                    self._take_in(event)
                self._watcher.passed(to_do=len(self._queue))
        finally:
            for course_name, course in self._courses.items():
                if course.is_mine and course_name in self._queue:
                    self._claims.give_back(self._queue[course_name])
            self._claims.finish()
        return self._kept

    def _now_s(self) -> float:
        return self._clock.now_ns() / _NS_PER_S

    def _fill_slots(self) -> None:
        slots = self._executor.slots()
        try:
            for slot in slots:
                if not self._is_busy(slot):
                    self._give_work(slot)
            self._give_up_misfits(slots)
            self._full_since_s = None
        except UnavailableError:  # no space for a lease; what waits for some is tried again
            self._claims.store_waiting()
            now_s = self._now_s()
            self._full_since_s = now_s if self._full_since_s is None else self._full_since_s
            if now_s - self._full_since_s > _FULL_S:
                raise

    def _give_work(self, slot: Slot) -> None:
        task = self._next_for(slot)
        if task is not None:
            self._submit(task, slot)

    def _is_busy(self, slot: Slot) -> bool:
        busy = [job.slot for _, job in self._running.values()]
        return any(
            other.name == slot.name or (self._options.is_exclusive and other.host == slot.host) for other in busy
        )

    def _next_for(self, slot: Slot) -> Task | None:
        """The first run in order for the slot; rather one of a cell that was not begun in another environment."""
        elsewhere = []
        for task in tuple(self._queue.values()):
            if not self._could_go(task, slot):
                continue
            if self._is_begun_elsewhere(task, slot):
                elsewhere.append(task)
            elif self._is_taken(task):
                return task
        return next((task for task in elsewhere if self._is_taken(task)), None)

    def _could_go(self, task: Task, slot: Slot) -> bool:
        course = self._courses.get(task.name)
        if course is None:
            return fits(task.cell, slot)
        is_ready = not course.is_running and course.ready_at_s <= self._now_s() and slot.name not in course.avoided
        return is_ready and fits(task.cell, slot)

    def _is_begun_elsewhere(self, task: Task, slot: Slot) -> bool:
        known = self._environments.get(task.cell.id)
        return known is not None and slot.environment.id not in known

    def _is_taken(self, task: Task) -> bool:
        """Whether the run is now this worker's; one that turns out to be done or in vain leaves the queue."""
        if task.cell.id in self._failed:
            self._drop(task)
            return False
        course = self._courses.setdefault(task.name, Course())
        if course.best is not None and not self._is_patient(task):
            self._settle(task, course.best.summary)
            return False
        if course.is_mine:
            return True
        holding = self._claims.take(task)
        if isinstance(holding, RunSummary):
            self._note_result(task, holding)
            return False
        course.is_mine = holding == "mine"
        return course.is_mine

    def _look_around(self) -> None:
        """Sees what other workers have brought, where nothing here can: their runs may fit none of the slots."""
        if not self._options.is_leading or self._running or self._now_s() - self._looked_at_s < _LOOK_S:
            return
        self._note_results(self._claims.look())
        self._looked_at_s = self._now_s()

    def _note_results(self, stored: Mapping[str, RunSummary]) -> None:
        for name, summary in stored.items():
            course = self._courses.get(name)
            if name in self._queue and (course is None or not course.is_mine):
                self._note_result(self._queue[name], summary)

    def _note_result(self, task: Task, summary: RunSummary) -> None:
        """A result, of this or another worker or from before: the run leaves the queue."""
        self._queue.pop(task.name, None)
        self._environments.setdefault(task.cell.id, set()).add(summary.environment)
        if summary.status == "failed":
            self._failed.add(task.cell.id)

    def _drop(self, task: Task) -> None:
        """Leaves out a run of a cell that has failed: it would fail again."""
        self._queue.pop(task.name, None)
        if self._courses.pop(task.name, Course()).is_mine:
            self._claims.give_back(task)

    def _submit(self, task: Task, slot: Slot) -> None:
        course = self._courses[task.name]
        lost = self._claims.times_lost(task)
        if lost >= _MOST_LOST:
            self._keep(task, failed(task, slot.environment, too_often_lost(lost)))
            return
        attempt = len(course.discarded)
        folder = self._options.work / f"{task.name}.{attempt}"
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise UnavailableError(f"cannot make {folder}: {error.strerror}; free some space") from error
        job = Job(
            cell=task.cell,
            repeat=task.repeat,
            attempt=attempt,
            slot=slot,
            limits=self._options.limits,
            folder=str(folder),
        )
        self._running[slot.name] = task, job
        course.begun_at_s, course.is_running = self._now_s(), True
        self._watcher.ran(job, phase="start", done=0, total=None)
        self._executor.submit(job)

    def _take_in(self, event: Event) -> None:
        if isinstance(event, Beat):
            self._watcher.ran(event.job, phase=event.phase, done=event.done, total=event.total)
            return
        running = self._running.get(event.job.slot.name)
        if running is None or running[1] is not event.job:
            return
        del self._running[event.job.slot.name]
        task, job = running
        course = self._courses[task.name]
        course.is_running = False
        outcome = completed(event.outcome, task, job.slot.environment, taken_s=self._now_s() - course.begun_at_s)
        self._count_vain(course, outcome)
        reason = reason_to_repeat(outcome, attempts=course.attempts, is_patient=self._is_patient(task))
        if reason is not None and self._can_go_on(task, job.slot, reason):
            self._try_again(task, outcome, reason)
            self._watcher.ended(job, reason)
        else:
            self._watcher.ended(job, self._keep(task, outcome))

    def _is_patient(self, task: Task) -> bool:
        """Whether a disturbed run is measured again: not for a quick look, and not where that has not helped before."""
        is_asked = self._options.repeats_disturbed and not task.cell.settings.quick
        return is_asked and self._vain < _MOST_VAIN

    def _count_vain(self, course: Course, outcome: Outcome) -> None:
        """Counts the runs in a row that were measured again for a disturbance and met it again; a clean run ends it."""
        if outcome.record.summary.status == "done" and disturbance_of(outcome.record) is None:
            self._vain = 0
        elif course.best is not None:
            self._vain += 1

    def _can_go_on(self, task: Task, slot: Slot, reason: CellFailure) -> bool:
        """Whether there is somewhere to try again; a wrong device is not tried twice."""
        if reason.kind != "wrong_device":
            return True
        avoided = self._courses[task.name].avoided
        avoided.add(slot.name)
        return any(fits(task.cell, other) and other.name not in avoided for other in self._executor.slots())

    def _try_again(self, task: Task, outcome: Outcome, reason: CellFailure) -> None:
        course = self._courses[task.name]
        course.attempts[reason.kind] += 1
        course.discarded.append(reason)
        course.ready_at_s = self._now_s() + COOLDOWN_S.get(reason.kind, 0.0)
        if outcome.record.summary.status == "done" and self._is_best(course, outcome):
            self._claims.keep(task, outcome, is_final=False)  # a kill may come before it is measured again
            course.best = outcome.record
        others = [other for other in self._queue.values() if other is not task]
        same_round = sum(other.repeat <= task.repeat for other in others)
        self._queue = {other.name: other for other in (*others[:same_round], task, *others[same_round:])}

    @staticmethod
    def _is_best(course: Course, outcome: Outcome) -> bool:
        return course.best is None or is_better(outcome.record, course.best)

    def _keep(self, task: Task, outcome: Outcome) -> RunSummary:
        """Keeps the last attempt at a run, unless one that is kept already is better."""
        course = self._courses[task.name]
        if course.best is not None and not self._is_best(course, outcome):
            return self._settle(task, course.best.summary)
        record = replace(outcome.record, discarded=tuple(course.discarded))
        summary = self._claims.keep(task, replace(outcome, record=record))
        self._courses.pop(task.name)
        self._kept += 1
        self._note_result(task, summary)
        return summary

    def _settle(self, task: Task, summary: RunSummary) -> RunSummary:
        """Leaves it at the result that is kept of a run."""
        self._courses.pop(task.name)
        self._claims.give_back(task)
        self._kept += 1
        self._note_result(task, summary)
        return summary

    def _waits(self) -> bool:
        """Whether anything can still come of waiting while nothing runs."""
        if any(course.is_mine for course in self._courses.values()):
            return True  # a run that cools down
        return self._options.is_leading and bool(self._queue)

    def _give_up_misfits(self, slots: tuple[Slot, ...]) -> None:
        """Fails runs that fit no slot, once it is clear that none will come; other workers may still take them."""
        if not self._options.is_leading:
            return
        problems = self._executor.problems if isinstance(self._executor, Explains) else ()
        for task in self._misfits.overdue(self._queue.values(), self._courses, slots, now_s=self._now_s()):
            if self._is_taken(task):
                course = self._courses[task.name]
                reason = course.discarded[-1] if course.avoided else no_device(task, slots, problems=problems)
                self._keep(task, failed(task, NOWHERE, reason))
