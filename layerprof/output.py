"""`save`: a record to a file in the form that its suffix names; `load`: any record back."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from layerprof.errors import InputError, RecordError
from layerprof.ledger import load_sweep
from layerprof.records import CellRecord, FlopReport, Profile, RunRecord, SweepRecord
from layerprof.report import Format, render
from layerprof.store import read_record, write_record, write_text

_FORMATS: Mapping[str, Format] = {".md": "markdown", ".html": "html", ".csv": "csv", ".txt": "text"}


def save(record: Profile | SweepRecord | CellRecord | FlopReport, path: str | Path) -> None:
    """Writes a record by the path's suffix: .json, which `load` reads back, or .md, .html, .csv, .txt.

    The file is whole or not there; folders on the way are made. Beside a ``.json`` lies the profile's timeline, as
    ``<name>.timeline.npz``; one that lay there from a record before is removed.

    Raises:
        InputError: for another suffix, a record that has no such form, or a place that cannot be written.
    """
    suffix = Path(path).suffix.lower()
    if suffix == ".json":
        write_record(record, path)
    elif suffix not in _FORMATS:
        raise InputError(f"{path} ends in none of .json, {', '.join(_FORMATS)}; choose one of them")
    elif isinstance(record, CellRecord):
        raise InputError("a single cell is saved as .json; render its profile or the whole sweep instead")
    else:
        write_text(path, render(record, _FORMATS[suffix]))


def load(path: str | Path) -> Profile | SweepRecord | CellRecord | FlopReport:
    """Any record back from its file or folder, equal to what was saved; torch is not needed.

    A profile has its timeline again where the file of it still lies beside the profile's, and None where not.

    Args:
        path: a ``.json`` file, or the folder of a sweep.

    Raises:
        InputError: when there is nothing of the kind at ``path``, or a single run of a sweep.
        RecordError: when it, or the timeline beside it, is cut off, damaged, or of a newer layerprof, or the timeline
            is another profile's; the message says which. A sweep's damaged results are pending cells with a note.
    """
    source = Path(path)
    return load_sweep(source) if source.is_dir() else _readable(source, read_record(source))


def load_but_timeline(path: str | Path) -> Profile | SweepRecord | CellRecord | FlopReport:
    """As `load`, but a profile whose timeline cannot be read has none, and a note that says why.

    Raises:
        InputError: as `load`.
        RecordError: as `load`, where it is not the timeline alone.
    """
    source = Path(path)
    if source.is_dir():
        return load_sweep(source)
    return _readable(source, read_record(source, on_damaged_timeline="note"))


def _readable(source: Path, record: object) -> Profile | SweepRecord | CellRecord | FlopReport:
    """The record, where it is one that stands by itself."""
    if isinstance(record, RunRecord):
        raise InputError(f"{source} is one run of a sweep's cell; give the folder of the sweep")
    if not isinstance(record, Profile | SweepRecord | CellRecord | FlopReport):
        raise RecordError(f"{source} holds a {type(record).__name__}, which stands only inside other records")
    return record
