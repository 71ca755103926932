"""The parts that a scene is put together from, and the tools of all writers."""

from layerprof.traces.writing.base.base.batches import Batch, Event, batched
from layerprof.traces.writing.base.base.clock import Clock, clock_of
from layerprof.traces.writing.base.base.flops import flops_of_calls, flops_of_ops
from layerprof.traces.writing.base.base.host import LAUNCH, OP, RANGE, STEP, HostSpans, host_spans
from layerprof.traces.writing.base.base.launches import Launches, launches_of
from layerprof.traces.writing.base.base.standins import LaunchOps, launch_ops
from layerprof.traces.writing.base.base.tables import NONE, FloatArray, IntArray, Tables, tables_of
from layerprof.traces.writing.base.base.tracks import (
    Tracks,
    lanes_of,
    process_named,
    track_named,
    tracks_of,
    with_lane,
)

__all__ = [
    "LAUNCH",
    "NONE",
    "OP",
    "RANGE",
    "STEP",
    "Batch",
    "Clock",
    "Event",
    "FloatArray",
    "HostSpans",
    "IntArray",
    "LaunchOps",
    "Launches",
    "Tables",
    "Tracks",
    "batched",
    "clock_of",
    "flops_of_calls",
    "flops_of_ops",
    "host_spans",
    "lanes_of",
    "launch_ops",
    "launches_of",
    "process_named",
    "tables_of",
    "track_named",
    "tracks_of",
    "with_lane",
]
