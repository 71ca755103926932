"""Export of a trace: seconds, memory beyond the columns, and size, for about 100,000 events."""

from __future__ import annotations

import gc
import gzip
import tracemalloc
from collections.abc import Iterator
from functools import partial

import orjson
from lines import Goal, Line, as_seconds, line_of, seconds
from synthetic import ops_trace

from layerprof.attribute import attribute
from layerprof.records import Profile
from layerprof.traces import trace_json

EVENTS = 100_000  # in the file
RUNS = 5
_SECONDS = Goal(bound=2.0)
_MEMORY = Goal(bound=500e6)
_FILE_EVENTS, _PASS_EVENTS = 25, 13  # of a block of the made-up pass: in the file, and as the pass counts them


def lines() -> Iterator[Line]:
    """The plugin's copy, with a device."""
    profile = traced_profile(EVENTS)
    content = trace_json(profile, for_plugin=True)
    note = f"{len(orjson.loads(gzip.decompress(content))['traceEvents']):,} events in the file"
    taken_s = [seconds(partial(trace_json, profile, for_plugin=True)) for _ in range(RUNS)]
    yield line_of("export of a trace", taken_s, as_seconds, goal=_SECONDS, note=note)
    yield line_of("export of a trace, memory", [_peak_bytes(profile)], _as_megabytes, goal=_MEMORY, note=note)
    yield line_of("export of a trace, gzipped", [len(content)], _as_megabytes, note=note)


def traced_profile(events: int) -> Profile:
    """A profile whose trace has about so many events."""
    return attribute(ops_trace(events * _PASS_EVENTS // _FILE_EVENTS, has_device=True))


def _as_megabytes(value: float) -> str:
    return f"{value / 1e6:.1f} MB"


def _peak_bytes(profile: Profile) -> int:
    """The most memory beyond the columns themselves."""
    gc.collect()
    tracemalloc.start()
    try:
        trace_json(profile, for_plugin=True)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
