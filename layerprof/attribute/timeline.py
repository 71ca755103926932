"""The timeline of the recorded steps, from the ops pass's columns and the places of what is in them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from layerprof.attribute.base import OpEvents
from layerprof.attribute.base.places import DevicePlaces, HostPlaces
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
        ranges=_ranges(events, host),
        ops=_ops(events, host),
        kernels=_kernels(events, device),
        counters=_no_counters(),
    )


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
            "start_ns": events.host.start_ns,
            "end_ns": events.host.end_ns,
        }
    )


def _kernels(events: OpEvents, device: DevicePlaces) -> Columns:
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
            "launch_ns": device.launch_ns,
            "start_ns": events.device.start_ns,
            "end_ns": events.device.end_ns,
        }
    )


def _no_counters() -> Columns:
    nothing = np.empty(0, dtype=np.int64)
    counters: dict[str, NDArray[np.int64] | NDArray[np.float64]]
    counters = {"name": nothing, "time_ns": nothing, "value": np.empty(0, dtype=np.float64)}
    return FrozenMapping(counters)
