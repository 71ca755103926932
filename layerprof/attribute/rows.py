"""From per-layer columns to the rows of the record: layers, stages and phases."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from layerprof.attribute.base import FlopsPass, IntArray, MemoryPass, RawTrace, TimePass
from layerprof.records import (
    OTHER_STAGE,
    Distribution,
    FrozenMapping,
    LayerInfo,
    LayerProfile,
    PhaseProfile,
    Quantities,
    StageProfile,
)

_NS_PER_S = 1e9


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerColumns:
    """Numbers by layer of every pass that ran; None for a pass that did not.

    Attributes:
        calls: in the first step of the first pass that saw calls.  (layers,)
        total_ns, self_ns, concurrent_ns: (layers, steps)
        flops, self_flops, causal_flops, allocated_bytes, output_bytes, peak_bytes: of one step.  (layers,)
        self_causal_flops, self_allocated_bytes: without the layers called from it.  (layers,)
    """

    calls: IntArray
    total_ns: IntArray | None = None
    self_ns: IntArray | None = None
    concurrent_ns: IntArray | None = None
    flops: IntArray | None = None
    self_flops: IntArray | None = None
    causal_flops: IntArray | None = None
    allocated_bytes: IntArray | None = None
    output_bytes: IntArray | None = None
    peak_bytes: IntArray | None = None
    self_causal_flops: IntArray | None = None
    self_allocated_bytes: IntArray | None = None


def seconds(samples_ns: IntArray | Sequence[int] | None) -> Distribution | None:
    """Nanoseconds of each step as a distribution in seconds; None where there is no step."""
    if samples_ns is None or len(samples_ns) == 0:
        return None
    return Distribution(samples=tuple((np.asarray(samples_ns, dtype=np.int64) / _NS_PER_S).tolist()))


def layer_rows(raw: RawTrace, columns: LayerColumns) -> tuple[LayerProfile, ...]:
    """One row a layer; quantities of a pass that could not see its calls are None."""
    return tuple(_row(info, _quantities(index, columns, raw), raw.phase) for index, info in enumerate(raw.layers))


def _quantities(index: int, columns: LayerColumns, raw: RawTrace) -> Quantities:
    timed, counted, followed = (_sees(measured, index) for measured in (raw.time, raw.flops, raw.memory))

    def time(values: IntArray | None) -> Distribution | None:
        return seconds(values[index]) if timed and values is not None else None

    def whole(values: IntArray | None, seen: bool) -> int | None:
        return int(values[index]) if seen and values is not None else None

    return Quantities(
        calls=int(columns.calls[index]),
        total_s=time(columns.total_ns),
        self_s=time(columns.self_ns),
        concurrent_s=time(columns.concurrent_ns),
        flops=whole(columns.flops, counted),
        self_flops=whole(columns.self_flops, counted),
        causal_flops=whole(columns.causal_flops, counted),
        allocated_bytes=whole(columns.allocated_bytes, followed),
        output_bytes=whole(columns.output_bytes, followed),
        peak_bytes=whole(columns.peak_bytes, followed),
    )


def _sees(measured: TimePass | FlopsPass | MemoryPass | None, index: int) -> bool:
    return measured is not None and index not in measured.unseen.layers


def _row(info: LayerInfo, measured: Quantities, phase: str) -> LayerProfile:
    return LayerProfile(
        path=info.path,
        aliases=info.aliases,
        type_name=info.type_name,
        kind=info.kind,
        depth=info.depth,
        stage=info.stage,
        param_count=info.param_count,
        param_bytes=info.param_bytes,
        by_phase=FrozenMapping({phase: measured} if _has_run(measured) else {}),
        calls=measured.calls,
        total_s=measured.total_s,
        self_s=measured.self_s,
        concurrent_s=measured.concurrent_s,
        flops=measured.flops,
        self_flops=measured.self_flops,
        causal_flops=measured.causal_flops,
        allocated_bytes=measured.allocated_bytes,
        output_bytes=measured.output_bytes,
        peak_bytes=measured.peak_bytes,
    )


def _has_run(measured: Quantities) -> bool:
    """Whether it was called in any step; ``calls`` are the first step's alone."""
    return bool(measured.calls) or (measured.total_s is not None and any(measured.total_s.samples))


def stage_rows(raw: RawTrace, layers: Sequence[LayerProfile], columns: LayerColumns) -> tuple[StageProfile, ...]:
    """One row a stage, in the order in which the layers meet them, ``other`` last: sums of their layers' ``self``."""
    names = sorted(dict.fromkeys(layer.stage for layer in layers), key=lambda name: name == OTHER_STAGE)
    members = {name: [index for index, layer in enumerate(layers) if layer.stage == name] for name in names}
    return tuple(_stage(name, members[name], raw, layers, columns) for name in names)


def _stage(
    name: str, members: Sequence[int], raw: RawTrace, rows: Sequence[LayerProfile], columns: LayerColumns
) -> StageProfile:
    layers = [rows[index] for index in members]
    self_s = _sum_s([layer.self_s for layer in layers])
    self_flops = _sum([layer.self_flops for layer in layers])
    return StageProfile(
        name=name,
        paths=tuple(layer.path for layer in layers),
        calls=sum(layer.calls for layer in layers),
        total_s=self_s,
        self_s=self_s,
        concurrent_s=_sum_s([layer.concurrent_s for layer in layers]),
        flops=self_flops,
        self_flops=self_flops,
        causal_flops=_sum_at(columns.self_causal_flops, members),
        allocated_bytes=_sum_at(columns.self_allocated_bytes, members),
        output_bytes=_sum([layer.output_bytes for layer in layers]),
        peak_bytes=max((layer.peak_bytes for layer in layers if layer.peak_bytes is not None), default=None),
        param_count=sum(raw.layers[index].own_param_count for index in members),
        param_bytes=sum(raw.layers[index].own_param_bytes for index in members),
    )


def _sum_at(values: IntArray | None, members: Sequence[int]) -> int | None:
    return None if values is None else int(values[list(members)].sum())


def _sum(values: Sequence[int | None]) -> int | None:
    """The sum; None where a part is missing, for a total with a missing part is missing."""
    known = [value for value in values if value is not None]
    return sum(known) if len(known) == len(values) else None


def _sum_s(parts: Sequence[Distribution | None]) -> Distribution | None:
    known = [part.samples for part in parts if part is not None]
    if not known or len(known) < len(parts):
        return None
    return Distribution(samples=tuple(sum(samples) for samples in zip(*known, strict=True)))


def phase_rows(raw: RawTrace, layers: Sequence[LayerProfile], step_s: Distribution | None) -> tuple[PhaseProfile, ...]:
    """The one phase that the step is, with the step's own numbers, measured without regard to layers."""
    flops = raw.flops.step_flops if raw.flops else None
    return (
        PhaseProfile(
            name=raw.phase,
            steps=1,
            calls=layers[0].calls,
            total_s=step_s,
            self_s=step_s,
            concurrent_s=_sum_s([layer.concurrent_s for layer in layers if layer.concurrent_s is not None]),
            flops=flops,
            self_flops=flops,
            causal_flops=raw.flops.step_causal_flops if raw.flops else None,
            peak_bytes=raw.memory.summary.step_peak_bytes if raw.memory else None,
        ),
    )
