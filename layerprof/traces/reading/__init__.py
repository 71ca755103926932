"""Traces that were recorded elsewhere: from a Chrome trace of torch's profiler to the same attribution.

file ──content──▶ events ──▶ columns ──▶ steps ──▶ calls ──▶ layers ─┬─ ops pass ──┬─▶ attribution ──▶ profile
└─ time pass ─┘
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from layerprof.attribute import OpsPass, Phase, RawTrace, attribute
from layerprof.records import Profile, ProfileSpec
from layerprof.store import collection_later
from layerprof.traces.base import usable_path
from layerprof.traces.reading.backward import read_backward
from layerprof.traces.reading.calls import nested_calls
from layerprof.traces.reading.columns import read_events
from layerprof.traces.reading.compiled import is_compiled, notes_on_compiled, unseen_in
from layerprof.traces.reading.facts import environment_of, model_of, notes_on_trace, train_of, with_reasons
from layerprof.traces.reading.files import is_trace, read_content
from layerprof.traces.reading.layers import head_of, read_layers
from layerprof.traces.reading.recorded import recorded, within_steps
from layerprof.traces.reading.sorting import sorted_out
from layerprof.traces.reading.steps import find_steps, is_step
from layerprof.traces.reading.timing import timed

__all__ = ["is_trace", "load_trace"]


def load_trace(path: str | Path) -> Profile:
    """The profile of a Chrome trace that torch's profiler recorded, here or elsewhere.

    Layers come from the module events that layerprof's own traces hold, and those of ``with_stack=True``; without any
    the root alone stands for everything. Steps are those that ``profiler.step()`` marked, else the whole trace is one.

    Args:
        path: of a ``.json`` or ``.json.gz`` file.

    Raises:
        InputError: when there is no such file, or it is no trace of torch's profiler.
        RecordError: when it is cut off or damaged, or a newer layerprof wrote it.

    Limits:
        Times are those under the profiler that made the trace. FLOPs, bytes, energy and the memory of layers are not
        read from it, and parameters only where layerprof wrote them; the quantities are None, with notes.
    """
    source = usable_path(path)
    with collection_later():
        content = read_content(source)
        tables, left_out = sorted_out(content["traceEvents"])
        events = read_events(content, tables, left_out=left_out)
    head = head_of(content, source=source)
    steps = find_steps(events, source=source)
    events = within_steps(events, steps, is_step(events))
    calls = read_layers(events, steps, nested_calls(events.frames, steps), head, source=source)
    backward = read_backward(events, calls, steps, head)
    unseen = unseen_in(head, calls)
    raw = RawTrace(
        spec=ProfileSpec(
            model=model_of(head, source),
            model_type=calls.layers[0].type_name,
            passes=("time", "ops") if steps.is_on_host else ("ops",),
            train=train_of(head, events),
            is_compiled=is_compiled(head, events),
        ),
        environment=environment_of(content, head, events),
        layers=calls.layers,
        phases=tuple(Phase(name=name) for name in backward.marks.names),
        has_device=bool(events.activities.name.size),
        time=replace(timed(events.ops, calls, steps, backward), unseen=unseen) if steps.is_on_host else None,
        ops=OpsPass(events=recorded(events, calls, steps, backward), unseen=unseen),
        notes=(*notes_on_trace(content, head, events, calls, steps), *notes_on_compiled(head, events, unseen)),
    )
    return with_reasons(attribute(raw))
