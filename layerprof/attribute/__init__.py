"""Attribution: from what the passes brought to the profile, by pure functions on columns.

TimePass ──spans, pieces──▶ CallGraph ─┐
OpsPass ──intervals───────▶ CallGraph ─┤
FlopsPass ────────────────▶ CallGraph ─┼─ common graph ─▶ call tree
MemoryPass ───────────────▶ CallGraph ─┘      └─────────▶ rows ─▶ stages, phases ─▶ checks
EnergyPass ─────────────────────────────── joules of ─────┘
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from itertools import chain

import numpy as np
from numpy.typing import NDArray

from layerprof import stats
from layerprof.attribute.base import (
    BACKWARD,
    BACKWARD_ENDED,
    BACKWARD_OF_NOBODY,
    IN_COMPILED,
    KERNEL,
    MEMCPY,
    MEMSET,
    NOBODY,
    PAUSE,
    PHASE,
    RESUME,
    Allocations,
    BoolArray,
    Boundaries,
    CallGraph,
    CallPathTable,
    DeviceEvents,
    DevicePlaces,
    EnergyPass,
    Extent,
    Findings,
    FlopsPass,
    HostEvents,
    IntArray,
    Launches,
    LayerColumns,
    MemoryPass,
    OpCount,
    OpEvents,
    OpKey,
    OpsPass,
    Phase,
    PlacedOps,
    RangeEvents,
    RawTrace,
    Recorded,
    Samples,
    StepEnergy,
    StepEvents,
    ThreadEvents,
    TimePass,
    UnitPower,
    Unseen,
    backward_phase,
    by_layer,
    columns_of,
    dtype_value,
)
from layerprof.attribute.books import checks_of
from layerprof.attribute.calls import graph_of_places, nodes_of_places, timed_graph
from layerprof.attribute.calltree import call_tree_of
from layerprof.attribute.device import device_times, placed_activities
from layerprof.attribute.energy import Energies, with_energy
from layerprof.attribute.flopreport import flop_report
from layerprof.attribute.kernelformats import notes_on_formats
from layerprof.attribute.leasttimes import with_least_times
from layerprof.attribute.missing import notes_on_missing, sees_phases
from layerprof.attribute.nesting import cut
from layerprof.attribute.notes import notes_on_findings
from layerprof.attribute.oprows import op_rows, time_shares
from layerprof.attribute.ops import booked_ops, placed_ops
from layerprof.attribute.owners import memory_summary
from layerprof.attribute.quantities import layer_columns, phase_columns
from layerprof.attribute.roofline import Placed, Roof, Rows, placed_rows, roof_of
from layerprof.attribute.roofnotes import notes_on_roofline, outruns_products
from layerprof.attribute.rows import NS_PER_S, layer_rows, phase_rows, seconds, stage_rows
from layerprof.attribute.timeline import timeline_of
from layerprof.records import (
    Note,
    OpProfile,
    Overhead,
    PhaseProfile,
    Profile,
    UncountedOp,
)

__all__ = [
    "BACKWARD",
    "BACKWARD_ENDED",
    "BACKWARD_OF_NOBODY",
    "IN_COMPILED",
    "KERNEL",
    "MEMCPY",
    "MEMSET",
    "NOBODY",
    "PAUSE",
    "PHASE",
    "RESUME",
    "Allocations",
    "BoolArray",
    "Boundaries",
    "CallGraph",
    "CallPathTable",
    "DeviceEvents",
    "EnergyPass",
    "FlopsPass",
    "HostEvents",
    "IntArray",
    "Launches",
    "MemoryPass",
    "OpCount",
    "OpEvents",
    "OpKey",
    "OpsPass",
    "Phase",
    "PlacedOps",
    "RangeEvents",
    "RawTrace",
    "Samples",
    "StepEnergy",
    "StepEvents",
    "ThreadEvents",
    "TimePass",
    "UnitPower",
    "Unseen",
    "attribute",
    "checks_of",
    "cut",
    "dtype_value",
    "flop_report",
    "graph_of_places",
    "nodes_of_places",
    "outruns_products",
    "placed_ops",
    "timed_graph",
]


_HIDDEN = (
    "another pass saw it called and the time pass did not: it is inside compiled code, where no hook fires, or the "
    "model calls it in some steps only; profile before torch.compile for its time"
)


def attribute(raw: RawTrace) -> Profile:
    """The profile of a measurement: rows, call tree, stages, phases, notes and checks."""
    found = _findings(raw)
    raw, timed, recorded = found.raw, found.timed, found.recorded
    step_s = seconds(timed.step_ns) if timed else None
    roof = roof_of(raw, step_s)
    found = _rated(found, roof)
    columns = replace(layer_columns(found), ops=_op_rows(found))
    placed = placed_rows(roof, found.raw, columns, _rows(found, columns))
    powered = with_energy(found.raw, placed.rows, steps=roof.steps)
    profile = Profile(
        spec=raw.spec,
        environment=raw.environment,
        layers=powered.rows[0],
        stages=powered.rows[1],
        phases=powered.rows[2],
        call_tree=call_tree_of(found, step_s),
        latency_s=seconds(raw.bare_ns),
        step_s=step_s,
        warmup_s=seconds(raw.warmup_ns),
        overhead=tuple(_overhead(raw)),
        unattributed_s=seconds(timed.unattributed_ns.sum(axis=0)) if timed else None,
        unattributed_flops=raw.flops.unattributed["flops"] if raw.flops else None,
        unattributed_bytes_moved=raw.flops.unattributed["bytes_moved"] if raw.flops and not raw.flops.unsized else None,
        memory=memory_summary(raw, raw.memory) if raw.memory else None,
        energy=powered.summary,
        unattributed_energy=powered.unattributed,
        uncounted=_uncounted(found),
        ceilings=raw.ceilings,
        peaks=raw.peaks,
        notes=tuple(_notes(found, roof, placed, powered)),
        timeline=timeline_of(recorded.events, recorded.host, recorded.device) if recorded else None,
    )
    profile = _with_device_time(profile, recorded)
    return replace(profile, checks=checks_of(profile))


def _notes(found: Findings, roof: Roof, placed: Placed, powered: Energies) -> Iterator[Note]:
    """Of measurement, of what was found odd, and of what is missing."""
    yield from found.raw.notes
    yield from notes_on_findings(found)
    yield from notes_on_formats(placed.rows[0])
    yield from powered.notes
    yield from _once(chain(notes_on_missing(found.raw), notes_on_roofline(found.raw, roof, placed), powered.missing))


def _rated(found: Findings, roof: Roof) -> Findings:
    """With the least times of ops under the roof."""
    if found.raw.flops is None:
        return found
    counted = with_least_times(
        found.raw.flops,
        matrix_flops_per_s=roof.matrix_flops_per_s,
        copy_bytes_per_s=roof.copy_bytes_per_s,
        own_s=_own_s(found, roof),
    )
    return replace(found, raw=replace(found.raw, flops=counted))


def _own_s(found: Findings, roof: Roof) -> NDArray[np.float64] | None:
    """What each layer itself took, in the steps that count: (phases, layers); None without times."""
    if not roof.has_rates:
        return None
    times: IntArray | None = None
    if roof.is_on_host and found.timed is not None:
        times = columns_of(found.timed.graph, found.extent).own["self_ns"][:, :, list(roof.steps)]
    elif not roof.is_on_host and found.recorded is not None and found.recorded.times is not None:
        times = columns_of(found.recorded.books.graph, found.extent).own["device_ns"]
    return None if times is None else np.asarray(times.mean(axis=2), dtype=np.float64) / NS_PER_S


def _rows(found: Findings, columns: LayerColumns) -> Rows:
    """Layers, stages and phases, without their places under the roof."""
    layers = layer_rows(found.raw, columns)
    phases: tuple[PhaseProfile, ...] = ()
    if sees_phases(found.raw):
        phases = phase_rows(found.raw, phase_columns(found), columns.calls[:, 0].tolist())
    return layers, stage_rows(found.raw, layers, columns), phases


def _findings(raw: RawTrace) -> Findings:
    """Each pass attributed on its own."""
    backward, phases = backward_phase(raw), len(raw.phases)
    timed = None
    if raw.time is not None:
        spans, pieces = cut(raw.time.steps, phase_of=raw.time.phase_of, backward=backward)
        timed = timed_graph(spans, pieces, phases=phases)
    extent = Extent(phases=phases, layers=len(raw.layers))
    found = Findings(raw=raw, extent=extent, timed=timed, recorded=_recorded(raw, backward))
    return replace(found, raw=_with_hidden_calls(found))


def _recorded(raw: RawTrace, backward: int | None) -> Recorded | None:
    if raw.ops is None:
        return None
    events = raw.ops.events
    host = placed_ops(events, backward=backward)
    device = placed_activities(events, host) if events.has_device else DevicePlaces()
    return Recorded(
        events=events,
        host=host,
        device=device,
        books=booked_ops(events, host, device, phases=len(raw.phases)),
        times=device_times(events, host, device, layers=len(raw.layers)) if events.has_device else None,
    )


def _with_device_time(profile: Profile, recorded: Recorded | None) -> Profile:
    """The profile with the whole step's device time, where there is any."""
    if recorded is None or recorded.times is None:
        return profile
    return replace(
        profile,
        unattributed_device_s=seconds(recorded.books.unattributed_device_ns.sum(axis=0)),
        device_total_s=seconds(recorded.books.device_ns),
        device_busy_s=seconds(recorded.times.busy_ns),
        device_span_s=seconds(recorded.times.span_ns),
    )


def _uncounted(found: Findings) -> tuple[UncountedOp, ...]:
    """The ops that no table has, with their share of the recorded time."""
    uncounted, recorded = found.raw.flops.uncounted if found.raw.flops else (), found.recorded
    if recorded is None or not uncounted:
        return uncounted
    shares = time_shares(recorded.events, recorded.host, recorded.device, [one.op for one in uncounted])
    return tuple(replace(one, time_share=shares.get(one.op)) for one in uncounted)


def _op_rows(found: Findings) -> Mapping[int, tuple[OpProfile, ...]]:
    recorded, counted = found.recorded, found.raw.flops
    if recorded is None:
        return {}
    rows = op_rows(
        recorded.events,
        recorded.host,
        recorded.device,
        counts=counted.ops if counted else None,
        uncounted=[one.op for one in counted.uncounted] if counted else (),
    )
    hiding = _hiding_layers(found.raw)
    return {
        layer: tuple(replace(op, flops=None, bytes_moved=None, dtype=None) for op in ops) if layer in hiding else ops
        for layer, ops in rows.items()
    }


def _hiding_layers(raw: RawTrace) -> frozenset[int]:
    """Layers around compiled code: its ops are theirs in the ops pass, and were counted as those of layers in it."""
    if raw.ops is None or raw.flops is None:
        return frozenset()
    hidden = raw.ops.unseen.layers - raw.flops.unseen.layers
    index_of = {layer.path: index for index, layer in enumerate(raw.layers)}
    around = {index_of.get(raw.layers[index].path.rpartition(".")[0], 0) for index in hidden}
    return frozenset(around | hidden)


def _once(notes: Iterable[Note]) -> Iterator[Note]:
    """The first note of each (quantity, scope)."""
    found: dict[tuple[str, str], Note] = {}
    for note in notes:
        found.setdefault((note.quantity, note.scope), note)
    yield from found.values()


def _with_hidden_calls(found: Findings) -> RawTrace:
    """The trace with layers marked as unseen that another pass saw called and the time pass never did.

    Compiled code may stand where nobody can find it beforehand, such as in the caller's own callable; the passes that
    run it as it was written see its layers.
    """
    raw, timed, extent = found.raw, found.timed, found.extent
    if raw.time is None or timed is None or not raw.may_hide_calls:
        return raw
    is_called = np.zeros(extent.layers, dtype=np.bool_)
    for measured in (raw.flops, raw.memory):
        if measured is not None:
            is_called |= by_layer(measured.graph, measured.graph.values["calls"], extent).any(axis=(0, 2))
    is_timed = by_layer(timed.graph, timed.graph.values["calls"], extent).any(axis=(0, 2))
    hidden = frozenset(np.flatnonzero(is_called & ~is_timed).tolist()) - raw.time.unseen.layers
    if not hidden:
        return raw
    scopes = tuple((raw.layers[index].path, _HIDDEN) for index in sorted(hidden))
    unseen = Unseen(layers=raw.time.unseen.layers | hidden, scopes=(*raw.time.unseen.scopes, *scopes))
    return replace(raw, time=replace(raw.time, unseen=unseen))


def _overhead(raw: RawTrace) -> Iterator[Overhead]:
    passes = (("time", raw.overhead_pairs_ns), ("ops", raw.ops.pairs_ns if raw.ops else ()))
    for name, pairs in passes:
        whole = [pair for pair in pairs if pair[0] > 0]
        if whole:
            ratio, interval = stats.paired_ratio([timed for _, timed in whole], [bare for bare, _ in whole])
            yield Overhead(pass_name=name, ratio=ratio, ci95=interval)
