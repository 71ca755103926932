"""The device's side: launches, and the kernels, copies and fills that came of them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import numpy as np

from layerprof.attribute.base.ops import DeviceEvents, HostEvents, Launches
from layerprof.errors import MeasurementError
from layerprof.instruments.kineto.base import DEVICE, RUNTIME, Selection, Steps, Table

if TYPE_CHECKING:
    from layerprof.attribute import IntArray

_LAUNCH_NAME = re.compile(r"Launch\w*Kernel|GraphLaunch|Mem(cpy|set)\w*Async")


def read_device(table: Table, steps: Steps, host: HostEvents) -> tuple[Launches, DeviceEvents]:
    """The launches in the recorded steps, and the activities that came of them or of nothing that was recorded.

    Raises:
        MeasurementError: when there is no activity.
    """
    calls = table.where(table.is_type(RUNTIME))
    (called,) = calls.columns("correlation_id")
    activities = table.where(table.is_type(tuple(DEVICE)))
    (started_by,) = activities.columns("correlation_id")
    is_inside = steps.holds(calls.start_ns)
    is_launch = is_inside & (calls.is_named(_LAUNCH_NAME) | np.isin(called, started_by))
    within = (activities.start_ns >= steps.start_ns[0]) & (activities.start_ns <= steps.end_ns[-1])
    is_kept = np.isin(started_by, called[is_launch]) | (within & ~np.isin(started_by, called))
    launches, activities = calls.among(is_launch), activities.among(is_kept)
    if not activities.name.size:
        raise MeasurementError(
            f"the ops pass asked for the kernels of {steps.start_ns.size} steps and found zero kernels; another "
            "profiler may hold the device, or the model is not on it: try in a fresh process, or leave 'ops' out"
        )
    end_ns, device, stream, linked = activities.columns(
        "end_ns", "device_index", "device_resource_id", "linked_correlation_id"
    )
    return (
        Launches(
            correlation=called[is_launch],
            start_ns=launches.start_ns,
            thread=_threads(launches, host),
            end_ns=launches.columns("end_ns")[0],
            name=launches.name,
        ),
        DeviceEvents(
            name=activities.name,
            kind=activities.kinds(),
            start_ns=activities.start_ns,
            end_ns=end_ns,
            device=device,
            stream=stream,
            correlation=started_by[is_kept],
            linked=linked,
        ),
    )


def _threads(launches: Selection, host: HostEvents) -> IntArray:
    """The thread of each launch; where that is one that ran no op, the thread of the op that it is linked to.

    CUPTI has thread numbers of its own kind, which Kineto translates for the threads that it has met.
    """
    thread, linked = launches.columns("device_resource_id", "linked_correlation_id")
    if not host.correlation.size:
        return thread
    by_correlation = np.argsort(host.correlation, kind="stable")
    ordered = host.correlation[by_correlation]
    place = np.minimum(np.searchsorted(ordered, linked), ordered.size - 1)
    is_met = np.isin(thread, host.thread) | (ordered[place] != linked)
    return np.where(is_met, thread, host.thread[by_correlation[place]])
