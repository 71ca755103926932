"""Where runs are measured: in this process, in processes of their own, or on the nodes of a cluster.

    inline    for debuggers and tests                     process   the default
    ray       many hosts, devices of several types             workers   elsewhere, by ``layerprof worker`` alone

All follow the protocol `Executor` and are driven by one engine, which alone decides what is run where and what is tried
again.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager

from layerprof.sweeping.base.jobs import Executor
from layerprof.sweeping.executors.base import ExecutorFactory, ExecutorOptions
from layerprof.sweeping.executors.inline import inline_executor
from layerprof.sweeping.executors.process import process_executor
from layerprof.sweeping.executors.workers import workers_executor

__all__ = [
    "EXECUTORS",
    "ExecutorFactory",
    "ExecutorOptions",
    "inline_executor",
    "process_executor",
    "workers_executor",
]


def _ray_executor(devices: tuple[str, ...], options: ExecutorOptions, /) -> AbstractContextManager[Executor]:
    """The executor ``ray``, whose files are imported once it is asked for."""
    from layerprof.sweeping.executors.ray import ray_executor

    return ray_executor(devices, options)


EXECUTORS: Mapping[str, ExecutorFactory] = {
    "process": process_executor,
    "inline": inline_executor,
    "ray": _ray_executor,
    "workers": workers_executor,
}
"""By name, what makes each."""
