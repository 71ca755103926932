"""How a model computes attention: asked of it part by part, looked at, and put back afterwards.

    eager, sdpa, flash_attention_2      of the whole model; any part that does otherwise is a refusal
    flash_attention_2_parts             of the parts whose class supports it; the others stay with sdpa
    sdpa_flash, _efficient, _math       sdpa in all parts, and one of PyTorch's kernels alone

A library may take a request and keep a part as it was, or put a kernel from the hub in the place of a package that is
missing. What is in force is read from the live parts, and a row says that or it says nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager

from torch import nn
from torch.nn.attention import SDPBackend, sdpa_kernel

from layerprof.models.base import first_line
from layerprof.records import CellFailure
from layerprof.sweeping.base.refusals import RefusedError
from layerprof.sweeping.measuring.optimizing.base import ModelPart, attending_parts, supports_flash

SDPA_KERNELS: Mapping[str, SDPBackend] = {
    "sdpa_flash": SDPBackend.FLASH_ATTENTION,
    "sdpa_efficient": SDPBackend.EFFICIENT_ATTENTION,
    "sdpa_math": SDPBackend.MATH,
}
"""The kernel of PyTorch that is left, by the setting's value."""

_IMPLEMENTATION_OF: Mapping[str, str] = {
    "eager": "eager",
    "sdpa": "sdpa",
    "flash_attention_2": "flash_attention_2",
    "flash_attention_2_parts": "sdpa",  # to begin with, so that parts without it are the same whatever came before
    **dict.fromkeys(SDPA_KERNELS, "sdpa"),
}
"""What transformers calls the way of computing attention that all parts are set to, by the setting's value."""

ATTENTIONS = tuple(_IMPLEMENTATION_OF)

_FLASH, _FLASH_PARTS = "flash_attention_2", "flash_attention_2_parts"
_KEPT_UNDER = "_attn_implementation_internal"  # of a config of transformers: what is in force in its part

_Setter = Callable[[str], object]


@contextmanager
def attention_of(model: nn.Module, optimization: str) -> Iterator[None]:
    """The block in which a model computes attention that way; afterwards it does as before.

    Args:
        model: not what ``torch.compile`` returned.
        optimization: one of `ATTENTIONS`.

    Raises:
        RefusedError: before the block, where it cannot be had or a part does otherwise.
    """
    with ExitStack() as stack:
        stack.enter_context(_put_back(model))
        _set(model, optimization, _IMPLEMENTATION_OF[optimization])
        wanted = dict.fromkeys((part.name for part in attending_parts(model)), _IMPLEMENTATION_OF[optimization])
        if optimization == _FLASH_PARTS:
            for part in _parts_with_flash(model):
                _set(part.module, optimization, _FLASH)
                wanted[part.name] = _FLASH
        _require_in_force(model, optimization, wanted)
        if optimization in SDPA_KERNELS:
            stack.enter_context(sdpa_kernel([SDPA_KERNELS[optimization]]))
        yield


def _parts_with_flash(model: nn.Module) -> list[ModelPart]:
    parts = [part for part in attending_parts(model) if part.path and supports_flash(part)]
    if not parts:
        text = f"no part of {type(model).__name__} supports Flash Attention 2 by itself; ask for sdpa or sdpa_flash"
        raise RefusedError(CellFailure(kind="unsupported", text=text))
    return parts


def _set(module: nn.Module, optimization: str, implementation: str) -> None:
    set_it: _Setter | None = getattr(module, "set_attn_implementation", None)
    if not callable(set_it):
        text = f"{type(module).__name__} has no choice of attention, so {optimization} cannot be set"
        raise RefusedError(CellFailure(kind="unsupported", text=text))
    try:
        set_it(implementation)
    except ImportError as error:
        text = f"{optimization} cannot be had here: {_said(error)}; install the package that it is in"
        raise RefusedError(CellFailure(kind="unavailable", text=text)) from error
    except (ValueError, NotImplementedError) as error:
        text = f"{optimization} is refused: {_said(error)}{_instead(module, optimization)}"
        raise RefusedError(CellFailure(kind="unsupported", text=text)) from error


def _said(error: Exception) -> str:
    """Its first line, without where transformers would have the reader write to."""
    return first_line(error).partition(". Please ")[0].removesuffix(".")


def _instead(module: nn.Module, optimization: str) -> str:
    """What to ask for where a part refuses for all of them."""
    names = [part.name for part in attending_parts(module) if part.path and supports_flash(part)]
    if optimization != _FLASH or not names:
        return ""
    return f"; {_FLASH_PARTS} sets it in {' and '.join(names)}, which support it"


def _require_in_force(model: nn.Module, optimization: str, wanted: Mapping[str, str]) -> None:
    parts = attending_parts(model)
    others = [
        f"{part.name} computes {found}"
        for part in parts
        if not _is_as_wanted(found := _attention_of(part), wanted[part.name])
    ]
    if parts and not others:
        return
    found = ", ".join(others) or "no part tells what it computes"
    text = f"{optimization} was asked for and is not in force: {found}"
    raise RefusedError(CellFailure(kind="not_in_force", text=text))


def _attention_of(part: ModelPart) -> str:
    config: object = getattr(part.module, "config", None)
    return str(getattr(config, "_attn_implementation", None))


def _is_as_wanted(found: str, wanted: str) -> bool:
    """Whether it is what was asked for, or a kernel of the hub that transformers loads in its place."""
    return found == wanted or (wanted == _FLASH and "/" in found and "flash" in found)


@contextmanager
def _put_back(model: nn.Module) -> Iterator[None]:
    """Afterwards the configs have the attention that they have now."""
    before = [(config, vars(config)[_KEPT_UNDER]) for config in _configs_of(model)]
    try:
        yield
    finally:
        for config, attention in before:
            setattr(config, _KEPT_UNDER, attention)


def _configs_of(model: nn.Module) -> Iterable[object]:
    """Each config of a module in the model that keeps an attention, once; and those inside it."""
    waiting: list[object] = [getattr(module, "config", None) for module in model.modules()]
    found: dict[int, object] = {}
    while waiting:
        config = waiting.pop()
        if id(config) in found or _KEPT_UNDER not in getattr(config, "__dict__", {}):
            continue
        found[id(config)] = config
        waiting.extend(getattr(config, key, None) for key in getattr(config, "sub_configs", ()))
    return found.values()
