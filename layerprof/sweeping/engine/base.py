"""What the parts of the engine share: a run that is to be measured, and who is told of what happens."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Protocol

from layerprof.records import CellFailure, RunRecord, RunSummary
from layerprof.sweeping.base import Job, PlannedCell


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """One run that the plan asks for.

    Attributes:
        cell: what.
        repeat: in which round.
    """

    cell: PlannedCell
    repeat: int

    @property
    def name(self) -> str:
        """Unique in the sweep, and safe as a file's name."""
        return f"{self.cell.id}.{self.repeat}"


@dataclass(slots=True, kw_only=True)
class Course:
    """What has happened to a run in this worker so far.

    Attributes:
        attempts: that are to be repeated, by the kind of the reason.
        discarded: the same, each with its reason.
        best: the result that is kept of them, where there is one.
        ready_at_s: when it may be tried again.
        begun_at_s: when the last attempt was handed over.
        is_mine: whether this worker holds its lease.
        is_running: whether it is on.
        avoided: slots that were not what the cell asked for.
    """

    attempts: Counter[str] = field(default_factory=Counter)
    discarded: list[CellFailure] = field(default_factory=list)
    best: RunRecord | None = None
    ready_at_s: float = 0.0
    begun_at_s: float = 0.0
    is_mine: bool = False
    is_running: bool = False
    avoided: set[str] = field(default_factory=set)


class Watcher(Protocol):
    """Is told how a sweep goes on; a progress display, for one."""

    def ran(self, job: Job, *, phase: str, done: int, total: int | None) -> None:
        """A run has begun, or gives a sign of life."""
        ...

    def ended(self, job: Job, outcome: RunSummary | CellFailure) -> None:
        """A run is kept, or is to be tried again for a reason."""
        ...

    def passed(self, *, to_do: int) -> None:
        """Time went by; so many runs are still to do, of this worker or of others."""
        ...
