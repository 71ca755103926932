"""Tracks of spans: rows on which no two overlap, and the names and order that a viewer is to give them."""

from __future__ import annotations

import heapq
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from layerprof.traces.writing.base.base.batches import Event
    from layerprof.traces.writing.base.base.tables import IntArray

_FREE_TID = 1_000_000  # first number of a track that has none of its own
_MOST_TID = 2**31 - 1  # viewers keep numbers of threads in 32 bits


@dataclass(frozen=True, slots=True, kw_only=True)
class Tracks:
    """Which track each span is on.

    Attributes:
        tid: of each span's track.  (spans,)
        group, lane: what each track is of, and which of its lanes it is, by tid, in the order to be shown.
    """

    tid: IntArray
    group: dict[int, int]
    lane: dict[int, int]


def tracks_of(start_ns: IntArray, end_ns: IntArray, group: IntArray) -> Tracks:
    """Spans on tracks: each group has as many lanes as spans overlap in it, and usually one.

    A group's first lane has the group's own number for a tid, where that can be one.

    Args:
        start_ns: of each span.  (spans,)
        end_ns: of each span.  (spans,)
        group: of each span, such as its stream.  (spans,)
    """
    tid = np.empty(group.size, dtype=np.int64)
    tracks = Tracks(tid=tid, group={}, lane={})
    groups = np.unique(group)
    free = max((_FREE_TID, *(int(one) + 1 for one in groups if 0 <= one < _MOST_TID // 2)))
    for one in groups.tolist():
        members = np.flatnonzero(group == one)
        lanes = lanes_of(start_ns[members], end_ns[members])
        for lane in range(int(lanes.max()) + 1):
            number = one
            if lane or not 0 <= one < _MOST_TID // 2:
                number, free = free, free + 1
            tid[members[lanes == lane]] = number
            tracks.group[number], tracks.lane[number] = one, lane
    return tracks


def lanes_of(start_ns: IntArray, end_ns: IntArray) -> IntArray:
    """The lowest lane for each span on which it overlaps none that began before it: (spans,)."""
    lanes = np.zeros(start_ns.size, dtype=np.int64)
    order = np.lexsort((-end_ns, start_ns))
    start, end = start_ns[order], end_ns[order]
    if not (start[1:] < np.maximum.accumulate(end)[:-1]).any():
        return lanes
    free: list[int] = []
    busy: list[tuple[int, int]] = []
    used = 0
    for place, begins, ends in zip(order.tolist(), start.tolist(), end.tolist(), strict=True):
        while busy and busy[0][0] <= begins:
            heapq.heappush(free, heapq.heappop(busy)[1])
        if not free:
            heapq.heappush(free, used)
            used += 1
        lanes[place] = heapq.heappop(free)
        heapq.heappush(busy, (ends, int(lanes[place])))
    return lanes


def process_named(pid: int, name: str, *, order: int) -> list[Event]:
    """The events that name a process and say where it is shown."""
    return [_metadata("process", pid, 0, "name", name), _metadata("process", pid, 0, "sort_index", order)]


def track_named(pid: int, tid: int, name: str, *, order: int) -> list[Event]:
    """The events that name a track and say where it is shown."""
    return [_metadata("thread", pid, tid, "name", name), _metadata("thread", pid, tid, "sort_index", order)]


def with_lane(name: str, lane: int) -> str:
    """The name of one of several lanes; the first has none."""
    return f"{name} ({lane + 1})" if lane else name


def _metadata(of: str, pid: int, tid: int, key: str, value: object) -> Event:
    return {"ph": "M", "name": f"{of}_{key}", "pid": pid, "tid": tid, "args": {key: value}}
