"""Profiles of several phases, with ops, a device and owners of the peak, built by hand with books that close."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from report_records import HOSTILE, UNATTRIBUTED_FLOPS, UNATTRIBUTED_S, Leaf, profile_of, spec, steady

from layerprof.records import (
    Distribution,
    FrozenMapping,
    KernelProfile,
    MemorySummary,
    OpProfile,
    PeakOwner,
    PhaseProfile,
    Profile,
    Quantities,
)

DEVICE_PART = 0.5  # of every host time, in profiles with a device
TOKENS = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class PhasedLeaf:
    """What one module took by itself in each phase it ran in: (seconds, FLOPs)."""

    path: str
    type_name: str = "Linear"
    by_phase: Mapping[str, tuple[float, int]] = field(default_factory=dict)


def phased_profile(leaves: Sequence[PhasedLeaf], runs: Mapping[str, int], *, has_device: bool = False) -> Profile:
    """A profile of steady steps in phases, each of which has an equal part of the time under no layer."""
    parts = [(leaf, leaf.by_phase.values()) for leaf in leaves]
    profile = profile_of(
        [
            Leaf(
                path=leaf.path,
                type_name=leaf.type_name,
                self_s=sum(self_s for self_s, _ in each),
                self_flops=sum(flops for _, flops in each),
                calls=1 if each else 0,
            )
            for leaf, each in parts
        ]
    )
    layers = tuple(
        replace(layer, by_phase=FrozenMapping({phase: _of_phase(leaf, phase, leaves) for phase in leaf.by_phase}))
        for layer, leaf in zip(profile.layers, leaves, strict=True)
    )
    phases = tuple(
        _phase_profile(name, steps, leaves, unattributed_s=UNATTRIBUTED_S / len(runs)) for name, steps in runs.items()
    )
    first = replace(phases[0], flops=(phases[0].flops or 0) + UNATTRIBUTED_FLOPS)
    profile = replace(profile, layers=layers, phases=(first, *phases[1:]))
    return with_device(profile) if has_device else profile


def _of_phase(leaf: PhasedLeaf, phase: str, leaves: Sequence[PhasedLeaf]) -> Quantities:
    prefix = f"{leaf.path}." if leaf.path else ""
    below = [
        each.by_phase[phase]
        for each in leaves
        if each is leaf or each.path.startswith(prefix)
        if phase in each.by_phase
    ]
    return Quantities(
        calls=1,
        total_s=steady(sum(self_s for self_s, _ in below)),
        self_s=steady(leaf.by_phase[phase][0]),
        flops=sum(flops for _, flops in below),
        self_flops=leaf.by_phase[phase][1],
    )


def _phase_profile(name: str, steps: int, leaves: Sequence[PhasedLeaf], *, unattributed_s: float) -> PhaseProfile:
    parts = [leaf.by_phase[name] for leaf in leaves if name in leaf.by_phase]
    return PhaseProfile(
        name=name,
        steps=steps,
        calls=len(parts),
        total_s=steady(sum(self_s for self_s, _ in parts) + unattributed_s),
        unattributed_s=steady(unattributed_s),
        flops=sum(flops for _, flops in parts),
    )


def with_device(profile: Profile) -> Profile:
    """The profile with device times: a fixed part of every host time, 40 % of the step busy, 80 % the span."""
    assert profile.step_s is not None
    layers = tuple(
        replace(
            layer,
            device_total_s=_on_device(layer.total_s),
            device_self_s=_on_device(layer.self_s),
            by_phase=FrozenMapping(
                {
                    name: replace(part, device_total_s=_on_device(part.total_s), device_self_s=_on_device(part.self_s))
                    for name, part in layer.by_phase.items()
                }
            ),
        )
        for layer in profile.layers
    )
    step_s = profile.step_s.median
    return replace(
        profile,
        layers=layers,
        phases=tuple(replace(phase, device_total_s=_on_device(phase.total_s)) for phase in profile.phases),
        unattributed_device_s=_on_device(profile.unattributed_s),
        device_total_s=_on_device(profile.step_s),
        device_busy_s=steady(0.4 * step_s),
        device_span_s=steady(0.8 * step_s),
    )


def _on_device(host: Distribution | None) -> Distribution | None:
    return None if host is None else steady(DEVICE_PART * host.median)


def generation_profile(*, has_device: bool = False) -> Profile:
    """An image encoder, then a language model of two equal blocks: prefill, and decode of four tokens."""
    blocks = [
        leaf
        for index in range(2)
        for leaf in (
            PhasedLeaf(
                path=f"lm.layers.{index}", type_name="Block", by_phase={"prefill": (0.001, 0), "decode": (0.004, 0)}
            ),
            PhasedLeaf(path=f"lm.layers.{index}.fc", by_phase={"prefill": (0.006, 4000), "decode": (0.008, 1600)}),
        )
    ]
    leaves = [
        PhasedLeaf(path="", type_name="Net"),
        PhasedLeaf(path="vision", by_phase={"vision": (0.010, 1000)}),
        PhasedLeaf(path="lm", type_name="Decoder", by_phase={"prefill": (0.002, 0), "decode": (0.004, 0)}),
        PhasedLeaf(path="lm.layers", type_name="ModuleList"),
        *blocks,
    ]
    return phased_profile(leaves, {"vision": 1, "prefill": 1, "decode": TOKENS}, has_device=has_device)


def training_profile() -> Profile:
    """Two layers whose backward takes twice their forward, and an optimizer under no layer."""
    leaves = [
        PhasedLeaf(path="", type_name="Net", by_phase={"forward": (0.001, 0), "backward": (0.002, 0)}),
        PhasedLeaf(path="a", by_phase={"forward": (0.010, 300), "backward": (0.020, 600)}),
        PhasedLeaf(path="b", by_phase={"forward": (0.005, 0), "backward": (0.010, 0)}),
    ]
    return phased_profile(leaves, {"forward": 1, "backward": 1, "optimizer": 1})


def op(
    name: str, *, self_s: float, device_s: float | None = None, flops: int | None = None, rows: int = 2
) -> OpProfile:
    """One call of an op on a bias and two matrices, with two kernels where there is a device."""
    kernels = (
        (KernelProfile(name=f"{name}_kernel", kind="kernel", calls=1, device_s=steady(device_s)),) if device_s else ()
    )
    return OpProfile(
        name=name,
        shapes=((16,), (rows, 8), (8, 16), ()),
        calls=1,
        self_s=steady(self_s),
        device_s=None if device_s is None else steady(device_s),
        flops=flops,
        kernels=kernels,
    )


def with_ops(profile: Profile, ops: Mapping[str, Sequence[OpProfile]]) -> Profile:
    """The profile with the ops of the layers that are named."""
    layers = tuple(replace(layer, ops=tuple(ops.get(layer.path, ()))) for layer in profile.layers)
    return replace(profile, layers=layers)


def with_owners(profile: Profile, owners: Sequence[PeakOwner], *, unowned_bytes: int = 0) -> Profile:
    """The profile with a peak that the owners and the unowned bytes make up."""
    peak = sum(owner.size_bytes for owner in owners) + unowned_bytes
    memory = MemorySummary(
        baseline_bytes=2**20, step_peak_bytes=peak, device="cpu", owners=tuple(owners), unowned_bytes=unowned_bytes
    )
    return replace(profile, memory=memory)


def rich_profile(*, has_device: bool = True) -> Profile:
    """The generation with everything that a profile may hold: phases, ops, a device, and owners of the peak."""
    mm = op("aten::addmm", self_s=0.001, device_s=0.004 if has_device else None, flops=5600)
    add = op("aten::add", self_s=0.003, device_s=0.001 if has_device else None, flops=0)
    fcs = ("lm.layers.0.fc", "lm.layers.1.fc")
    ops = {"vision": [add], fcs[0]: [mm, add], fcs[1]: [mm, add]}
    profile = with_ops(generation_profile(has_device=has_device), ops)
    caches = [PeakOwner(call_path=("lm", path[:-3], path), phase="prefill", size_bytes=2048) for path in fcs]
    others = [
        PeakOwner(call_path=("vision",), phase="vision", size_bytes=3072),
        PeakOwner(call_path=(), phase="decode", size_bytes=512),
    ]
    return with_owners(profile, [*others, *caches], unowned_bytes=512)


def hostile_profile() -> Profile:
    """A profile whose every name is hostile."""
    leaves = [
        PhasedLeaf(path="", type_name=HOSTILE, by_phase={"prefill": (0.001, 0)}),
        PhasedLeaf(path=HOSTILE, type_name=HOSTILE, by_phase=dict.fromkeys(("prefill", "decode", HOSTILE), (0.01, 10))),
    ]
    profile = phased_profile(leaves, {"prefill": 1, "decode": TOKENS, HOSTILE: 1}, has_device=True)
    profile = with_ops(profile, {HOSTILE: [op(HOSTILE, self_s=0.001, device_s=0.001, flops=10)]})
    owner = PeakOwner(call_path=(HOSTILE, HOSTILE), phase=HOSTILE, size_bytes=4096)
    return with_owners(replace(profile, spec=spec(model=HOSTILE)), [owner])
