"""Whose backward work it is, by autograd's numbers, and which phase is when; from what a trace tells.

forward:    enter a · op 15 · op 16 · leave a · op 17          an op's number is that of the next node
boundaries: 15 at enter a, 17 at leave a                       so a's nodes are 15 and 16
engine:     node 17 · node 16 · node 15
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from layerprof.attribute import Boundaries
from layerprof.attribute.base.ops import FOREIGN_NODE
from layerprof.traces.reading.base import NONE, Backward, Calls, Content, Events, Json, Ops, PhaseMarks, Steps

if TYPE_CHECKING:
    from layerprof.attribute import BoolArray, IntArray

_FORWARD, _BACKWARD, _OPTIMIZER = "forward", "backward", "optimizer"
_OPTIMIZER_PREFIX = "Optimizer.step#"


def read_backward(events: Events, calls: Calls, steps: Steps, head: Content | None) -> Backward:
    """The engine's work in the steps, and their phases: forward, backward and optimizer, where there are any.

    An outermost call begins forward again. A trace that layerprof wrote tells its phases.

    Args:
        events: of the steps.
        calls: of layers.
        steps: of the trace.
        head: what layerprof wrote, or None.
    """
    nodes = _outermost_nodes(events.ops)
    told = _told_marks(events, steps, head) if head else None
    ops, boundaries = events.ops, _boundaries(events.ops, calls, steps)
    sequence = _numbers(ops, steps)
    if head and boundaries.code.size and (ops.is_engine & (ops.call != NONE)).any():
        is_own = calls.thread == steps.thread[steps.of(calls.start_ns)]
        sequence = _told_numbers(ops, boundaries.code, calls.number[is_own])
        boundaries = replace(boundaries, sequence=np.arange(boundaries.code.size))
    marks = told or _phase_marks(events, calls, steps, nodes)
    return Backward(marks=marks, boundaries=boundaries, sequence=sequence, nodes=nodes)


def _told_marks(events: Events, steps: Steps, head: Content) -> PhaseMarks | None:
    """The phases that layerprof wrote into a trace; None where there are none."""
    names: Json = head.get("phases")
    if not isinstance(names, list) or not names or not all(isinstance(name, str) for name in names):
        return None
    number_of = {name: number for number, name in enumerate(names)}
    phase = np.asarray([number_of.get(name, NONE) for name in events.strings], dtype=np.int64)[events.phases.name]
    is_known = (phase != NONE) & steps.holds(events.phases.start_ns)
    start_ns = events.phases.start_ns[is_known]
    return PhaseMarks(names=tuple(names), step=steps.of(start_ns), phase=phase[is_known], start_ns=start_ns)


def _told_numbers(ops: Ops, codes: IntArray, entered: IntArray) -> IntArray:
    """Of each node, the boundary at which the call was entered that it was made in; -2 for a node of no call: (ops,).

    Args:
        ops: of the steps.
        codes: of the boundaries.  (boundaries,)
        entered: number of each call on the step's thread, in the order of entering.
    """
    numbers = np.where(ops.is_engine, FOREIGN_NODE, NONE)
    by_number = np.argsort(entered, kind="stable")
    nodes = np.flatnonzero(ops.is_engine)
    at = np.minimum(np.searchsorted(entered, ops.call[nodes], sorter=by_number), entered.size - 1)
    is_found = entered[by_number[at]] == ops.call[nodes]
    enters = np.flatnonzero(codes >= 0)
    numbers[nodes[is_found]] = enters[by_number[at[is_found]]]
    return numbers


def _numbers(ops: Ops, steps: Steps) -> IntArray:
    """The sequence number of each node that the engine evaluates, -2 of a foreign one; -1 of all other ops: (ops,).

    torch counts by thread, and its own number of the step's thread is not in the trace. It is taken to be the one most
    of whose nodes have a number that an op on the step's thread had.
    """
    sequence = np.where(ops.is_engine, ops.sequence, NONE)
    is_node = ops.is_engine & (ops.sequence >= 0)
    makers = np.unique(ops.made_on[is_node])
    if makers.size < 2:
        return sequence
    known = ops.sequence[_makes_nodes(ops, steps)]
    shared = [int(np.isin(ops.sequence[is_node & (ops.made_on == maker)], known).sum()) for maker in makers.tolist()]
    own = makers[int(np.argmax(shared))]
    return np.where(is_node & (ops.made_on != own), FOREIGN_NODE, sequence)


def _boundaries(ops: Ops, calls: Calls, steps: Steps) -> Boundaries:
    """The number that the next node was going to get at every enter and leave on the step's thread."""
    own = [one for one in calls.threads if one.thread == steps.thread[one.step]]
    if not own:
        return Boundaries()
    times = np.concatenate([one.times_ns for one in own])
    makers = np.flatnonzero(_makes_nodes(ops, steps))
    starts, numbers = ops.start_ns[makers], np.maximum.accumulate(ops.sequence[makers])
    after = np.append(numbers, numbers[-1] + 1 if numbers.size else 0)
    return Boundaries(
        step=np.concatenate([np.full(one.codes.size, one.step, dtype=np.int64) for one in own]),
        code=np.concatenate([one.codes for one in own]),
        sequence=after[np.searchsorted(starts, times, side="left")],
    )


def _phase_marks(events: Events, calls: Calls, steps: Steps, nodes: IntArray) -> PhaseMarks:
    ops = events.ops
    begins = np.flatnonzero(_is_named(events, _OPTIMIZER_PREFIX) & (ops.thread == steps.thread[steps.of(ops.start_ns)]))
    names = [_FORWARD, *([_BACKWARD] if ops.is_engine.any() else []), *([_OPTIMIZER] if begins.size else [])]
    if len(names) == 1:
        return PhaseMarks(names=(_FORWARD,))
    forward = _outermost_ns(ops, calls, steps, nodes)
    start_ns = np.concatenate((forward, ops.start_ns[begins]))
    phase = np.concatenate((np.zeros_like(forward), np.full(begins.size, len(names) - 1)))
    order = np.argsort(start_ns, kind="stable")
    start_ns = start_ns[order]
    return PhaseMarks(names=tuple(names), step=steps.of(start_ns), phase=phase[order], start_ns=start_ns)


def _outermost_nodes(ops: Ops) -> IntArray:
    """Positions of the nodes that the engine evaluates, without those inside another one's time."""
    nodes = np.flatnonzero(ops.is_engine)
    reached = np.maximum.accumulate(ops.end_ns[nodes]) if nodes.size else nodes
    is_outermost = np.ones(nodes.size, dtype=np.bool_)
    is_outermost[1:] = ops.start_ns[nodes][1:] >= reached[:-1]
    return np.asarray(nodes[is_outermost], dtype=np.int64)


def _is_covered(time_ns: IntArray, start_ns: IntArray, end_ns: IntArray) -> BoolArray:
    """Whether each time is inside one of some spans, which are by start and do not overlap."""
    at = np.searchsorted(start_ns, time_ns, side="right") - 1
    return (at >= 0) & (time_ns < np.append(end_ns, 0)[at])


def _makes_nodes(ops: Ops, steps: Steps) -> BoolArray:
    """Whether each op ran on the step's thread with gradients; what the engine runs has the number of its node."""
    is_own = ops.thread == steps.thread[np.maximum(steps.of(ops.start_ns), 0)]
    is_forward = ~ops.is_engine & (ops.made_on == 0) & (ops.sequence >= 0)
    return np.asarray(is_own & is_forward, dtype=np.bool_)


def _outermost_ns(ops: Ops, calls: Calls, steps: Steps, nodes: IntArray) -> IntArray:
    """When the step's thread entered an outermost call, other than from the engine (recomputation)."""
    found = [np.empty(0, dtype=np.int64)]
    for one in calls.threads:
        if one.thread == steps.thread[one.step]:
            depth = np.cumsum(np.where(one.codes >= 0, 1, -1))
            found.append(one.times_ns[(one.codes >= 0) & (depth == 1)])
    times = np.concatenate(found)
    return times[~_is_covered(times, ops.start_ns[nodes], ops.end_ns[nodes])]


def _is_named(events: Events, prefix: str) -> BoolArray:
    is_wanted = np.asarray([name.startswith(prefix) for name in events.strings], dtype=np.bool_)
    return is_wanted[events.ops.name] if is_wanted.size else np.empty(0, dtype=np.bool_)
