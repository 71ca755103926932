"""From a profiler session's tree of events to columns of the memory that was taken and given back.

torch's plain events have the bytes of an allocation alone; its address and what the allocator then held stand in the
tree that torch makes of them. The tree is walked level by level with the getters of its nodes, without a Python frame
a node.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import chain
from operator import attrgetter
from typing import TYPE_CHECKING

import numpy as np
import torch

from layerprof.attribute.base.ops import HOST_MEMORY, Allocations

if TYPE_CHECKING:
    from torch._C._profiler import _ProfilerEvent

    from layerprof.attribute import IntArray

_COLUMNS = {  # of an allocation's node, by the names of ours
    "address": "ptr",
    "bytes": "alloc_size",
    "allocated_bytes": "total_allocated",
    "reserved_bytes": "total_reserved",
}
_children_of = attrgetter("children")
_tag_of = attrgetter("tag")


def read_allocations(
    roots: Sequence[_ProfilerEvent], threads: Mapping[int, int], *, span_ns: tuple[int, int]
) -> Allocations:
    """The allocations of a session within a span, by time.

    Args:
        roots: of the session's tree.
        threads: the system's number of a thread by torch's own count; a thread that is not in it is -1.
        span_ns: from when to when.
    """
    first_ns, last_ns = span_ns
    nodes = [node for node in _allocations_in(roots) if first_ns <= node.start_time_ns <= last_ns]
    nodes.sort(key=attrgetter("start_time_ns"))
    details = [node.extra_fields for node in nodes]
    return Allocations(
        time_ns=_column(node.start_time_ns for node in nodes),
        thread=_column(threads.get(node.start_tid, -1) for node in nodes),
        device=_column(map(_device_of, details)),
        **{ours: _column(_as_int64(getattr(one, theirs) or 0) for one in details) for ours, theirs in _COLUMNS.items()},
    )


def _allocations_in(roots: Sequence[_ProfilerEvent]) -> list[_ProfilerEvent]:
    wanted = torch._C._profiler._EventType.Allocation
    found: list[_ProfilerEvent] = []
    level = list(roots)
    while level:
        found += [node for node, tag in zip(level, map(_tag_of, level), strict=True) if tag == wanted]
        level = list(chain.from_iterable(map(_children_of, level)))
    return found


def _device_of(details: object) -> int:
    device: torch.device = details.device  # type: ignore[attr-defined]  # of an allocation's node
    return HOST_MEMORY if device.type == "cpu" else device.index or 0


def _as_int64(number: int) -> int:
    """An address with its highest bit set as the negative number of the same bits; all others as they are."""
    return number - (1 << 64) if number >= 1 << 63 else number


def _column(values: Iterable[int]) -> IntArray:
    return np.fromiter(values, dtype=np.int64)
