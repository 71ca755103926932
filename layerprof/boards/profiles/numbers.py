"""A profile's numbers as scalars: those of the step, those of every step, and those of every layer.

What was not measured has no point: never a 0. All are in SI base units, which the tags end in.

step/latency_s            step 0
samples/latency_s         step = which of the measured steps
phases/prefill/total_s    step 0
layers/self_time_s        step = the layer's place in the profile

Each is the number that the report's tables have, and its description says which statistic that is: a step's own time is
a median, as in the summary, and times that have to add up are means over the same steps.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from operator import attrgetter
from typing import NamedTuple

from layerprof.boards.base import Point, label, scalars
from layerprof.records import Distribution, Energy, PhaseProfile, Profile, middle_steps, typical
from layerprof.views import row_of_step

_STEP = "the whole step"
_OVERHEAD = "steps under this pass's instruments over bare ones in turn with them; 1 is none"
_ADDING = ", as of the layers, so that these and the rest add up"
_SAMPLES = "one point a step, in the order in which they were measured"
_LAYER = "one point a layer; the x-axis is its index, which the text 'layers' maps to its path"
_RATES = ("flops_per_s", "efficiency")
_OVER_MEANS = "over the mean of its time, as in the tables"
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


class _Number(NamedTuple):
    """A scalar that may be missing.

    Attributes:
        value: or None where it was not measured.
        about: what it is.
    """

    value: float | None
    about: str


def profile_scalars(profile: Profile) -> Iterator[Point]:
    """All scalars of a profile."""
    for name, number in {**_times_of_step(profile), **_work_of_step(profile)}.items():
        yield from _alone(f"step/{name}", number)
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


def _alone(tag: str, number: _Number) -> Iterator[Point]:
    if number.value is not None:
        yield from scalars(tag, [(0, number.value)], about=number.about)


def _times_of_step(profile: Profile) -> dict[str, _Number]:
    latency_s, flops = profile.latency_s, profile.step_flops
    rate = flops / latency_s.median if flops is not None and latency_s and latency_s.median else None
    unattributed = _mean(profile.unattributed_s, middle_steps(profile.step_s))
    return {
        "latency_s": _median(latency_s, "bare, without instruments"),
        "step_s": _median(profile.step_s, "with hooks on its layers, or under a trace's profiler"),
        "unattributed_s": unattributed._replace(
            about=f"what of the step is of no layer; {unattributed.about}{_ADDING}"
        ),
        "device_total_s": _mean(profile.device_total_s, (), "durations of kernels, copies and fills"),
        "device_busy_s": _mean(profile.device_busy_s, (), "time in which anything ran on the device"),
        "device_span_s": _mean(profile.device_span_s, (), "from the start of the device's work to its end"),
        "flops_per_s": _Number(rate, "FLOPs over the median of the bare latency"),
        **{f"overhead_ratio/{label(each.pass_name)}": _Number(each.ratio, _OVERHEAD) for each in profile.overhead},
    }


def _work_of_step(profile: Profile) -> dict[str, _Number]:
    memory, energy = profile.memory, profile.energy
    joules = profile.root.energy if energy is None else energy.step
    values = {
        "flops": profile.step_flops,
        "unattributed_flops": profile.unattributed_flops,
        "bytes_moved": row_of_step(profile).bytes_moved,
        "param_bytes": profile.root.param_bytes,
        "peak_bytes": None if memory is None else memory.peak_bytes,
        "step_peak_bytes": None if memory is None else memory.step_peak_bytes,
        "energy_j": None if joules is None else joules.total_j,
        "power_w": None if energy is None else energy.step.power_w,
        "energy_per_sample_j": None if energy is None else energy.per_sample_j,
    }
    return {name: _Number(value, _STEP) for name, value in values.items()}


def _of_samples(profile: Profile) -> dict[str, Distribution | None]:
    return {"latency_s": profile.latency_s, "step_s": profile.step_s, "warmup_s": profile.warmup_s}


def _of_phases(profile: Profile) -> Iterator[Point]:
    if len(profile.phases) < 2:
        return  # it would be the step again
    steps = middle_steps(profile.step_s)
    for phase in profile.phases:
        for name, number in _of_phase(phase, steps).items():
            yield from _alone(f"phases/{label(phase.name)}/{name}", number)


def _of_phase(phase: PhaseProfile, steps: tuple[int, ...]) -> dict[str, _Number]:
    whole = "all runs of the phase in a step"
    return {
        "total_s": _mean(phase.total_s, steps, whole),
        "device_total_s": _mean(phase.device_total_s, (), whole),
        "flops": _Number(phase.flops, whole),
        "energy_j": _Number(None if phase.energy is None else phase.energy.total_j, whole),
    }


def _of_layers(profile: Profile) -> Iterator[Point]:
    steps = middle_steps(profile.step_s)
    for name, attribute in _OF_LAYERS.items():
        host_steps = () if name.startswith("device") else steps
        values = enumerate(map(attrgetter(attribute), profile.layers))
        known = [(place, value) for place, value in values if value is not None]
        numbers = [(place, _number(value, host_steps)) for place, value in known]
        yield from scalars(f"layers/{name}", numbers, about=_about_layers(name, known, host_steps))


def _about_layers(name: str, known: Sequence[tuple[int, Distribution | Energy | float]], steps: tuple[int, ...]) -> str:
    if name in _RATES:
        return f"{_LAYER}; {_OVER_MEANS}"
    first = known[0][1] if known else None
    if not isinstance(first, Distribution) or first.n == 1:
        return _LAYER
    return f"{_LAYER}; {_which('means', first, steps)}, which add up as medians would not"


def _number(value: Distribution | Energy | float, steps: tuple[int, ...]) -> float:
    if isinstance(value, Distribution):
        return typical(value, steps)
    return value.total_j if isinstance(value, Energy) else value


def _median(value: Distribution | None, about: str) -> _Number:
    """As the report's summary has the time of a step."""
    if value is None:
        return _Number(None, about)
    which = "of one step" if value.n == 1 else f"median of {value.n} steps"
    return _Number(value.median, f"{_STEP}, {about}; {which}")


def _mean(value: Distribution | None, steps: tuple[int, ...], about: str = "") -> _Number:
    """As the report's tables have it, where the parts of a step add up to it."""
    if value is None:
        return _Number(None, about)
    return _Number(typical(value, steps), "; ".join(part for part in (about, _which("mean", value, steps)) if part))


def _which(statistic: str, value: Distribution, steps: tuple[int, ...]) -> str:
    """Which samples `typical` takes of the value, in words."""
    if value.n == 1:
        return "of one step"
    chosen = len(steps) if steps and steps[-1] < value.n else value.n
    which = "of" if chosen == value.n else f"over the middle {chosen} of"
    return f"{statistic} {which} {value.n} steps"
