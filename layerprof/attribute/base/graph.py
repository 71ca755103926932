"""The call graph: who called whom in which phase, with named quantities at each place.

A call path is numbered by (call path of its caller, layer, is it on another thread), level by level, outermost first.
A node is a call path in a phase in which something was called or measured; with it stand all its callers in that phase.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from layerprof.attribute.base.events import BoolArray, IntArray

NO_PARENT = -1


@dataclass(frozen=True, slots=True, kw_only=True)
class CallPathTable:
    """Call paths, numbered; callers before the called.

    A call path is a layer called from another call path on the same sort of thread, whatever the phase.

    Attributes:
        parent: number of the calling path, or -1.  (paths,)
        layer: index of the layer.  (paths,)
        is_concurrent: whether it ran on another thread than the step's.  (paths,)
    """

    parent: IntArray
    layer: IntArray
    is_concurrent: BoolArray


@dataclass(frozen=True, slots=True, kw_only=True)
class CallGraph:
    """Who called whom, merged over repeated calls and steps; parents stand before their children.

    A node is a call path in one phase; its parent is the calling path in the same phase.

    Attributes:
        parent: index of the calling node, or -1.  (nodes,)
        layer: index of the layer.  (nodes,)
        is_concurrent: whether it ran on another thread than the step's.  (nodes,)
        phase: index of the phase.  (nodes,)
        values: named quantities of the node itself.  name -> (nodes, steps)
    """

    parent: IntArray
    layer: IntArray
    is_concurrent: BoolArray
    phase: IntArray
    values: Mapping[str, IntArray]


def levels_of(parent: IntArray) -> IntArray:
    """How many callers stand above each span or node, given the index of each one's caller or -1."""
    level = np.zeros(parent.size, dtype=np.int64)
    above = parent.copy()
    while (has_caller := above != NO_PARENT).any():
        level[has_caller] += 1
        above[has_caller] = parent[above[has_caller]]
    return level


def latest_forward_callers(layer: IntArray, caller: IntArray, is_recomputed: BoolArray) -> IntArray:
    """Each call's caller; for one that autograd's engine made, that of the same layer's latest forward call, or -1.

    Args:
        layer: of each call, in order of their beginning.  (calls,)
        caller: index of the calling call, or -1.  (calls,)
        is_recomputed: whether the engine made the call.  (calls,)
    """
    if not is_recomputed.any():
        return caller
    by_layer = np.argsort(layer, kind="stable")  # within a layer by beginning
    latest = np.maximum.accumulate(np.where(is_recomputed[by_layer], NO_PARENT, np.arange(layer.size)))
    forward = np.empty_like(latest)
    forward[by_layer] = np.where(latest == NO_PARENT, NO_PARENT, by_layer[latest])
    has_forward = (forward != NO_PARENT) & (layer[forward] == layer)
    return np.where(is_recomputed, np.where(has_forward, caller[forward], NO_PARENT), caller)


def summed(cell: IntArray, weights: IntArray, shape: tuple[int, int]) -> IntArray:
    """Weights added up by cell of a table, cells numbered row by row."""
    total = np.zeros(shape[0] * shape[1], dtype=np.int64)
    np.add.at(total, cell, weights)  # bincount would go through floats and lose nanoseconds
    return total.reshape(shape)


def with_values(graph: CallGraph, values: Mapping[str, IntArray]) -> CallGraph:
    """The graph with these quantities."""
    return CallGraph(
        parent=graph.parent,
        layer=graph.layer,
        is_concurrent=graph.is_concurrent,
        phase=graph.phase,
        values=values,
    )


def call_paths(parent: IntArray, layer: IntArray, is_concurrent: BoolArray) -> tuple[CallPathTable, IntArray]:
    """The distinct call paths of some calls, callers first and then by first call, and the path of each call.

    Args:
        parent: index of the calling call, or -1; callers stand before the called.  (calls,)
        layer: index of the layer.  (calls,)
        is_concurrent: whether on another thread than the step's.  (calls,)
    """
    path_of = np.full(layer.size, NO_PARENT, dtype=np.int64)
    first: list[IntArray] = []
    count = 0
    width = int(layer.max(initial=0)) + 1
    level_of = levels_of(parent)
    by_level = np.argsort(level_of, kind="stable")
    ends = np.cumsum(np.bincount(level_of)) if layer.size else np.empty(0, dtype=np.int64)
    for level in range(ends.size):
        here = by_level[ends[level - 1] if level else 0 : ends[level]]
        callers = parent[here]
        caller_path = np.where(callers == NO_PARENT, NO_PARENT, path_of[callers])
        key = ((caller_path + 1) * width + layer[here]) * 2 + is_concurrent[here]
        _, first_here, number = np.unique(key, return_index=True, return_inverse=True)
        by_entry = np.argsort(first_here, kind="stable")
        rank = np.empty_like(by_entry)
        rank[by_entry] = np.arange(by_entry.size)
        path_of[here] = count + rank[number]
        first.append(here[first_here[by_entry]])
        count += by_entry.size
    firsts = np.concatenate(first) if first else np.empty(0, dtype=np.int64)
    callers = parent[firsts]
    table = CallPathTable(
        parent=np.where(callers == NO_PARENT, NO_PARENT, path_of[callers]) if firsts.size else firsts,
        layer=layer[firsts],
        is_concurrent=is_concurrent[firsts],
    )
    return table, path_of


def phased(table: CallPathTable, cells: IntArray, *, phases: int) -> tuple[CallGraph, IntArray]:
    """The graph (without values) that has a node for each cell and for its callers in the cell's phase.

    Args:
        table: the call paths.
        cells: path times ``phases`` plus phase, in any order.
        phases: how many there are.

    Returns:
        The graph, phase by phase and callers first, and the node of each cell.
    """
    known = np.unique(cells)
    fresh = known
    while fresh.size:
        above = table.parent[fresh // phases]
        callers = (above * phases + fresh % phases)[above != NO_PARENT]
        fresh = np.setdiff1d(callers, known)
        known = np.union1d(known, fresh)
    by_phase = known[np.lexsort((known // phases, known % phases))]
    node_at = np.empty(known.size, dtype=np.int64)
    node_at[np.searchsorted(known, by_phase)] = np.arange(known.size)
    path, phase = by_phase // phases, by_phase % phases
    above = table.parent[path]
    caller = np.where(above == NO_PARENT, 0, above * phases + phase)
    graph = CallGraph(
        parent=np.where(above == NO_PARENT, NO_PARENT, node_at[np.searchsorted(known, caller) % max(known.size, 1)]),
        layer=table.layer[path],
        is_concurrent=table.is_concurrent[path],
        phase=phase,
        values={},
    )
    return graph, node_at[np.searchsorted(known, cells)]


def merged(graphs: tuple[CallGraph, ...]) -> tuple[CallGraph, tuple[IntArray, ...]]:
    """One graph with the nodes of all, in the order of the first that has them, and where each graph's nodes went.

    Returns:
        The graph (without values), and for each input the index of its nodes in it.
    """
    number: dict[tuple[int, int, bool, int], int] = {}
    maps: list[IntArray] = []
    for graph in graphs:
        place = np.empty(graph.layer.size, dtype=np.int64)
        for node in range(graph.layer.size):
            caller = int(graph.parent[node])
            above = NO_PARENT if caller == NO_PARENT else int(place[caller])
            key = (above, int(graph.layer[node]), bool(graph.is_concurrent[node]), int(graph.phase[node]))
            place[node] = number.setdefault(key, len(number))
        maps.append(place)
    columns = list(number)
    union = CallGraph(
        parent=np.asarray([key[0] for key in columns], dtype=np.int64),
        layer=np.asarray([key[1] for key in columns], dtype=np.int64),
        is_concurrent=np.asarray([key[2] for key in columns], dtype=np.bool_),
        phase=np.asarray([key[3] for key in columns], dtype=np.int64),
        values={},
    )
    return union, tuple(maps)


@dataclass(frozen=True, slots=True, kw_only=True)
class Columns:
    """Numbers of one call graph by phase and layer: name -> (phases, layers, steps).

    Attributes:
        own: over all calls of a layer.
        total: over its outermost calls in the phase, with all that was called below them.
    """

    own: Mapping[str, IntArray]
    total: Mapping[str, IntArray]


@dataclass(frozen=True, slots=True, kw_only=True)
class Extent:
    """How many phases and layers there are."""

    phases: int
    layers: int


def columns_of(graph: CallGraph, extent: Extent) -> Columns:
    """Each value of the graph by phase and layer."""
    first = outermost(graph)
    return Columns(
        own={name: by_layer(graph, values, extent) for name, values in graph.values.items()},
        total={
            name: by_layer(graph, totals(graph, values), extent, where=first) for name, values in graph.values.items()
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


def by_layer(graph: CallGraph, values: IntArray, extent: Extent, *, where: BoolArray | None = None) -> IntArray:
    """Values of nodes summed into their phases and layers: (nodes, steps) -> (phases, layers, steps)."""
    result = np.zeros((extent.phases, extent.layers, values.shape[1]), dtype=np.int64)
    chosen = slice(None) if where is None else where
    np.add.at(result, (graph.phase[chosen], graph.layer[chosen]), values[chosen])
    return result


def highest_by_layer(graph: CallGraph, values: IntArray, extent: Extent) -> IntArray:
    """The highest value of a phase and layer's nodes; 0 without any: (nodes, steps) -> (phases, layers, steps)."""
    result = np.zeros((extent.phases, extent.layers, values.shape[1]), dtype=np.int64)
    np.maximum.at(result, (graph.phase, graph.layer), values)
    return result


def outermost(graph: CallGraph) -> BoolArray:
    """Whether no caller of a node, however far up, is of the same layer: recursion is added once: (nodes,)."""
    result = np.ones(graph.layer.size, dtype=np.bool_)
    above = graph.parent.copy()
    while (has_caller := above != NO_PARENT).any():
        result[has_caller] &= graph.layer[above[has_caller]] != graph.layer[has_caller]
        above[has_caller] = graph.parent[above[has_caller]]
    return result
