"""What measuring a cell brought: its record and its layer profile, and how they pass from one process to another."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from layerprof.errors import RecordError
from layerprof.records import CellRecord, Profile
from layerprof.store import load_profile, read_record, write_record

_CELL_FILE, _PROFILE_FILE = "cell.json", "profile.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """A measured, or failed, cell.

    Attributes:
        record: done or failed.
        profile: of its layers; for a failed cell the passes that were finished, or None.
    """

    record: CellRecord
    profile: Profile | None = None


def write_outcome(outcome: Outcome, folder: Path) -> None:
    """Leaves the outcome in a folder; the cell's record comes last, so where it is, all of it is."""
    if outcome.profile is not None:
        write_record(outcome.profile, folder / _PROFILE_FILE)
    write_record(outcome.record, folder / _CELL_FILE)


def read_outcome(folder: Path) -> Outcome | None:
    """What `write_outcome` left in the folder; None where it did not come to its end.

    Raises:
        RecordError: when the files hold something else.
    """
    if not (folder / _CELL_FILE).is_file():
        return None
    record = read_record(folder / _CELL_FILE)
    if not isinstance(record, CellRecord):
        raise RecordError(f"{folder / _CELL_FILE} holds a {type(record).__name__}, not a CellRecord")
    has_profile = (folder / _PROFILE_FILE).is_file()
    return Outcome(record=record, profile=load_profile(folder / _PROFILE_FILE) if has_profile else None)
