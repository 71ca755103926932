"""The time pass of a trace: enters and leaves of its module events, with marks where phases and backward work begin."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from layerprof.attribute import BACKWARD, BACKWARD_ENDED, BACKWARD_OF_NOBODY, PHASE, StepEvents, ThreadEvents, TimePass
from layerprof.traces.reading.base import NONE, Backward, Calls, Ops, Steps, ThreadCalls

if TYPE_CHECKING:
    from layerprof.attribute import IntArray

_Mark = tuple[int, int, int]  # time, code, position of the call's event that a stretch of backward work is after or -1


def timed(ops: Ops, calls: Calls, steps: Steps, backward: Backward) -> TimePass:
    """The time pass.

    Args:
        ops: of the steps.
        calls: of layers.
        steps: of the trace.
        backward: the engine's work, and the phases.
    """
    marks, deeds = backward.marks, _deeds(ops, calls, steps, backward.nodes)
    found = []
    for step, (start_ns, end_ns, thread) in enumerate(
        zip(steps.start_ns.tolist(), steps.end_ns.tolist(), steps.thread.tolist(), strict=True)
    ):
        own = _own_calls(calls, step, thread)
        engine = list(_engine_marks(ops, own, backward, deeds, span_ns=(start_ns, end_ns)))
        is_here = marks.step == step
        phases = zip(marks.start_ns[is_here].tolist(), marks.phase[is_here].tolist(), strict=True)
        events = _merged(own, [*engine, *((time_ns, PHASE + phase, NONE) for time_ns, phase in phases)])
        others = (_elsewhere(one) for one in calls.threads if one.step == step and one.thread != thread)
        found.append(StepEvents(start_ns=start_ns, end_ns=end_ns, threads=(events, *others)))
    return TimePass(steps=tuple(found), phase_of=tuple(range(len(marks.names))))


def _own_calls(calls: Calls, step: int, thread: int) -> ThreadCalls:
    nothing = np.empty(0, dtype=np.int64)
    empty = ThreadCalls(step=step, thread=thread, codes=nothing, times_ns=nothing)
    return next((one for one in calls.threads if one.step == step and one.thread == thread), empty)


def _elsewhere(one: ThreadCalls) -> ThreadEvents:
    return ThreadEvents(is_step_thread=False, codes=one.codes, times_ns=one.times_ns)


def _engine_marks(
    ops: Ops, own: ThreadCalls, backward: Backward, deeds: IntArray, *, span_ns: tuple[int, int]
) -> Iterator[_Mark]:
    """Where the engine comes to the work of another stretch, and where a run of it ends.

    A run goes on until the step's thread, which waits for the engine, does something of its own again.
    """
    first, last = np.searchsorted(ops.start_ns[backward.nodes], span_ns)
    nodes = backward.nodes[first:last]
    if not nodes.size:
        return
    sequence = backward.sequence[nodes]
    numbers = backward.boundaries.sequence[backward.boundaries.step == own.step]
    starts, ends = ops.start_ns[nodes], ops.end_ns[nodes]
    goes_on = np.searchsorted(deeds, starts[1:]) == np.searchsorted(deeds, ends[:-1])
    after = np.searchsorted(numbers, sequence, side="right") - 1
    latest = None
    rows = zip(starts.tolist(), ends.tolist(), sequence.tolist(), after.tolist(), strict=True)
    for place, (start_ns, end_ns, number, boundary) in enumerate(rows):
        if number != NONE or latest is None:  # an accumulator goes with the node before it
            mark = (start_ns, BACKWARD, boundary) if number >= 0 <= boundary else (start_ns, BACKWARD_OF_NOBODY, NONE)
            if mark[1:] != latest:
                yield mark
            latest = mark[1:]
        if place + 1 == nodes.size or not goes_on[place]:
            yield end_ns, BACKWARD_ENDED, NONE
            latest = None


def _deeds(ops: Ops, calls: Calls, steps: Steps, nodes: IntArray) -> IntArray:
    """When the steps' thread did something of its own: a call, a range of the user's, an op with gradients."""
    own = [one.times_ns for one in calls.threads if one.thread == steps.thread[one.step]]
    is_deed = ops.is_annotation | ((ops.made_on == 0) & (ops.sequence >= 0) & ~ops.is_engine)
    times = np.concatenate((*own, ops.start_ns[is_deed & np.isin(ops.thread, steps.thread)]))
    if not nodes.size:
        return times
    at = np.searchsorted(ops.start_ns[nodes], times, side="right") - 1
    is_inside = (at >= 0) & (times <= ops.end_ns[nodes][at])
    return np.sort(times[~is_inside])


def _merged(own: ThreadCalls, marks: list[_Mark]) -> ThreadEvents:
    """The calls' events with the marks among them; a mark at the time of an event comes first."""
    marks.sort(key=lambda mark: mark[0])
    times = np.asarray([time_ns for time_ns, _, _ in marks], dtype=np.int64)
    places = np.searchsorted(own.times_ns, times, side="left")
    shifted = np.arange(own.times_ns.size) + np.searchsorted(places, np.arange(own.times_ns.size), side="right")
    codes = [code if base == NONE else code + int(shifted[base]) for _, code, base in marks]
    return ThreadEvents(
        is_step_thread=True,
        codes=np.insert(own.codes, places, np.asarray(codes, dtype=np.int64)),
        times_ns=np.insert(own.times_ns, places, times),
    )
