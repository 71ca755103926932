"""The layers as points under the roofline, such that no work is in two of them.

A layer's ``flops`` include those of the layers called from it, so points of totals would show a product once for each
level of the tree. A point is therefore a layer's own work: its self FLOPs over its self bytes and its self time (the
device's, where there is one). In a step of several phases it is what the layer did by itself in one of them, since
prefill and decode of one layer lie far apart: their mean would be a place at which nothing ever ran.

Layers without FLOPs of their own have no place on logarithmic axes; the tables have them.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

from layerprof.records import (
    Ceilings,
    Distribution,
    LayerProfile,
    Profile,
    Quantities,
    family_of,
    middle_steps,
    typical,
)
from layerprof.views.base import ROOT_LABEL, ceilings_of


@dataclass(frozen=True, slots=True, kw_only=True)
class RooflinePoint:
    """One layer's own work, in one phase.

    Attributes:
        path: of the layer.
        family: the path with its indices as stars.
        type_name: the layer's class.
        stage: it belongs to.
        phase: in which the work was done; "" where the step is one phase.
        formats: that the layer's products are computed in.
        self_s: its own time per step.
        flops, bytes_moved: of its own ops per step; neither is 0.
        is_above: whether it lies above the roof of its formats, and so is no result.
    """

    path: str
    family: str
    type_name: str
    stage: str
    phase: str
    formats: tuple[str, ...]
    self_s: float
    flops: int
    bytes_moved: int
    is_above: bool = False

    @property
    def flops_per_s(self) -> float:
        """FLOPs over the time."""
        return self.flops / self.self_s

    @property
    def intensity(self) -> float:
        """FLOPs for each byte moved."""
        return self.flops / self.bytes_moved


def has_roofline(profile: Profile) -> bool:
    """Whether there are ceilings, and layers with FLOPs, bytes and times to hold against them."""
    return ceilings_of(profile) is not None and any(True for _ in _points(profile))


def roofline_points(profile: Profile) -> tuple[RooflinePoint, ...]:
    """Every layer that has FLOPs of its own, in definition order; the same for each of several phases."""
    return tuple(_points(profile))


def _points(profile: Profile) -> Iterator[RooflinePoint]:
    has_phases = len(profile.phases) > 1
    has_device = any(layer.device_self_s is not None for layer in profile.layers)
    time_name, steps = ("device_self_s", ()) if has_device else ("self_s", middle_steps(profile.step_s))
    ceilings = ceilings_of(profile)
    for layer in profile.layers:
        parts = layer.by_phase.items() if has_phases and layer.by_phase else (("", layer),)
        for phase, part in parts:
            value: Distribution | None = getattr(part, time_name)
            self_s = 0.0 if value is None else typical(value, steps)
            if self_s > 0.0 and part.self_flops and part.self_bytes_moved:
                point = _point(layer, part, phase=phase, self_s=self_s)
                yield replace(point, is_above=point.flops_per_s > _roof(part, point.intensity, ceilings))


def _point(layer: LayerProfile, part: Quantities, *, phase: str, self_s: float) -> RooflinePoint:
    return RooflinePoint(
        path=layer.path,
        family=family_of(layer.path) or ROOT_LABEL,
        type_name=layer.type_name,
        stage=layer.stage,
        phase=phase,
        formats=tuple(part.flops_by_dtype or ()),
        self_s=self_s,
        flops=part.self_flops or 0,
        bytes_moved=part.self_bytes_moved or 0,
    )


def _roof(part: Quantities, intensity: float, ceilings: Ceilings | None) -> float:
    """The most FLOPs a second at an intensity, in the mix of formats that the part has; infinite where not known."""
    if ceilings is None:
        return math.inf
    slope = math.inf if ceilings.copy_bytes_per_s is None else intensity * ceilings.copy_bytes_per_s
    by_dtype, rates = part.flops_by_dtype, ceilings.matrix_flops_per_s
    if not by_dtype or any(dtype not in rates for dtype in by_dtype):
        return slope
    least_s = sum(flops / rates[dtype] for dtype, flops in by_dtype.items())
    return min(slope, sum(by_dtype.values()) / least_s) if least_s else slope
