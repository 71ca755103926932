"""The timeline of the recorded steps, from the ops pass's columns and the places of what is in them."""

from __future__ import annotations

from dataclasses import fields

import numpy as np
from numpy.typing import NDArray

from layerprof.attribute.base import Allocations, IntArray, OpEvents, Samples
from layerprof.attribute.base.intervals import NONE, taken
from layerprof.attribute.base.places import DevicePlaces, HostPlaces, step_at
from layerprof.records import FrozenMapping, Timeline
from layerprof.records.timeline import Columns


def timeline_of(events: OpEvents, host: HostPlaces, device: DevicePlaces) -> Timeline:
    """The tables that traces are made of; positions in them refer to one another.

    Args:
        events: of the recorded steps.
        host: where ranges and ops belong.
        device: where activities belong.
    """
    steps = {"start_ns": events.step_start_ns, "end_ns": events.step_end_ns, "thread": events.step_thread}
    return Timeline(
        strings=events.strings,
        shapes=events.shapes,
        steps=FrozenMapping(steps),
        phases=_phases(events, host),
        ranges=_ranges(events, host),
        ops=_ops(events, host),
        kernels=_kernels(events, device),
        allocations=_all_of(events.allocations),
        counters=_all_of(events.samples),
    )


def _phases(events: OpEvents, host: HostPlaces) -> Columns:
    """Each phase from its mark to the next one or the end of its step; marks of what is in force already are none."""
    marks = host.marks
    step = step_at(events.step_start_ns, marks.start_ns)
    is_new = np.ones(step.size, dtype=np.bool_)
    is_new[1:] = (marks.phase[1:] != marks.phase[:-1]) | (step[1:] != step[:-1])
    is_new &= marks.start_ns <= events.step_end_ns[step]
    start, phase, step = marks.start_ns[is_new], marks.phase[is_new], step[is_new]
    end = events.step_end_ns[step]
    is_followed = np.flatnonzero(step[1:] == step[:-1])
    end[is_followed] = start[is_followed + 1]
    lasts = end > start
    columns = {"phase": phase, "step": step, "start_ns": start, "end_ns": end}
    return FrozenMapping({name: column[lasts] for name, column in columns.items()})


def _ranges(events: OpEvents, host: HostPlaces) -> Columns:
    return FrozenMapping(
        {
            "layer": events.ranges.layer,
            "phase": host.range_phase,
            "step": host.range_step,
            "thread": events.ranges.thread,
            "parent": host.range_parent,
            "start_ns": events.ranges.start_ns,
            "end_ns": events.ranges.end_ns,
        }
    )


def _ops(events: OpEvents, host: HostPlaces) -> Columns:
    return FrozenMapping(
        {
            "name": events.host.name,
            "shapes": events.host.shapes,
            "step": host.op_step,
            "thread": events.host.thread,
            "range": host.op_range,
            "parent": host.op_parent,
            "phase": host.op_phase,
            "annotation": _filled(events.host.is_annotation, host.op_step.size, 0),
            "start_ns": events.host.start_ns,
            "end_ns": events.host.end_ns,
        }
    )


def _kernels(events: OpEvents, device: DevicePlaces) -> Columns:
    launches, count = events.launches, events.launches.correlation.size
    return FrozenMapping(
        {
            "name": events.device.name,
            "kind": events.device.kind,
            "step": device.step,
            "device": events.device.device,
            "stream": events.device.stream,
            "op": device.op,
            "range": device.range,
            "phase": device.phase,
            "correlation": taken(launches.correlation, device.launch),
            "launch_name": taken(_filled(launches.name, count, NONE), device.launch),
            "launch_thread": taken(launches.thread, device.launch),
            "launch_ns": device.launch_ns,
            "launch_end_ns": taken(_filled(launches.end_ns, count, NONE), device.launch),
            "start_ns": events.device.start_ns,
            "end_ns": events.device.end_ns,
        }
    )


def _filled(column: NDArray[np.generic], count: int, value: int) -> IntArray:
    """The column, or where it was left empty so many times one value."""
    return column.astype(np.int64) if column.size else np.full(count, value, dtype=np.int64)


def _all_of(table: Allocations | Samples) -> Columns:
    return FrozenMapping({one.name: getattr(table, one.name) for one in fields(table)})
