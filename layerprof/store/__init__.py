"""Stored records: versioned JSON, data only, readable on a machine without torch.

A sweep is a folder: ``sweep.json`` holds the plan and every cell as pending, ``cells/<id>.json`` the outcome of one
cell, ``cells/<id>.profile.json`` its layer profile.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from layerprof.errors import InputError, RecordError
from layerprof.records import CellRecord, FlopReport, Profile, SweepRecord
from layerprof.store.files import read_record, write_record, write_text

__all__ = ["SWEEP_FILE", "cell_path", "load", "load_profile", "load_sweep", "read_record", "write_record", "write_text"]

SWEEP_FILE = "sweep.json"
_CELLS = "cells"


def load(path: str | Path) -> Profile | SweepRecord | CellRecord | FlopReport:
    """Any record back from its file or folder, equal to what was saved; torch is not needed.

    Args:
        path: a ``.json`` file, or the folder of a sweep.

    Raises:
        InputError: when there is nothing of the kind at ``path``.
        RecordError: when it is cut off, damaged, or of a newer layerprof; the message says which.
    """
    source = Path(path)
    if source.is_dir():
        return load_sweep(source)
    record = read_record(source)
    if not isinstance(record, Profile | SweepRecord | CellRecord | FlopReport):
        raise RecordError(f"{source} holds a {type(record).__name__}, which stands only inside other records")
    return record


def load_profile(path: str | Path) -> Profile:
    """The profile in a file.

    Raises:
        InputError: when there is no such file.
        RecordError: when it holds something else, or is damaged.
    """
    record = read_record(path)
    if not isinstance(record, Profile):
        raise RecordError(f"{path} holds a {type(record).__name__}, not a Profile")
    return record


def load_sweep(folder: str | Path) -> SweepRecord:
    """The sweep in a folder, with what its cells have brought so far.

    Raises:
        InputError: when there is no sweep in the folder.
        RecordError: when one of its files is damaged.
    """
    place = Path(folder)
    if not (place / SWEEP_FILE).is_file():
        raise InputError(f"there is no {SWEEP_FILE} in {place}; give the folder of a sweep, or a .json file")
    planned = read_record(place / SWEEP_FILE)
    if not isinstance(planned, SweepRecord):
        raise RecordError(f"{place / SWEEP_FILE} holds a {type(planned).__name__}, not a SweepRecord")
    return replace(planned, cells=tuple(_outcome(place, cell) for cell in planned.cells))


def _outcome(folder: Path, planned: CellRecord) -> CellRecord:
    """What a cell has brought, or the cell as planned."""
    path = cell_path(folder, planned.id)
    record = read_record(path) if path.is_file() else planned
    if not isinstance(record, CellRecord):
        raise RecordError(f"{path} holds a {type(record).__name__}, not a CellRecord")
    return replace(record, folder=str(folder))


def cell_path(folder: str | Path, cell_id: str) -> Path:
    """Where a cell's outcome lies."""
    return Path(folder) / _CELLS / f"{cell_id}.json"
