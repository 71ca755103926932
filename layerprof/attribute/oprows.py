"""The rows of ops: one for each layer, op name and input shapes, with the kernels that the op launched itself.

Records are built in a loop over distinct rows, never over events.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from layerprof.attribute.base import IntArray, OpCount, OpEvents, OpKey, summed
from layerprof.attribute.base.intervals import NONE, newly_covered_ns, taken
from layerprof.attribute.base.places import DevicePlaces, HostPlaces
from layerprof.records import Distribution, KernelProfile, OpProfile
from layerprof.records.base import ActivityKind

NO_OP = "(no op)"  # the row of activities that Python code launched outside of any op

_KINDS: tuple[ActivityKind, ...] = ("kernel", "memcpy", "memset")
_NS_PER_S = 1e9


@dataclass(frozen=True, slots=True)
class _Rows:
    """Distinct rows as columns: (rows,) or (rows, steps)."""

    layer: IntArray
    name: IntArray
    shapes: IntArray
    first: IntArray  # position of the row's first op
    calls: IntArray
    self_ns: IntArray
    device_ns: IntArray
    kernels: Mapping[int, tuple[KernelProfile, ...]]


def op_rows(
    events: OpEvents,
    host: HostPlaces,
    device: DevicePlaces,
    *,
    counts: Mapping[OpKey, OpCount] | None = None,
    uncounted: Collection[str] = (),
) -> dict[int, tuple[OpProfile, ...]]:
    """The ops of each layer, and of no layer under -1; the longest on the device first, then the longest on the host.

    Args:
        events: of the recorded steps.
        host: where ranges and ops belong.
        device: where activities belong.
        counts: what the flops pass counted, or None without one. A key's work goes to the row of its layer, op and
            tensor shapes; of several such rows (an op that calls its own namesake) to the outermost.
        uncounted: names of ops without a formula, such as ``aten.foo.default``; their rows have no FLOPs.
    """
    rows = _rows(events, host, device)
    names = (*events.strings, NO_OP)
    shapes = (*events.shapes, ())
    matched = _matched(rows, names, shapes, counts or {})
    flops = _flops(rows, names, matched, counts, {_event_name(op) for op in uncounted})
    bytes_moved = _bytes(rows, names, matched, counts)
    found: dict[int, list[OpProfile]] = {}
    total_ns, own_ns = rows.device_ns.sum(axis=1), rows.self_ns.sum(axis=1)
    for row in np.lexsort((rows.first, -own_ns, -total_ns)).tolist():
        profile = OpProfile(
            name=names[rows.name[row]],
            shapes=shapes[rows.shapes[row]],
            calls=int(rows.calls[row]),
            self_s=_seconds(rows.self_ns[row]),
            device_s=_seconds(rows.device_ns[row]) if events.has_device else None,
            flops=flops[row],
            bytes_moved=bytes_moved[row],
            dtype=matched.counts[row].dtype if row in matched.counts else None,
            kernels=rows.kernels.get(row, ()),
        )
        found.setdefault(int(rows.layer[row]), []).append(profile)
    return {layer: tuple(profiles) for layer, profiles in found.items()}


def time_shares(
    events: OpEvents, host: HostPlaces, device: DevicePlaces, ops: Iterable[str]
) -> dict[str, float | None]:
    """The share of the recorded steps' time that is spent in each op, what it calls included.

    On a device it is the share of the sum of device time, else of the steps' host time. An op that calls its own
    namesake is not counted twice. None where there is no time to share.

    Args:
        events: of the recorded steps.
        host: where ranges and ops belong.
        device: where activities belong.
        ops: names such as ``aten.foo.default`` or ``aten::foo``.
    """
    whole_ns = (events.device.end_ns - events.device.start_ns) if events.has_device else None
    step_ns = events.step_end_ns - events.step_start_ns
    total_ns = int((step_ns if whole_ns is None else whole_ns).sum())
    number = {name: position for position, name in enumerate(events.strings)}
    shares: dict[str, float | None] = {}
    for op in ops:
        is_named = events.host.name == number.get(_event_name(op), NONE)
        share_ns = _named_ns(events, host, device, np.flatnonzero(is_named & host.is_own))
        shares[op] = share_ns / total_ns if total_ns > 0 else None
    return shares


def _named_ns(events: OpEvents, host: HostPlaces, device: DevicePlaces, named: IntArray) -> int:
    """Time inside some ops: of the device where there is one, else of the host."""
    offset = host.range_path.size
    start, end = host.nest.start[offset + named], host.nest.end[offset + named]
    by_start = np.argsort(start, kind="stable")
    start, end = start[by_start], end[by_start]
    if not events.has_device:
        return int(newly_covered_ns(start, end).sum())
    has_op = np.flatnonzero(device.op != NONE)
    if not start.size or not has_op.size:
        return 0
    moment = host.nest.start[offset + device.op[has_op]]
    latest = np.searchsorted(start, moment, side="right") - 1
    place = np.maximum(latest, 0)
    is_inside = (latest >= 0) & ((np.maximum.accumulate(end)[place] > moment) | (start[place] == moment))
    inside = has_op[is_inside]
    return int((events.device.end_ns[inside] - events.device.start_ns[inside]).sum())


def _rows(events: OpEvents, host: HostPlaces, device: DevicePlaces) -> _Rows:
    steps = events.step_start_ns.size
    names, shapes = len(events.strings) + 1, len(events.shapes) + 1
    layer = taken(host.table.layer, host.op_path)
    loose = np.flatnonzero(device.op == NONE)  # they get an op each that took no time and was not called
    loose_layer = taken(host.table.layer, device.path[loose])
    loose_key = ((loose_layer + 1) * names + names - 1) * shapes + shapes - 1
    key = np.concatenate((((layer + 1) * names + events.host.name) * shapes + events.host.shapes, loose_key))
    known, row = np.unique(key, return_inverse=True)
    of_op = row[: layer.size]
    first = np.full(known.size, key.size, dtype=np.int64)
    np.minimum.at(first, row, np.arange(key.size))
    of_activity = taken(of_op, device.op)
    of_activity[loose] = row[layer.size :]
    table = (known.size, steps)
    lasted_ns = events.device.end_ns - events.device.start_ns
    return _Rows(
        layer=known // (names * shapes) - 1,
        name=known // shapes % names,
        shapes=known % shapes,
        first=first,
        calls=np.bincount(of_op[host.op_step == 0], minlength=known.size),
        self_ns=summed(of_op * steps + host.op_step, host.op_self_ns, table),
        device_ns=summed(of_activity * steps + device.step, lasted_ns, table),
        kernels=_kernels(events, device, of_activity, lasted_ns),
    )


def _kernels(
    events: OpEvents, device: DevicePlaces, row: IntArray, lasted_ns: IntArray
) -> dict[int, tuple[KernelProfile, ...]]:
    """Of each row: one for each name and kind of activity, the longest first."""
    names, kinds, steps = len(events.strings), len(_KINDS), events.step_start_ns.size
    key = (row * names + events.device.name) * kinds + events.device.kind
    known, place = np.unique(key, return_inverse=True)
    duration_ns = summed(place * steps + device.step, lasted_ns, (known.size, steps))
    calls = np.bincount(place[device.step == 0], minlength=known.size)
    found: dict[int, list[KernelProfile]] = {}
    for one in np.argsort(-duration_ns.sum(axis=1), kind="stable").tolist():
        kernel = KernelProfile(
            name=events.strings[known[one] // kinds % names],
            kind=_KINDS[known[one] % kinds],
            calls=int(calls[one]),
            device_s=_seconds(duration_ns[one]),
        )
        found.setdefault(int(known[one] // (names * kinds)), []).append(kernel)
    return {owner: tuple(kernels) for owner, kernels in found.items()}


@dataclass(frozen=True, slots=True)
class _Matched:
    """What was counted, by row; and what found none."""

    counts: Mapping[int, OpCount]
    left: Mapping[OpKey, OpCount]


def _matched(
    rows: _Rows,
    names: Sequence[str],
    shapes: Sequence[tuple[tuple[int, ...], ...]],
    counts: Mapping[OpKey, OpCount],
) -> _Matched:
    counted: dict[OpKey, OpCount] = {}
    for (layer, op, inputs), count in counts.items():
        key = (layer, op, _of_tensors(inputs))
        before = counted.get(key, OpCount())
        counted[key] = OpCount(
            flops=before.flops + count.flops,
            bytes_moved=before.bytes_moved + count.bytes_moved,
            dtype=before.dtype or count.dtype,
        )
    row_of: dict[OpKey, int] = {}
    for row in np.argsort(rows.first, kind="stable").tolist():
        key = (int(rows.layer[row]), names[rows.name[row]], _of_tensors(shapes[rows.shapes[row]]))
        row_of.setdefault(key, row)
    return _Matched(
        counts={row_of[key]: count for key, count in counted.items() if key in row_of},
        left={key: count for key, count in counted.items() if key not in row_of},
    )


def _flops(
    rows: _Rows,
    names: Sequence[str],
    matched: _Matched,
    counts: Mapping[OpKey, OpCount] | None,
    uncounted: Collection[str],
) -> list[int | None]:
    """FLOPs of each row; of a layer with a key that found no row only those that are known."""
    if counts is None:
        return [None] * rows.layer.size
    incomplete = {key[0] for key, count in matched.left.items() if count.flops}
    result: list[int | None] = [None if layer in incomplete else 0 for layer in rows.layer.tolist()]
    for row, count in matched.counts.items():
        if count.flops or result[row] is not None:
            result[row] = count.flops
    for row, name in enumerate(rows.name.tolist()):
        if names[name] in uncounted:
            result[row] = None
    return result


def _bytes(
    rows: _Rows, names: Sequence[str], matched: _Matched, counts: Mapping[OpKey, OpCount] | None
) -> list[int | None]:
    """Bytes of each row: 0 where an op left them to others, None where its name was counted with other shapes."""
    if counts is None:
        return [None] * rows.layer.size
    left = {key[:2] for key, count in matched.left.items() if count.bytes_moved}
    result: list[int | None] = [
        None if (layer, names[name]) in left else 0
        for layer, name in zip(rows.layer.tolist(), rows.name.tolist(), strict=True)
    ]
    for row, count in matched.counts.items():
        result[row] = count.bytes_moved
    return result


def _of_tensors(inputs: tuple[tuple[int, ...], ...]) -> tuple[tuple[int, ...], ...]:
    """Shapes without empty ones: the profiler gives those to numbers and tensors of no dimension alike."""
    return tuple(shape for shape in inputs if shape)


def _event_name(op: str) -> str:
    """``aten.foo.default`` as the profiler calls it: ``aten::foo``."""
    parts = op.split(".")
    return f"{parts[0]}::{parts[1]}" if len(parts) > 1 and "::" not in op else op


def _seconds(samples_ns: IntArray) -> Distribution:
    return Distribution(samples=tuple((samples_ns / _NS_PER_S).tolist()))
