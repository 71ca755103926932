"""Runs of the entries in `sweep_entries` on executors of every kind, for the tests of all of them."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import psutil

from layerprof.records import RunSummary
from layerprof.sweeping.base import Event, Executor, Finished, Job, Limits, PlannedCell, Slot, settings_of
from layerprof.sweeping.base.options import ExecutorOptions
from layerprof.sweeping.executors import EXECUTORS
from layerprof.testing.sweeping import slot

PATIENCE_S = 40.0

CPU = slot("here/cpu", host="here", isolation="test")
FRESH = slot("here/fake:0", host="here", device="fake:0", isolation="test")


def options(entry: str, **changes: object) -> ExecutorOptions:
    made = ExecutorOptions(
        entry=f"sweep_entries:{entry}", preload=(), slots=(CPU, FRESH), grace_s=0.2, memory_limit_bytes=0
    )
    return replace(made, **changes)  # type: ignore[arg-type]


@contextmanager
def executor_of(kind: str, made: ExecutorOptions) -> Iterator[Executor]:
    """The executor: ``inline``, ``process``, or ``ray``; ``fresh`` are new interpreters of ``process``."""
    with EXECUTORS["process" if kind == "fresh" else kind](("cpu",), made) as executor:
        yield executor


def slot_of(kind: str, executor: Executor) -> Slot:
    return executor.slots()[1 if kind == "fresh" else 0]


def job_on(
    slot: Slot,
    folder: Path,
    *,
    size: int = 1,
    repeat: int = 0,
    limits: Limits | None = None,
    threads: int | None = None,
) -> Job:
    place = folder / f"work-{size}-{repeat}"
    place.mkdir(parents=True)
    cell = PlannedCell(model="blip2-tiny", settings=settings_of("blip2-tiny", {"batch_size": size, "threads": threads}))
    return Job(
        cell=cell,
        repeat=repeat,
        attempt=0,
        slot=slot,
        limits=limits or Limits(timeout_s=PATIENCE_S, hang_s=PATIENCE_S),
        folder=str(place),
    )


def events_until_end(executor: Executor, count: int = 1) -> list[Event]:
    """What happens until so many runs have ended."""
    events: list[Event] = []
    end_s = time.monotonic() + PATIENCE_S
    while sum(isinstance(event, Finished) for event in events) < count:
        assert time.monotonic() < end_s, f"no end came, only {events}"
        events.extend(executor.wait(1.0))
    return events


def ends_of(executor: Executor, count: int) -> list[Finished]:
    return [event for event in events_until_end(executor, count) if isinstance(event, Finished)]


def finished(kind: str, folder: Path, entry: str, *, limits: Limits | None = None, **changes: object) -> Finished:
    """The end of one run."""
    with executor_of(kind, options(entry, **changes)) as executor:
        executor.submit(job_on(slot_of(kind, executor), folder, limits=limits))
        (end,) = ends_of(executor, 1)
    return end


def finished_on(executor: Executor, kind: str, folder: Path, entry: str, *, limits: Limits | None = None) -> Finished:
    """The end of one run on an executor of ``as_source_says``."""
    job = job_on(slot_of(kind, executor), folder, limits=limits)
    settings = replace(job.cell.settings, dataset="TextVQA", source=entry)
    executor.submit(replace(job, cell=replace(job.cell, settings=settings)))
    (end,) = ends_of(executor, 1)
    return end


def first_event(executor: Executor) -> Event:
    """The next thing that happens."""
    end_s = time.monotonic() + PATIENCE_S
    while True:
        assert time.monotonic() < end_s, "nothing happened"
        for event in executor.wait(1.0):
            return event


def summary_of(end: Finished) -> RunSummary:
    return end.outcome.record.summary


def failure_text(end: Finished, kind: str) -> str:
    failure = summary_of(end).failure
    assert failure is not None
    assert failure.kind == kind, failure.text
    return failure.text


def wait_until_gone(*pids: int) -> None:
    """Returns when no process with one of the ids runs; one that nobody has reaped runs no more."""
    end_s = time.monotonic() + PATIENCE_S
    while any(map(is_running, pids)):
        assert time.monotonic() < end_s, f"of {pids} some still run"
        time.sleep(0.01)


def is_running(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
