"""Which events of a trace attribution can use: those with a name, a time and a length that can be believed."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from layerprof.traces.base import (
    DEVICE_CATEGORIES,
    LAUNCH_CATEGORIES,
    LAYERPROF_CATEGORY,
    LAYERS_PID,
    MEMORY_NAME,
    MODULE_CATEGORY,
    PLUGIN_LAUNCH_CATEGORY,
    STAND_IN_ARGUMENT,
)
from layerprof.traces.reading.base import ANNOTATION, Event, Json

_MEMORY_CATEGORY = "cpu_instant_event"
_RUNTIME = (*LAUNCH_CATEGORIES, PLUGIN_LAUNCH_CATEGORY)
_TABLE_OF = {
    "cpu_op": "ops",
    ANNOTATION: "ops",
    MODULE_CATEGORY: "frames",
    LAYERPROF_CATEGORY: "phases",
    _MEMORY_CATEGORY: "memory",
    **dict.fromkeys(_RUNTIME, "runtime"),
    **dict.fromkeys(DEVICE_CATEGORIES, "activities"),
}
_NUMBERS = frozenset({int, float})
_LATEST_US = 4e15  # with a base of as much it is still an int64 of nanoseconds
_LONGEST_US = 1e11  # 28 hours: a slice longer than this, or as far from the others, is no measurement
_OTHER_PHASES = ("M", "C", "i", "s", "t", "f")  # names of tracks, counters, moments, flows: of no use here


def sorted_out(events: Iterable[Json]) -> tuple[dict[str, list[Event]], int]:
    """The usable events of each table by start, and how many were left out."""
    tables: dict[str, list[Event]] = {name: [] for name in _TABLE_OF.values()}
    left_out = 0
    for event in events:
        if type(event) is not dict:
            left_out += 1
            continue
        category = event.get("cat")
        name = _TABLE_OF.get(category) if type(category) is str else None
        if name is None:
            continue
        if type(event.get("args")) is not dict:
            event["args"] = {}
        if event["args"].get(STAND_IN_ARGUMENT) is True:
            continue
        if _is_instant(event) if name == "memory" else _is_slice(event):
            if name != "phases" or _is_phase(event):
                tables[name].append(event)
        elif event.get("ph") not in _OTHER_PHASES:
            left_out += 1
    center = _center_us(tables)
    for name, found in tables.items():
        near = [event for event in found if abs(event["ts"] - center) <= _LONGEST_US]
        left_out += len(found) - len(near)
        near.sort(key=lambda event: event["ts"])
        tables[name] = near
    return tables, left_out


def _is_slice(event: Event) -> bool:
    lasted: Json = event.get("dur")
    return (
        event.get("ph") == "X"
        and _has_time(event)
        and type(event.get("name")) is str
        and type(lasted) in _NUMBERS
        and 0 <= lasted <= _LONGEST_US
    )


def _is_phase(event: Event) -> bool:
    """Whether it is a phase in the row of phases, not a call of a layer in that of its depth."""
    return event.get("pid") == LAYERS_PID and event["args"].keys() == {"phase", "step"}


def _is_instant(event: Event) -> bool:
    return event.get("ph") == "i" and event.get("name") == MEMORY_NAME and _has_time(event)


def _has_time(event: Event) -> bool:
    at: Json = event.get("ts")
    return type(at) in _NUMBERS and -_LATEST_US < at < _LATEST_US


def _center_us(tables: dict[str, list[Event]]) -> float:
    starts = [event["ts"] for name in ("ops", "frames", "runtime", "activities") for event in tables[name]]
    return float(np.median(np.asarray(starts, dtype=np.float64))) if starts else 0.0
