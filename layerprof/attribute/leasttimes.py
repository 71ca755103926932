"""The least time that ops can take: of each the longer of its FLOPs' and its bytes', one op after the other.

Least times add up as times do: a row's is the sum over its ops, a caller's that of its own ops and of those it called.
They are kept apart by what took longer, as integers of picoseconds, so that sums close exactly.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from layerprof.attribute.base import (
    ABOVE,
    COMPUTE,
    MEMORY,
    UNRATED,
    CallGraph,
    FlopsPass,
    IntArray,
    PlacedOps,
    with_values,
)

FloatArray = NDArray[np.float64]

_PS_PER_S = 1e12
_MOST_PS = 1e16  # of one kind of op, almost three hours: a sum of a hundred still fits, and no op takes as long


def with_least_times(
    counted: FlopsPass,
    *,
    matrix_flops_per_s: Mapping[str, float],
    copy_bytes_per_s: float | None,
    own_s: FloatArray | None,
) -> FlopsPass:
    """The flops pass with the least times of its ops among its graph's values and its phases'.

    Args:
        counted: the pass; without ops by place, or with unknown bytes, it is given back as it is.
        matrix_flops_per_s: ceilings by format; an op in another one is counted as unrated.
        copy_bytes_per_s: the ceiling of bytes; None leaves every op unrated.
        own_s: what each layer itself took, or None.  (phases, layers)
    """
    placed = counted.placed
    if placed is None or counted.unsized:
        return counted
    rates = np.asarray([*(matrix_flops_per_s.get(dtype, np.nan) for dtype in counted.dtypes), np.nan])
    columns = _least_times(placed, rates, np.nan if copy_bytes_per_s is None else copy_bytes_per_s)
    columns[ABOVE] = _above(placed, columns[COMPUTE] + columns[MEMORY], counted.graph, own_s)
    nodes, phases = counted.graph.layer.size, counted.by_phase["flops"].size
    inside = placed.node >= 0
    graph_values, by_phase = dict(counted.graph.values), dict(counted.by_phase)
    for name, column in columns.items():
        graph_values[name] = np.zeros((nodes, 1), dtype=np.int64)
        np.add.at(graph_values[name][:, 0], placed.node[inside], column[inside])
        by_phase[name] = np.zeros(phases, dtype=np.int64)
        np.add.at(by_phase[name], placed.phase, column)
    return replace(counted, graph=with_values(counted.graph, graph_values), by_phase=by_phase)


def _above(placed: PlacedOps, least_ps: IntArray, graph: CallGraph, own_s: FloatArray | None) -> IntArray:
    """The least times of ops in layers that took less than their own ops' least time together."""
    if own_s is None or not placed.node.size:
        return np.zeros_like(least_ps)
    inside = placed.node >= 0
    layer = np.where(inside, graph.layer[placed.node] if graph.layer.size else 0, 0)
    of_layer = np.zeros(own_s.shape)
    np.add.at(of_layer, (placed.phase[inside], layer[inside]), least_ps[inside])
    is_above = (own_s > 0) & (of_layer > own_s * _PS_PER_S)
    above: IntArray = np.where(inside & is_above[placed.phase, layer], least_ps, 0)
    return above


def _least_times(placed: PlacedOps, rates: FloatArray, bandwidth: float) -> dict[str, IntArray]:
    has_flops = placed.flops > 0
    compute_ps = np.where(has_flops, placed.flops / rates[placed.dtype] * _PS_PER_S, 0.0)
    memory_ps = np.where(placed.bytes_moved > 0, placed.bytes_moved / bandwidth * _PS_PER_S, 0.0)
    is_unrated = np.isnan(compute_ps) | np.isnan(memory_ps)
    is_compute = compute_ps >= memory_ps
    return {
        COMPUTE: _whole(np.where(is_compute & ~is_unrated, compute_ps, 0.0)),
        MEMORY: _whole(np.where(~is_compute & ~is_unrated, memory_ps, 0.0)),
        UNRATED: is_unrated.astype(np.int64),
    }


def _whole(values: FloatArray) -> IntArray:
    whole: IntArray = np.rint(np.minimum(values, _MOST_PS)).astype(np.int64)
    return whole
