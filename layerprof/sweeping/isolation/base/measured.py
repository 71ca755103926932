"""A cell's entry called, whatever it does: its outcome, or that of its failure."""

from __future__ import annotations

import traceback
from collections.abc import Callable
from contextlib import suppress

from layerprof.ledger import Outcome
from layerprof.ledger.base import is_full
from layerprof.records import CellFailure, RunRecord, RunSummary
from layerprof.sweeping.base.cells import PlannedCell
from layerprof.sweeping.base.failures import failure, failure_of

Tell = Callable[[str, int, int | None], None]
Entry = Callable[[PlannedCell, Tell], Outcome]


def measured(entry: Callable[[], Entry], cell: PlannedCell, *, repeat: int, tell: Tell) -> Outcome:
    """What the entry brings; an exception of its is a failed run, with its traceback on standard error.

    Args:
        entry: gives the entry, which may fail as well.
        cell: that is measured.
        repeat: which of the cell's runs it is.
        tell: is given to the entry.

    Raises:
        KeyboardInterrupt: on Ctrl-C.
    """
    try:
        outcome = entry()(cell, tell)
        if not isinstance(outcome, Outcome):
            raise TypeError(f"the entry of a cell returns an Outcome; found {type(outcome).__name__}")
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # what is not an Exception, such as SystemExit, ends no sweep either
        with suppress(OSError):  # of a log that has no space
            traceback.print_exc()
        failed = failure("unavailable", f"the disk was full: {error}") if is_full(error) else failure_of(error)
        outcome = failed_outcome(cell, failed, repeat=repeat)
    return outcome


def failed_outcome(cell: PlannedCell, failed: CellFailure, *, repeat: int) -> Outcome:
    """The outcome of a run that has nothing to show but its failure."""
    summary = RunSummary(cell=cell.id, repeat=repeat, status="failed", failure=failed)
    return Outcome(record=RunRecord(summary=summary, axes=cell.axes))
