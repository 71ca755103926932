"""Counters: memory held, FLOP/s of what is at work, power of the layer at work, and whatever was sampled.

A counter keeps its value until its next event, and cannot stop in between. What is not known, or not for nearly all of
the time, has no counter; where something small is left out of one, its name says how much.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain

import numpy as np

from layerprof.traces.base import LAYERPROF_CATEGORY, LAYERS_PID
from layerprof.traces.writing.base import (
    NAMELESS,
    NONE,
    Batch,
    Event,
    FloatArray,
    FlopRates,
    IntArray,
    Scene,
    batched,
    powers_at_work,
)


def counter_events(scene: Scene, rates: FlopRates) -> Iterator[Batch]:
    """The events of all counters, one counter after the other."""
    return chain(_memory(scene), _rates(scene, rates), _powers(scene), _sampled(scene))


def _memory(scene: Scene) -> Iterator[Batch]:
    table = scene.tables.allocations
    for device in np.unique(table["device"]).tolist():
        of_device = np.flatnonzero(table["device"] == device)
        of_device = of_device[np.argsort(table["time_ns"][of_device], kind="stable")]
        time_ns = table["time_ns"][of_device]
        where = "host" if device < 0 else f"device {device}"  # short, as viewers cut long names
        for column, word in (("allocated_bytes", "held"), ("reserved_bytes", "reserved")):
            values = table[column][of_device]
            if column == "allocated_bytes" or (values > 0).any():
                yield from _track(scene, f"bytes {word} ({where})", time_ns, values.astype(np.float64))


def _rates(scene: Scene, rates: FlopRates) -> Iterator[Batch]:
    found = "" if rates.share is None or rates.is_whole else f" ({rates.percent} % of all FLOPs counted)"
    for where, time_ns, values in rates.series:
        yield from _track(scene, f"FLOP/s of {where}{found}", time_ns, values)


def _powers(scene: Scene) -> Iterator[Batch]:
    for how, time_ns, values in powers_at_work(scene):
        yield from _track(scene, f"power of the layer at work (W), {how}; 0 where none is", time_ns, values)


def _sampled(scene: Scene) -> Iterator[Batch]:
    counters, names = scene.tables.counters, scene.names
    finite = np.flatnonzero(np.isfinite(scene.tables.values))
    name = counters["name"][finite]
    for one in np.unique(name).tolist():
        chosen = finite[name == one]
        chosen = chosen[np.argsort(counters["time_ns"][chosen], kind="stable")]
        called = NAMELESS if one == NONE else names[one]
        yield from _track(scene, called, counters["time_ns"][chosen], scene.tables.values[chosen].astype(np.float64))


def _track(scene: Scene, name: str, time_ns: IntArray, values: FloatArray) -> Iterator[Batch]:
    """A counter's events: of several at one moment the last, and none where the value stays the same."""
    is_last = np.append(time_ns[1:] != time_ns[:-1], np.ones(min(time_ns.size, 1), dtype=np.bool_))
    time_ns, values = time_ns[is_last], values[is_last]
    is_new = np.ones(values.size, dtype=np.bool_)
    is_new[1:] = values[1:] != values[:-1]

    def event(at_us: float, value: float) -> Event:
        place = {"pid": LAYERS_PID, "tid": 0, "ts": at_us}
        return {"ph": "C", "cat": LAYERPROF_CATEGORY, "name": name, **place, "args": {"value": value}}

    return batched(event, scene.clock.at(time_ns[is_new]), values[is_new])
