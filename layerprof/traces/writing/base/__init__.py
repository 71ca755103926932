"""What all writers of events share."""

from layerprof.traces.writing.base.activities import DeviceSpans, device_spans
from layerprof.traces.writing.base.base import (
    LAUNCH,
    NONE,
    OP,
    RANGE,
    STEP,
    Batch,
    Event,
    FloatArray,
    IntArray,
    Tracks,
    batched,
    process_named,
    track_named,
    tracks_of,
    with_lane,
)
from layerprof.traces.writing.base.facts import facts_of, identities_of
from layerprof.traces.writing.base.rates import FlopRates, flop_rates, powers_at_work
from layerprof.traces.writing.base.rows import PHASES_TID, STEPS_TID, row_tids, tid_of_row
from layerprof.traces.writing.base.scene import NAMELESS, Scene, scene_of
from layerprof.traces.writing.base.streams import activities_of

__all__ = [
    "LAUNCH",
    "NAMELESS",
    "NONE",
    "OP",
    "PHASES_TID",
    "RANGE",
    "STEP",
    "STEPS_TID",
    "Batch",
    "DeviceSpans",
    "Event",
    "FloatArray",
    "FlopRates",
    "IntArray",
    "Scene",
    "Tracks",
    "activities_of",
    "batched",
    "device_spans",
    "facts_of",
    "flop_rates",
    "identities_of",
    "powers_at_work",
    "process_named",
    "row_tids",
    "scene_of",
    "tid_of_row",
    "track_named",
    "tracks_of",
    "with_lane",
]
