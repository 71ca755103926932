"""The rows of a profile: one per layer, stage, phase and op, and the tree of who called whom.

All quantities are per step. ``total_`` includes the layers called from it, ``self_`` does not. ``total`` is the sum
over the outermost calls of a layer (recursion is not added twice), ``self`` the sum over all of its calls.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from layerprof.records.base import ActivityKind, Bound, Distribution, Energy, FrozenMapping, Kind, Provenance


@dataclass(frozen=True, slots=True, kw_only=True)
class Quantities:
    """What is measured of a layer, a stage, a phase, or one of a layer's phases; per step.

    Attributes:
        calls: calls in the first measured step.
        total_s, self_s: host wall time; None without a time pass.
        device_total_s, device_self_s: sums of the durations of device activities (kernels, copies, fills) that were
            launched during its calls; None without an ops pass on a device. Streams may overlap, so a sum may exceed
            the time that passed.
        device_busy_s: time in which at least one of its activities ran, children included: overlap counts once.
        device_span_s: from the start of its first activity to the end of its last, summed over steps' runs of it.
        device_idle_s: the part of ``device_span_s`` in which the device ran nothing at all: the gaps.
        concurrent_s: the part of ``self_s`` that was spent on other threads than the step's.
        flops, self_flops: floating-point operations, a multiply-add being two; None without a flops pass.
        causal_flops: ``flops`` with causal attention counted as the triangle it needs.
        flops_by_dtype: ``flops`` by the format that its products are computed in (``bfloat16``, ``float32``, and
            ``tf32`` where an accelerator rounds single precision to it).
        bytes_moved, self_bytes_moved: least traffic: distinct inputs, weights and outputs of the ops.
        launches: ops that move bytes, each of which is at least one kernel.
        output_bytes: bytes of the tensors that its calls returned.
        allocated_bytes: bytes newly allocated during its calls, freed ones included.
        peak_bytes: the most bytes alive at once during a call beyond those alive when it began.
        at_peak_bytes, self_at_peak_bytes: bytes that its calls had allocated and that were alive at the moment of the
            step's peak, with and without those of the layers called from it.
        energy, self_energy: joules and how they were got.
        flops_per_s, bytes_per_s: achieved: ``flops`` and ``bytes_moved`` over the device's busy time, or over the host
            time of a model on the CPU.
        intensity: FLOPs for each byte moved.
        least_s: the least time that its ops can take one after the other under the ceilings: of each op the longer of
            its FLOPs' at the matrix rate of its format and its bytes' at the copy bandwidth.
        bound: what most of ``least_s`` is: of ops whose FLOPs take longer (compute), or whose bytes do (memory); or
            launch, where ``launches`` by themselves take longer than all that; unknown where a ceiling is.
        efficiency: ``least_s`` over the time taken, the share of the roof that was reached. None where it came out
            above 1, with a note: a ceiling does not hold for it, or a number is wrong.
    """

    calls: int = 0
    total_s: Distribution | None = None
    self_s: Distribution | None = None
    device_total_s: Distribution | None = None
    device_self_s: Distribution | None = None
    device_busy_s: Distribution | None = None
    device_span_s: Distribution | None = None
    device_idle_s: Distribution | None = None
    concurrent_s: Distribution | None = None
    flops: int | None = None
    self_flops: int | None = None
    causal_flops: int | None = None
    flops_by_dtype: FrozenMapping[int] | None = None
    bytes_moved: int | None = None
    self_bytes_moved: int | None = None
    launches: int | None = None
    output_bytes: int | None = None
    allocated_bytes: int | None = None
    peak_bytes: int | None = None
    at_peak_bytes: int | None = None
    self_at_peak_bytes: int | None = None
    energy: Energy | None = None
    self_energy: Energy | None = None
    flops_per_s: float | None = None
    bytes_per_s: float | None = None
    intensity: float | None = None
    least_s: float | None = None
    bound: Bound | None = None
    efficiency: float | None = None

    @property
    def macs(self) -> float | int | None:
        """Multiply-adds: half of ``flops``."""
        return _half(self.flops)

    @property
    def self_macs(self) -> float | int | None:
        """Multiply-adds of its own ops: half of ``self_flops``."""
        return _half(self.self_flops)

    @property
    def j_per_gflop(self) -> float | None:
        """Joules for each thousand million FLOPs; None where either is missing or there are no FLOPs."""
        return None if self.energy is None or not self.flops else self.energy.total_j / (self.flops / 1e9)

    @property
    def energy_delay_j_s(self) -> float | None:
        """The energy-delay product: joules times the seconds that they were spent in; None where it is not known.

        Source:
            M. Horowitz, T. Indermaur, R. Gonzalez, Low-power digital design (1994).
        """
        if self.energy is None or not self.energy.power_w:
            return None
        return self.energy.total_j**2 / self.energy.power_w


def _half(flops: int | None) -> float | int | None:
    if flops is None:
        return None
    return flops // 2 if flops % 2 == 0 else flops / 2


@dataclass(frozen=True, slots=True, kw_only=True)
class KernelProfile:
    """One kind of device activity that an op launched: same name.

    Attributes:
        name: of the kernel, or of the copy or fill.
        kind: kernel, memcpy or memset.
        calls: in the first recorded step.
        device_s: sum of their durations per step.
    """

    name: str
    kind: ActivityKind
    calls: int
    device_s: Distribution


@dataclass(frozen=True, slots=True, kw_only=True)
class OpProfile:
    """One kind of op inside a layer: same name, same shapes; from the ops pass.

    Attributes:
        name: such as ``aten::addmm``.
        shapes: of its inputs, in order; an input that is no tensor has the shape ``()``.
        calls: in the first recorded step.
        self_s: host time without the ops and layers it called.
        device_s: device time of the kernels it launched itself, or None without a device.
        flops: of its own by our formulas (0 for an op that leaves the work to others), or None where the op was not
            counted.
        bytes_moved: least traffic of its own, or None where that was not counted.
        dtype: the format that its products are computed in, or None for an op without FLOPs.
        kernels: what it launched, the longest first.
    """

    name: str
    shapes: tuple[tuple[int, ...], ...]
    calls: int
    self_s: Distribution | None
    device_s: Distribution | None
    flops: int | None
    bytes_moved: int | None = None
    dtype: str | None = None
    kernels: tuple[KernelProfile, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerProfile(Quantities):
    """One module instance and what it took.

    Attributes:
        path: the first name that ``named_modules()`` gives it; "" is the root.
        aliases: its other names.
        type_name: its class's name.
        kind: what sort of layer it is.
        depth: dots in the path plus one; the root has 0.
        stage: the one stage it belongs to.
        param_count, param_bytes: distinct parameters of it and all modules in it.
        by_phase: the same quantities for each phase it ran in.
        ops: the ops of its own, from the ops pass.
        provenance: how its time was got.
        shared: whether a kernel of it was fused over several layers.
    """

    path: str
    aliases: tuple[str, ...] = ()
    type_name: str
    kind: Kind
    depth: int
    stage: str
    param_count: int | None = None
    param_bytes: int | None = None
    by_phase: FrozenMapping[Quantities] = field(default_factory=FrozenMapping)
    ops: tuple[OpProfile, ...] = ()
    provenance: Provenance = "measured"
    shared: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class StageProfile(Quantities):
    """A named group of layers; every layer is in exactly one, and a stage is the sum of its layers' ``self``.

    A stage has no children outside itself, so its ``total_`` and ``self_`` quantities are the same numbers.

    Attributes:
        name: such as ``vision.blocks``.
        paths: its layers, in definition order.
        param_count, param_bytes: distinct parameters that its layers own themselves.
    """

    name: str
    paths: tuple[str, ...] = ()
    param_count: int | None = None
    param_bytes: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PhaseProfile(Quantities):
    """A part of the step in time: forward; vision, qformer, prefill, decode; or forward, backward, optimizer.

    The phases of a step follow one another on its thread and add up to it; work under no layer is in them too.

    Attributes:
        name: of the phase.
        steps: how often it ran in one step: tokens, for decode.
        unattributed_s: the part of ``total_s`` under no layer.
    """

    name: str
    steps: int
    unattributed_s: Distribution | None = None

    @property
    def per_step_s(self) -> Distribution | None:
        """Host time of one run of the phase, such as one decoded token: ``total_s`` over ``steps``."""
        if self.total_s is None or not self.steps:
            return None
        return Distribution(samples=tuple(sample / self.steps for sample in self.total_s.samples))

    @property
    def flops_per_step(self) -> float | None:
        """FLOPs of one run of the phase: ``flops`` over ``steps``."""
        return None if self.flops is None or not self.steps else self.flops / self.steps


@dataclass(frozen=True, slots=True, kw_only=True)
class CallNode:
    """A layer as called from one place in one phase: who called whom, merged over repeated calls and steps.

    The top node has the path "". Where the step is one phase of calls of the root alone, it is the root's node; where
    the step reaches layers without it (``generate``) or has several phases, it is the step's range: ``calls`` 0, no
    self time, and its ``total_s`` is the whole step. A call that spans phases has a node in each, and counts as a
    call in the one it began in. A layer's backward work stands where its forward call stood, in the backward phase.

    Attributes:
        path: of the layer; the rows of a profile are sums over the nodes of one path.
        called_as: the name it was reached by, where the caller's names tell it; else the path.
        phase: the phase of the calls.
        calls: begun at this place, in the first measured step.
        total_s, self_s: host time of the calls from this place.
        flops, self_flops: of the calls from this place.
        is_concurrent: whether these calls ran on another thread than the step's.
        is_range: whether it is the top node that stands for the step's range, which is no call.
        children: in order of their first call.
    """

    path: str
    called_as: str
    phase: str
    calls: int
    total_s: Distribution | None = None
    self_s: Distribution | None = None
    flops: int | None = None
    self_flops: int | None = None
    is_concurrent: bool = False
    is_range: bool = False
    children: tuple[CallNode, ...] = ()

    def walk(self) -> Iterator[CallNode]:
        """This node and everything below it, callers before the called."""
        stack = [self]
        while stack:
            node = stack.pop()
            yield node
            stack.extend(reversed(node.children))
