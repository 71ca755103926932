"""What each pass hands to attribution, and all of them together."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from layerprof.attribute.base.events import IntArray, StepEvents
    from layerprof.attribute.base.graph import CallGraph
    from layerprof.attribute.base.ops import OpEvents
    from layerprof.estimates import Estimate
    from layerprof.records import (
        Ceilings,
        EnergyConditions,
        EnergyCounter,
        EnergyKind,
        EnergyUnit,
        Environment,
        LayerInfo,
        MemorySummary,
        Note,
        ProfileSpec,
        UncountedOp,
    )

WORK = ("flops", "causal_flops", "bytes_moved", "launches")  # what the flops pass counts at every node
OpKey = tuple[int, str, tuple[tuple[int, ...], ...]]  # layer (-1: none), op such as "aten::addmm", shapes of tensors


def dtype_value(dtype: str) -> str:
    """The name of the graph's value that holds the FLOPs in one format."""
    return f"flops in {dtype}"


IN_COMPILED = "no hook fires inside compiled code; profile the model before torch.compile for its layers' times"


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
class OpCount:
    """What all ops of one kind did: same layer, same name, same shapes.

    Attributes:
        flops, bytes_moved: of all of them.
        dtype: the format of their products, or None without FLOPs.
    """

    flops: int = 0
    bytes_moved: int = 0
    dtype: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PlacedOps:
    """What ops of one kind did in one place, as columns.

    Attributes:
        node: of the pass's graph; -1 under no layer.
        phase: that they ran in.
        flops, bytes_moved: of all of them.
        dtype: the format of their products, by its position in the pass's formats; -1 without FLOPs.
    """

    node: IntArray
    phase: IntArray
    flops: IntArray
    bytes_moved: IntArray
    dtype: IntArray


@dataclass(frozen=True, slots=True, kw_only=True)
class FlopsPass:
    """What the flops pass brought, for one step.

    Attributes:
        graph: with the values ``calls``, those of `WORK`, and FLOPs by the names of `dtype_value` (each (nodes, 1)),
            of the node itself.
        by_phase: the same values but ``calls``, of all ops without regard to layers.  name -> (phases,)
        unattributed: the same, of ops under no layer, all phases together.
        dtypes: formats that products were computed in.
        step_flops, step_causal_flops, step_bytes_moved: of all ops, summed without regard to layers, for the books.
        by_op: op name -> FLOPs.
        ops: layer, op and shapes -> what all such ops did.
        placed: the same by place, from which least times follow.
        uncounted: ops that are in no table.
        unsized: ops whose bytes depend on data; where there are any, no bytes are known.
    """

    graph: CallGraph
    by_phase: Mapping[str, IntArray]
    unattributed: Mapping[str, int]
    dtypes: tuple[str, ...]
    step_flops: int
    step_causal_flops: int
    step_bytes_moved: int
    by_op: Mapping[str, int]
    uncounted: tuple[UncountedOp, ...]
    ops: Mapping[OpKey, OpCount] = field(default_factory=dict)
    placed: PlacedOps | None = None
    unsized: tuple[str, ...] = ()
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
class UnitPower:
    """The power of one layer in one phase, and its time in the model.

    Attributes:
        layer, phase: whose, and when.
        unit: of the pass's units, the one that it is a member of.
        kind: replayed or regressed.
        power_w: mean power while it runs; members of one unit share parts of its error.
        insitu_s: time of all of its calls in one step, in the model.
        window_s, windows: length and number of the windows that its power is from.
        quantisation_rel: bound of what the tick adds to one window or takes from it, as a fraction.
        flags: stable words for what weakens it.
    """

    layer: int
    phase: int
    unit: int
    kind: EnergyKind
    power_w: Estimate
    insitu_s: Estimate
    window_s: float
    windows: int
    quantisation_rel: float
    flags: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class StepEnergy:
    """The joules of one step of the whole model, from windows of many.

    Attributes:
        joules, seconds: of one step.
        window_s, windows: length and number of the windows.
        quantisation_rel: as of `UnitPower`.
        flags: stable words for what weakens it.
        power_w: mean power, from the windows themselves: joules and seconds of a window move together, so the error of
            their quotient does not follow from theirs. None where it was not worked out.
    """

    joules: Estimate
    seconds: Estimate
    window_s: float
    windows: int
    quantisation_rel: float
    flags: tuple[str, ...] = ()
    power_w: Estimate | None = None

    @property
    def mean_w(self) -> Estimate:
        """Mean power; of joules and seconds, with too wide an error, where the windows' own is not there."""
        return self.joules / self.seconds if self.power_w is None else self.power_w


@dataclass(frozen=True, slots=True, kw_only=True)
class EnergyPass:
    """What the energy pass brought.

    Attributes:
        counter: that joules were counted by, and what was found out about it.
        step: of the whole model.
        idle_w: power of the device right after work, the context alive.
        powers: of replayed and regressed layers, which do not lie inside one another.
        units: distinct ones among them, as the record shows them.
        phase_s: time of each phase in a step of the survey that ``insitu_s`` is from.  (phases,)
        conditions: of the device meanwhile.
        samples: of one step, where the caller said.
        carbon_g_per_kwh: where the caller said.
        duration_s: of the pass.
        survey_ratio: time of a step in the survey over that of a step in the windows, or None.
        notes: what was noticed.
    """

    counter: EnergyCounter
    step: StepEnergy
    idle_w: Estimate
    powers: tuple[UnitPower, ...] = ()
    units: tuple[EnergyUnit, ...] = ()
    phase_s: tuple[Estimate, ...] = ()
    conditions: EnergyConditions
    samples: int | None = None
    carbon_g_per_kwh: float | None = None
    duration_s: float = 0.0
    survey_ratio: float | None = None
    notes: tuple[Note, ...] = ()


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
        time, ops, flops, memory, energy: the passes that ran.
        no_energy: (code, text): why there is no energy though it was asked for, or None.
        ceilings, peaks: what the device can do at most, as measured and as its vendor states.
        no_ceilings: why there are no ceilings though they were asked for, or None.
        has_unlike_steps: whether steps of the passes had inputs of different shapes.
        is_root_step: whether the step is one call of the root, since nobody gave another callable.
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
    energy: EnergyPass | None = None
    no_energy: tuple[str, str] | None = None
    ceilings: Ceilings | None = None
    peaks: Ceilings | None = None
    no_ceilings: str | None = None
    has_unlike_steps: bool = False
    is_root_step: bool = False
    notes: tuple[Note, ...] = ()
