"""The parts of a live model: those that compute attention, and those that are compiled by themselves."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from torch import nn

from layerprof.models import GenericAdapter, adapter_for


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelPart:
    """A part with its live module.

    Attributes:
        name: as the model's adapter calls it; else its path.
        path: of its module; "" is the model itself.
        module: live.
    """

    name: str
    path: str
    module: nn.Module


def attending_parts(model: nn.Module) -> tuple[ModelPart, ...]:
    """Parts that say how they compute attention.

    Args:
        model: not what ``torch.compile`` returned.
    """
    described = adapter_for(model).describe(model).parts
    return tuple(
        ModelPart(name=part.name, path=part.path, module=model.get_submodule(part.path))
        for part in described
        if part.attention is not None
    )


def parts_to_compile(model: nn.Module) -> tuple[ModelPart, ...]:
    """Parts that are compiled by themselves: a known model's towers, else the children that have parameters.

    Lists and dicts of modules are never called, so what they hold stands in their place.

    Args:
        model: not what ``torch.compile`` returned.
    """
    if not isinstance(adapter_for(model), GenericAdapter):
        return tuple(part for part in attending_parts(model) if part.path)
    return tuple(_called_children(model, prefix=""))


def _called_children(module: nn.Module, *, prefix: str) -> Iterator[ModelPart]:
    for name, child in module.named_children():
        path = f"{prefix}{name}"
        if isinstance(child, nn.ModuleList | nn.ModuleDict):
            yield from _called_children(child, prefix=f"{path}.")
        elif any(True for _ in child.parameters()):
            yield ModelPart(name=path, path=path, module=child)


def supports_flash(part: ModelPart) -> bool:
    """Whether the part's class says that it can do with Flash Attention."""
    # transformers' own word for it, which its message of refusal is made of; no public name tells.
    return getattr(part.module, "_supports_flash_attn", False) is True


def part_owning(path: str, parts: Iterable[ModelPart]) -> ModelPart | None:
    """The innermost part that a layer is in, or None."""
    holding = [part for part in parts if not part.path or path == part.path or path.startswith(f"{part.path}.")]
    return max(holding, key=lambda part: len(part.path), default=None)
