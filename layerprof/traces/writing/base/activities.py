"""Device activities as spans of layers: from the first to the last that came of a call, by call and device.

Backward work belongs to the call that it is the backward of, and is kept apart from that call's own.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from layerprof.attribute.base.intervals import NONE, taken

if TYPE_CHECKING:
    from layerprof.traces.writing.base.base import IntArray
    from layerprof.traces.writing.base.scene import Scene

_FAR_NS = np.iinfo(np.int64).max


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceSpans:
    """Spans of calls on one device, by start.

    Attributes:
        range: the call of the layer.  (spans,)
        is_later: 1 for the call's backward work.  (spans,)
        start_ns, end_ns: of its first and its last activity, those of calls in it included.  (spans,)
        activities: how many.  (spans,)
    """

    range: IntArray
    is_later: IntArray
    start_ns: IntArray
    end_ns: IntArray
    activities: IntArray


def device_spans(scene: Scene, device: int) -> DeviceSpans:
    """The spans of all calls whose work the device did."""
    kernels, parent = scene.tables.kernels, scene.tables.ranges["parent"]
    chosen = np.flatnonzero((kernels["device"] == device) & (kernels["range"] != NONE))
    key = 2 * kernels["range"][chosen] + _is_later(scene, chosen)
    size = 2 * parent.size
    start, end, count = np.full(size, _FAR_NS), np.full(size, -1), np.zeros(size, dtype=np.int64)
    start_ns, end_ns = kernels["start_ns"][chosen], kernels["end_ns"][chosen]
    while key.size:  # once for every depth: what a call did, the call around it did too
        np.minimum.at(start, key, start_ns)
        np.maximum.at(end, key, end_ns)
        np.add.at(count, key, 1)
        above = parent[key // 2]
        inner = np.flatnonzero(above != NONE)
        key, start_ns, end_ns = 2 * above[inner] + key[inner] % 2, start_ns[inner], end_ns[inner]
    found = np.flatnonzero(count)
    found = found[np.argsort(start[found], kind="stable")]
    return DeviceSpans(
        range=found // 2,
        is_later=found % 2,
        start_ns=start[found],
        end_ns=np.maximum(start[found], end[found]),
        activities=count[found],
    )


def _is_later(scene: Scene, rows: IntArray) -> IntArray:
    """1 for activities whose op, or else whose launch, began after their call had ended."""
    kernels = scene.tables.kernels
    op_ns = taken(scene.tables.ops["start_ns"], kernels["op"][rows])
    began_ns = np.where(kernels["op"][rows] == NONE, kernels["launch_ns"][rows], op_ns)
    return (began_ns >= scene.host.range_end_ns[kernels["range"][rows]]).astype(np.int64)
