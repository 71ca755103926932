"""What all doors share: arguments checked, the model described and resolved, the ceilings found."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from typing import Literal

import torch
from torch import nn

from layerprof import machine
from layerprof.attribute import RawTrace, attribute, outruns_products
from layerprof.clock import SystemClock
from layerprof.energy import ESTIMATE, EnergySource, Sources
from layerprof.errors import InputError
from layerprof.measure import AskedJoules, Target, found_sources, resolve, unwrapped
from layerprof.models import adapter_for
from layerprof.records import Ceilings, EnergyOptions, PartInfo, PhaseRules, Profile, ProfileSpec
from layerprof.tree import StageRules

AskedCeilings = Ceilings | Literal["auto"] | None
AskedEnergy = EnergySource | Sources | str | None  # a string is "auto" or an estimate's name

PASSES = ("bare", "time", "ops", "flops", "memory", "energy")


def checked_passes(passes: Sequence[str]) -> tuple[str, ...]:
    """The passes, each once.

    Raises:
        InputError: when one has no such name, or a single string was given.
    """
    if isinstance(passes, str) or not isinstance(passes, Iterable) or not all(name in PASSES for name in passes):
        raise InputError(f"passes is a tuple of names out of {', '.join(PASSES)}; found {passes!r}")
    return tuple(dict.fromkeys(passes))


def checked_count(count: int | None, name: str, *, least: int) -> int | None:
    """The count, or None.

    Raises:
        InputError: when it is no whole number or below ``least``.
    """
    if count is None:
        return None
    if isinstance(count, bool) or not isinstance(count, int) or count < least:
        raise InputError(f"{name} is a whole number from {least} up, or None to find it out; found {count!r}")
    return count


def checked_kwargs(method_kwargs: Mapping[str, object] | None) -> dict[str, object]:
    """The keyword arguments, as a dict of the call's own.

    Raises:
        InputError: when they are no mapping from names.
    """
    if method_kwargs is None:
        return {}
    if not isinstance(method_kwargs, Mapping) or not all(isinstance(name, str) for name in method_kwargs):
        raise InputError(f"method_kwargs is a mapping from names to values; found {method_kwargs!r}")
    return dict(method_kwargs)


@dataclass(frozen=True, slots=True, kw_only=True)
class Described:
    """A model resolved for measuring, and what its adapter says of it.

    Attributes:
        target: the model, resolved.
        label: what the record calls it.
        parts: as they are in force.
        phases: which calls begin which phase of a generation, or None.
    """

    target: Target
    label: str
    parts: tuple[PartInfo, ...]
    phases: PhaseRules | None


def described(
    model: nn.Module,
    *,
    stages: StageRules | None,
    method: str | None = None,
    runs_step: bool,
    inputs: object = None,
) -> Described:
    """The model resolved for measuring.

    Args:
        model: as handed over.
        stages: the caller's, or None for the model adapter's.
        method: that the step calls, or None.
        runs_step: whether we call the model ourselves.
        inputs: of the step, where they are known.
    """
    inner = unwrapped(model)
    if any(nn.parameter.is_lazy(tensor) for tensor in (*inner.parameters(), *inner.buffers())):
        raise InputError("the model has lazy modules whose shapes are not known yet; call it once before profiling it")
    description = adapter_for(inner).describe(inner)
    own = dict(description.stages) if description.stages else None
    rules = own if stages is None else stages
    target = resolve(model, stages=rules, method=method, runs_step=runs_step, inputs=inputs)
    return Described(target=target, label=description.label, parts=description.parts, phases=description.phases)


def spec_of(model: nn.Module, known: Described, passes: tuple[str, ...]) -> ProfileSpec:
    """What every profile's spec has."""
    return ProfileSpec(
        model=known.label,
        model_type=type(unwrapped(model)).__name__,
        passes=passes,
        is_compiled=known.target.is_compiled,
        parts=known.parts,
    )


def checked_ceilings(ceilings: AskedCeilings) -> AskedCeilings:
    """The ceilings asked for.

    Raises:
        InputError: when they are neither a record, nor "auto", nor None.
    """
    if ceilings is None or ceilings == "auto" or isinstance(ceilings, Ceilings):
        return ceilings
    raise InputError(f"ceilings is a layerprof.Ceilings, 'auto' or None; found {ceilings!r}")


def checked_energy(energy: AskedEnergy, options: EnergyOptions | None) -> AskedJoules:
    """Where joules are to come from, and how.

    Raises:
        InputError: when it is neither a source, nor "auto", nor an estimate's name, nor None; or the options are none.
    """
    if options is not None and not isinstance(options, EnergyOptions):
        raise InputError(f"energy_options is a layerprof.EnergyOptions or None; found {options!r}")
    is_named = isinstance(energy, str) and (energy == "auto" or energy.partition(":")[0] == ESTIMATE)
    is_source = isinstance(energy, Sources) or all(
        hasattr(energy, name) for name in ("facts", "read_j", "state", "close")
    )
    if energy is not None and not is_named and not is_source:
        raise InputError(
            f"energy is 'auto', '{ESTIMATE}:WATTS', '{ESTIMATE}:tdp', a layerprof.EnergySource, or None; "
            f"found {energy!r}"
        )
    return AskedJoules(source=energy, options=options or EnergyOptions())


def require_meaning(joules: AskedJoules, target: Target) -> None:
    """Nothing, where what was asked for of joules means something for this model.

    Raises:
        InputError: where an estimate has no watts, or a glob matches no layer.
    """
    if isinstance(joules.source, str) and joules.source != "auto":
        found_sources(joules.source, target.device, SystemClock())
    names = [name for layer in target.tree.layers for name in (layer.path, *layer.aliases)]
    for glob in joules.options.layers if isinstance(joules.options.layers, tuple) else ():
        if not any(fnmatchcase(name, glob) for name in names):
            nearest = difflib.get_close_matches(glob, names, n=3, cutoff=0.0)
            raise InputError(
                f"joules were asked of layers {glob!r}, which is the path of none; the nearest are "
                f"{', '.join(map(repr, nearest))}"
            )


def attributed(trace: RawTrace, device: torch.device, ceilings: AskedCeilings) -> Profile:
    """The profile of finished passes, held against its ceilings.

    Where a layer outruns the measured rate of products, the ceilings were measured while the machine was busy with
    other work; they are measured once more then, and of each the higher counts from now on.

    Args:
        trace: of the passes.
        device: of the model.
        ceilings: "auto" takes those kept for this machine, and measures those that are not.
    """
    roofed = _under_roof(trace, device, ceilings)
    profile = attribute(roofed)
    if ceilings != "auto" or roofed.ceilings is None or not outruns_products(profile):
        return profile
    with suppress(Exception):  # what was measured of the model does not depend on it
        return attribute(replace(roofed, ceilings=machine.raised_ceilings(device, roofed.ceilings)))
    return profile


def _under_roof(trace: RawTrace, device: torch.device, ceilings: AskedCeilings) -> RawTrace:
    has_time = trace.time is not None if device.type == "cpu" else trace.ops is not None
    if trace.flops is None or ceilings is None:
        return trace
    if ceilings != "auto":
        return replace(trace, ceilings=ceilings, peaks=machine.vendor_peaks(device))
    try:
        found = machine.ceilings_of(device, trace.flops.dtypes, may_measure=has_time)
    except Exception as error:  # likewise: a profile is not lost for its ceilings
        return replace(trace, no_ceilings=f"ceilings could not be measured ({type(error).__name__}: {error})")
    unknown = f"ceilings of {device.type} cannot be measured" if found is None and has_time else None
    return replace(trace, ceilings=found, peaks=machine.vendor_peaks(device), no_ceilings=unknown)
