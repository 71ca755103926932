"""From the passes' call graphs to columns: one number a layer, and one a node of the common call graph."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from layerprof.attribute.base import NO_PARENT, CallGraph, IntArray, Spans, StepEvents, levels_of

BoolArray = NDArray[np.bool_]


@dataclass(frozen=True, slots=True, kw_only=True)
class Columns:
    """Per-layer numbers of one call graph: name -> (layers, steps)."""

    own: Mapping[str, IntArray]
    total: Mapping[str, IntArray]


def columns_of(graph: CallGraph, *, layers: int) -> Columns:
    """Each value of the graph by layer: ``own`` over all calls, ``total`` over the outermost with all below them."""
    first = outermost(graph)
    return Columns(
        own={name: by_layer(graph, values, layers=layers) for name, values in graph.values.items()},
        total={
            name: by_layer(graph, totals(graph, values), layers=layers, where=first)
            for name, values in graph.values.items()
        },
    )


def totals(graph: CallGraph, own: IntArray) -> IntArray:
    """Each node's own value plus those of all nodes called below it: (nodes, steps) -> (nodes, steps)."""
    total = own.copy()
    level = levels_of(graph.parent)
    for depth in range(int(level.max(initial=0)), 0, -1):  # deepest first
        nodes = np.flatnonzero(level == depth)
        np.add.at(total, graph.parent[nodes], total[nodes])
    return total


def by_layer(graph: CallGraph, values: IntArray, *, layers: int, where: BoolArray | None = None) -> IntArray:
    """Values of nodes summed into their layers: (nodes, steps) -> (layers, steps)."""
    result = np.zeros((layers, values.shape[1]), dtype=np.int64)
    chosen = slice(None) if where is None else where
    np.add.at(result, graph.layer[chosen], values[chosen])
    return result


def highest_by_layer(graph: CallGraph, values: IntArray, *, layers: int) -> IntArray:
    """The highest value among each layer's nodes; 0 for a layer without any: (nodes, steps) -> (layers, steps)."""
    result = np.zeros((layers, values.shape[1]), dtype=np.int64)
    np.maximum.at(result, graph.layer, values)
    return result


def outermost(graph: CallGraph) -> BoolArray:
    """Whether no caller of a node, however far up, is of the same layer: recursion is added once: (nodes,)."""
    result = np.ones(graph.layer.size, dtype=np.bool_)
    above = graph.parent.copy()
    while (has_caller := above != NO_PARENT).any():
        result[has_caller] &= graph.layer[above[has_caller]] != graph.layer[has_caller]
        above[has_caller] = graph.parent[above[has_caller]]
    return result


def unattributed_ns(spans: Spans, steps: tuple[StepEvents, ...]) -> IntArray:
    """What is left of each step beside its outermost calls on the step's own thread: (steps,)."""
    left = np.asarray([step.end_ns - step.start_ns for step in steps], dtype=np.int64)
    is_top = (spans.parent == NO_PARENT) & ~spans.is_concurrent
    np.subtract.at(left, spans.step[is_top], (spans.end_ns - spans.start_ns)[is_top])
    return left
