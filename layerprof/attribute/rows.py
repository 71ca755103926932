"""From columns to the rows of the record: layers, stages and phases."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import fields

import numpy as np

from layerprof.attribute.base import BACKWARD_NAME, IntArray, LayerColumns, PhaseColumns, RawTrace, dtype_value
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

NS_PER_S = 1e9
_TIMES = {  # quantity -> the pass it comes from
    "total_s": "time",
    "self_s": "time",
    "concurrent_s": "time",
    "device_total_s": "ops",
    "device_self_s": "ops",
    "device_busy_s": "ops",
    "device_span_s": "ops",
    "device_idle_s": "ops",
}
_COUNTS = {
    "flops": "flops",
    "self_flops": "flops",
    "causal_flops": "flops",
    "bytes_moved": "flops",
    "self_bytes_moved": "flops",
    "launches": "flops",
    "output_bytes": "memory",
    "allocated_bytes": "memory",
    "peak_bytes": "memory",
    "at_peak_bytes": "memory",
    "self_at_peak_bytes": "memory",
}
_OF_THE_HIGHEST = {"peak_bytes"}  # of several phases or layers the highest counts, not the sum
_ONLY_FORWARD = {"peak_bytes", "output_bytes"}  # of calls, which backward work is not
_OWN = {  # the quantity of a layer that a stage adds up for each of its own
    "total_s": "self_s",
    "device_total_s": "device_self_s",
    "flops": "self_flops",
    "causal_flops": "self_causal_flops",
    "bytes_moved": "self_bytes_moved",
    "launches": "self_launches",
    "allocated_bytes": "self_allocated_bytes",
    "at_peak_bytes": "self_at_peak_bytes",
}
_SIZED = {"bytes_moved", "self_bytes_moved", "launches"}  # not known where the size of anything is not
_NOT_ADDITIVE = ("device_busy_s", "device_span_s", "device_idle_s")


def seconds(samples_ns: IntArray | Sequence[int] | None) -> Distribution | None:
    """Nanoseconds of each step as a distribution in seconds; None where there is no step."""
    if samples_ns is None or len(samples_ns) == 0:
        return None
    return Distribution(samples=tuple((np.asarray(samples_ns, dtype=np.int64) / NS_PER_S).tolist()))


def layer_rows(raw: RawTrace, columns: LayerColumns) -> tuple[LayerProfile, ...]:
    """One row a layer; quantities of a pass that could not see its calls are None."""
    return tuple(_row(index, info, raw, columns) for index, info in enumerate(raw.layers))


def _row(index: int, info: LayerInfo, raw: RawTrace, columns: LayerColumns) -> LayerProfile:
    phases = {
        phase.name: _phase_quantities(index, number, raw, columns)
        for number, phase in enumerate(raw.phases)
        if _has_run(index, number, columns)
    }
    measured = _quantities(index, raw, columns)
    return LayerProfile(
        path=info.path,
        aliases=info.aliases,
        type_name=info.type_name,
        kind=info.kind,
        depth=info.depth,
        stage=info.stage,
        param_count=info.param_count,
        param_bytes=info.param_bytes,
        by_phase=FrozenMapping(phases),
        ops=columns.ops.get(index, ()),
        **{name: getattr(measured, name) for name in _QUANTITIES},
    )


_QUANTITIES = tuple(field.name for field in fields(Quantities))


def _has_run(index: int, phase: int, columns: LayerColumns) -> bool:
    """Whether it was called, or had time or work, in the phase in any step; ``calls`` are the first step's alone."""
    shown = ("total_s", "flops", "device_total_s", "allocated_bytes")
    values = (columns.values[name][phase, index] for name in shown if name in columns.values)
    return bool(columns.calls[phase, index]) or any(bool(column.any()) for column in values)


def _quantities(index: int, raw: RawTrace, columns: LayerColumns) -> Quantities:
    """The row's quantities: all phases together."""
    is_forward = np.asarray([phase.name != BACKWARD_NAME for phase in raw.phases])
    found: dict[str, Distribution | int | FrozenMapping[int] | None] = {}
    found["flops_by_dtype"] = _by_dtype(raw, lambda name: columns.values[name][:, index].sum(), index)
    for name, values in columns.values.items():
        if name in _QUANTITIES and _is_seen(name, index, raw):
            column = values[:, index]
            together = column.max(axis=0) if name in _OF_THE_HIGHEST else column.sum(axis=0)
            found[name] = _as_quantity(name, together)
    for name, values in columns.whole.items():
        if _is_seen(name, index, raw):
            found[name] = _as_quantity(name, values[index])
    return Quantities(calls=int(columns.calls[is_forward, index].sum()), **found)  # type: ignore[arg-type]


def _phase_quantities(index: int, phase: int, raw: RawTrace, columns: LayerColumns) -> Quantities:
    """The same quantities in one phase; those that phases do not add up to are only there for a single phase."""
    is_backward = raw.phases[phase].name == BACKWARD_NAME
    found: dict[str, Distribution | int | FrozenMapping[int] | None] = {
        name: _as_quantity(name, values[phase, index])
        for name, values in columns.values.items()
        if name in _QUANTITIES and _is_seen(name, index, raw) and not (is_backward and name in _ONLY_FORWARD)
    }
    found["flops_by_dtype"] = _by_dtype(raw, lambda name: columns.values[name][phase, index].sum(), index)
    if len(raw.phases) == 1:
        found |= {
            name: _as_quantity(name, values[index])
            for name, values in columns.whole.items()
            if _is_seen(name, index, raw)
        }
    return Quantities(calls=int(columns.calls[phase, index]), **found)  # type: ignore[arg-type]


def _by_dtype(raw: RawTrace, flops_in: Callable[[str], int], index: int | None = None) -> FrozenMapping[int] | None:
    """FLOPs by format, those without any left out; None where they are not known."""
    if raw.flops is None or index in raw.flops.unseen.layers:
        return None
    counted = {dtype: int(flops_in(dtype_value(dtype))) for dtype in raw.flops.dtypes}
    return FrozenMapping({dtype: flops for dtype, flops in counted.items() if flops})


def _as_quantity(name: str, samples: IntArray) -> Distribution | int | None:
    return int(samples[0]) if name in _COUNTS else seconds(samples)


def _is_seen(name: str, index: int, raw: RawTrace) -> bool:
    measured = getattr(raw, _TIMES.get(name) or _COUNTS[name])
    if name in _SIZED and (raw.flops is None or raw.flops.unsized):
        return False
    return measured is not None and index not in measured.unseen.layers


def stage_rows(raw: RawTrace, layers: Sequence[LayerProfile], columns: LayerColumns) -> tuple[StageProfile, ...]:
    """One row a stage, in the order in which the layers meet them, ``other`` last: sums of their layers' ``self``."""
    members: dict[str, list[int]] = {}
    for index, layer in enumerate(layers):
        members.setdefault(layer.stage, []).append(index)
    names = sorted(members, key=lambda name: name == OTHER_STAGE)
    return tuple(_stage(name, members[name], raw, layers, columns) for name in names)


def _stage(
    name: str, members: Sequence[int], raw: RawTrace, rows: Sequence[LayerProfile], columns: LayerColumns
) -> StageProfile:
    layers = [rows[index] for index in members]
    sums: dict[str, Distribution | int | FrozenMapping[int] | None] = {}
    for quantity in (*_TIMES, *_COUNTS):
        if quantity not in _NOT_ADDITIVE:
            sums[quantity] = _stage_quantity(_OWN.get(quantity, quantity), members, layers, columns)
    if raw.flops is not None and raw.flops.unsized:
        sums |= dict.fromkeys(_SIZED)
    if sums["flops"] is not None:
        sums["flops_by_dtype"] = _by_dtype(raw, lambda name: columns.values[f"self_{name}"][:, list(members)].sum())
    return StageProfile(
        name=name,
        paths=tuple(layer.path for layer in layers),
        calls=sum(layer.calls for layer in layers),
        param_count=_sum([raw.layers[index].own_param_count for index in members]),
        param_bytes=_sum([raw.layers[index].own_param_bytes for index in members]),
        **sums,  # type: ignore[arg-type]
    )


def _stage_quantity(
    name: str, members: Sequence[int], layers: Sequence[LayerProfile], columns: LayerColumns
) -> Distribution | int | None:
    if name in _OF_THE_HIGHEST:
        return max((layer.peak_bytes for layer in layers if layer.peak_bytes is not None), default=None)
    if name in _TIMES:
        return sum_s([getattr(layer, name) for layer in layers])
    if name in _COUNTS:
        return _sum([getattr(layer, name) for layer in layers])
    values = columns.values.get(name)
    return None if values is None else int(values[:, list(members)].sum())


def _sum(values: Sequence[int | None]) -> int | None:
    """The sum; None where a part is missing, for a total with a missing part is missing."""
    known = [value for value in values if value is not None]
    return sum(known) if len(known) == len(values) else None


def sum_s(parts: Sequence[Distribution | None]) -> Distribution | None:
    """The sum of distributions, step by step; None where a part is missing."""
    known = [part.samples for part in parts if part is not None]
    if not known or len(known) < len(parts):
        return None
    return Distribution(samples=tuple(sum(samples) for samples in zip(*known, strict=True)))


def phase_rows(raw: RawTrace, columns: PhaseColumns, calls: Sequence[int]) -> tuple[PhaseProfile, ...]:
    """One row a phase, with its own numbers, measured without regard to layers.

    Args:
        raw: for the phases and the counts.
        columns: their times.
        calls: of the root in each.
    """
    return tuple(_phase(number, raw, columns, calls[number]) for number in range(len(raw.phases)))


def _phase(number: int, raw: RawTrace, columns: PhaseColumns, calls: int) -> PhaseProfile:
    def time(values: IntArray | None) -> Distribution | None:
        return None if values is None else seconds(values[number])

    def count(values: IntArray | None) -> int | None:
        return None if values is None else int(values[number])

    def work(name: str) -> int | None:
        is_known = raw.flops is not None and not (name in _SIZED and raw.flops.unsized)
        return int(raw.flops.by_phase[name][number]) if raw.flops is not None and is_known else None

    flops, bytes_moved = work("flops"), work("bytes_moved")
    at_peak_bytes = count(columns.at_peak_bytes)
    total_s, device_s = time(columns.total_ns), time(columns.device_ns)
    is_whole_step = len(raw.phases) == 1
    return PhaseProfile(
        name=raw.phases[number].name,
        steps=raw.phases[number].steps,
        unattributed_s=time(columns.unattributed_ns),
        calls=calls,
        total_s=total_s,
        self_s=total_s,
        concurrent_s=time(columns.concurrent_ns),
        device_total_s=device_s,
        device_self_s=device_s,
        flops=flops,
        self_flops=flops,
        causal_flops=work("causal_flops"),
        flops_by_dtype=_by_dtype(raw, lambda name: work(name) or 0),
        bytes_moved=bytes_moved,
        self_bytes_moved=bytes_moved,
        launches=work("launches"),
        allocated_bytes=count(columns.allocated_bytes),
        at_peak_bytes=at_peak_bytes,
        self_at_peak_bytes=at_peak_bytes,
        peak_bytes=raw.memory.summary.step_peak_bytes if raw.memory and is_whole_step else None,
    )
