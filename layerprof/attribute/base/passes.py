"""What each pass hands to attribution, and all of them together."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from layerprof.attribute.base.events import IntArray, StepEvents
    from layerprof.attribute.base.graph import CallGraph
    from layerprof.attribute.base.ops import OpEvents
    from layerprof.records import Environment, LayerInfo, MemorySummary, Note, ProfileSpec, UncountedOp

OpKey = tuple[int, str, tuple[tuple[int, ...], ...]]  # layer (-1: none), op such as "aten::addmm", shapes of tensors


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
class Phase:
    """A part of the step, as measurement saw it.

    Attributes:
        name: of the phase.
        steps: how often it ran in one step.
    """

    name: str
    steps: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class TimePass:
    """What the time pass brought: its steps in order.

    Attributes:
        steps: with marks of phases by the numbers that the instruments gave them.
        phase_of: what those numbers are in the trace's phases.
    """

    steps: tuple[StepEvents, ...]
    phase_of: tuple[int, ...] = (0,)
    unseen: Unseen = field(default_factory=Unseen)


@dataclass(frozen=True, slots=True, kw_only=True)
class OpsPass:
    """What the ops pass brought.

    Attributes:
        events: of its recorded steps, with the trace's own phase numbers.
        pairs_ns: (bare, recorded) neighbours, for the overhead.
    """

    events: OpEvents
    pairs_ns: tuple[tuple[int, int], ...] = ()
    unseen: Unseen = field(default_factory=Unseen)


@dataclass(frozen=True, slots=True, kw_only=True)
class FlopsPass:
    """What the flops pass brought, for one step.

    Attributes:
        graph: with the values ``calls``, ``flops``, ``causal_flops`` (each (nodes, 1)), of the node itself.
        unattributed_flops: of ops under no layer.
        step_flops, step_causal_flops: of all ops, summed without regard to layers, for the books.
        phase_flops, phase_causal_flops: the same by phase.  (phases,)
        by_op: op name -> FLOPs.
        op_flops: layer, op and shapes -> FLOPs of all such ops.
        uncounted: ops that are in no table.
    """

    graph: CallGraph
    unattributed_flops: int
    step_flops: int
    step_causal_flops: int
    phase_flops: IntArray
    phase_causal_flops: IntArray
    by_op: Mapping[str, int]
    uncounted: tuple[UncountedOp, ...]
    op_flops: Mapping[OpKey, int] = field(default_factory=dict)
    unseen: Unseen = field(default_factory=Unseen)


@dataclass(frozen=True, slots=True, kw_only=True)
class MemoryPass:
    """What the memory pass brought, for one step.

    Attributes:
        graph: with ``calls``, ``allocated_bytes``, ``output_bytes`` and ``at_peak_bytes`` of the node itself, and
            ``peak_bytes``, the highest of its calls (each (nodes, 1)).
        summary: baseline and peak of the whole step, without owners: those follow from the graph.
        unattributed_allocated_bytes: allocated under no layer.  (phases,)
        unattributed_at_peak_bytes: allocated under no layer and alive at the peak.  (phases,)
    """

    graph: CallGraph
    summary: MemorySummary
    unattributed_allocated_bytes: IntArray
    unattributed_at_peak_bytes: IntArray
    unseen: Unseen = field(default_factory=Unseen)


@dataclass(frozen=True, slots=True, kw_only=True)
class RawTrace:
    """Everything that was measured of one model, before attribution.

    Attributes:
        spec, environment, layers: what, where, and of which layers.
        phases: what the passes' phase indices mean.
        has_device: whether the model is on a device whose own activities the ops pass can record.
        may_hide_calls: whether there may be compiled code, inside which the time pass sees no call.
        warmup_ns, bare_ns: whole steps without instruments.
        overhead_pairs_ns: (bare, timed) neighbours.
        time, ops, flops, memory: the passes that ran.
        notes: what was noticed on the way.
    """

    spec: ProfileSpec
    environment: Environment
    layers: tuple[LayerInfo, ...]
    phases: tuple[Phase, ...]
    has_device: bool = False
    may_hide_calls: bool = False
    warmup_ns: tuple[int, ...] = ()
    bare_ns: tuple[int, ...] = ()
    overhead_pairs_ns: tuple[tuple[int, int], ...] = ()
    time: TimePass | None = None
    ops: OpsPass | None = None
    flops: FlopsPass | None = None
    memory: MemoryPass | None = None
    notes: tuple[Note, ...] = ()
