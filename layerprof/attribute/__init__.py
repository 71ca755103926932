"""Attribution: from what the passes brought to the profile, by pure functions on columns.

TimePass ──spans──▶ CallGraph ─┐
FlopsPass ────────▶ CallGraph ─┼─ common graph ─▶ call tree
MemoryPass ───────▶ CallGraph ─┘      └─────────▶ rows ─▶ stages, phases ─▶ checks
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

import numpy as np

from layerprof import stats
from layerprof.attribute.base import (
    CallGraph,
    FlopsPass,
    IntArray,
    MemoryPass,
    RawTrace,
    Spans,
    StepEvents,
    ThreadEvents,
    TimePass,
    Unseen,
)
from layerprof.attribute.books import checks_of
from layerprof.attribute.calls import graph_of, merged
from layerprof.attribute.calltree import NodeColumns, call_tree, placed
from layerprof.attribute.columns import by_layer, columns_of, highest_by_layer, totals, unattributed_ns
from layerprof.attribute.missing import notes_on_missing
from layerprof.attribute.nesting import spans_of
from layerprof.attribute.rows import LayerColumns, layer_rows, phase_rows, seconds, stage_rows
from layerprof.records import CallNode, Distribution, FlopReport, FrozenMapping, LayerInfo, Note, Overhead, Profile

__all__ = [
    "CallGraph",
    "FlopsPass",
    "MemoryPass",
    "RawTrace",
    "StepEvents",
    "ThreadEvents",
    "TimePass",
    "Unseen",
    "attribute",
    "checks_of",
    "flop_report",
    "graph_of",
    "spans_of",
]


_HIDDEN = (
    "another pass saw it called and the time pass did not: it is inside compiled code, where no hook fires, or the "
    "model calls it in some steps only; profile before torch.compile for its time"
)


def attribute(raw: RawTrace) -> Profile:
    """The profile of a measurement: rows, call tree, stages, phases, notes and checks."""
    spans = spans_of(raw.time.steps) if raw.time else None
    timed = graph_of(spans, steps=len(raw.time.steps)) if raw.time and spans else None
    raw = _with_hidden_calls(raw, timed)
    step_s = seconds([step.end_ns - step.start_ns for step in raw.time.steps]) if raw.time else None
    columns = _layer_columns(raw, timed)
    layers = layer_rows(raw, columns)
    profile = Profile(
        spec=raw.spec,
        environment=raw.environment,
        layers=layers,
        stages=stage_rows(raw, layers, columns),
        phases=phase_rows(raw, layers, step_s),
        call_tree=_call_tree(raw, timed, step_s),
        latency_s=seconds(raw.bare_ns),
        step_s=step_s,
        warmup_s=seconds(raw.warmup_ns),
        overhead=tuple(_overhead(raw)),
        unattributed_s=seconds(unattributed_ns(spans, raw.time.steps)) if raw.time and spans else None,
        unattributed_flops=raw.flops.unattributed_flops if raw.flops else None,
        memory=raw.memory.summary if raw.memory else None,
        uncounted=raw.flops.uncounted if raw.flops else (),
        notes=(*raw.notes, *_notes_on_calls(raw, spans, timed), *_once(notes_on_missing(raw))),
    )
    return replace(profile, checks=checks_of(profile))


def _once(notes: Iterable[Note]) -> Iterator[Note]:
    """The first note of each (quantity, scope)."""
    found: dict[tuple[str, str], Note] = {}
    for note in notes:
        found.setdefault((note.quantity, note.scope), note)
    yield from found.values()


def _with_hidden_calls(raw: RawTrace, timed: CallGraph | None) -> RawTrace:
    """The trace with layers marked as unseen that another pass saw called and the time pass never did.

    Compiled code may stand where nobody can find it beforehand, such as in the caller's own callable; the passes that
    run it as it was written see its layers.
    """
    if raw.time is None or timed is None or not raw.may_hide_calls:
        return raw
    count = len(raw.layers)
    is_called = np.zeros(count, dtype=np.bool_)
    for measured in (raw.flops, raw.memory):
        if measured is not None:
            is_called |= by_layer(measured.graph, measured.graph.values["calls"], layers=count)[:, 0] > 0
    is_timed = by_layer(timed, timed.values["calls"], layers=count).any(axis=1)
    hidden = frozenset(np.flatnonzero(is_called & ~is_timed).tolist()) - raw.time.unseen.layers
    if not hidden:
        return raw
    scopes = tuple((raw.layers[index].path, _HIDDEN) for index in sorted(hidden))
    unseen = Unseen(layers=raw.time.unseen.layers | hidden, scopes=(*raw.time.unseen.scopes, *scopes))
    return replace(raw, time=replace(raw.time, unseen=unseen))


def flop_report(counted: FlopsPass, layers: Sequence[LayerInfo]) -> FlopReport:
    """The report of a flops pass alone: every layer with the FLOPs of its outermost calls."""
    totals_by_layer = columns_of(counted.graph, layers=len(layers)).total["flops"][:, 0]
    return FlopReport(
        total=counted.step_flops,
        by_layer=FrozenMapping({info.path: int(flops) for info, flops in zip(layers, totals_by_layer, strict=True)}),
        by_op=FrozenMapping(counted.by_op),
        uncounted=counted.uncounted,
        causal_total=counted.step_causal_flops,
    )


def _layer_columns(raw: RawTrace, timed: CallGraph | None) -> LayerColumns:
    count = len(raw.layers)
    result = LayerColumns(calls=_calls(raw, timed))
    if timed is not None:
        columns = columns_of(timed, layers=count)
        result = replace(
            result,
            total_ns=columns.total["self_ns"],
            self_ns=columns.own["self_ns"],
            concurrent_ns=by_layer(timed, timed.values["self_ns"], layers=count, where=timed.is_concurrent),
        )
    if raw.flops is not None:
        columns = columns_of(raw.flops.graph, layers=count)
        result = replace(
            result,
            flops=columns.total["flops"][:, 0],
            self_flops=columns.own["flops"][:, 0],
            causal_flops=columns.total["causal_flops"][:, 0],
            self_causal_flops=columns.own["causal_flops"][:, 0],
        )
    if raw.memory is not None:
        columns = columns_of(raw.memory.graph, layers=count)
        peak = raw.memory.graph.values["peak_bytes"]
        result = replace(
            result,
            allocated_bytes=columns.total["allocated_bytes"][:, 0],
            self_allocated_bytes=columns.own["allocated_bytes"][:, 0],
            output_bytes=columns.own["output_bytes"][:, 0],
            peak_bytes=highest_by_layer(raw.memory.graph, peak, layers=count)[:, 0],
        )
    return result


def _calls(raw: RawTrace, timed: CallGraph | None) -> IntArray:
    """Calls of each layer in the first step, from the first pass whose hooks could see them: (layers,)."""
    passes = ((timed, raw.time), *((one.graph, one) for one in (raw.flops, raw.memory) if one))
    calls = np.zeros(len(raw.layers), dtype=np.int64)
    unknown = np.ones(len(raw.layers), dtype=np.bool_)
    for graph, measured in passes:
        if graph is None or measured is None:
            continue
        seen = np.ones_like(unknown)
        seen[list(measured.unseen.layers)] = False
        found = by_layer(graph, graph.values["calls"], layers=len(raw.layers))[:, 0]
        calls[unknown & seen] = found[unknown & seen]
        unknown &= ~seen
    return calls


def _call_tree(raw: RawTrace, timed: CallGraph | None, step_s: Distribution | None) -> CallNode | None:
    counted = raw.flops.graph if raw.flops else None
    graphs = tuple(graph for graph in (timed, counted) if graph is not None)
    if not graphs:
        return None
    union, places = merged(graphs)
    nodes = union.layer.size
    unseen = raw.time.unseen.layers if raw.time else frozenset()
    is_timed = ~np.isin(union.layer, list(unseen))
    by_graph = [
        placed(graph.values["calls"], place, nodes=nodes)[:, 0] for graph, place in zip(graphs, places, strict=True)
    ]
    columns = NodeColumns(
        is_timed=is_timed,
        calls=np.where(is_timed, by_graph[0], by_graph[-1]),
        total_ns=None,
        self_ns=None,
        flops=None,
        self_flops=None,
    )
    if timed is not None:
        own = timed.values["self_ns"]
        columns = replace(
            columns,
            self_ns=placed(own, places[0], nodes=nodes),
            total_ns=placed(totals(timed, own), places[0], nodes=nodes),
        )
    if counted is not None:
        own = counted.values["flops"]
        columns = replace(
            columns,
            self_flops=placed(own, places[-1], nodes=nodes)[:, 0],
            flops=placed(totals(counted, own), places[-1], nodes=nodes)[:, 0],
        )
    step_flops = raw.flops.step_flops if raw.flops else None
    return call_tree(union, columns, raw.layers, phase=raw.phase, step_s=step_s, step_flops=step_flops)


def _overhead(raw: RawTrace) -> Iterator[Overhead]:
    pairs = [pair for pair in raw.overhead_pairs_ns if pair[0] > 0]
    if pairs:
        ratio, interval = stats.paired_ratio([timed for _, timed in pairs], [bare for bare, _ in pairs])
        yield Overhead(pass_name="time", ratio=ratio, ci95=interval)


def _notes_on_calls(raw: RawTrace, spans: Spans | None, timed: CallGraph | None) -> Iterator[Note]:
    if spans is None or timed is None:
        return
    if spans.repairs:
        text = f"{spans.repairs} enter or leave events had no partner (a call that raised or never ended); mended"
        yield Note(code="unbalanced_calls", quantity="total_s", scope="step", text=text)
    calls = by_layer(timed, timed.values["calls"], layers=len(raw.layers))
    varying = [raw.layers[index].path for index in np.flatnonzero((calls != calls[:, :1]).any(axis=1))]
    if varying:
        text = f"{len(varying)} layers were not called equally often in all steps, first {varying[0]!r}"
        yield Note(code="calls_vary", quantity="calls", scope="*", text=f"{text}; calls are the first step's")
