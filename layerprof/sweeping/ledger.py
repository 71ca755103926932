"""A sweep's folder: the plan, the outcomes of its cells, and which of them are there already.

A folder belongs to one plan's name and one model. The same plan with other values may follow in it: cells are known by
their ids, so what was measured stays and comes back where it is planned again.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path

from layerprof.errors import InputError, RecordError
from layerprof.records import CellRecord, PlanRecord, SweepRecord
from layerprof.store import SWEEP_FILE, cell_path, load_sweep, read_record, write_record
from layerprof.sweeping.base import Outcome

__all__ = ["begin", "is_done", "keep", "load_sweep"]


def begin(folder: Path, record: SweepRecord) -> None:
    """Writes the plan with its cells as planned; outcomes that are there stay.

    Raises:
        InputError: when the folder cannot be written, or holds a sweep of another name or model.
        RecordError: when its ``sweep.json`` is damaged.
    """
    path = folder / SWEEP_FILE
    if path.is_file():
        _require_same(folder, _stored_plan(path), record.plan)
    write_record(record, path)


def _stored_plan(path: Path) -> PlanRecord:
    stored = read_record(path)
    if not isinstance(stored, SweepRecord):
        raise RecordError(f"{path} holds a {type(stored).__name__}, not a SweepRecord; choose another folder")
    return stored.plan


def _require_same(folder: Path, stored: PlanRecord, plan: PlanRecord) -> None:
    if (stored.name, stored.model) != (plan.name, plan.model):
        raise InputError(
            f"{folder} holds the sweep {stored.name!r} of {stored.model}; "
            f"choose another folder for {plan.name!r} of {plan.model}"
        )


def is_done(folder: Path, cell_id: str) -> bool:
    """Whether the cell's outcome is there and a success; a damaged file is none."""
    path = cell_path(folder, cell_id)
    try:
        record = read_record(path) if path.is_file() else None
    except RecordError:
        return False
    return isinstance(record, CellRecord) and record.status == "done"


def keep(folder: Path, outcome: Outcome) -> None:
    """Stores a cell's outcome, its profile first: a record that is there is complete.

    Raises:
        InputError: when the folder cannot be written.
    """
    path = cell_path(folder, outcome.record.id)
    profile_path = None
    if outcome.profile is not None:
        profile_path = path.with_suffix(".profile.json")
        write_record(outcome.profile, profile_path)
    relative = None if profile_path is None else profile_path.relative_to(folder).as_posix()
    write_record(dataclasses.replace(outcome.record, profile_path=relative), path)
