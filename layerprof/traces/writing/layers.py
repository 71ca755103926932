"""Rows of layers, steps and phases in a process of their own: what of the model ran when, without the ops.

steps          |------------------- step 0 -------------------|
phases         |------ vision ------|------- prefill ---------|
depth 0          |------------------ Net -------------------|
depth 1            |- encoder -|  |- head -|
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from layerprof.attribute.base.intervals import nested
from layerprof.traces.base import LAYERPROF_CATEGORY, LAYERS_PID
from layerprof.traces.writing.base import (
    NAMELESS,
    PHASES_TID,
    STEPS_TID,
    Batch,
    Event,
    IntArray,
    Scene,
    batched,
    facts_of,
    process_named,
    row_tids,
    tid_of_row,
    track_named,
)


def layer_events(scene: Scene) -> Iterator[Batch]:
    """Names of the rows, then steps, phases and calls of layers."""
    tids, pairs = row_tids(scene)
    yield _named(scene, pairs)
    yield from _steps(scene)
    yield from _phases(scene)
    yield from _calls(scene, tids)


def _named(scene: Scene, pairs: list[tuple[int, int]]) -> Batch:
    stepping = set(scene.tables.steps["thread"].tolist())
    events = process_named(LAYERS_PID, "layers", order=-10)
    events += track_named(LAYERS_PID, STEPS_TID, "steps", order=0)
    if scene.tables.phases["start_ns"].size:
        events += track_named(LAYERS_PID, PHASES_TID, "phases", order=1)
    for place, (thread, depth) in enumerate(pairs):
        name = f"depth {depth}" if thread in stepping else f"thread {thread}, depth {depth}"
        events += track_named(LAYERS_PID, tid_of_row(place), name, order=2 + place)
    return events


def _steps(scene: Scene) -> Iterator[Batch]:
    steps = scene.tables.steps
    start_ns, end_ns = _apart(steps["start_ns"], steps["end_ns"])
    return batched(_step, np.arange(start_ns.size), *scene.clock.spans(start_ns, end_ns))


def _step(number: int, begins_us: float, lasts_us: float) -> Event:
    return _slice(f"step {number}", STEPS_TID, begins_us, lasts_us, {"step": number})


def _phases(scene: Scene) -> Iterator[Batch]:
    phases, names = scene.tables.phases, scene.phase_names
    start_ns, end_ns = _apart(phases["start_ns"], phases["end_ns"])

    def phase(number: int, step: int, begins_us: float, lasts_us: float) -> Event:
        name = names[number] if 0 <= number < len(names) else NAMELESS
        return _slice(name, PHASES_TID, begins_us, lasts_us, {"phase": name, "step": step})

    return batched(phase, phases["phase"], phases["step"], *scene.clock.spans(start_ns, end_ns))


def _calls(scene: Scene, tids: IntArray) -> Iterator[Batch]:
    ranges, names, phases = scene.tables.ranges, scene.layer_names, scene.phase_names
    facts = facts_of(scene.profile)

    def call(layer: int, phase: int, step: int, tid: int, begins_us: float, lasts_us: float) -> Event:
        known = {**facts[layer], "step": step}
        if 0 <= phase < len(phases):
            known["phase"] = phases[phase]
        return _slice(names[layer], tid, begins_us, lasts_us, known)

    start_ns = ranges["start_ns"]
    times_us = scene.clock.spans(start_ns, scene.host.range_end_ns)
    order = np.argsort(start_ns, kind="stable")
    columns = (ranges["layer"], ranges["phase"], ranges["step"], tids, *times_us)
    return batched(call, *(column[order] for column in columns))


def _slice(name: str, tid: int, begins_us: float, lasts_us: float, arguments: Event) -> Event:
    place: Event = {"ph": "X", "cat": LAYERPROF_CATEGORY, "name": name, "pid": LAYERS_PID, "tid": tid}
    return {**place, "ts": begins_us, "dur": lasts_us, "args": arguments}


def _apart(start_ns: IntArray, end_ns: IntArray) -> tuple[IntArray, IntArray]:
    """Spans that follow one another; where two of them overlap, the later one is cut off or drawn in the earlier."""
    nest = nested(start_ns, end_ns, np.zeros(start_ns.size, dtype=np.int64))
    return start_ns, nest.end - (nest.start - start_ns)
