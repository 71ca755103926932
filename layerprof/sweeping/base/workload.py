"""What a model is run on: a preset with batches of real pictures and questions, or a callable's model and inputs.

task ─ samples ─ pictures, prompts ─ adapter ─ batches        the first `samples`, in order, `batch_size` each
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import nn
from torch.utils._pytree import tree_map

from layerprof import models, tasks
from layerprof.errors import InputError
from layerprof.models import InputOptions
from layerprof.models.base import parse_device, parse_dtype
from layerprof.records import FrozenMapping, Profile, Sample

if TYPE_CHECKING:
    from layerprof.sweeping.base.cells import Settings

_MOST_IDS = 4  # of samples that a label spells out


@dataclass(frozen=True, slots=True, kw_only=True)
class Workload:
    """A model with what it is run on.

    Attributes:
        model: on its device, in eval mode where it is a preset.
        batches: inputs of a step each, at least one; equal in their number of samples.
        labels: what the record says about them.
        samples: of one step, or None where nobody said.
    """

    model: nn.Module
    batches: tuple[object, ...]
    labels: FrozenMapping[str]
    samples: int | None = None


def load_workload(name: str, settings: Settings) -> Workload:
    """The model of that name and its batches.

    Args:
        name: a preset, or ``package.module:callable`` that returns ``(model, inputs)``.
        settings: as `settings_of` resolved them for this model.

    Raises:
        InputError: when a setting cannot be met, or the callable returns no inputs.
        UnavailableError: when a device, memory, weights or the data are missing.
    """
    if ":" in name:
        return _generic_workload(name, settings)
    task = tasks.load(settings.dataset)
    samples = task.samples(settings.samples or settings.batch_size)  # missing data are found out before building
    model = models.load(
        name, device=settings.device or "cpu", dtype=settings.dtype, weights=settings.weights, seed=settings.seed
    )
    adapter = models.adapter_named(name)
    options = InputOptions(
        text_tokens=settings.text_tokens, max_text_tokens=settings.seq_len, image_size=settings.image_size
    )
    chunks = list(_full_batches(samples, settings.batch_size))
    batches = (
        adapter.inputs(model, tasks.open_images(chunk), [task.prompt(sample) for sample in chunk], options)
        for chunk in chunks
    )
    used = [sample for chunk in chunks for sample in chunk]
    return Workload(model=model, batches=tuple(batches), labels=_labels(settings, used), samples=settings.batch_size)


def _full_batches(samples: Sequence[Sample], size: int) -> Iterator[Sequence[Sample]]:
    """Consecutive batches of exactly ``size``; what is left over fills none."""
    for start in range(0, len(samples) - size + 1, size):
        yield samples[start : start + size]


def _labels(settings: Settings, samples: Sequence[Sample]) -> FrozenMapping[str]:
    ids = [sample.id for sample in samples]
    rest = len(ids) - _MOST_IDS
    named = ", ".join(ids[:_MOST_IDS]) + (f" and {rest} more" if rest > 0 else "")
    asked = {name: getattr(settings, name) for name in ("text_tokens", "seq_len", "image_size", "optimization")}
    return FrozenMapping(
        {
            "task": settings.dataset,
            "batch_size": str(settings.batch_size),
            "samples": named,
            **{name: str(value) for name, value in asked.items() if value is not None},
        }
    )


def _generic_workload(name: str, settings: Settings) -> Workload:
    device = None if settings.device is None else parse_device(settings.device)
    dtype = None if settings.dtype is None else parse_dtype(settings.dtype)
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(settings.seed)
        model, inputs = models.build(name)
    if inputs is None:
        raise InputError(f"{name!r} returned a model alone; let it return (model, inputs)")
    return Workload(
        model=model.to(device=device, dtype=dtype),
        batches=(_placed(inputs, device, dtype),),
        labels=FrozenMapping({"source": name}),
    )


def _placed(inputs: object, device: torch.device | None, dtype: torch.dtype | None) -> object:
    """The inputs with their tensors on the device, and those of floats in the dtype, as the model is."""

    def place(leaf: object) -> object:
        if not isinstance(leaf, torch.Tensor):
            return leaf
        return leaf.to(device=device, dtype=dtype if leaf.is_floating_point() else None)

    if device is None and dtype is None:
        return inputs
    return tree_map(place, dict(inputs) if isinstance(inputs, Mapping) else inputs)


def labelled(profile: Profile, labels: Mapping[str, str]) -> Profile:
    """The profile with what it was run on."""
    return dataclasses.replace(profile, spec=dataclasses.replace(profile.spec, labels=FrozenMapping(labels)))
