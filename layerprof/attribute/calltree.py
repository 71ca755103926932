"""From the call graphs of the passes to the one call tree of the record."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from layerprof.attribute.base import NO_PARENT, BoolArray, CallGraph, Findings, IntArray, merged, totals
from layerprof.records import CallNode, Distribution, LayerInfo

WHOLE_STEP = "step"  # in place of a phase, where the top node stands for a step of several

_NS_PER_S = 1e9


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeColumns:
    """Numbers of the common graph's nodes; None where no pass brought them.

    Attributes:
        is_timed: whether the time pass can see calls of the node's layer.  (nodes,)
        calls: in the first step.  (nodes,)
        total_ns, self_ns: (nodes, steps)
        flops, self_flops: (nodes,)
    """

    is_timed: BoolArray
    calls: IntArray
    total_ns: IntArray | None = None
    self_ns: IntArray | None = None
    flops: IntArray | None = None
    self_flops: IntArray | None = None


def call_tree_of(found: Findings, step_s: Distribution | None) -> CallNode | None:
    """The tree of who called whom, from all passes that saw calls; None where none did.

    Args:
        found: the passes, attributed.
        step_s: the whole step, for a top node that stands for its range.
    """
    graphs = _graphs(found)
    if not graphs:
        return None
    raw = found.raw
    union, places = merged(tuple(graphs.values()))
    place_of = dict(zip(graphs, places, strict=True))

    def at(name: str, values: IntArray) -> IntArray:
        return _placed(values, place_of[name], nodes=union.layer.size)

    is_timed = ~np.isin(union.layer, list(raw.time.unseen.layers if raw.time else ()))
    calls = [at(name, graph.values["calls"])[:, 0] for name, graph in graphs.items()]
    columns = NodeColumns(is_timed=is_timed, calls=np.where(is_timed, calls[0], calls[-1]))
    if "time" in graphs:
        own = graphs["time"].values["self_ns"]
        columns = replace(columns, self_ns=at("time", own), total_ns=at("time", totals(graphs["time"], own)))
    if "flops" in graphs:
        own = graphs["flops"].values["flops"]
        flops = at("flops", totals(graphs["flops"], own))[:, 0]
        columns = replace(columns, self_flops=at("flops", own)[:, 0], flops=flops)
    step_flops = raw.flops.step_flops if raw.flops else None
    names = [phase.name for phase in raw.phases]
    return call_tree(union, columns, raw.layers, phases=names, step_s=step_s, step_flops=step_flops)


def _graphs(found: Findings) -> dict[str, CallGraph]:
    """The call graphs to make the tree of; another pass's where neither of these two ran."""
    graphs: dict[str, CallGraph] = {}
    if found.timed is not None:
        graphs["time"] = found.timed.graph
    if found.raw.flops is not None:
        graphs["flops"] = found.raw.flops.graph
    if not graphs and found.recorded is not None:
        graphs["ops"] = found.recorded.books.graph
    if not graphs and found.raw.memory is not None:
        graphs["memory"] = found.raw.memory.graph
    return graphs


def call_tree(
    graph: CallGraph,
    columns: NodeColumns,
    layers: Sequence[LayerInfo],
    *,
    phases: Sequence[str],
    step_s: Distribution | None,
    step_flops: int | None,
) -> CallNode:
    """The tree of who called whom, with one top node.

    Args:
        graph: parents before children.
        columns: the nodes' numbers.
        layers: what the nodes' layer indices mean.
        phases: names of the phases.
        step_s: the whole step, for a top node that stands for its range.
        step_flops: of the whole step, likewise.
    """
    built: dict[int, CallNode] = {}
    children: dict[int, list[int]] = {}
    for node in range(graph.parent.size):
        children.setdefault(int(graph.parent[node]), []).append(node)
    for node in range(graph.parent.size - 1, -1, -1):  # children before their parents
        below = tuple(built.pop(child) for child in children.get(node, ()))
        built[node] = _node(graph, node, columns, layers, phases=phases, below=below)
    tops = tuple(built[node] for node in children.get(NO_PARENT, ()))
    if len(tops) == 1 and tops[0].path == "" and not tops[0].is_concurrent:
        return tops[0]
    phase = phases[0] if len(phases) == 1 else WHOLE_STEP
    return _range(tops, phase=phase, step_s=step_s, step_flops=step_flops)


def _range(tops: tuple[CallNode, ...], *, phase: str, step_s: Distribution | None, step_flops: int | None) -> CallNode:
    """The step itself as the top node, where its outermost calls are not the root's alone."""
    return CallNode(
        path="",
        called_as="",
        phase=phase,
        calls=0,
        total_s=step_s,
        self_s=None if step_s is None else Distribution(samples=(0.0,) * step_s.n),
        flops=step_flops,
        self_flops=None if step_flops is None else 0,
        is_range=True,
        children=tops,
    )


def _node(
    graph: CallGraph,
    node: int,
    columns: NodeColumns,
    layers: Sequence[LayerInfo],
    *,
    phases: Sequence[str],
    below: tuple[CallNode, ...],
) -> CallNode:
    info = layers[int(graph.layer[node])]
    caller = int(graph.parent[node])
    return CallNode(
        path=info.path,
        called_as=info.path if caller == NO_PARENT else _called_as(info, layers[int(graph.layer[caller])]),
        phase=phases[int(graph.phase[node])],
        calls=int(columns.calls[node]),
        total_s=_seconds(columns.total_ns, node) if columns.is_timed[node] else None,
        self_s=_seconds(columns.self_ns, node) if columns.is_timed[node] else None,
        flops=None if columns.flops is None else int(columns.flops[node]),
        self_flops=None if columns.self_flops is None else int(columns.self_flops[node]),
        is_concurrent=bool(graph.is_concurrent[node]),
        children=below,
    )


def _seconds(values_ns: IntArray | None, node: int) -> Distribution | None:
    return None if values_ns is None else Distribution(samples=tuple((values_ns[node] / _NS_PER_S).tolist()))


def _called_as(info: LayerInfo, caller: LayerInfo) -> str:
    """The name of a shared module that lies under one of its caller's names; its path where none or several do."""
    if not info.aliases:
        return info.path
    callers = {caller.path, *caller.aliases}
    under = [name for name in (info.path, *info.aliases) if name.rpartition(".")[0] in callers and name]
    return under[0] if len(under) == 1 else info.path


def _placed(values: IntArray, place: IntArray, *, nodes: int) -> IntArray:
    """Values of one pass's nodes at their places in the common graph, zeros elsewhere: (n, steps) -> (nodes, steps)."""
    result = np.zeros((nodes, values.shape[1]), dtype=np.int64)
    result[place] = values
    return result
