"""What a model is run on: a preset with batches of real pictures and questions, or a callable's model and inputs.

task ─ samples ─ pictures, prompts ─ adapter ─┬─ batches    the first `samples`, in order, `batch_size` each
                                              └─ rest       those that fill none; they are answered too
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import torch
from torch import nn
from torch.utils._pytree import tree_map

from layerprof import models, tasks
from layerprof.errors import InputError
from layerprof.models import InputOptions, ModelAdapter
from layerprof.models.base import parse_device, parse_dtype
from layerprof.records import FrozenMapping, Profile, Sample

if TYPE_CHECKING:
    from layerprof.sweeping.base.cells import Settings

_MOST_IDS = 4  # of samples that a label spells out
_LABELLED = ("text_tokens", "seq_len", "total_tokens", "image_size", "resized_to", "new_tokens", "optimization")


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """What is done with a batch in one step.

    Attributes:
        method: of the model; None calls the model itself.
        arguments: of it, besides the batch.
    """

    method: str | None = None
    arguments: FrozenMapping[int | bool] = field(default_factory=FrozenMapping)

    def run(self, model: nn.Module, batch: Mapping[str, object]) -> object:
        """One step; what it gives."""
        function: Callable[..., object] = model if self.method is None else getattr(model, self.method)
        return function(**batch, **self.arguments)


@dataclass(frozen=True, slots=True, kw_only=True)
class Questions:
    """What a model is asked, so that its answers can be scored.

    Attributes:
        task: that they are of.
        samples: those of the batches, in order, and then those of the rest.
        adapter: of the model.
        options: that the inputs were made by.
    """

    task: tasks.Task
    samples: tuple[Sample, ...]
    adapter: ModelAdapter
    options: InputOptions


@dataclass(frozen=True, slots=True, kw_only=True)
class Workload:
    """A model with what it is run on.

    Attributes:
        model: on its device, in eval mode where it is a preset.
        batches: inputs of a step each, at least one; equal in their number of samples. Those of a preset are kept on
            the CPU, so that a device's memory holds none but the one of the step.
        labels: what the record says about them.
        samples: of one step, or None where nobody said.
        step: what is done with each batch.
        rest: inputs of the samples that fill no batch; None where there are none.
        questions: behind the batches and the rest; None for a model that brings its own inputs.
    """

    model: nn.Module
    batches: tuple[object, ...]
    labels: FrozenMapping[str]
    samples: int | None = None
    step: Step = field(default_factory=Step)
    rest: object | None = None
    questions: Questions | None = None

    @property
    def device(self) -> torch.device:
        """Where the model is; the CPU for one that holds no tensor."""
        return next((tensor.device for tensor in self.model.parameters()), torch.device("cpu"))

    def placed(self, batch: object) -> object:
        """The batch on the model's device, where it is not there already."""
        return batch if self.questions is None else _placed(batch, self.device, None)


def _tell_nobody(done: int, total: int) -> None:
    """Nobody waits for signs of life."""


def load_workload(name: str, settings: Settings, *, tell: Callable[[int, int], None] = _tell_nobody) -> Workload:
    """The model of that name and its batches.

    Args:
        name: a preset, or ``package.module:callable`` that returns ``(model, inputs)``.
        settings: as `settings_of` resolved them for this model.
        tell: is called while samples are fetched, with how many there are and how many there will be.

    Raises:
        InputError: when a setting cannot be met, or the callable returns no inputs.
        UnavailableError: when a device, memory, weights or the data are missing.
    """
    if ":" in name:
        return _generic_workload(name, settings)
    task = tasks.load(settings.dataset, settings.source, tell=tell)
    samples = task.samples(settings.samples or settings.batch_size)  # missing data are found out before building
    model = models.load(
        name, device=settings.device or "cpu", dtype=settings.dtype, weights=settings.weights, seed=settings.seed
    )
    adapter = models.adapter_named(name)
    options = _options(settings, task)

    def inputs(chunk: Sequence[Sample]) -> object:
        pictures = tasks.open_images(chunk, resized_to=settings.resized_to)
        made = adapter.inputs(model, pictures, [task.prompt(sample) for sample in chunk], options)
        return _placed(made, torch.device("cpu"), None)

    used = len(samples) - len(samples) % settings.batch_size
    rest = samples[used:]
    return Workload(
        model=model,
        batches=tuple(inputs(chunk) for chunk in _batches(samples[:used], settings.batch_size)),
        labels=_labels(settings, task, samples[:used]),
        samples=settings.batch_size,
        step=_step(settings),
        rest=inputs(rest) if rest else None,
        questions=Questions(task=task, samples=samples, adapter=adapter, options=options),
    )


def _options(settings: Settings, task: tasks.Task) -> InputOptions:
    asked = task.max_new_tokens if settings.max_new_tokens is None else settings.max_new_tokens
    return InputOptions(
        new_tokens=max(settings.new_tokens or 0, asked if settings.quality else 0),
        text_tokens=settings.text_tokens,
        max_text_tokens=settings.seq_len,
        max_total_tokens=settings.total_tokens,
        image_size=settings.image_size,
    )


def _step(settings: Settings) -> Step:
    """One forward pass, or a generation of so many tokens whatever they are, so that all steps do equal work."""
    count = settings.new_tokens
    if count is None:
        return Step()
    fixed = {"min_new_tokens": count, "max_new_tokens": count, "do_sample": False, "num_beams": 1}
    return Step(method="generate", arguments=FrozenMapping(fixed))


def _batches(samples: Sequence[Sample], size: int) -> Iterator[Sequence[Sample]]:
    """Consecutive batches of exactly ``size``."""
    for start in range(0, len(samples), size):
        yield samples[start : start + size]


def _labels(settings: Settings, task: tasks.Task, samples: Sequence[Sample]) -> FrozenMapping[str]:
    ids = [sample.id for sample in samples]
    rest = len(ids) - _MOST_IDS
    named = ", ".join(ids[:_MOST_IDS]) + (f" and {rest} more" if rest > 0 else "")
    asked = {name: getattr(settings, name) for name in _LABELLED}
    return FrozenMapping(
        {
            "task": settings.dataset,
            "origin": task.origin,
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
