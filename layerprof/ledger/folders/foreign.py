"""Why runs that are there do not count: they were measured elsewhere, or failed in an earlier session."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from layerprof.errors import LayerprofError
from layerprof.host import difference
from layerprof.ledger.base import NOWHERE_ID, Layout, RunKey
from layerprof.ledger.folders.base import is_of_its_time
from layerprof.records import CellFailure, Note, RunRecord, RunSummary, SweepRecord
from layerprof.store import read_record


class Foreign:
    """Tells of runs that do not count; of each environment that does not, one run's file is read.

    Args:
        layout: of the sweep's folder.
        sweep: the plan as it stands.
    """

    def __init__(self, layout: Layout, sweep: SweepRecord) -> None:
        self._layout, self._sweep = layout, sweep
        self._environments = tuple(sweep.environments.values())
        self._differences: dict[str, str] = {}

    def notes_on(self, runs: Sequence[RunSummary]) -> Iterator[Note]:
        """What a cell with such runs has to say of the newest of each kind; nothing of what was begun anew since.

        A failure elsewhere tells nothing of the cell here, unless it is that no device could take it.
        """
        of_now = [run for run in runs if is_of_its_time(run, self._sweep)]
        known = {*self._sweep.environments, NOWHERE_ID}
        failed = [run for run in of_now if run.status == "failed" and run.environment in known]
        done = [run for run in of_now if run.status == "done" and run.environment not in known]
        if failed:
            failure = max(failed, key=_when).failure or CellFailure(kind="exception", text="no reason is stored")
            text = f"it failed in an earlier start of the sweep, and is tried again: {failure.kind}, {failure.text}"
            yield Note(code="failed_before", quantity="", scope="", text=text)
        if done:
            newest = max(done, key=_when)
            if newest.environment not in self._differences:
                self._differences[newest.environment] = self._difference_of(newest)
            text = f"it was measured elsewhere: {self._differences[newest.environment]}"
            yield Note(code="other_environment", quantity="", scope="", text=text)

    def _difference_of(self, run: RunSummary) -> str:
        """How the run's environment differs from the one that counts and is most like it."""
        facts = self._facts_of(run)
        if not facts or not self._environments:
            return f"in environment {run.environment}, which is none of this session's"
        differences = (difference(facts, now) for now in self._environments)
        return min(differences, key=lambda text: (text.count(";"), len(text)))

    def _facts_of(self, run: RunSummary) -> Mapping[str, str]:
        key = RunKey(cell=run.cell, environment=run.environment, repeat=run.repeat)
        try:
            record = read_record(self._layout.run(key))
        except LayerprofError:  # it was moved or damaged since it was scanned: the note can do without
            return {}
        return record.facts if isinstance(record, RunRecord) else {}


def _when(run: RunSummary) -> float:
    return run.ended_at_s
