"""Where the rows of layers are: which track each call is drawn on."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from layerprof.traces.writing.base.base import IntArray
    from layerprof.traces.writing.base.scene import Scene

STEPS_TID, PHASES_TID = 1, 2
_FIRST_TID = 10


def row_tids(scene: Scene) -> tuple[IntArray, list[tuple[int, int]]]:
    """The track of each call of a layer, and the (thread, depth) that each track is of, in the order to be shown.

    Threads that steps ran on come first; each has a track for every depth.
    """
    thread, depth = scene.tables.ranges["thread"], scene.host.depth
    stepping = set(scene.tables.steps["thread"].tolist())
    pairs = sorted(
        set(zip(thread.tolist(), depth.tolist(), strict=True)), key=lambda one: (one[0] not in stepping, one)
    )
    number = {pair: _FIRST_TID + place for place, pair in enumerate(pairs)}
    tids = [number[pair] for pair in zip(thread.tolist(), depth.tolist(), strict=True)]
    return np.asarray(tids, dtype=np.int64), pairs


def tid_of_row(place: int) -> int:
    """The number of the track that is at a place in the order to be shown."""
    return _FIRST_TID + place
