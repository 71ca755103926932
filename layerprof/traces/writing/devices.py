"""Devices: a track for each stream, and rows of layers by the work that they gave the device.

Two kernels of one stream may overlap (a dependent one is started before the one before it has ended). Slices of one
track may not, so the later one goes to a lane of its own, ``stream 7 (2)``, as long as it was.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from layerprof.attribute.base.intervals import taken
from layerprof.traces.base import DEVICE_CATEGORIES, DEVICE_LAYERS_PID, LAYERPROF_CATEGORY
from layerprof.traces.writing.base import (
    NAMELESS,
    NONE,
    Batch,
    Event,
    IntArray,
    Scene,
    Tracks,
    activities_of,
    batched,
    device_spans,
    facts_of,
    identities_of,
    process_named,
    track_named,
    tracks_of,
    with_lane,
)

_FIRST_ORDER = 20  # after the rows of layers and the host


def device_events(scene: Scene) -> Iterator[Batch]:
    """Of each device: names of its tracks, its activities, and its rows of layers."""
    for place, device in enumerate(scene.devices):
        chosen, tracks = activities_of(scene, device)
        order = _FIRST_ORDER + 2 * place
        yield process_named(device, f"device {device}", order=order + 1) + _named(device, tracks, "stream")
        yield from _activities(scene, chosen, tracks.tid)
        yield from _layers(scene, device, order)


def _named(pid: int, tracks: Tracks, what: str) -> Batch:
    events: Batch = []
    for place, (tid, group) in enumerate(tracks.group.items()):
        events += track_named(pid, tid, with_lane(f"{what} {group}", tracks.lane[tid]), order=place)
    return events


def _activities(scene: Scene, chosen: IntArray, tid: IntArray) -> Iterator[Batch]:
    kernels, launches, names = scene.tables.kernels, scene.launches, scene.names
    launch = launches.of_kernel[chosen]
    correlation = np.where(launch == NONE, kernels["correlation"][chosen], taken(launches.correlation, launch))
    external = np.where(launch == NONE, kernels["op"][chosen] + 1, taken(scene.launch_ops.external, launch))

    def activity(name: int, kind: int, device: int, stream: int, tid: int, *rest: float) -> Event:
        begins_us, lasts_us, external, correlation = rest
        arguments: Event = {"External id": int(external), "device": device, "stream": stream}
        if correlation != NONE:
            arguments["correlation"] = int(correlation)
        return {
            **{"ph": "X", "cat": DEVICE_CATEGORIES[kind], "name": NAMELESS if name == NONE else names[name]},
            **{"pid": device, "tid": tid, "ts": begins_us, "dur": lasts_us, "args": arguments},
        }

    start_ns, end_ns = (kernels[name][chosen] for name in ("start_ns", "end_ns"))
    times_us = scene.clock.spans(start_ns, np.maximum(start_ns, end_ns))
    columns = (kernels[name][chosen] for name in ("name", "kind", "device", "stream"))
    return batched(activity, *columns, tid, *times_us, external, correlation)


def _layers(scene: Scene, device: int, order: int) -> Iterator[Batch]:
    """From the first to the last activity of each call of a layer, a row for each depth."""
    pid, spans = DEVICE_LAYERS_PID + device, device_spans(scene, device)
    if not spans.range.size:
        return
    ranges, names, phases = scene.tables.ranges, scene.layer_names, scene.phase_names
    facts, identities = facts_of(scene.profile), identities_of(scene.profile)
    tracks = tracks_of(spans.start_ns, spans.end_ns, scene.host.depth[spans.range])
    yield process_named(pid, f"layers on device {device}", order=order) + _named(pid, tracks, "depth")

    def span(layer: int, phase: int, is_later: int, activities: int, tid: int, *times_us: float) -> Event:
        name = f"{names[layer]} (backward)" if is_later else names[layer]
        known = {**(identities if is_later else facts)[layer], "device activities": activities}
        if not is_later and 0 <= phase < len(phases):
            known["phase"] = phases[phase]
        begins_us, lasts_us = times_us
        place = {"pid": pid, "tid": tid, "ts": begins_us, "dur": lasts_us}
        return {"ph": "X", "cat": LAYERPROF_CATEGORY, "name": name, **place, "args": known}

    times_us = scene.clock.spans(spans.start_ns, spans.end_ns)
    columns = (ranges[name][spans.range] for name in ("layer", "phase"))
    yield from batched(span, *columns, spans.is_later, spans.activities, tracks.tid, *times_us)
