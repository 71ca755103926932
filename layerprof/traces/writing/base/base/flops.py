"""FLOPs of the ops of a timeline, and of calls of layers in which it shows no ops that could have them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from layerprof.attribute.base.intervals import NONE, taken

if TYPE_CHECKING:
    from layerprof.records import LayerProfile
    from layerprof.traces.writing.base.base.tables import FloatArray, Tables


def flops_of_ops(tables: Tables, layers: Sequence[LayerProfile]) -> FloatArray:
    """FLOPs of one call of each op, 0 where they are none or not known: (ops,)."""
    known = {
        (at, op.name, op.shapes): op.flops / op.calls
        for at, layer in enumerate(layers)
        for op in layer.ops
        if op.flops and op.calls and math.isfinite(op.flops)
    }
    layer = taken(tables.ranges["layer"], tables.ops["range"])
    keys = np.stack((layer, tables.ops["name"], tables.ops["shapes"]))
    distinct, place = np.unique(keys, axis=1, return_inverse=True)
    flops = [
        0.0 if NONE in (name, shapes) else known.get((at, tables.strings[name], tables.shapes[shapes]), 0.0)
        for at, name, shapes in distinct.T.tolist()
    ]
    return np.asarray(flops, dtype=np.float64)[place.reshape(-1)]


def flops_of_calls(tables: Tables, layers: Sequence[LayerProfile]) -> FloatArray:
    """FLOPs of each call that were counted in layers in it which the timeline does not show, and of no op: (ranges,).

    Layers in a compiled one are counted as if it were not compiled, but their calls and ops are never seen: the work is
    the compiled one's.
    """
    layer = tables.ranges["layer"]
    calls = np.bincount(layer, minlength=len(layers))
    position = {one.path: at for at, one in enumerate(layers)}
    hidden = np.zeros(len(layers), dtype=np.float64)
    for at, one in enumerate(layers):
        if not calls[at] and not one.ops and one.self_flops and math.isfinite(one.self_flops):
            around = _shown_around(one.path, position, calls.tolist())
            if around != NONE and any(op.flops is None for op in layers[around].ops):
                hidden[around] += one.self_flops
    steps = tables.steps["start_ns"].size
    return np.asarray((hidden * steps / np.maximum(calls, 1))[layer], dtype=np.float64)


def _shown_around(path: str, position: dict[str, int], calls: Sequence[int]) -> int:
    """The innermost layer around one that the timeline shows, or -1."""
    while path:
        path = path.rpartition(".")[0]
        at = position.get(path, NONE)
        if at != NONE and calls[at]:
            return at
    return NONE
