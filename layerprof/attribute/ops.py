"""The ops pass, host side: which call and phase each op belongs to, and the call graph of ops and kernels.

    range 0 (root) ─── range 1 (block) ─── aten::linear ─── aten::addmm        op: innermost range around it
    engine: AddmmBackward0 (sequence 17) ─── aten::mm                          op: the call that made node 17

An op's phase is the one in force when it began; where the engine begins to evaluate a node, the backward phase begins.
All integer arithmetic on columns; no Python loop over events.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from layerprof.attribute.base import (
    NOBODY,
    BoolArray,
    Boundaries,
    CallGraph,
    HostEvents,
    IntArray,
    OpEvents,
    RangeEvents,
    call_paths,
    latest_forward_callers,
    phased,
    summed,
    with_values,
)
from layerprof.attribute.base.intervals import NONE, Nest, inherited, nested, self_ns, taken
from layerprof.attribute.base.ops import FOREIGN_NODE
from layerprof.attribute.base.places import DevicePlaces, HostPlaces, PhaseMarks, phase_at, step_at


@dataclass(frozen=True, slots=True, kw_only=True)
class OpsBooks:
    """The ops pass by call path and phase, and what belongs to no layer.

    Attributes:
        graph: with the values ``calls``, ``host_ns`` (self time of ops) and ``device_ns`` (sum of the durations of
            the activities they launched), each (nodes, steps).
        unattributed_host_ns: self time of ops under no layer, on the step's thread or in the engine.  (phases, steps)
        unattributed_device_ns: of activities under no layer, orphans included.  (phases, steps)
        device_ns: of all activities, summed without regard to layers.  (steps,)
        step_ns: of the whole step.  (steps,)
        ops, launches, activities: how many there are in all steps.
        clipped: ops and ranges that reached past what they lie in, and were cut off there.
        orphans: activities with neither a launch nor an op that they are linked to.
        idle_launches: launches from which no activity came.
        early: activities that seem to have begun before they were launched.
    """

    graph: CallGraph
    unattributed_host_ns: IntArray
    unattributed_device_ns: IntArray
    device_ns: IntArray
    step_ns: IntArray
    ops: int
    launches: int
    activities: int
    clipped: int
    orphans: int
    idle_launches: int
    early: int


def placed_ops(events: OpEvents, *, backward: int | None = None) -> HostPlaces:
    """Where in the call tree each range and each op belongs.

    Args:
        events: of the recorded steps; ranges and ops in order of their start, all of them begun within a step.
        backward: the phase of the engine's work; None where there is none. With it a step begins in the first phase,
            without it in the one whose mark comes first.

    Limits:
        Ops on other threads than the step's that lie under no range belong to nobody. A backward node that was made
        on another thread has no boundary to be found by; it belongs to the node that the engine was in, if any.
    """
    ranges, host = events.ranges, events.host
    nest = nested(*(_joined(ranges, host, name) for name in ("start_ns", "end_ns", "thread")))
    own = np.arange(nest.start.size)
    count = ranges.layer.size
    is_range = own < count
    range_around = inherited(nest, np.where(is_range, own, NONE))
    op_around = inherited(nest, np.where(is_range, NONE, own - count))
    is_node = np.append(np.zeros(count, dtype=np.bool_), host.is_engine)
    node_around = inherited(nest, np.where(is_node, own - count, NONE))
    marks = _phase_marks(events, backward)
    is_waited = node_around != NONE  # the step's thread waits for the engine, wherever that runs
    range_step = step_at(events.step_start_ns, ranges.start_ns)
    is_own = (ranges.thread == events.step_thread[range_step]) | is_waited[:count]
    within = _around_parent(nest, range_around)[:count]
    range_parent = latest_forward_callers(ranges.layer, within, (within == NONE) & is_waited[:count])
    table, range_path = call_paths(range_parent, ranges.layer, ~is_own)
    op_step = step_at(events.step_start_ns, host.start_ns)
    call_of_node = _calls_of_nodes(events, within, _around_parent(nest, node_around)[count:], op_step)
    of_backward = taken(call_of_node, node_around[count:])
    op_range = np.where(range_around[count:] == NONE, of_backward, range_around[count:])
    return HostPlaces(
        table=table,
        range_parent=range_parent,
        range_path=range_path,
        range_phase=phase_at(marks, ranges.start_ns),
        range_step=range_step,
        op_range=op_range,
        op_path=taken(range_path, op_range),
        op_phase=phase_at(marks, host.start_ns),
        op_step=op_step,
        op_parent=_around_parent(nest, op_around)[count:],
        op_self_ns=self_ns(nest)[count:],
        is_own=(host.thread == events.step_thread[op_step]) | is_waited[count:],
        nest=nest,
        range_around=range_around,
        op_around=op_around,
        marks=marks,
    )


def booked_ops(events: OpEvents, host: HostPlaces, device: DevicePlaces, *, phases: int) -> OpsBooks:
    """The call graph of ranges, ops and activities, and what is left over.

    Args:
        events: of the recorded steps.
        host: where ranges and ops belong.
        device: where activities belong.
        phases: how many there are.
    """
    steps = events.step_start_ns.size
    lasted_ns = events.device.end_ns - events.device.start_ns
    at_entry = host.range_path * phases + host.range_phase
    of_op = np.where(host.op_path == NONE, NONE, host.op_path * phases + host.op_phase)
    of_activity = np.where(device.path == NONE, NONE, device.path * phases + device.phase)
    is_cell = np.zeros(host.table.layer.size * phases, dtype=np.bool_)
    for cells in (at_entry, of_op, of_activity):
        is_cell[cells[cells != NONE]] = True
    cells = np.flatnonzero(is_cell)
    graph, node_of = phased(host.table, cells, phases=phases)
    node_at = np.full(is_cell.size, NONE, dtype=np.int64)
    node_at[cells] = node_of

    def by_node(cell: IntArray, step: IntArray, weights: IntArray) -> IntArray:
        is_placed = cell != NONE
        place = node_at[cell[is_placed]] * steps + step[is_placed]
        return summed(place, weights[is_placed], (graph.layer.size, steps))

    def left_over(where: BoolArray, phase: IntArray, step: IntArray, weights: IntArray) -> IntArray:
        return summed((phase * steps + step)[where], weights[where], (phases, steps))

    calls = by_node(at_entry, host.range_step, np.ones_like(at_entry))
    host_ns = by_node(of_op, host.op_step, host.op_self_ns)
    device_ns = by_node(of_activity, device.step, lasted_ns)
    is_left = (host.op_path == NONE) & host.is_own
    return OpsBooks(
        graph=with_values(graph, {"calls": calls, "host_ns": host_ns, "device_ns": device_ns}),
        unattributed_host_ns=left_over(is_left, host.op_phase, host.op_step, host.op_self_ns),
        unattributed_device_ns=left_over(device.path == NONE, device.phase, device.step, lasted_ns),
        device_ns=summed(device.step, lasted_ns, (1, steps))[0],
        step_ns=events.step_end_ns - events.step_start_ns,
        ops=host.op_step.size,
        launches=events.launches.correlation.size,
        activities=device.step.size,
        clipped=host.nest.clipped,
        orphans=device.orphans,
        idle_launches=device.idle_launches,
        early=device.early,
    )


def _joined(ranges: RangeEvents, host: HostEvents, name: str) -> IntArray:
    """A column of ranges and then ops."""
    first: IntArray = getattr(ranges, name)
    second: IntArray = getattr(host, name)
    return np.concatenate((first, second))


def _around_parent(nest: Nest, around: IntArray) -> IntArray:
    """What is around each interval without itself."""
    return taken(around, nest.parent)


def _phase_marks(events: OpEvents, backward: int | None) -> PhaseMarks:
    """All marks in order of time, with one at the beginning of each step."""
    firsts = [0] * events.step_start_ns.size
    if backward is None:
        for step, phase in zip(events.phase_step.tolist()[::-1], events.phase.tolist()[::-1], strict=True):
            firsts[step] = phase
    begun = events.host.start_ns[events.host.is_engine]
    start_ns = np.concatenate((events.step_start_ns, events.phase_start_ns, begun))
    phase = np.concatenate((np.asarray(firsts, dtype=np.int64), events.phase, np.full(begun.size, backward or 0)))
    order = np.argsort(start_ns, kind="stable")
    return PhaseMarks(start_ns=start_ns[order], phase=phase[order])


def _calls_of_nodes(events: OpEvents, within: IntArray, enclosing: IntArray, op_step: IntArray) -> IntArray:
    """The range whose forward work made each engine node, or -1; -1 for all other ops: (ops,).

    A node without a number of its own (a gradient accumulator) goes with the node that ran before it on its thread.

    Args:
        events: of the recorded steps.
        within: the range around each range.  (ranges,)
        enclosing: the engine node around each op, itself not included, or -1.  (ops,)
        op_step: of each op.  (ops,)
    """
    host = events.host
    calls = np.full(host.name.size, NONE, dtype=np.int64)
    after = _calls_after(events.boundaries, _own_ranges(events), within, events.ranges.layer)
    nodes = np.flatnonzero(host.is_engine)
    if after is None or not nodes.size:
        return calls
    nodes = nodes[np.argsort(host.thread[nodes], kind="stable")]  # within a thread by start
    sequence = host.sequence[nodes]
    boundary = np.searchsorted(events.boundaries.sequence, sequence, side="right") - 1
    found = taken(after, np.where(sequence >= 0, boundary, NONE))
    latest = np.maximum.accumulate(np.where(sequence == NONE, NONE, np.arange(nodes.size)))
    is_same_run = (host.thread[nodes[latest]] == host.thread[nodes]) & (op_step[nodes[latest]] == op_step[nodes])
    follows = (sequence == NONE) & (latest != NONE) & is_same_run
    calls[nodes] = np.where(follows, taken(found, latest), found)
    foreign = nodes[sequence == FOREIGN_NODE]
    calls[foreign] = taken(calls, enclosing[foreign])
    return calls


def _own_ranges(events: OpEvents) -> IntArray:
    """The ranges on the step's thread, by start."""
    step = step_at(events.step_start_ns, events.ranges.start_ns)
    return np.flatnonzero(events.ranges.thread == events.step_thread[step])


def _calls_after(boundaries: Boundaries, own: IntArray, within: IntArray, layer: IntArray) -> IntArray | None:
    """The innermost range open right after each boundary, or -1; None where the two do not belong together.

    The recorder writes a boundary for each range that it opens or closes on the step's thread, so the n-th entry is
    the n-th range.
    """
    is_enter = boundaries.code >= 0
    enters = np.flatnonzero(is_enter)
    if not enters.size or not np.array_equal(boundaries.code[enters], layer[own]):
        return None
    level = np.cumsum(np.where(is_enter, 1, -1))
    if level[-1] != 0 or level.min() < 0:
        return None
    level[~is_enter] += 1
    by_level = np.argsort(level, kind="stable")  # within a level: enter, leave, enter, leave
    after = np.full(is_enter.size, NOBODY, dtype=np.int64)
    after[enters] = own
    after[by_level[1::2]] = taken(within, after[by_level[0::2]])
    return after
