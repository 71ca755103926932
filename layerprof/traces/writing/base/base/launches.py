"""Launches: the runtime's calls that started device work, one for each, however many activities came of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from layerprof.attribute.base.intervals import NONE, taken

if TYPE_CHECKING:
    from layerprof.traces.writing.base.base.tables import IntArray, Tables


@dataclass(frozen=True, slots=True, kw_only=True)
class Launches:
    """Launches as columns, and which one each activity came of.

    Attributes:
        start_ns, end_ns: of each launch; where its end was not recorded it has no length.  (launches,)
        thread: that it ran on.  (launches,)
        name: in the tables' strings, or -1.  (launches,)
        op: that it ran in, annotations left out, or -1.  (launches,)
        correlation: its number in the trace.  (launches,)
        of_kernel: the launch of each activity, or -1 where none was recorded.  (kernels,)
    """

    start_ns: IntArray
    end_ns: IntArray
    thread: IntArray
    name: IntArray
    op: IntArray
    correlation: IntArray
    of_kernel: IntArray


def launches_of(tables: Tables) -> Launches:
    """The launches in order of their correlation."""
    kernels = tables.kernels
    known = np.flatnonzero(kernels["launch_ns"] >= 0)
    numbers = _correlations(kernels["correlation"])[known]
    correlation, first, place = np.unique(numbers, return_index=True, return_inverse=True)
    leading = known[first]
    start_ns = kernels["launch_ns"][leading]
    of_kernel = np.full(kernels["launch_ns"].size, NONE, dtype=np.int64)
    of_kernel[known] = place
    return Launches(
        start_ns=start_ns,
        end_ns=np.maximum(kernels["launch_end_ns"][leading], start_ns),
        thread=_threads(tables, leading),
        name=kernels["launch_name"][leading],
        op=real_ops(tables, kernels["op"])[leading],
        correlation=correlation,
        of_kernel=of_kernel,
    )


def real_ops(tables: Tables, op: IntArray) -> IntArray:
    """The innermost op around each that is none of the user's own ranges, or -1."""
    annotation, parent = tables.ops["annotation"], tables.ops["parent"]
    found = op.copy()
    for _ in range(annotation.size):
        is_range = taken(annotation, found) == 1
        if not is_range.any():
            break
        found[is_range] = parent[found[is_range]]
    return found


def _correlations(recorded: IntArray) -> IntArray:
    """Recorded numbers, and new ones where there are none."""
    numbers = recorded.copy()
    lacking = numbers < 0
    first = int(numbers.max(initial=0)) + 1
    numbers[lacking] = first + np.arange(np.count_nonzero(lacking))
    return numbers


def _threads(tables: Tables, rows: IntArray) -> IntArray:
    """Of each activity's launch: as recorded, or else that of its op, of its layer's call, or of its step."""
    kernels = tables.kernels
    thread = kernels["launch_thread"][rows]
    for table, position in ((tables.ops, "op"), (tables.ranges, "range"), (tables.steps, "step")):
        thread = np.where(thread == NONE, taken(table["thread"], kernels[position][rows]), thread)
    return thread
