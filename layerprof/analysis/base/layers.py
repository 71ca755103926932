"""A cell's layer profile, summed up as far as sentences need it: stages, kinds, parts and convolutions.

A whole sweep's profiles would not fit into memory, so each is read once and this is what is kept of it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from layerprof import stats
from layerprof.analysis.base.base import Interval
from layerprof.records import (
    Breakdown,
    CellRecord,
    Distribution,
    LayerProfile,
    Profile,
    Quantities,
    StageTime,
    middle_steps,
    typical,
)

UNATTRIBUTED = "(unattributed)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """What a stage, a kind of layer, a part or a layer takes of a step.

    Attributes:
        name: of it; a layer's path.
        type_name: of a layer's class; "" for anything else.
        time: seconds of the middle steps, with the interval of the steps' median; None where it was not measured.
        flops: of one step; None where they were not counted.
    """

    name: str
    type_name: str = ""
    time: Interval | None
    flops: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class CellLayers:
    """What is kept of a cell's layer profile.

    Attributes:
        breakdown: the step by stage.
        stages, kinds: groups of layers that add up to all of them.
        parts: the model's own children, with all that is below each.
        convolutions: each by itself.
        heaviest: the layer that takes most by itself; None where no layer has a time.
        is_device: whether times are of kernels, and not of the host that launches them.
        bare_s: of a step of the same batch without instruments; None where there was none.
    """

    breakdown: Breakdown
    stages: tuple[Share, ...]
    kinds: tuple[Share, ...]
    parts: tuple[Share, ...]
    convolutions: tuple[Share, ...]
    heaviest: Share | None
    is_device: bool
    bare_s: float | None

    @property
    def step_s(self) -> float | None:
        """What shares are of: the step, or what kernels take in all."""
        if not self.is_device:
            return self.breakdown.step_s
        times = [stage.device_s for stage in self.breakdown.stages if stage.device_s is not None]
        return sum(times) if times else None

    @property
    def whole_name(self) -> str:
        """What shares are of, in words."""
        return "the kernels' time" if self.is_device else "the instrumented step"


def layers_of(cell: CellRecord, profile: Profile) -> CellLayers:
    """The profile of a cell, summed up."""
    steps = middle_steps(profile.step_s)
    is_device = profile.device_total_s is not None
    called = [layer for layer in profile.layers if layer.calls]
    heaviest = max(called, key=lambda layer: _own_s(layer, steps, is_device=is_device), default=None)
    convolutions = [layer for layer in called if layer.kind == "conv"]
    return CellLayers(
        breakdown=_breakdown(cell.id, profile, steps),
        stages=tuple(_share((stage,), stage.name, steps, is_device=is_device) for stage in profile.stages),
        kinds=_kinds(called, steps, is_device=is_device),
        parts=tuple(_part(layer, steps, is_device=is_device) for layer in called if layer.depth == 1),
        convolutions=tuple(
            share for share in (_layer(layer, steps, is_device=is_device) for layer in convolutions) if share.time
        ),
        heaviest=_timed(None if heaviest is None else _layer(heaviest, steps, is_device=is_device)),
        is_device=is_device,
        bare_s=None if profile.latency_s is None else typical(profile.latency_s, middle_steps(profile.latency_s)),
    )


def _breakdown(cell: str, profile: Profile, steps: tuple[int, ...]) -> Breakdown:
    rows = [
        StageTime(
            stage=stage.name,
            self_s=_typical(stage.self_s, steps),
            device_s=_typical(stage.device_self_s, steps),
            flops=stage.self_flops if stage.self_flops is not None else stage.flops,
            layers=len(stage.paths),
        )
        for stage in profile.stages
    ]
    rest = StageTime(
        stage=UNATTRIBUTED,
        self_s=_typical(profile.unattributed_s, steps),
        device_s=_typical(profile.unattributed_device_s, steps),
        flops=profile.unattributed_flops,
        layers=0,
    )
    return Breakdown(cell=cell, step_s=_typical(profile.step_s, steps), stages=(*rows, rest))


def _kinds(layers: Iterable[LayerProfile], steps: tuple[int, ...], *, is_device: bool) -> tuple[Share, ...]:
    members: dict[str, list[LayerProfile]] = {}
    for layer in layers:
        members.setdefault(layer.kind, []).append(layer)
    return tuple(_share(rows, kind, steps, is_device=is_device) for kind, rows in members.items())


def _own_s(layer: LayerProfile, steps: tuple[int, ...], *, is_device: bool) -> float:
    """Seconds of a layer by itself, for the order alone: its interval is only wanted of a few."""
    time = layer.device_self_s if is_device else layer.self_s
    return -1.0 if time is None else typical(time, steps)


def _layer(layer: LayerProfile, steps: tuple[int, ...], *, is_device: bool) -> Share:
    return _share((layer,), layer.path, steps, is_device=is_device)


def _timed(share: Share | None) -> Share | None:
    return None if share is None or share.time is None else share


def _part(layer: LayerProfile, steps: tuple[int, ...], *, is_device: bool) -> Share:
    whole = layer.device_total_s if is_device else layer.total_s
    return Share(name=layer.path, type_name=layer.type_name, time=_interval(whole, steps), flops=layer.flops)


def _share(rows: Sequence[Quantities], name: str, steps: tuple[int, ...], *, is_device: bool) -> Share:
    """The rows' own time and FLOPs added up; None as soon as one of them is."""
    times = [row.device_self_s if is_device else row.self_s for row in rows]
    counts = [row.self_flops for row in rows]
    known = [count for count in counts if count is not None]
    single = rows[0] if len(rows) == 1 else None
    return Share(
        name=name,
        type_name=single.type_name if isinstance(single, LayerProfile) else "",
        time=_interval(_sum(times), steps),
        flops=sum(known) if len(known) == len(counts) else None,
    )


def _sum(times: Sequence[Distribution | None]) -> Distribution | None:
    known = [time.samples for time in times if time is not None]
    if not known or len(known) < len(times) or len({len(samples) for samples in known}) > 1:
        return None
    return Distribution(samples=tuple(map(sum, zip(*known, strict=True))))


def _interval(time: Distribution | None, steps: tuple[int, ...]) -> Interval | None:
    if time is None:
        return None
    ends = stats.median_interval(time.samples)
    low, high = ends if ends is not None else (None, None)
    return Interval(value=typical(time, steps), low=low, high=high)


def _typical(time: Distribution | None, steps: tuple[int, ...]) -> float | None:
    return None if time is None else typical(time, steps)
