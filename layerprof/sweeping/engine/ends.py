"""Ends of runs as the engine keeps them: with what it knows itself, and for runs that never began with their reason."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from layerprof.ledger import Outcome
from layerprof.records import CellFailure, FrozenMapping, RunRecord, RunSummary
from layerprof.sweeping.base import EnvironmentKey, PlannedCell, Slot
from layerprof.sweeping.engine.base import Task

_MOST_PROBLEMS = 3  # that a failure's text names

NOWHERE = EnvironmentKey(id="0" * 16, facts=FrozenMapping())
"""The environment of a run that no slot could take."""


def no_device(task: Task, slots: Iterable[Slot], *, problems: Sequence[str] = ()) -> CellFailure:
    """Why a run that fits no slot is not measured.

    Args:
        task: the run.
        slots: that there are.
        problems: why other places give none.
    """
    asked = device_asked(task.cell)
    there = ", ".join(sorted({f"{slot.device} ({slot.device_type})" for slot in slots})) or "none"
    unused = f"; not used: {'; '.join(problems[:_MOST_PROBLEMS])}" if problems else ""
    text = f"there is no device {asked}, only {there}{unused}; run `layerprof worker` on a machine that has one"
    return CellFailure(kind="unavailable", text=text)


def device_asked(cell: PlannedCell) -> str:
    """The device that a cell asks for, in words."""
    settings = cell.settings
    kind = "" if settings.device_type is None else f" of type {settings.device_type!r}"
    return f"{settings.device or 'cpu'}{kind}"


def too_often_lost(times: int) -> CellFailure:
    """Why a run that workers die on is not given to one more."""
    text = f"{times} workers died while they measured it; look at what it does to the machine"
    return CellFailure(kind="worker_lost", text=text)


def failed(task: Task, environment: EnvironmentKey, failure: CellFailure) -> Outcome:
    """The outcome of a run that was not even begun."""
    summary = RunSummary(
        cell=task.cell.id, repeat=task.repeat, environment=environment.id, status="failed", failure=failure
    )
    return Outcome(record=RunRecord(summary=summary, axes=task.cell.axes, facts=environment.facts))


def completed(outcome: Outcome, task: Task, environment: EnvironmentKey, *, taken_s: float) -> Outcome:
    """The outcome with what the engine knows: whose it is, where it was measured, and what the engine itself took.

    Args:
        outcome: as the executor handed it over.
        task: of the run.
        environment: of the slot.
        taken_s: from handing the run over to having its outcome.
    """
    record = outcome.record
    summary = replace(record.summary, cell=task.cell.id, repeat=task.repeat, environment=environment.id)
    engine_s = max(0.0, taken_s - sum(record.spans_s.values()))
    spans_s: Mapping[str, float] = {**record.spans_s, "engine": engine_s}
    done = replace(record, summary=summary, facts=environment.facts, spans_s=FrozenMapping(spans_s))
    return replace(outcome, record=done)
