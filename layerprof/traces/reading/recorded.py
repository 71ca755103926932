"""The ops pass of a trace: what its steps hold, in the columns that attribution takes."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from layerprof.attribute import Allocations, DeviceEvents, HostEvents, Launches, OpEvents, RangeEvents
from layerprof.traces.reading.base import UNLINKED, Activities, Backward, Calls, Events, Memory, Ops, Runtime, Steps

if TYPE_CHECKING:
    from layerprof.attribute import BoolArray, IntArray

_ROOT = 1  # the id of the root's call, where there is no op that could have it

_Table = TypeVar("_Table", Activities, Memory, Ops, Runtime)


def within_steps(events: Events, steps: Steps, is_step: BoolArray) -> Events:
    """The events that belong to the steps, without the marks of the steps themselves.

    An activity belongs where its launch does; one without a launch that was recorded, where it ran.
    """
    runtime = _chosen(events.runtime, steps.holds(events.runtime.start_ns))
    activities = events.activities
    is_started = np.isin(activities.correlation, runtime.correlation)
    is_orphan = ~np.isin(activities.correlation, events.runtime.correlation)
    is_inside = (activities.start_ns >= steps.start_ns[0]) & (activities.start_ns <= steps.end_ns[-1])
    return replace(
        events,
        ops=_chosen(events.ops, steps.holds(events.ops.start_ns) & ~is_step),
        runtime=_chosen(runtime, np.isin(runtime.correlation, activities.correlation)),
        activities=_chosen(activities, is_started | (is_orphan & is_inside)),
        memory=_chosen(events.memory, steps.holds(events.memory.time_ns)),
    )


def _chosen(table: _Table, is_wanted: BoolArray) -> _Table:
    """Some rows of a table."""
    return type(table)(**{column.name: getattr(table, column.name)[is_wanted] for column in fields(table)})


def recorded(events: Events, calls: Calls, steps: Steps, backward: Backward) -> OpEvents:
    """The columns of the ops pass.

    Args:
        events: of the steps alone.
        calls: of layers.
        steps: of the trace.
        backward: the engine's work, and the phases.

    Where nothing of the host was recorded, the root stands for everything that the devices did.
    """
    activities, memory = events.activities, events.memory
    is_of_root = calls.is_root_alone and not steps.is_on_host
    return OpEvents(
        strings=events.strings,
        shapes=events.shapes,
        step_start_ns=steps.start_ns,
        step_end_ns=steps.end_ns,
        step_thread=steps.thread,
        host=_host(events.ops, backward),
        ranges=RangeEvents(
            layer=calls.layer,
            start_ns=calls.start_ns,
            end_ns=calls.end_ns,
            thread=calls.thread,
            correlation=np.full(calls.layer.size, _ROOT if is_of_root else UNLINKED, dtype=np.int64),
        ),
        phase_step=backward.marks.step,
        phase=backward.marks.phase,
        phase_start_ns=backward.marks.start_ns,
        launches=_launches(events.runtime, events.ops),
        device=DeviceEvents(
            name=activities.name,
            kind=activities.kind,
            start_ns=activities.start_ns,
            end_ns=activities.end_ns,
            device=activities.device,
            stream=activities.stream,
            correlation=activities.correlation,
            linked=np.full_like(activities.external, _ROOT) if is_of_root else np.maximum(activities.external, 0),
        ),
        boundaries=backward.boundaries,
        allocations=Allocations(**{column.name: getattr(memory, column.name) for column in fields(memory)}),
        has_device=bool(activities.name.size),
    )


def _host(ops: Ops, backward: Backward) -> HostEvents:
    return HostEvents(
        name=ops.name,
        shapes=ops.shapes,
        start_ns=ops.start_ns,
        end_ns=ops.end_ns,
        thread=ops.thread,
        correlation=ops.external,
        sequence=backward.sequence,
        is_engine=ops.is_engine,
        is_annotation=ops.is_annotation,
    )


def _launches(runtime: Runtime, ops: Ops) -> Launches:
    return Launches(
        correlation=runtime.correlation,
        start_ns=runtime.start_ns,
        thread=_threads(runtime, ops),
        end_ns=runtime.end_ns,
        name=runtime.name,
    )


def _threads(runtime: Runtime, ops: Ops) -> IntArray:
    """The thread of each launch; where that is one that ran no op, the thread of the op that it is linked to."""
    if not ops.external.size:
        return runtime.thread
    by_id = np.argsort(ops.external, kind="stable")
    ordered = ops.external[by_id]
    at = np.minimum(np.searchsorted(ordered, runtime.external), ordered.size - 1)
    is_met = np.isin(runtime.thread, ops.thread) | (ordered[at] != runtime.external) | (runtime.external <= 0)
    return np.where(is_met, runtime.thread, ops.thread[by_id[at]])
