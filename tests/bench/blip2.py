"""The models that passes are measured on: BLIP-2 in small and in full, with one picture and a question."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext

import torch
from PIL import Image
from torch import nn

from layerprof import models
from layerprof.instruments import Site
from layerprof.records import Prompt


def tiny() -> tuple[nn.Module, models.ModelInputs]:
    """Of a few layers, in single precision."""
    return _with_inputs(models.load("blip2-tiny"))


def full() -> tuple[nn.Module, models.ModelInputs]:
    """Of 2.7 billion parameters in the language model alone: 8 GB, about a minute to make."""
    return _with_inputs(models.load("blip2-opt-2.7b", dtype="bf16"))


def _with_inputs(model: nn.Module) -> tuple[nn.Module, models.ModelInputs]:
    prompt = Prompt(head="Question:", body="what is this?", tail="Short answer:")
    picture = Image.new("RGB", (64, 48), "red")
    return model, models.adapter_for(model).inputs(model, [picture], [prompt], models.InputOptions())


def step_of(
    model: nn.Module,
    inputs: models.ModelInputs,
    around: Callable[[], AbstractContextManager[object]] = nullcontext,
    *,
    has_gradients: bool = False,
) -> Callable[[], None]:
    """One forward, inside a context made anew for it."""

    def run() -> None:
        with torch.set_grad_enabled(has_gradients), around():
            model(**inputs)

    return run


def sites_of(model: nn.Module) -> tuple[Site, ...]:
    """Every module of the model."""
    return tuple(Site(index=index, module=module) for index, module in enumerate(model.modules()))
