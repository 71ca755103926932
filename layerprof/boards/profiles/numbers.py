"""A profile's numbers as scalars: those of the step, those of every step, and those of every layer.

What was not measured has no point: never a 0. All are in SI base units, which the tags end in.

step/latency_s            step 0
samples/latency_s         step = which of the measured steps
phases/prefill/total_s    step 0
layers/self_time_s        step = the layer's place in the profile
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from operator import attrgetter

from layerprof.boards.base import Point, label, scalars
from layerprof.records import Distribution, Energy, PhaseProfile, Profile, middle_steps, typical

_STEP = "the whole step"
_SAMPLES = "one point a step, in the order in which they were measured"
_LAYER = "one point a layer; the x-axis is its index, which the text 'layers' maps to its path"
_OF_LAYERS: Mapping[str, str] = {  # tags, and the attribute of a layer's row that each shows
    "self_time_s": "self_s",
    "total_time_s": "total_s",
    "concurrent_time_s": "concurrent_s",
    "device_self_time_s": "device_self_s",
    "device_total_time_s": "device_total_s",
    "self_flops": "self_flops",
    "total_flops": "flops",
    "self_bytes_moved": "self_bytes_moved",
    "total_bytes_moved": "bytes_moved",
    "param_bytes": "param_bytes",
    "peak_bytes": "peak_bytes",
    "self_at_peak_bytes": "self_at_peak_bytes",
    "self_energy_j": "self_energy",
    "total_energy_j": "energy",
    "flops_per_s": "flops_per_s",
    "intensity_flops_per_byte": "intensity",
    "efficiency": "efficiency",
    "calls": "calls",
}


def profile_scalars(profile: Profile) -> Iterator[Point]:
    """All scalars of a profile."""
    for name, number in _of_step(profile).items():
        if number is not None:
            yield from scalars(f"step/{name}", [(0, number)], about=_STEP)
    for name, value in _of_samples(profile).items():
        if value is not None:
            yield from scalars(f"samples/{name}", enumerate(value.samples), about=_SAMPLES)
    yield from _of_phases(profile)
    yield from _of_layers(profile)


def layer_tags(profile: Profile) -> tuple[str, ...]:
    """The tags of layers that the profile has points of."""
    names = (name for name, attribute in _OF_LAYERS.items() if _is_known(profile, attribute))
    return tuple(f"layers/{name}" for name in names)


def _is_known(profile: Profile, attribute: str) -> bool:
    return any(getattr(layer, attribute) is not None for layer in profile.layers)


def _of_step(profile: Profile) -> dict[str, float | None]:
    flops, latency_s, root = profile.step_flops, profile.latency_s, profile.root
    steps = middle_steps(profile.step_s)
    memory, energy = profile.memory, profile.energy
    return {
        "latency_s": None if latency_s is None else latency_s.median,
        "step_s": _time(profile.step_s, steps),
        "unattributed_s": _time(profile.unattributed_s, steps),
        "device_total_s": _time(profile.device_total_s, ()),
        "device_busy_s": _time(profile.device_busy_s, ()),
        "device_span_s": _time(profile.device_span_s, ()),
        "flops": flops,
        "unattributed_flops": profile.unattributed_flops,
        "flops_per_s": flops / latency_s.median if flops is not None and latency_s and latency_s.median else None,
        "bytes_moved": root.bytes_moved if root.calls else None,
        "param_bytes": root.param_bytes,
        "peak_bytes": None if memory is None else memory.peak_bytes,
        "step_peak_bytes": None if memory is None else memory.step_peak_bytes,
        "energy_j": None if energy is None else energy.step.total_j,
        "power_w": None if energy is None else energy.step.power_w,
        "energy_per_sample_j": None if energy is None else energy.per_sample_j,
        **{f"overhead_ratio/{label(each.pass_name)}": each.ratio for each in profile.overhead},
    }


def _of_samples(profile: Profile) -> dict[str, Distribution | None]:
    return {"latency_s": profile.latency_s, "step_s": profile.step_s, "warmup_s": profile.warmup_s}


def _of_phases(profile: Profile) -> Iterator[Point]:
    if len(profile.phases) < 2:
        return  # it would be the step again
    steps = middle_steps(profile.step_s)
    for phase in profile.phases:
        for name, number in _of_phase(phase, steps).items():
            if number is not None:
                yield from scalars(f"phases/{label(phase.name)}/{name}", [(0, number)])


def _of_phase(phase: PhaseProfile, steps: tuple[int, ...]) -> dict[str, float | None]:
    return {
        "total_s": _time(phase.total_s, steps),
        "device_total_s": _time(phase.device_total_s, ()),
        "flops": phase.flops,
        "energy_j": None if phase.energy is None else phase.energy.total_j,
    }


def _of_layers(profile: Profile) -> Iterator[Point]:
    steps = middle_steps(profile.step_s)
    for name, attribute in _OF_LAYERS.items():
        host_steps = () if name.startswith("device") else steps
        values = enumerate(map(attrgetter(attribute), profile.layers))
        known = [(place, _number(value, host_steps)) for place, value in values if value is not None]
        yield from scalars(f"layers/{name}", known, about=_LAYER)


def _number(value: Distribution | Energy | float, steps: tuple[int, ...]) -> float:
    if isinstance(value, Distribution):
        return typical(value, steps)
    return value.total_j if isinstance(value, Energy) else value


def _time(value: Distribution | None, steps: tuple[int, ...]) -> float | None:
    """As the report's tables have it, where the parts of a step add up to it."""
    return None if value is None else typical(value, steps)
