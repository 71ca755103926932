"""A trace written from a profile's timeline, piece by piece."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator
from functools import partial
from itertools import chain

import orjson

from layerprof.records import Profile
from layerprof.traces.writing.base import flop_rates, scene_of
from layerprof.traces.writing.counters import counter_events
from layerprof.traces.writing.devices import device_events
from layerprof.traces.writing.flows import flow_events
from layerprof.traces.writing.header import header_of
from layerprof.traces.writing.layers import layer_events
from layerprof.traces.writing.threads import thread_events

__all__ = ["gzipped", "pieces"]

_LEVEL = 6
_GZIP_WINDOW = 31  # the largest window, with gzip's header, whose time is 0: the same trace gives the same bytes


def pieces(profile: Profile, *, for_plugin: bool) -> Iterator[bytes]:
    """The JSON of a profile's trace, in pieces; the events come last.

    Raises:
        InputError: where the profile has no timeline.
        RecordError: where its timeline is damaged or of another profile.
    """
    scene = scene_of(profile, for_plugin=for_plugin)
    rates = flop_rates(scene)
    yield orjson.dumps(header_of(scene, rates))[:-1] + b',"traceEvents":['
    separator = b"\n"
    writers = (layer_events, thread_events, device_events, partial(counter_events, rates=rates), flow_events)
    for batch in chain.from_iterable(write(scene) for write in writers):
        if batch:
            yield separator + orjson.dumps(batch)[1:-1]
            separator = b",\n"
    yield b"\n]}\n"


def gzipped(parts: Iterable[bytes]) -> bytes:
    """The parts as one gzip file."""
    packer = zlib.compressobj(_LEVEL, zlib.DEFLATED, _GZIP_WINDOW)
    packed = [packer.compress(part) for part in parts]
    packed.append(packer.flush())
    return b"".join(packed)
