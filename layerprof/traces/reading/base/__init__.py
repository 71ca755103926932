"""What the files of this room share: a trace's events as columns, its steps, and the calls of layers in them."""

from __future__ import annotations

from layerprof.traces.reading.base.calls import Backward, Calls, NestedCalls, PhaseMarks, Steps, ThreadCalls
from layerprof.traces.reading.base.events import (
    ANNOTATION,
    NONE,
    NS_PER_US,
    UNKNOWN,
    UNLINKED,
    Activities,
    Content,
    Event,
    Events,
    Frames,
    Json,
    Memory,
    Ops,
    Runtime,
    Slices,
)

__all__ = [
    "ANNOTATION",
    "NONE",
    "NS_PER_US",
    "UNKNOWN",
    "UNLINKED",
    "Activities",
    "Backward",
    "Calls",
    "Content",
    "Event",
    "Events",
    "Frames",
    "Json",
    "Memory",
    "NestedCalls",
    "Ops",
    "PhaseMarks",
    "Runtime",
    "Slices",
    "Steps",
    "ThreadCalls",
]
