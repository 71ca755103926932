"""The Module page's table: units in its heads, times to the nanosecond, and none of a device that is not there.

The plugin sums floats of microseconds and shows all of their digits: 96509.72399999999. Of a trace without any kernel
it shows the device's times as 0.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_DIGITS = 3  # of microseconds
_OF_DEVICE = frozenset({"device_duration", "self_device_duration"})
_TIMES = _OF_DEVICE | {"host_duration", "self_host_duration"}

Json = Any  # the plugin has no types


def readable(view: Mapping[str, Json], *, has_device: bool) -> dict[str, Json]:
    """What the plugin answers for the page, made readable; the plugin's own is not changed.

    Args:
        view: its ``columns``, each with a ``name`` and a ``key``, and its ``data``: rows with rows in them.
        has_device: whether the trace has work of a device.
    """
    shown = [column for column in view["columns"] if has_device or column["key"] not in _OF_DEVICE]
    return {**view, "columns": list(map(_column, shown)), "data": list(map(_row, view["data"]))}


def _column(column: Mapping[str, Json]) -> dict[str, Json]:
    unit = " (us)" if column["key"] in _TIMES else ""
    return {**column, "name": f"{column['name']}{unit}"}


def _row(row: Mapping[str, Json]) -> dict[str, Json]:
    rounded = {name: round(value, _DIGITS) for name, value in row.items() if isinstance(value, float)}
    return {**row, **rounded, "children": list(map(_row, row["children"]))}
