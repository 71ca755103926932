"""How a model computes attention: asked of it, and then looked at, part by part.

A library may take a request and keep a part as it was. A row of a table says what was in force or it says nothing, so a
model of which any part does otherwise is refused.
"""

from __future__ import annotations

from collections.abc import Mapping

from torch import nn

from layerprof import models
from layerprof.models.base import first_line
from layerprof.records import CellFailure

_IMPLEMENTATION_OF: Mapping[str, str] = {
    "eager": "eager",
    "sdpa": "sdpa",
    "flash_attention_2": "flash_attention_2",
}
"""What transformers calls the way of computing attention, by the setting's value."""


def set_optimization(model: nn.Module, optimization: str) -> CellFailure | None:
    """Has a model compute attention that way; why it does not, or None where all of its parts do.

    Args:
        model: loaded, not compiled.
        optimization: the setting's value.
    """
    wanted = _IMPLEMENTATION_OF[optimization]
    set_it: object = getattr(model, "set_attn_implementation", None)
    if not callable(set_it):
        text = f"{type(model).__name__} has no choice of attention, so {optimization} cannot be set"
        return CellFailure(kind="unsupported", text=text)
    try:
        set_it(wanted)
    except ImportError as error:
        return CellFailure(kind="unavailable", text=f"{optimization} cannot be had here: {first_line(error)}")
    except (ValueError, NotImplementedError) as error:
        return CellFailure(kind="unsupported", text=f"{optimization} is refused: {first_line(error)}")
    return _not_in_force(model, optimization, wanted)


def _not_in_force(model: nn.Module, optimization: str, wanted: str) -> CellFailure | None:
    parts = [part for part in models.adapter_for(model).describe(model).parts if part.attention is not None]
    others = [part for part in parts if part.attention != wanted]
    if parts and not others:
        return None
    found = ", ".join(f"{part.name} computes {part.attention}" for part in others) or "no part tells what it computes"
    return CellFailure(kind="unsupported", text=f"{optimization} was asked for and is not in force: {found}")
