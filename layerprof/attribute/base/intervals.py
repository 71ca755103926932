"""Intervals on threads: which lies in which, which is open at a moment, and how long any of several is.

    thread 1:   |──────── a ────────|        |── d ──|
                  |── b ──|  |─ c ─────|                    c bleeds past a: it is cut off where a ends, and counted

All of it works level by level on sorted columns, without a Python loop over intervals.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from layerprof.attribute.base.events import BoolArray, IntArray

OUTERMOST = -1  # lies in no other interval
NONE = -1


@dataclass(frozen=True, slots=True, kw_only=True)
class Nest:
    """Intervals by what they lie in.

    Attributes:
        parent: index of the innermost interval around each on its thread, or -1.  (intervals,)
        levels: the intervals of each level, outermost first, by start within a level.
        start, end: of each on an axis that all threads share, one after the other; ends are cut off where the parent
            ends.  (intervals,)
        order: by start, outer ones first.  (intervals,)
        threads: their numbers, ascending.  (threads,)
        origin_ns, width_ns: what is taken off a time, and what a thread's rank adds to it.
        clipped: how many bled past their parents.
    """

    parent: IntArray
    levels: tuple[IntArray, ...]
    start: IntArray
    end: IntArray
    order: IntArray
    threads: IntArray
    origin_ns: int
    width_ns: int
    clipped: int


def nested(start_ns: IntArray, end_ns: IntArray, thread: IntArray) -> Nest:
    """The intervals by what they lie in; of two with the same times, the one given first is the outer.

    An interval that ends where another starts is beside it. One without length lies in what is open at its time.

    Args:
        start_ns: of each.  (intervals,)
        end_ns: of each; one before its start counts as the start.  (intervals,)
        thread: of each.  (intervals,)
    """
    threads, rank = _ranks(thread)
    origin = int(start_ns.min()) if start_ns.size else 0
    width = max(int(start_ns.max()), int(end_ns.max())) - origin + 2 if end_ns.size else 1
    shift = rank * width - origin
    start, end = start_ns + shift, np.maximum(start_ns, end_ns) + shift
    order = _by_start(start, end)
    parent = np.full(start.size, OUTERMOST, dtype=np.int64)
    levels: list[IntArray] = []
    clipped = 0
    index = order
    while index.size:
        is_top, holder, cut_off = _level(start[index], end, index)
        clipped += cut_off
        levels.append(index[is_top])
        is_inner = ~is_top
        parent[index[is_inner]] = index[holder[is_inner]]
        index = index[is_inner]
    return Nest(
        parent=parent,
        levels=tuple(levels),
        start=start,
        end=end,
        order=order,
        threads=threads,
        origin_ns=origin,
        width_ns=width,
        clipped=clipped,
    )


def _ranks(thread: IntArray) -> tuple[IntArray, IntArray]:
    """The distinct threads, and the place of each interval's thread among them."""
    if not thread.size or thread.min() == thread.max():
        return thread[:1], np.zeros(thread.size, dtype=np.int64)
    threads = np.unique(thread)
    return threads, np.searchsorted(threads, thread)


def _by_start(start: IntArray, end: IntArray) -> IntArray:
    """By start, then the longer first, then as given.

    Recorded columns are nearly sorted by start, which a stable sort makes use of; only ties are sorted by two keys.
    """
    order = np.argsort(start, kind="stable")
    ordered = start[order]
    same = ordered[1:] == ordered[:-1]
    if same.any():
        is_tied = np.zeros(order.size, dtype=np.bool_)
        is_tied[1:] |= same
        is_tied[:-1] |= same
        tied = order[is_tied]
        order[is_tied] = tied[np.lexsort((-end[tied], start[tied]))]
    return order


def _level(start: IntArray, end: IntArray, index: IntArray) -> tuple[BoolArray, IntArray, int]:
    """Which of the intervals lie in none of the others, and for each the place of the latest such one.

    Cuts ends off, in place, where the interval around them ends. All that are left from the levels above lie within
    their parents, so what is open never reaches over into the next parent.

    Returns:
        Whether each is on top, the place of the top one at or before it, and how many ends were cut off.
    """
    clipped = 0
    places = np.arange(index.size)
    while True:
        ends = end[index]
        is_top = np.ones(index.size, dtype=np.bool_)
        is_top[1:] = start[1:] >= np.maximum.accumulate(ends)[:-1]
        holder = np.maximum.accumulate(np.where(is_top, places, 0))
        limit = ends[holder]
        bleeds = (ends > limit) & (start < limit)
        if not bleeds.any():
            return is_top, holder, clipped
        # What bled may have hidden that later intervals are on top: look again without it.
        clipped += int(np.count_nonzero(bleeds))
        end[index[bleeds]] = limit[bleeds]


def inherited(nest: Nest, own: IntArray) -> IntArray:
    """Each interval's own value, or where that is -1 that of the innermost interval around it that has one."""
    values = own.copy()
    for level in nest.levels[1:]:
        lacking = level[own[level] == NONE]
        values[lacking] = values[nest.parent[lacking]]
    return values


def innermost_at(nest: Nest, time_ns: IntArray, thread: IntArray) -> IntArray:
    """The innermost interval open at each moment on a thread, or -1."""
    if not nest.start.size or not time_ns.size:
        return np.full(time_ns.size, NONE, dtype=np.int64)
    rank = np.minimum(np.searchsorted(nest.threads, thread), nest.threads.size - 1)
    since = time_ns - nest.origin_ns
    is_known = (nest.threads[rank] == thread) & (since >= 0) & (since < nest.width_ns)
    moment = since + rank * nest.width_ns
    latest = np.searchsorted(nest.start[nest.order], moment, side="right") - 1
    found = np.where(is_known & (latest >= 0), nest.order[np.maximum(latest, 0)], NONE)
    left = np.flatnonzero(found != NONE)
    while left.size:
        left = left[nest.end[found[left]] <= moment[left]]
        found[left] = nest.parent[found[left]]
        left = left[found[left] != NONE]
    return found


def self_ns(nest: Nest) -> IntArray:
    """The length of each interval without those that lie directly in it: (intervals,)."""
    length = nest.end - nest.start
    own = length.copy()
    is_inner = nest.parent != OUTERMOST
    np.subtract.at(own, nest.parent[is_inner], length[is_inner])
    return own


def newly_covered_ns(start: IntArray, end: IntArray) -> IntArray:
    """How much of each interval no earlier one covers; sorted by start. The sum is the length of their union."""
    if not start.size:
        return start
    before = np.empty_like(end)
    before[0] = start[0]
    before[1:] = np.maximum.accumulate(end)[:-1]
    return np.maximum(end - np.maximum(start, before), 0)


def taken(values: IntArray, index: IntArray) -> IntArray:
    """``values[index]``, and -1 where the index is."""
    if not values.size:
        return np.full(index.size, NONE, dtype=np.int64)
    return np.where(index == NONE, NONE, values[index])
