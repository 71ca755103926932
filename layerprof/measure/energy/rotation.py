"""Copies of a unit and its inputs that are taken in turn, so that a cache does not hold what memory holds in the model.

In the model a layer's weights come from memory wherever the whole model is larger than the last cache; the same layer
replayed alone would find them in it, and take less power. With copies that together are twice as large as the cache,
each is gone from it before its turn comes again.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import nn

from layerprof.measure.energy.base import Captured, ReplayCopy, bytes_of, held_tensors, structural_copy
from layerprof.tree import wrapped_in

MOST_COPIES = 64
_CACHES = 2  # so many times the cache are taken in turn: what was used last is the first to go, but not strictly
_SLACK_BYTES = 2**20  # of small tensors around a module that a copy of it may hold beside its weights


@dataclass(frozen=True, slots=True, kw_only=True)
class Rotation:
    """What is taken in turn with a unit itself.

    Attributes:
        copies: beside the unit itself; empty where one is enough, or where there cannot be more.
        footprint_bytes: of weights and inputs of one call.
        flags: ``cache_warm`` where the cache may hold what it does not hold in the model.
        copied_bytes: that the copies take: all that the module holds, and all inputs, caches among them.
    """

    copies: tuple[ReplayCopy, ...]
    footprint_bytes: int
    flags: tuple[str, ...] = ()
    copied_bytes: int = 0


def rotated(
    captured: Captured, module: nn.Module, *, model_bytes: int, cache_bytes: int | None, budget_bytes: int
) -> Rotation:
    """The copies that a unit's replay needs.

    Args:
        captured: one call of the unit.
        module: the unit, as it is called.
        model_bytes: of the whole model's weights; where the cache may hold them all, it holds them in the model too.
        cache_bytes: of the device's last cache, as `layerprof.machine.cache_bytes` gives it; None where not known.
        budget_bytes: of all copies together.
    """
    weight_bytes = bytes_of(_state_of(module))
    footprint_bytes = weight_bytes + captured.direct_bytes
    needed = copies_needed(footprint_bytes, model_bytes=model_bytes, cache_bytes=cache_bytes)
    affordable = 1 + budget_bytes // max(1, weight_bytes + captured.input_bytes)
    count = min(needed, affordable, MOST_COPIES)
    copies = _copies(captured, module, count - 1, weight_bytes=weight_bytes)
    return Rotation(
        copies=copies,
        footprint_bytes=footprint_bytes,
        flags=("cache_warm",) if 1 + len(copies) < needed else (),
        copied_bytes=sum(_held_bytes(one.module) + captured.input_bytes for one in copies[:1]) * len(copies),
    )


def copies_needed(footprint_bytes: int, *, model_bytes: int, cache_bytes: int | None) -> int:
    """How many sets of weights and inputs a cache cannot hold, the unit's own among them; 1 where it needs no other."""
    if cache_bytes is None or not footprint_bytes or model_bytes < _CACHES * cache_bytes:
        return 1
    return math.ceil(_CACHES * cache_bytes / footprint_bytes)


def _copies(captured: Captured, module: nn.Module, count: int, *, weight_bytes: int) -> tuple[ReplayCopy, ...]:
    """So many copies; none of a module that cannot be copied without more than its own weights."""
    if count < 1 or _is_compiled(module):
        return ()
    try:
        if _held_bytes(module) > 2 * weight_bytes + _SLACK_BYTES:
            return ()  # it refers to the model around it, which a copy would hold as well
        return tuple(_copy(captured, module) for _ in range(count))
    except Exception:  # whatever a module's own way of being copied raises; the replay does without, and says so
        return ()


def _copy(captured: Captured, module: nn.Module) -> ReplayCopy:
    own = copy.deepcopy(module)
    args, kwargs = structural_copy((captured.args, dict(captured.kwargs)))
    return ReplayCopy(module=own, args=args, kwargs=kwargs)


def _is_compiled(module: nn.Module) -> bool:
    """Whether compiled code is in it: a copy would be compiled anew, and count against the original's recompiles."""
    return any(
        wrapped_in(one) is not None
        or one._compiled_call_impl is not None
        or hasattr(vars(one).get("forward"), "_torchdynamo_orig_callable")
        for one in module.modules()
    )


def _held_bytes(module: nn.Module) -> int:
    return bytes_of(held_tensors(module, enters_modules=True))


def _state_of(module: nn.Module) -> Iterator[torch.Tensor]:
    yield from module.parameters()
    yield from module.buffers()
