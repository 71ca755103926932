"""Where the values of an axis stand on the x-axis of a chart."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from layerprof.boards.sweeps.base.base import is_number
from layerprof.records import AxisValue, CellRecord


def steps_of(cells: Iterable[CellRecord], axis: str) -> Mapping[str, int]:
    """The step of each value, by the value's ``repr``: itself where all are whole numbers, else its position.

    Whole numbers that a page would round are no such.
    """
    values: dict[str, AxisValue] = {repr(cell.axes.get(axis)): cell.axes.get(axis) for cell in cells}
    whole = {key: value for key, value in values.items() if is_number(value) and isinstance(value, int)}
    return whole if len(whole) == len(values) else {key: place for place, key in enumerate(values)}
