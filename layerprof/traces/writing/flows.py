"""Arrows: from a layer's row to its call's first op, from a launch to what it started, from a layer to its backward.

The two ends of an arrow are events ``s`` and ``f`` of one id; each lies at the start of a slice.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from layerprof.attribute.base.intervals import taken
from layerprof.traces.base import FLOW_CATEGORY, HOST_PID, LAYERPROF_CATEGORY, LAYERS_PID
from layerprof.traces.writing.base import NONE, Batch, Event, IntArray, Scene, activities_of, row_tids

_BATCH_ARROWS = 2048
_Place: TypeAlias = tuple[int, int, float]  # pid, tid, microseconds
_Arrow: TypeAlias = tuple[str, str, _Place, _Place]  # category, name, from, to


def flow_events(scene: Scene) -> Iterator[Batch]:
    """All arrows, with ids from 1 up."""
    arrows = chain(_launched(scene), _first_ops(scene))
    if not scene.for_plugin:  # which takes backward work from arrows of its own kind only
        arrows = chain(arrows, _backward(scene))
    batch: Batch = []
    for number, (category, name, source, target) in enumerate(arrows, start=1):
        batch.append(_end("s", category, name, number, source))
        batch.append({**_end("f", category, name, number, target), "bp": "e"})
        if len(batch) >= 2 * _BATCH_ARROWS:
            yield batch
            batch = []
    yield batch


def _end(phase: str, category: str, name: str, number: int, place: _Place) -> Event:
    pid, tid, at_us = place
    return {"ph": phase, "cat": category, "name": name, "id": number, "pid": pid, "tid": tid, "ts": at_us}


def _launched(scene: Scene) -> Iterator[_Arrow]:
    kernels, launches, tids = scene.tables.kernels, scene.launches, scene.host.tids
    for device in scene.devices:
        chosen, tracks = activities_of(scene, device)
        launch = launches.of_kernel[chosen]
        known = np.flatnonzero(launch != NONE)
        chosen, launch = chosen[known], launch[known]
        left_us = scene.clock.at(launches.start_ns[launch]).tolist()
        begins_us = scene.clock.at(kernels["start_ns"][chosen]).tolist()
        rows = zip(launches.thread[launch].tolist(), left_us, tracks.tid[known].tolist(), begins_us, strict=True)
        for thread, left, tid, begins in rows:
            yield FLOW_CATEGORY, FLOW_CATEGORY, (HOST_PID, tids[thread], left), (device, tid, begins)


def _first_ops(scene: Scene) -> Iterator[_Arrow]:
    """From each call of a layer to the first op of its own."""
    ranges, ops = scene.tables.ranges, scene.tables.ops
    own = np.flatnonzero((ops["range"] != NONE) & ~_is_later(scene) & (ops["annotation"] != 1))
    own = own[taken(ranges["thread"], ops["range"][own]) == ops["thread"][own]]
    own = own[np.argsort(ops["start_ns"][own], kind="stable")]
    _, first = np.unique(ops["range"][own], return_index=True)
    return _from_layers(scene, own[first], "layer to its first op")


def _backward(scene: Scene) -> Iterator[_Arrow]:
    """From each call of a layer to the outermost ops of its backward work."""
    ops = scene.tables.ops
    is_later = _is_later(scene)
    parent = ops["parent"]
    is_inner = (parent != NONE) & (taken(ops["range"], parent) == ops["range"]) & is_later[np.maximum(parent, 0)]
    return _from_layers(scene, np.flatnonzero(is_later & ~is_inner), "layer to its backward work")


def _is_later(scene: Scene) -> NDArray[np.bool_]:
    """Whether each op began after the call that it belongs to had ended."""
    ops = scene.tables.ops
    end_ns = taken(scene.host.range_end_ns, ops["range"])
    return np.asarray((ops["range"] != NONE) & (ops["start_ns"] >= end_ns), dtype=np.bool_)


def _from_layers(scene: Scene, ops: IntArray, name: str) -> Iterator[_Arrow]:
    ranges, table, tids = scene.tables.ranges, scene.tables.ops, scene.host.tids
    calls = table["range"][ops]
    row_tid = row_tids(scene)[0][calls].tolist()
    left_us = scene.clock.at(ranges["start_ns"][calls]).tolist()
    begins_us = scene.clock.at(table["start_ns"][ops]).tolist()
    rows = zip(row_tid, left_us, table["thread"][ops].tolist(), begins_us, strict=True)
    for tid, left, thread, begins in rows:
        yield LAYERPROF_CATEGORY, name, (LAYERS_PID, tid, left), (HOST_PID, tids[thread], begins)
