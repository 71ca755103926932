"""Models by name, and the adapter that knows a model: BLIP-2's, or the one for any module."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from typing import TYPE_CHECKING

from layerprof.errors import InputError
from layerprof.models.base import (
    GivenAnswer,
    InputOptions,
    LoadOptions,
    ModelAdapter,
    ModelDescription,
    ModelInputs,
    PromptReport,
    uncompiled,
)
from layerprof.models.blip2 import PRESETS as _BLIP2_PRESETS
from layerprof.models.blip2 import Blip2Adapter
from layerprof.models.generic import GenericAdapter, build

if TYPE_CHECKING:
    from torch import nn

__all__ = [
    "PRESETS",
    "Blip2Adapter",
    "GenericAdapter",
    "GivenAnswer",
    "InputOptions",
    "LoadOptions",
    "ModelAdapter",
    "ModelDescription",
    "ModelInputs",
    "PromptReport",
    "adapter_for",
    "adapter_named",
    "build",
    "load",
]

PRESETS: tuple[str, ...] = tuple(_BLIP2_PRESETS)

_BY_CLASS: Mapping[str, ModelAdapter] = {"Blip2ForConditionalGeneration": Blip2Adapter()}
_BY_NAME: Mapping[str, ModelAdapter] = dict.fromkeys(PRESETS, Blip2Adapter())


def load(
    name: str, *, device: str = "cpu", dtype: str | None = None, weights: str = "random", seed: int = 0
) -> nn.Module:
    """The model of that name.

    Args:
        name: a preset, or ``package.module:callable``.
        device: such as ``cpu``, ``cuda``, ``cuda:1``; ``meta`` for shapes without storage.
        dtype: ``fp32``, ``bf16``, ``fp16`` or their long names; None for the preset's own.
        weights: ``random``, ``pretrained``, or a folder that ``save_pretrained`` wrote.
        seed: of random weights; the same on every device.

    Raises:
        InputError: when the name or an option is none of these.
        UnavailableError: when a device, memory or weights are missing.
    """
    options = LoadOptions(device=device, dtype=dtype, weights=weights, seed=seed)
    return adapter_named(name).load(name, options)


def adapter_named(name: str) -> ModelAdapter:
    """The adapter that loads the model of that name.

    Raises:
        InputError: when it is neither a preset nor of the form ``package.module:callable``.
    """
    if isinstance(name, str) and ":" in name:
        return GenericAdapter()
    if name not in _BY_NAME:
        nearest = difflib.get_close_matches(str(name), PRESETS, n=len(PRESETS), cutoff=0.0)
        raise InputError(
            f"no model {name!r}; the presets are {', '.join(nearest)}, any other is package.module:callable"
        )
    return _BY_NAME[name]


def adapter_for(model: nn.Module) -> ModelAdapter:
    """The adapter that knows a model, by the name of its class; a compiled model's is that of the one inside."""
    return _BY_CLASS.get(type(uncompiled(model)).__name__, GenericAdapter())
