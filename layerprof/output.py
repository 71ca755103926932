"""`save`: a record to a file in the form that its suffix names."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from layerprof.errors import InputError
from layerprof.records import CellRecord, FlopReport, Profile, SweepRecord
from layerprof.report import Format, render
from layerprof.store import write_record, write_text

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
