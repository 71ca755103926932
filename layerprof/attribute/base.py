"""The raw columns that measurement hands to attribution, and the call graph that attribution makes of them.

    events (enter, leave) ──nesting──▶ Spans ──calls──▶ CallGraph ──┐
    op tallies by call site ──────────────────────────▶ CallGraph ──┴─profile──▶ rows, tree, stages

Times are integer nanoseconds until they enter a record, so that sums close exactly. numpy only; no torch.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from layerprof.records import Environment, LayerInfo, MemorySummary, Note, ProfileSpec, UncountedOp

IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]

NO_PARENT = -1


@dataclass(frozen=True, slots=True, kw_only=True)
class ThreadEvents:
    """What the hooks wrote on one thread during one step, in order.

    Attributes:
        is_step_thread: whether it is the thread that ran the step.
        codes: the layer's index on entry, its complement (``~index``) on leaving.  (events,)
        times_ns: of each event.  (events,)
    """

    is_step_thread: bool
    codes: IntArray
    times_ns: IntArray


@dataclass(frozen=True, slots=True, kw_only=True)
class StepEvents:
    """One step of the time pass: its own range, and the events of every thread inside it."""

    start_ns: int
    end_ns: int
    threads: tuple[ThreadEvents, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Spans:
    """Calls of layers in several steps, callers before the called within a thread.

    Attributes:
        layer: index of the layer.  (spans,)
        parent: index of the calling span on the same thread, or -1.  (spans,)
        start_ns, end_ns: of the call.  (spans,)
        step: which step it belongs to.  (spans,)
        is_concurrent: whether it ran on another thread than the step's.  (spans,)
        repairs: enter or leave events without a partner.
    """

    layer: IntArray
    parent: IntArray
    start_ns: IntArray
    end_ns: IntArray
    step: IntArray
    is_concurrent: BoolArray
    repairs: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CallGraph:
    """Who called whom, merged over repeated calls and steps; parents stand before their children.

    A node is a call path: the same layer called from the same node on the same sort of thread.

    Attributes:
        parent: index of the calling node, or -1.  (nodes,)
        layer: index of the layer.  (nodes,)
        is_concurrent: whether it ran on another thread than the step's.  (nodes,)
        values: named quantities of the node itself.  name -> (nodes, steps)
    """

    parent: IntArray
    layer: IntArray
    is_concurrent: BoolArray
    values: Mapping[str, IntArray]


@dataclass(frozen=True, slots=True, kw_only=True)
class Unseen:
    """Layers whose calls no hook of a pass can see, such as those inside compiled code.

    Attributes:
        layers: their indices.
        scopes: (glob over paths, reason) pairs that cover them.
    """

    layers: frozenset[int] = frozenset()
    scopes: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class TimePass:
    """What the time pass brought: its steps in order."""

    steps: tuple[StepEvents, ...]
    unseen: Unseen = field(default_factory=Unseen)


@dataclass(frozen=True, slots=True, kw_only=True)
class FlopsPass:
    """What the flops pass brought, for one step.

    Attributes:
        graph: with the values ``calls``, ``flops``, ``causal_flops`` (each (nodes, 1)), of the node itself.
        unattributed_flops: of ops under no layer.
        step_flops, step_causal_flops: of all ops, summed without regard to layers, for the books.
        by_op: op name -> FLOPs.
        uncounted: ops that are in no table.
    """

    graph: CallGraph
    unattributed_flops: int
    step_flops: int
    step_causal_flops: int
    by_op: Mapping[str, int]
    uncounted: tuple[UncountedOp, ...]
    unseen: Unseen = field(default_factory=Unseen)


@dataclass(frozen=True, slots=True, kw_only=True)
class MemoryPass:
    """What the memory pass brought, for one step.

    Attributes:
        graph: with ``calls``, ``allocated_bytes`` and ``output_bytes`` of the node itself, and ``peak_bytes``, the
            highest of its calls (each (nodes, 1)).
        summary: baseline and peak of the whole step.
    """

    graph: CallGraph
    summary: MemorySummary
    unseen: Unseen = field(default_factory=Unseen)


@dataclass(frozen=True, slots=True, kw_only=True)
class RawTrace:
    """Everything that was measured of one model, before attribution.

    Attributes:
        spec, environment, layers: what, where, and of which layers.
        phase: the name of the one phase that the step is.
        may_hide_calls: whether there may be compiled code, inside which the time pass sees no call.
        warmup_ns, bare_ns: whole steps without instruments.
        overhead_pairs_ns: (bare, timed) neighbours.
        time, flops, memory: the passes that ran.
        notes: what was noticed on the way.
    """

    spec: ProfileSpec
    environment: Environment
    layers: tuple[LayerInfo, ...]
    phase: str
    may_hide_calls: bool = False
    warmup_ns: tuple[int, ...] = ()
    bare_ns: tuple[int, ...] = ()
    overhead_pairs_ns: tuple[tuple[int, int], ...] = ()
    time: TimePass | None = None
    flops: FlopsPass | None = None
    memory: MemoryPass | None = None
    notes: tuple[Note, ...] = ()


def levels_of(parent: IntArray) -> IntArray:
    """How many callers stand above each span or node, given the index of each one's caller or -1."""
    level = np.zeros(parent.size, dtype=np.int64)
    above = parent.copy()
    while (has_caller := above != NO_PARENT).any():
        level[has_caller] += 1
        above[has_caller] = parent[above[has_caller]]
    return level
