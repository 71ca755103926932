"""The executor ``inline``: each run in this process, for debuggers and for tests.

Earlier cells have warmed the process up, filled its memory and may crash it; its results have an environment of their
own and are never taken for those of other executors. Limits of time do not hold. What other processes took meanwhile is
looked at as for them.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from layerprof.host import load_of_last_minute
from layerprof.ledger import Outcome
from layerprof.records import Note, RunConditions
from layerprof.sweeping.base.jobs import Beat, Event, Executor, Finished, Job, Slot
from layerprof.sweeping.base.nesting import CELL_VARIABLE
from layerprof.sweeping.executors.base import ExecutorOptions, slots_here
from layerprof.sweeping.isolation import Observer, allowed_cores, measured, resolve


class InlineExecutor:
    """Measures a run inside `submit`; Ctrl-C and a debugger reach it there.

    Args:
        slots: that there are.
        entry: ``module:function`` that measures a cell.
    """

    def __init__(self, slots: tuple[Slot, ...], entry: str) -> None:
        self._slots, self._entry = slots, entry
        self._beats: dict[str, Beat] = {}
        self._finished: list[Finished] = []

    def slots(self) -> tuple[Slot, ...]:  # noqa: D102 - as `Executor`
        return self._slots

    def submit(self, job: Job) -> None:
        """Measures the run.

        Raises:
            KeyboardInterrupt: on Ctrl-C.
        """
        observer = Observer(os.getpid(), allowed_cores(), own_s=lambda: 0.0)  # the cell's time is the sweep's here
        observer.look("")

        def tell(phase: str, done: int = 0, total: int | None = None) -> None:
            self._beats[job.name] = Beat(job=job, phase=phase, done=done, total=total)
            if observer.wants_start(phase):
                observer.look(phase)

        conditions = RunConditions(
            isolation="inline",
            host=job.slot.host,
            device=job.slot.device,
            device_type=job.slot.device_type,
            pid=os.getpid(),
            cores=allowed_cores(),
            load_average=load_of_last_minute(),
        )
        with _in_cell():
            outcome = measured(lambda: resolve(self._entry), job.cell, repeat=job.repeat, tell=tell)
        observer.look("")
        self._finished.append(Finished(job=job, outcome=_completed(outcome, job, *observer.completed(conditions))))

    def wait(self, timeout_s: float) -> tuple[Event, ...]:
        """The ends of what was submitted since, each after the run's last sign of life; else it sleeps."""
        if not self._finished:
            time.sleep(timeout_s)
        events: tuple[Event, ...] = (*self._beats.values(), *self._finished)
        self._beats.clear()
        self._finished.clear()
        return events


def _completed(outcome: Outcome, job: Job, conditions: RunConditions, notes: tuple[Note, ...]) -> Outcome:
    """The outcome with where it was measured, and what was seen beside it."""
    summary, left, environment = outcome.record.summary, outcome.record.conditions, job.slot.environment
    if left is not None and left.threads is not None:  # while it measured
        conditions = replace(conditions, threads=left.threads)
    more = notes if summary.status == "done" else ()
    summary = replace(summary, repeat=job.repeat, environment=environment.id, notes=(*summary.notes, *more))
    record = replace(outcome.record, summary=summary, facts=environment.facts, conditions=conditions)
    return replace(outcome, record=record)


@contextmanager
def _in_cell() -> Iterator[None]:
    """The block in which this process is a cell's."""
    before = os.environ.get(CELL_VARIABLE)
    os.environ[CELL_VARIABLE] = "1"
    try:
        yield
    finally:
        del os.environ[CELL_VARIABLE]
        if before is not None:
            os.environ[CELL_VARIABLE] = before


@contextmanager
def inline_executor(devices: tuple[str, ...], options: ExecutorOptions, /) -> Iterator[Executor]:
    """The executor; nothing is left of it to end.

    Args:
        devices: that the cells ask for; a kind alone, such as ``cuda``, is all of that kind.
        options: of which the slots and the entry apply.

    Raises:
        UnavailableError: where the driver of a device does not answer.
    """
    yield InlineExecutor(options.slots or slots_here(devices, isolation="inline"), options.entry)
