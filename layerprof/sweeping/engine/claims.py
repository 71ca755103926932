"""Which runs are done, which are somebody else's, and which are this worker's to do.

    claim the lease ─▶ look again whether a result is there ─▶ measure ─▶ keep the result ─▶ give the lease back

The result is looked for after the lease is held, and kept before it is given back: so between two workers that take
turns on a lease one always sees what the other has stored, and a stored run is never measured again.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from layerprof.errors import RecordError, UnavailableError
from layerprof.ledger import (
    Damaged,
    Layout,
    Leases,
    Outcome,
    RunKey,
    Scan,
    counts,
    is_of_newer,
    keep,
    read_run,
    scan,
    set_aside,
)
from layerprof.records import RunRecord, RunSummary, SweepRecord
from layerprof.sweeping.engine.base import Task

NOT_FINAL = frozenset({"unavailable", "worker_lost", "wrong_device"})
"""Failures that tell of the worker, not of the cell: another worker may still measure it in the same session."""

Holding = Literal["mine", "busy"]


Replaces = Callable[[RunRecord, RunRecord], bool]


@dataclass(frozen=True, slots=True, kw_only=True)
class Unstored:
    """A result that found no space, waiting for some.

    Attributes:
        task: what it is a result of.
        outcome: the result.
        is_final: whether the lease is given back once it is stored.
    """

    task: Task
    outcome: Outcome
    is_final: bool


class Claims:
    """One worker's share of a sweep's folder.

    Args:
        layout: of the folder.
        leases: of this worker, entered.
        standing: gives the sweep as it stands: its session, and the environments whose results count.
        replaces: whether a new record takes the place of a stored one that counts, both of them results.
    """

    def __init__(
        self,
        layout: Layout,
        leases: Leases,
        *,
        standing: Callable[[], SweepRecord],
        replaces: Replaces = lambda new, old: False,
    ) -> None:
        self._layout = layout
        self._leases = leases
        self._standing = standing
        self._replaces = replaces
        self._unstored: list[Unstored] = []

    def counting(self, found: Scan) -> dict[str, RunSummary]:
        """What counts of all that is stored, by the name of its task."""
        standing = self._standing()
        newest_last = sorted(found.summaries, key=lambda run: (run.status == "done", run.ended_at_s))
        return {f"{run.cell}.{run.repeat}": run for run in newest_last if _is_final(run, standing)}

    def look(self) -> dict[str, RunSummary]:
        """What counts of all that is stored now, of other workers as well."""
        return self.counting(scan(self._layout))

    def take(self, task: Task) -> Holding | RunSummary:
        """``mine`` where the run is now this worker's, ``busy`` where it is another's, or its result where it has one.

        Raises:
            InputError: when the folder cannot be written.
            UnavailableError: when there is no space in it.
            RecordError: when its result is of a newer layerprof.
        """
        if not self._leases.claim(task.name):
            return "busy"
        stored = self._result_of(task)
        if stored is None:
            return "mine"
        self._leases.release(task.name)
        return stored

    def times_lost(self, task: Task) -> int:
        """How many workers have died on the run in this session."""
        return self._leases.times_lost(task.name)

    def keep(self, task: Task, outcome: Outcome, *, is_final: bool = True) -> RunSummary:
        """Stores a result as one of this session's; one that finds no space is held until there is some.

        Args:
            task: whose result it is.
            outcome: the result.
            is_final: whether the run's lease is given back; False where it will be measured again.
        """
        record = outcome.record
        of_now = replace(record, summary=replace(record.summary, session=self._standing().session))
        self._unstored.append(Unstored(task=task, outcome=replace(outcome, record=of_now), is_final=is_final))
        self.store_waiting()
        return of_now.summary

    def give_back(self, task: Task) -> None:
        """Leaves a run that was taken for others to do, or done."""
        self._leases.release(task.name)

    def store_waiting(self) -> None:
        """Stores what is waiting for space, as far as there is some."""
        self._unstored = [unstored for unstored in self._unstored if not self._is_stored(unstored)]

    def finish(self) -> None:
        """Stores what found no space before.

        Raises:
            UnavailableError: when there still is none; what was measured and could not be stored is lost.
        """
        self.store_waiting()
        if self._unstored:
            raise UnavailableError(
                f"{len(self._unstored)} results found no space in {self._layout.folder}; free some and run the same "
                f"command again, all others are kept"
            )

    def _is_stored(self, unstored: Unstored) -> bool:
        outcome, summary = unstored.outcome, unstored.outcome.record.summary
        key = RunKey(cell=summary.cell, environment=summary.environment, repeat=summary.repeat)
        try:
            keep(self._layout, outcome, key=key, replaces=lambda stored: self._takes_place(outcome.record, stored))
        except UnavailableError:
            return False
        if outcome.folder is not None:
            shutil.rmtree(outcome.folder, ignore_errors=True)
        if unstored.is_final:
            self._leases.release(unstored.task.name)
        return True

    def _takes_place(self, new: RunRecord, stored: RunRecord) -> bool:
        """Whether a record replaces the one that is stored: what does not count is, and no result by a failure."""
        if not counts(stored.summary, self._standing()) or stored.summary.status == "failed":
            return True
        return new.summary.status == "done" and self._replaces(new, stored)

    def _result_of(self, task: Task) -> RunSummary | None:
        standing = self._standing()
        for environment in standing.environments:
            path = self._layout.run(RunKey(cell=task.cell.id, environment=environment, repeat=task.repeat))
            summary = self._read(path) if path.is_file() else None
            if summary is not None and _is_final(summary, standing):
                return summary
        return None

    def _read(self, path: Path) -> RunSummary | None:
        try:
            return read_run(path).summary
        except RecordError as error:
            if is_of_newer(path):
                raise
            set_aside(self._layout, (Damaged(path=path, reason=str(error)),))
            return None


def _is_final(run: RunSummary, standing: SweepRecord) -> bool:
    """Whether a run that is stored need not be measured."""
    return counts(run, standing) and (run.failure is None or run.failure.kind not in NOT_FINAL)
