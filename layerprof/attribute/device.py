"""The ops pass, device side: which launch, and so which op, call and phase each activity belongs to; busy and idle.

host:      ── range ── op ── launch (correlation 7)
                                ╎
stream 1:                  |── kernel (7) ──|
stream 2:                        |── kernel (8) ──|        |─ copy ─|
            sum:  both kernels and the copy     busy: their union     span: first start to last end
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from layerprof.attribute.base import CallPathTable, DeviceEvents, IntArray, OpEvents, summed
from layerprof.attribute.base.intervals import NONE, innermost_at, newly_covered_ns, taken
from layerprof.attribute.base.places import DevicePlaces, HostPlaces, phase_at, step_at


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceTimes:
    """What overlapping streams took, as times of the device.

    Attributes:
        busy_ns: of each step, in which at least one activity ran.  (steps,)
        span_ns: from its first activity's start to its last one's end.  (steps,)
        layer_busy_ns: in which at least one activity of a layer or of the layers called from it ran.  (layers, steps)
        layer_span_ns: from the start of the first of these to the end of the last; in training that reaches from the
            layer's forward to its backward.  (layers, steps)
        layer_idle_ns: the part of that span in which no activity at all ran.  (layers, steps)
    """

    busy_ns: IntArray
    span_ns: IntArray
    layer_busy_ns: IntArray
    layer_span_ns: IntArray
    layer_idle_ns: IntArray


def placed_activities(events: OpEvents, host: HostPlaces) -> DevicePlaces:
    """Where in the call tree each device activity belongs.

    An activity belongs to the innermost range around its launch, on the thread that launched it. Where no launch was
    recorded it belongs where the op or range does that it is linked to; without either it is an orphan, of no layer.
    """
    device = events.device
    launch = _found(events.launches.correlation, device.correlation)
    has_launch = launch != NONE
    at_launch = innermost_at(host.nest, events.launches.start_ns, events.launches.thread)
    correlations = np.concatenate((events.ranges.correlation, events.host.correlation))
    linked = _found(correlations, np.where(device.linked == 0, NONE, device.linked))
    is_linked = ~has_launch & (linked != NONE)
    interval = np.where(is_linked, linked, taken(at_launch, launch))
    around, op = taken(host.range_around, interval), taken(host.op_around, interval)
    # An op that has the innermost range inside it is not what launched: that was Python code in the range.
    op = np.where((op != NONE) & (taken(_range_of_ops(host), op) == around), op, NONE)
    belongs = np.where(around == NONE, taken(host.op_range, op), around)
    launch_ns = taken(events.launches.start_ns, launch)
    linked_ns = taken(np.concatenate((events.ranges.start_ns, events.host.start_ns)), linked)
    since_ns = np.where(has_launch, launch_ns, np.where(is_linked, linked_ns, device.start_ns))
    used = np.zeros(events.launches.correlation.size, dtype=np.bool_)
    used[launch[has_launch]] = True
    return DevicePlaces(
        op=op,
        range=belongs,
        path=taken(host.range_path, belongs),
        phase=phase_at(host.marks, since_ns),
        step=step_at(events.step_start_ns, since_ns),
        launch=launch,
        launch_ns=launch_ns,
        orphans=int(np.count_nonzero(~has_launch & ~is_linked)),
        idle_launches=int(np.count_nonzero(~used)),
        early=int(np.count_nonzero(has_launch & (device.start_ns < launch_ns))),
    )


def device_times(events: OpEvents, host: HostPlaces, device: DevicePlaces, *, layers: int) -> DeviceTimes:
    """Busy, span and idle times of the steps and of the layers.

    Args:
        events: of the recorded steps.
        host: where ranges and ops belong.
        device: where activities belong.
        layers: how many there are.
    """
    steps = events.step_start_ns.size
    by_start = np.argsort(events.device.start_ns, kind="stable")
    start, end = events.device.start_ns[by_start], events.device.end_ns[by_start]
    path, step = device.path[by_start], device.step[by_start]
    everything = _extents(step, start, end, groups=steps)
    is_placed = path != NONE
    start, end, path, step = start[is_placed], end[is_placed], path[is_placed], step[is_placed]
    offsets, above = _layers_above(host.table)
    repeats = np.diff(offsets)[path]
    source = np.repeat(np.arange(path.size), repeats)
    nth = np.arange(source.size) - np.repeat(np.cumsum(repeats) - repeats, repeats)
    group = above[offsets[path[source]] + nth] * steps + step[source]
    by_group = np.argsort(group, kind="stable")
    source = source[by_group]
    of_layers = _extents(group[by_group], start[source], end[source], groups=layers * steps)
    idle = of_layers.span_ns - _busy_between(events.device, of_layers.first_ns, of_layers.last_ns)
    return DeviceTimes(
        busy_ns=everything.busy_ns,
        span_ns=everything.span_ns,
        layer_busy_ns=of_layers.busy_ns.reshape(layers, steps),
        layer_span_ns=of_layers.span_ns.reshape(layers, steps),
        layer_idle_ns=idle.reshape(layers, steps),
    )


@dataclass(frozen=True, slots=True)
class _Extents:
    """Union and span of each group of activities; all 0 for a group of none: (groups,) each."""

    busy_ns: IntArray
    span_ns: IntArray
    first_ns: IntArray
    last_ns: IntArray


def _extents(group: IntArray, start: IntArray, end: IntArray, *, groups: int) -> _Extents:
    """Union and span by group, of activities sorted by group and then start or, for steps, by start alone."""
    if not group.size:
        nothing = np.zeros(groups, dtype=np.int64)
        return _Extents(nothing, nothing, nothing, nothing)
    if (group[1:] < group[:-1]).any():
        order = np.argsort(group, kind="stable")
        group, start, end = group[order], start[order], end[order]
    # Groups are laid one after the other on one axis, so that one running maximum serves them all.
    origin = start.min()
    shift = group * (end.max() - origin + 1) - origin
    busy = summed(group, newly_covered_ns(start + shift, end + shift), (1, groups))[0]
    begins = np.flatnonzero(np.append(True, group[1:] != group[:-1]))
    first, last = np.zeros(groups, dtype=np.int64), np.zeros(groups, dtype=np.int64)
    first[group[begins]] = start[begins]
    last[group[begins]] = np.maximum.reduceat(end, begins)
    return _Extents(busy, last - first, first, last)


def _busy_between(device: DeviceEvents, first_ns: IntArray, last_ns: IntArray) -> IntArray:
    """How long any activity at all ran between two times that are each an activity's start or end."""
    if not device.start_ns.size:
        return np.zeros(first_ns.size, dtype=np.int64)
    by_start = np.argsort(device.start_ns, kind="stable")
    start, end = device.start_ns[by_start], device.end_ns[by_start]
    covered = newly_covered_ns(start, end)
    reach = np.maximum.accumulate(end)
    total = np.cumsum(covered)

    def until(time_ns: IntArray) -> IntArray:
        """Busy time before each moment: all that began before it, less what reaches beyond it."""
        latest = np.searchsorted(start, time_ns, side="left") - 1
        place = np.maximum(latest, 0)
        return np.where(latest < 0, 0, total[place] - np.maximum(reach[place] - time_ns, 0))

    return until(last_ns) - until(first_ns)


def _layers_above(table: CallPathTable) -> tuple[IntArray, IntArray]:
    """The distinct layers of each call path and of all paths that lead to it: where each path's begin, and which."""
    sets: list[tuple[int, ...]] = []
    for parent, layer in zip(table.parent.tolist(), table.layer.tolist(), strict=True):
        above = sets[parent] if parent != NONE else ()
        sets.append(above if layer in above else (*above, layer))
    sizes = [len(one) for one in sets]
    offsets = np.concatenate((np.zeros(1, dtype=np.int64), np.cumsum(np.asarray(sizes, dtype=np.int64))))
    return offsets, np.asarray([layer for one in sets for layer in one], dtype=np.int64)


def _range_of_ops(host: HostPlaces) -> IntArray:
    """The innermost range around each op on its own thread, or -1: (ops,)."""
    return host.range_around[host.range_path.size :]


def _found(keys: IntArray, wanted: IntArray) -> IntArray:
    """The position of each wanted number among the keys, or -1."""
    if not keys.size:
        return np.full(wanted.size, NONE, dtype=np.int64)
    by_key = np.argsort(keys, kind="stable")
    ordered = keys[by_key]
    place = np.minimum(np.searchsorted(ordered, wanted), keys.size - 1)
    return np.where(ordered[place] == wanted, by_key[place], NONE)
