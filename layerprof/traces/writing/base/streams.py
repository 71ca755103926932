"""The tracks of device activities, which both their slices and the arrows that lead to them need."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from layerprof.traces.writing.base.base import Tracks, tracks_of

if TYPE_CHECKING:
    from layerprof.traces.writing.base.base import IntArray
    from layerprof.traces.writing.base.scene import Scene


def activities_of(scene: Scene, device: int) -> tuple[IntArray, Tracks]:
    """The activities of a device, by start, and the track that each is on: one a stream, and lanes for overlaps."""
    kernels = scene.tables.kernels
    chosen = np.flatnonzero(kernels["device"] == device)
    chosen = chosen[np.argsort(kernels["start_ns"][chosen], kind="stable")]
    start_ns, end_ns, stream = (kernels[name][chosen] for name in ("start_ns", "end_ns", "stream"))
    return chosen, tracks_of(start_ns, np.maximum(start_ns, end_ns), stream)
