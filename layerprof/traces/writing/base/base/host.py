"""What happened on the host's threads, as spans that nest: steps, calls of layers, ops, launches.

Of spans with the same times the one named first here is the outer one, and the file has it first: a layer before the op
that is all of it. Where nothing of the host was recorded, a step and the call in it are on no thread, and not here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from layerprof.attribute.base.intervals import NONE, nested

if TYPE_CHECKING:
    from layerprof.traces.writing.base.base.launches import Launches
    from layerprof.traces.writing.base.base.tables import IntArray, Tables

STEP, RANGE, OP, LAUNCH = range(4)

_MOST_TID = 2**31 - 1  # viewers keep numbers of threads in 32 bits
_FREE_TID = 1 << 30


@dataclass(frozen=True, slots=True, kw_only=True)
class HostSpans:
    """Spans of all kinds, in the order of the file: by thread's start, outer ones first.

    Attributes:
        kind: STEP, RANGE, OP or LAUNCH.  (spans,)
        row: in the table of its kind.  (spans,)
        thread: as recorded.  (spans,)
        start_ns, end_ns: of each; ends are cut off where the span around them ends.  (spans,)
        clipped: how many ends were.
        depth: how many calls of layers are open around each call of one.  (ranges,)
        range_end_ns: ends of the calls of layers, cut off likewise.  (ranges,)
        tids: numbers that threads have in the trace, by thread.
    """

    kind: IntArray
    row: IntArray
    thread: IntArray
    start_ns: IntArray
    end_ns: IntArray
    clipped: int
    depth: IntArray
    range_end_ns: IntArray
    tids: dict[int, int]


def host_spans(tables: Tables, launches: Launches) -> HostSpans:
    """The spans of all threads."""
    spans = (tables.steps, tables.ranges, tables.ops)
    sizes = [*(table["start_ns"].size for table in spans), launches.start_ns.size]
    kind = np.repeat(np.arange(len(sizes)), sizes)
    row = np.concatenate([np.arange(size) for size in sizes])
    columns = (("start_ns", launches.start_ns), ("end_ns", launches.end_ns), ("thread", launches.thread))
    start, end, thread = (np.concatenate([*(table[name] for table in spans), launched]) for name, launched in columns)
    nest = nested(start, end, thread)
    end = nest.end - (nest.start - start)  # back from the axis that all threads share
    range_end_ns = end[kind == RANGE]
    is_here = (thread != NONE) | (kind == OP) | (kind == LAUNCH)
    order = nest.order[is_here[nest.order]]
    return HostSpans(
        kind=kind[order],
        row=row[order],
        thread=thread[order],
        start_ns=start[order],
        end_ns=end[order],
        clipped=nest.clipped,
        depth=_depths(tables.ranges["start_ns"], range_end_ns, thread[kind == RANGE]),
        range_end_ns=range_end_ns,
        tids=_tids(np.concatenate((thread[is_here], tables.allocations["thread"]))),
    )


def _depths(start_ns: IntArray, end_ns: IntArray, thread: IntArray) -> IntArray:
    depth = np.zeros(start_ns.size, dtype=np.int64)
    for level, members in enumerate(nested(start_ns, end_ns, thread).levels):
        depth[members] = level
    return depth


def _tids(threads: IntArray) -> dict[int, int]:
    """Threads by their own numbers, where a viewer can hold those."""
    known = np.unique(threads).tolist()
    return {one: one if 0 <= one <= _MOST_TID else _FREE_TID + place for place, one in enumerate(known)}
