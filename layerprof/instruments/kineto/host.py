"""The host's side: the recorded steps, the ops in them, and the calls of layers."""

from __future__ import annotations

import re

import numpy as np

from layerprof.attribute.base.ops import ENGINE_PREFIX, FOREIGN_NODE, STEP_PREFIX, HostEvents, RangeEvents
from layerprof.errors import MeasurementError
from layerprof.instruments.kineto.base import ANNOTATION, HOST, NONE, Numbers, Selection, Steps, Table


def read_steps(table: Table, sacrificed: int) -> Steps:
    """The steps from number ``sacrificed`` on.

    Raises:
        MeasurementError: when none is left.
    """
    found = table.where(table.is_type(HOST) & table.is_own(STEP_PREFIX))
    kept = found.among(found.own_number() >= sacrificed)
    if not kept.start_ns.size:
        raise MeasurementError(
            f"the ops pass leaves out {sacrificed} steps of {found.start_ns.size} that it found, so that none is left; "
            "run more steps inside the session"
        )
    return Steps(kept.start_ns, *kept.columns("end_ns", "device_resource_id", "start_thread_id"))


def read_host(ops: Selection, shapes: Numbers, steps: Steps) -> HostEvents:
    """Ops, nodes of the engine and the user's own ranges; their shapes are numbered as they come."""
    is_engine = ops.is_named(re.compile("^" + re.escape(ENGINE_PREFIX)))
    nodes = ops.among(is_engine)
    number, made_on = nodes.columns("sequence_nr", "fwd_thread_id")
    is_foreign = (number >= 0) & (made_on != steps.torch_thread[steps.of(nodes.start_ns)])
    sequence = np.full(ops.name.size, NONE, dtype=np.int64)
    sequence[is_engine] = np.where(is_foreign, FOREIGN_NODE, number)
    # The thread is the system's number: launches have that too, but not torch's own count.
    end_ns, thread, correlation, shape = ops.columns("end_ns", "device_resource_id", "correlation_id", shapes=shapes)
    return HostEvents(
        name=ops.name,
        shapes=shape,
        start_ns=ops.start_ns,
        end_ns=end_ns,
        thread=thread,
        correlation=correlation,
        sequence=sequence,
        is_engine=is_engine,
        is_annotation=ops.is_type(ANNOTATION),
    )


def read_ranges(ranges: Selection) -> RangeEvents:
    """Calls of layers."""
    end_ns, thread, correlation = ranges.columns("end_ns", "device_resource_id", "correlation_id")
    return RangeEvents(
        layer=ranges.own_number(), start_ns=ranges.start_ns, end_ns=end_ns, thread=thread, correlation=correlation
    )
