"""What all doors share: arguments checked, the model described and resolved."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from torch import nn

from layerprof.errors import InputError
from layerprof.measure import Target, resolve, unwrapped
from layerprof.models import adapter_for
from layerprof.records import PartInfo, ProfileSpec
from layerprof.tree import StageRules

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


def described(
    model: nn.Module, *, stages: StageRules | None, method: str | None = None, runs_step: bool
) -> tuple[Target, str, tuple[PartInfo, ...]]:
    """The model resolved for measuring, with its label and its parts as they are in force.

    Args:
        model: as handed over.
        stages: the caller's, or None for the model adapter's.
        method: that the step calls, or None.
        runs_step: whether we call the model ourselves.
    """
    inner = unwrapped(model)
    if any(nn.parameter.is_lazy(tensor) for tensor in (*inner.parameters(), *inner.buffers())):
        raise InputError("the model has lazy modules whose shapes are not known yet; call it once before profiling it")
    description = adapter_for(inner).describe(inner)
    own = dict(description.stages) if description.stages else None
    target = resolve(model, stages=own if stages is None else stages, method=method, runs_step=runs_step)
    return target, description.label, description.parts


def spec_of(
    model: nn.Module, target: Target, label: str, parts: tuple[PartInfo, ...], passes: tuple[str, ...]
) -> ProfileSpec:
    """What every profile's spec has."""
    return ProfileSpec(
        model=label,
        model_type=type(unwrapped(model)).__name__,
        passes=passes,
        is_compiled=target.is_compiled,
        parts=parts,
    )
