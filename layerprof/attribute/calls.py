"""From spans to the call graph: one node for each call path, with its calls and self time in every step.

    for each nesting level, outermost first:
        key of a span  = (node of its caller, layer, is it on another thread)
        node of a span = the number of its key

All integer arithmetic: the self times of a step add up to its outermost calls exactly.
"""

from __future__ import annotations

import numpy as np

from layerprof.attribute.base import NO_PARENT, CallGraph, IntArray, Spans, levels_of


def graph_of(spans: Spans, *, steps: int) -> CallGraph:
    """The call graph of all steps, with the values ``calls`` and ``self_ns``, each (nodes, steps).

    Args:
        spans: callers before the called.
        steps: how many there were; a node that was not called in a step has zeros there.
    """
    node_of_span, first_span = _nodes(spans)
    count = first_span.size
    cell = node_of_span * steps + spans.step
    callers = spans.parent[first_span]
    return CallGraph(
        parent=np.where(callers == NO_PARENT, NO_PARENT, node_of_span[callers]) if count else _empty(),
        layer=spans.layer[first_span],
        is_concurrent=spans.is_concurrent[first_span],
        values={
            "calls": _summed(cell, np.ones_like(cell), (count, steps)),
            "self_ns": _summed(cell, _self_ns(spans), (count, steps)),
        },
    )


def _empty() -> IntArray:
    return np.empty(0, dtype=np.int64)


def _summed(cell: IntArray, weights: IntArray, shape: tuple[int, int]) -> IntArray:
    total = np.zeros(shape[0] * shape[1], dtype=np.int64)
    np.add.at(total, cell, weights)  # bincount would go through floats and lose nanoseconds
    return total.reshape(shape)


def _self_ns(spans: Spans) -> IntArray:
    """Each span's duration without those of the spans that it called on its thread."""
    duration = spans.end_ns - spans.start_ns
    own = duration.copy()
    has_caller = spans.parent != NO_PARENT
    np.subtract.at(own, spans.parent[has_caller], duration[has_caller])
    return own


def _nodes(spans: Spans) -> tuple[IntArray, IntArray]:
    """The node of each span, and the first span of each node; nodes in order of level, then first entry."""
    node_of_span = np.full(spans.layer.size, NO_PARENT, dtype=np.int64)
    first: list[IntArray] = []
    count = 0
    width = int(spans.layer.max(initial=0)) + 1
    level_of = levels_of(spans.parent)
    for level in range(int(level_of.max(initial=-1)) + 1):
        here = np.flatnonzero(level_of == level)
        callers = spans.parent[here]
        caller_node = np.where(callers == NO_PARENT, NO_PARENT, node_of_span[callers])
        key = ((caller_node + 1) * width + spans.layer[here]) * 2 + spans.is_concurrent[here]
        _, first_here, number = np.unique(key, return_index=True, return_inverse=True)
        by_entry = np.argsort(first_here, kind="stable")
        rank = np.empty_like(by_entry)
        rank[by_entry] = np.arange(by_entry.size)
        node_of_span[here] = count + rank[number]
        first.append(here[first_here[by_entry]])
        count += by_entry.size
    return node_of_span, np.concatenate(first) if first else _empty()


def merged(graphs: tuple[CallGraph, ...]) -> tuple[CallGraph, tuple[IntArray, ...]]:
    """One graph with the nodes of all, in the order of the first that has them, and where each graph's nodes went.

    Returns:
        The graph (without values), and for each input the index of its nodes in it.
    """
    number: dict[tuple[int, int, bool], int] = {}
    maps: list[IntArray] = []
    for graph in graphs:
        place = np.empty(graph.layer.size, dtype=np.int64)
        for node in range(graph.layer.size):
            caller = int(graph.parent[node])
            above = NO_PARENT if caller == NO_PARENT else int(place[caller])
            key = (above, int(graph.layer[node]), bool(graph.is_concurrent[node]))
            place[node] = number.setdefault(key, len(number))
        maps.append(place)
    columns = list(number)
    union = CallGraph(
        parent=np.asarray([key[0] for key in columns], dtype=np.int64),
        layer=np.asarray([key[1] for key in columns], dtype=np.int64),
        is_concurrent=np.asarray([key[2] for key in columns], dtype=np.bool_),
        values={},
    )
    return union, tuple(maps)
