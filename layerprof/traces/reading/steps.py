"""Which parts of a trace are steps: what ``profiler.step()`` marked, else the whole trace."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from layerprof.errors import InputError
from layerprof.traces.base import STEP_PREFIX
from layerprof.traces.reading.base import NONE, Events, Slices, Steps

if TYPE_CHECKING:
    from layerprof.attribute import BoolArray, IntArray


def find_steps(events: Events, *, source: Path) -> Steps:
    """The steps on the thread that marks most of them, by start; without marks one that spans all events.

    Args:
        events: of the trace.
        source: how error messages name the file.

    Raises:
        InputError: when there is no event with a length.

    Limits:
        A step that begins before the one before it has ended is left out.
    """
    found = np.flatnonzero(is_step(events))
    if not found.size:
        return _whole(events, source)
    marks = events.ops
    thread = _most_frequent(marks.thread[found])
    kept: list[int] = []
    for place in found[marks.thread[found] == thread].tolist():
        if not kept or marks.start_ns[place] >= marks.end_ns[kept[-1]]:
            kept.append(place)
    return Steps(
        start_ns=marks.start_ns[kept], end_ns=marks.end_ns[kept], thread=np.full(len(kept), thread, dtype=np.int64)
    )


def is_step(events: Events) -> BoolArray:
    """Whether each op is the mark of a step: (ops,)."""
    is_mark = [name.startswith(STEP_PREFIX) for name in events.strings]
    return np.asarray(is_mark, dtype=np.bool_)[events.ops.name] if is_mark else np.empty(0, dtype=np.bool_)


def _whole(events: Events, source: Path) -> Steps:
    """From the first event to the last, on the thread with the most ops, or else the most calls of modules.

    Where nothing of the host was recorded it is on no thread, and its times are the device's alone.
    """
    tables: tuple[Slices, ...] = (events.ops, events.frames, events.runtime)
    on_host = [table for table in tables if table.start_ns.size]
    spans = on_host or [table for table in (events.activities,) if table.start_ns.size]
    if not spans:
        raise InputError(f"{source} has no op, module or kernel with a time and a length; record and export it again")
    thread = _most_frequent(on_host[0].thread) if on_host else NONE
    return Steps(
        start_ns=np.asarray([min(int(table.start_ns.min()) for table in spans)], dtype=np.int64),
        end_ns=np.asarray([max(int(table.end_ns.max()) for table in spans)], dtype=np.int64),
        thread=np.asarray([thread], dtype=np.int64),
        is_whole=True,
    )


def _most_frequent(values: IntArray) -> int:
    found, counts = np.unique(values, return_counts=True)
    return int(found[np.argmax(counts)])
