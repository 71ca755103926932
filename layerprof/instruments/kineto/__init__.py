"""The ops pass's session of torch's profiler, and its events as columns.

OpsSession ── events ──▶ base (a table, one getter at a time) ──▶ host, device
└─ tree ───▶ allocations
"""

from __future__ import annotations

import gc
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from layerprof.attribute.base.ops import (
    PHASE_PREFIX,
    RANGE_PREFIX,
    STEP_PREFIX,
    Allocations,
    Boundaries,
    DeviceEvents,
    Launches,
    OpEvents,
)
from layerprof.errors import MeasurementError
from layerprof.instruments.kineto.allocations import read_allocations
from layerprof.instruments.kineto.base import HOST, MEMORY, KinetoEvent, Numbers, Steps, Table, as_shapes
from layerprof.instruments.kineto.device import read_device
from layerprof.instruments.kineto.host import read_host, read_ranges, read_steps
from layerprof.instruments.kineto.session import OpsSession, is_profiling

if TYPE_CHECKING:
    from torch._C._profiler import _ProfilerEvent

__all__ = ["KinetoEvent", "OpsSession", "is_profiling", "read_columns"]


def read_columns(
    events: Sequence[KinetoEvent],
    *,
    has_device: bool,
    boundaries: Boundaries | None = None,
    sacrificed: int = 1,
    roots: Sequence[_ProfilerEvent] = (),
) -> OpEvents:
    """The columns of the steps from number ``sacrificed`` on.

    Args:
        events: all of a session.
        has_device: whether there have to be kernels among them.
        boundaries: what the recorder logged in the steps that are kept.
        sacrificed: how many steps at the start are left out.
        roots: of the session's tree, in which the allocations are told whole.

    Raises:
        MeasurementError: when there is no step, or no kernel although a device was asked for.
    """
    if not events:
        raise MeasurementError(
            "the ops pass asked torch's profiler for its steps and found no event at all; if the step uses a profiler "
            "of its own, leave 'ops' out of passes"
        )
    with _without_gc():
        table = Table(events)
        steps = read_steps(table, sacrificed)
        is_host = table.is_type(HOST) & steps.holds(table.start_ns)
        is_range, is_phase = is_host & table.is_own(RANGE_PREFIX), is_host & table.is_own(PHASE_PREFIX)
        shapes = Numbers()
        host = read_host(table.where(is_host & ~is_range & ~is_phase & ~table.is_own(STEP_PREFIX)), shapes, steps)
        ranges = read_ranges(table.where(is_range))
        launches, device = read_device(table, steps, host) if has_device else (Launches(), DeviceEvents())
        marks = table.where(is_phase)
        return OpEvents(
            strings=tuple(table.names),
            shapes=tuple(as_shapes(key) for key in shapes),
            step_start_ns=steps.start_ns,
            step_end_ns=steps.end_ns,
            step_thread=steps.thread,
            host=host,
            ranges=ranges,
            phase_step=steps.of(marks.start_ns),
            phase=marks.own_number(),
            phase_start_ns=marks.start_ns,
            launches=launches,
            device=device,
            boundaries=boundaries or Boundaries(),
            allocations=_allocations(table, steps, roots),
            has_device=has_device,
        )


def _allocations(table: Table, steps: Steps, roots: Sequence[_ProfilerEvent]) -> Allocations:
    """What was taken and given back from the first kept step on, to the end of the last."""
    counts, numbers = table.where(table.is_type(MEMORY)).columns("start_thread_id", "device_resource_id")
    return read_allocations(
        roots,
        dict(zip(counts.tolist(), numbers.tolist(), strict=True)),
        span_ns=(int(steps.start_ns[0]), int(steps.end_ns[-1])),
    )


@contextmanager
def _without_gc() -> Iterator[None]:
    """Millions of short-lived lists would have the collector walk all objects of the process again and again."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()
