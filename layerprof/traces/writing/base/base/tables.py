"""A timeline's columns, all of them there whichever release stored it, and no position that leads nowhere."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from layerprof.attribute.base.intervals import taken
from layerprof.errors import RecordError
from layerprof.records import Profile, Timeline
from layerprof.records.timeline import Columns

IntArray: TypeAlias = NDArray[np.int64]
FloatArray: TypeAlias = NDArray[np.float64]
Table: TypeAlias = Mapping[str, IntArray]

NONE = -1

_TIMES = {"start_ns": "", "end_ns": ""}
_COLUMNS: Mapping[str, Mapping[str, str]] = {  # column -> what it is a position in, if anything
    "steps": {"thread": "", **_TIMES},
    "phases": {"phase": "", "step": "steps", **_TIMES},
    "ranges": {"layer": "layers", "phase": "", "step": "steps", "thread": "", "parent": "ranges", **_TIMES},
    "ops": {
        **{"name": "strings", "shapes": "shapes", "step": "steps", "range": "ranges", "parent": "ops"},
        **{"phase": "", "thread": "", "annotation": "", **_TIMES},
    },
    "kernels": {
        **{"name": "strings", "kind": "kinds", "step": "steps", "op": "ops", "range": "ranges"},
        **{"phase": "", "device": "", "stream": "", **_TIMES},
        **{"launch_ns": "", "launch_end_ns": "", "launch_thread": "", "launch_name": "strings", "correlation": ""},
    },
    "allocations": {
        **{"time_ns": "", "thread": "", "device": "", "address": "", "bytes": ""},
        **{"allocated_bytes": "", "reserved_bytes": ""},
    },
    "counters": {"name": "strings", "time_ns": ""},
}
_LATER = {  # what timelines that were stored first lack, and the value that says so
    "ops": {"annotation": 0},
    "kernels": dict.fromkeys(("launch_end_ns", "launch_thread", "launch_name", "correlation"), -1),
}
_KINDS = 3
_REMEDY = "profile the model again"
_NEVER_NONE = ("ranges.layer", "kernels.kind")


@dataclass(frozen=True, slots=True, kw_only=True)
class Tables:
    """The tables of a timeline, which says what their columns are; what it lacks, was not recorded and is -1.

    Attributes:
        strings, shapes: that columns refer to by position.
        steps, phases, ranges, ops, kernels, allocations, counters: from a column's name to its values.
        values: of the counters.
    """

    strings: tuple[str, ...]
    shapes: tuple[tuple[tuple[int, ...], ...], ...]
    steps: Table
    phases: Table
    ranges: Table
    ops: Table
    kernels: Table
    allocations: Table
    counters: Table
    values: FloatArray


def tables_of(timeline: Timeline, profile: Profile) -> Tables:
    """The tables of a profile's timeline.

    Raises:
        RecordError: where a column is not there, or a position leads nowhere or round in a circle, so that the timeline
            is damaged or of another profile.
    """
    tables = {name: _filled(getattr(timeline, name), columns, table=name) for name, columns in _COLUMNS.items()}
    values = _values(timeline)
    sizes = {name: next(iter(table.values())).size for name, table in tables.items()}
    sizes |= {"strings": len(timeline.strings), "shapes": len(timeline.shapes)}
    sizes |= {"layers": len(profile.layers), "kinds": _KINDS}
    for name, columns in _COLUMNS.items():
        for column, target in columns.items():
            if target:
                _require_within(tables[name][column], sizes[target], f"{name}.{column}", target)
    for name in ("ranges", "ops"):
        _require_ends(tables[name]["parent"], f"{name}.parent")
    return Tables(
        strings=timeline.strings,
        shapes=timeline.shapes,
        values=values,
        **tables,
    )


def _filled(columns: Columns, wanted: Mapping[str, str], *, table: str) -> dict[str, IntArray]:
    """The columns that are wanted; a table that is not there at all has no rows."""
    size = next((int(column.size) for column in columns.values()), 0)
    later = _LATER.get(table, {})
    lacking = sorted(wanted.keys() - columns.keys() - later.keys())
    if columns and lacking:
        raise RecordError(f"the timeline's {table} have no {', '.join(lacking)}; it is damaged: {_REMEDY}")
    if any(column.size != size for column in columns.values()):
        raise RecordError(f"the timeline's columns of {table} are not of one length; it is damaged: {_REMEDY}")
    return {
        name: np.asarray(columns[name], dtype=np.int64)
        if name in columns
        else np.full(size, later.get(name, NONE), dtype=np.int64)
        for name in wanted
    }


def _values(timeline: Timeline) -> FloatArray:
    if timeline.counters and "value" not in timeline.counters:
        raise RecordError(f"the timeline's counters have no value; it is damaged: {_REMEDY}")
    return np.asarray(timeline.counters.get("value", ()), dtype=np.float64)


def _require_ends(parent: IntArray, column: str) -> None:
    """Goes up from all rows at once, twice as far each time, until nothing is left to go up to."""
    above = parent
    for _ in range(parent.size.bit_length() + 1):
        if (above == NONE).all():
            return
        above = taken(above, above)
    raise RecordError(f"the timeline's {column} leads round in a circle; it is damaged: {_REMEDY}")


def _require_within(positions: IntArray, size: int, column: str, target: str) -> None:
    least = 0 if column in _NEVER_NONE else NONE
    if positions.size and not (positions.min() >= least and positions.max() < size):
        found = int(positions.max() if positions.max() >= size else positions.min())
        raise RecordError(
            f"the timeline's {column} points to {found} of {size} {target}; it is damaged or of another profile: "
            f"{_REMEDY}"
        )
