"""What was found, as columns: every quantity by phase, layer and step, ready to become rows."""

from __future__ import annotations

import numpy as np

from layerprof.attribute.base import (
    Extent,
    Findings,
    FlopsPass,
    IntArray,
    LayerColumns,
    MemoryPass,
    PhaseColumns,
    by_layer,
    columns_of,
    highest_by_layer,
)


def layer_columns(found: Findings) -> LayerColumns:
    """The quantities of layers, of every pass that ran."""
    raw, timed, extent = found.raw, found.timed, found.extent
    values: dict[str, IntArray] = {}
    whole: dict[str, IntArray] = {}
    if timed is not None:
        columns = columns_of(timed.graph, extent)
        own = timed.graph.values["self_ns"]
        values |= {"total_s": columns.total["self_ns"], "self_s": columns.own["self_ns"]}
        values["concurrent_s"] = by_layer(timed.graph, own, extent, where=timed.graph.is_concurrent)
    if raw.flops is not None:
        values |= _work_values(raw.flops, extent)
    if raw.memory is not None:
        values |= _memory_values(raw.memory, extent)
    if found.recorded is not None and found.recorded.times is not None:
        columns, times = columns_of(found.recorded.books.graph, extent), found.recorded.times
        values |= {"device_total_s": columns.total["device_ns"], "device_self_s": columns.own["device_ns"]}
        whole = {"device_busy_s": times.layer_busy_ns, "device_span_s": times.layer_span_ns}
        whole["device_idle_s"] = times.layer_idle_ns
    return LayerColumns(calls=_calls(found), values=values, whole=whole)


def _work_values(counted: FlopsPass, extent: Extent) -> dict[str, IntArray]:
    columns = columns_of(counted.graph, extent)
    names = [name for name in counted.graph.values if name != "calls"]
    return {
        **{name: columns.total[name] for name in names},
        **{f"self_{name}": columns.own[name] for name in names},
    }


def _memory_values(followed: MemoryPass, extent: Extent) -> dict[str, IntArray]:
    columns = columns_of(followed.graph, extent)
    return {
        "allocated_bytes": columns.total["allocated_bytes"],
        "self_allocated_bytes": columns.own["allocated_bytes"],
        "output_bytes": columns.own["output_bytes"],
        "peak_bytes": highest_by_layer(followed.graph, followed.graph.values["peak_bytes"], extent),
        "at_peak_bytes": columns.total["at_peak_bytes"],
        "self_at_peak_bytes": columns.own["at_peak_bytes"],
    }


def _calls(found: Findings) -> IntArray:
    """Calls of each layer in the first step, from the first pass whose hooks could see them: (phases, layers)."""
    raw, extent = found.raw, found.extent
    passes = (
        (found.timed.graph if found.timed else None, raw.time),
        *((one.graph, one) for one in (raw.flops, raw.memory) if one),
        (found.recorded.books.graph if found.recorded else None, raw.ops),
    )
    calls = np.zeros((extent.phases, extent.layers), dtype=np.int64)
    unknown = np.ones(extent.layers, dtype=np.bool_)
    for graph, measured in passes:
        if graph is None or measured is None:
            continue
        seen = np.ones_like(unknown)
        seen[list(measured.unseen.layers)] = False
        counted = by_layer(graph, graph.values["calls"], extent)[:, :, 0]
        calls[:, unknown & seen] = counted[:, unknown & seen]
        unknown &= ~seen
    return calls


def phase_columns(found: Findings) -> PhaseColumns:
    """The quantities of whole phases, measured without regard to layers."""
    raw, timed, recorded, extent = found.raw, found.timed, found.recorded, found.extent
    columns: dict[str, IntArray] = {}
    if timed is not None:
        own, elsewhere = timed.graph.values["self_ns"], timed.graph.is_concurrent
        columns |= {"total_ns": timed.phase_ns, "unattributed_ns": timed.unattributed_ns}
        columns["concurrent_ns"] = by_layer(timed.graph, own, extent, where=elsewhere).sum(axis=1)
    if recorded is not None and recorded.times is not None:
        own = columns_of(recorded.books.graph, extent).own["device_ns"]
        columns["device_ns"] = own.sum(axis=1) + recorded.books.unattributed_device_ns
    if raw.memory is not None:
        left = {
            "allocated_bytes": raw.memory.unattributed_allocated_bytes,
            "at_peak_bytes": raw.memory.unattributed_at_peak_bytes,
        }
        own_bytes = columns_of(raw.memory.graph, extent).own
        columns |= {name: own_bytes[name].sum(axis=(1, 2)) + rest for name, rest in left.items()}
    return PhaseColumns(**columns)
