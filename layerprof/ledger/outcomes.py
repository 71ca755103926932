"""What a run brought, as a folder: how the process that measured hands it to the one that keeps it.

    profile.timeline.npz, profile.json     first, and evidence.json
    run.json                               last: where it is, the rest is whole

So a process that is killed, or crashes while it ends, has left either all or nothing.
"""

from __future__ import annotations

from pathlib import Path

from layerprof.errors import RecordError
from layerprof.ledger.base import EVIDENCE_FILE, PROFILE_FILE, RUN_FILE, Outcome
from layerprof.records import RunRecord
from layerprof.store import read_record, write_record


def write_outcome(outcome: Outcome, folder: Path) -> None:
    """Leaves an outcome in a folder, its profile first.

    Raises:
        InputError: when the folder cannot be written.
    """
    if outcome.profile is not None:
        write_record(outcome.profile, folder / PROFILE_FILE)
    if outcome.evidence is not None:
        write_record(outcome.evidence, folder / EVIDENCE_FILE)
    write_record(outcome.record, folder / RUN_FILE)


def read_outcome(folder: Path) -> Outcome | None:
    """The outcome that was left in a folder, its profile and its evidence unread; None where it was not finished.

    Raises:
        InputError: when the file cannot be read.
        RecordError: when it is damaged, or holds something else.
    """
    path = folder / RUN_FILE
    if not path.exists():
        return None
    record = read_record(path)
    if not isinstance(record, RunRecord):
        raise RecordError(f"{path} holds a {type(record).__name__}, not a RunRecord")
    return Outcome(record=record, folder=folder)
