"""Copies of what a call is given, and what undoes the changes that a call makes to them.

Tensors are cloned with their strides; containers and objects around them (a KV cache) are copied as they are built.
A replay of a call that grows its cache must find it as short again next time. A copy for every call would cost the
host tens of microseconds, in which a GPU waits; putting back the entries that changed costs less than one. It is the
host's side alone that is undone: a tensor that is written in place stays written.
"""

from __future__ import annotations

import copy
import gc
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from types import BuiltinFunctionType, FunctionType, MethodType, ModuleType
from typing import TypeVar, cast

import torch
from torch import nn

from layerprof.measure.energy.base.base import held_by_module

_NOT_ENTERED = (type, ModuleType, FunctionType, BuiltinFunctionType)  # a deep copy holds the same ones
_SHARED = (nn.Module, torch.Generator)  # of which a copy of the inputs holds the same ones
_LEFT_ALONE = (*_NOT_ENTERED, *_SHARED, MethodType)  # never put back
_PLAIN = (str, bytes, int, float, complex, bool, type(None), torch.dtype, torch.device)
_MOST_OBJECTS = 2**20  # looked at in one set of inputs, in a second or so

_Value = TypeVar("_Value")
_Live = dict[object, object] | list[object] | set[object] | deque[object]


def held_tensors(value: object, *, enters_modules: bool = False) -> list[torch.Tensor]:
    """The tensors that a value holds, however deep, each once, in an order that only depends on how it is built.

    Args:
        value: anything.
        enters_modules: whether those in modules are meant as well.

    Raises:
        ValueError: when it is built of more objects than anybody would look at.
    """
    return [one for one in _walk(value, enters_modules=enters_modules) if isinstance(one, torch.Tensor)]


def bytes_of(tensors: Iterable[torch.Tensor]) -> int:
    """Bytes of the elements of all of them, each tensor once."""
    unique = {id(tensor): tensor for tensor in tensors}.values()
    return sum(tensor.numel() * tensor.element_size() for tensor in unique)


def cloned(tensor: torch.Tensor) -> torch.Tensor:
    """A copy with the same strides and without a graph.

    ``clone`` keeps the strides of a tensor without gaps alone; one that was expanded, or cut out of a wider one, is
    given a copy of the stretch of memory that it lies in.
    """
    plain = tensor.detach()
    copied = plain.clone()
    if plain.layout != torch.strided or plain.is_nested or plain.is_quantized or copied.stride() == plain.stride():
        return copied
    if not plain.numel():
        return torch.empty_strided(plain.size(), plain.stride(), dtype=plain.dtype, device=plain.device)
    reach = 1 + sum((size - 1) * stride for size, stride in zip(plain.shape, plain.stride(), strict=True))
    stretch = plain.as_strided((reach,), (1,), plain.storage_offset()).clone()
    return stretch.as_strided(plain.size(), plain.stride(), 0)


def structural_copy(value: _Value, of_tensor: Callable[[torch.Tensor], torch.Tensor] = cloned) -> _Value:
    """A copy of how a value is built, with ``of_tensor`` of each of its tensors; modules in it stay the same ones.

    Raises:
        Exception: whatever an object's own way of being copied raises.
    """
    memo: dict[int, object] = {}
    for held in _walk(value):
        if isinstance(held, torch.Tensor):
            memo[id(held)] = of_tensor(held)
        elif isinstance(held, _SHARED):
            memo[id(held)] = held
    return copy.deepcopy(value, memo)


class Undo:
    """Puts containers and attributes back to what they hold now.

    Args:
        value: whose containers and objects are meant, however deep, without those of modules in it.
        modules: whose own attributes and registers are meant, and containers right in them.

    Limits:
        Objects that keep their state in slots are not put back.
    """

    def __init__(self, value: object, *, modules: Iterable[nn.Module] = ()) -> None:
        self._entries = [_Entry(live) for live in _parts(value)]
        for module in modules:
            for one in module.modules():
                self._entries.extend(_Entry(live) for live in _parts_of_module(one))

    def restore(self) -> None:
        """Puts back what has changed."""
        for entry in self._entries:
            if entry.has_changed():
                entry.restore()

    def watch_changed(self) -> None:
        """From now on looks at what has changed by now alone, which takes the host less time."""
        self._entries = [entry for entry in self._entries if entry.has_changed()]


class _Entry:
    """One container, and what it held."""

    __slots__ = ("_live", "_saved")

    def __init__(self, live: _Live) -> None:
        self._live = live
        self._saved = dict(live) if isinstance(live, dict) else list(live)

    def has_changed(self) -> bool:
        live, saved = self._live, self._saved
        if len(live) != len(saved):
            return True
        if isinstance(saved, dict):
            return any(live.get(key, saved) is not value for key, value in saved.items())  # type: ignore[union-attr]  # as saved
        if isinstance(live, set):
            return not live.issuperset(saved)
        return any(one is not other for one, other in zip(live, saved, strict=True))

    def restore(self) -> None:
        live, saved = self._live, self._saved
        live.clear()
        if isinstance(live, dict | set):
            live.update(saved)  # type: ignore[arg-type]  # saved is of the same sort
        else:
            live.extend(saved)


def _walk(value: object, *, enters_modules: bool = False) -> Iterator[object]:
    """Everything that a value refers to, itself first, each once; tensors, classes and functions are not entered."""
    queue, seen = deque([value]), {id(value)}
    while queue:
        one = queue.popleft()
        yield one
        is_closed = isinstance(one, (torch.Tensor, *_PLAIN, *_NOT_ENTERED))
        if is_closed or (isinstance(one, _SHARED) and not enters_modules):
            continue
        held = [other for other in gc.get_referents(one) if id(other) not in seen]
        seen.update(map(id, held))
        queue.extend({id(other): other for other in held}.values())
        if len(seen) > _MOST_OBJECTS:
            raise ValueError(f"inputs of more than {_MOST_OBJECTS} objects are not copied")


def _parts(value: object) -> Iterator[_Live]:
    """Every container in a value, and the attributes of every object."""
    waiting, seen = [value], set[int]()
    while waiting:
        one = waiting.pop()
        if id(one) in seen or isinstance(one, (torch.Tensor, *_PLAIN, *_LEFT_ALONE)):
            continue
        seen.add(id(one))
        if isinstance(one, dict | list | set | deque):
            yield one
        if isinstance(one, dict):
            waiting.extend(one.values())
        elif isinstance(one, list | tuple | set | deque):
            waiting.extend(one)
        attributes = getattr(one, "__dict__", None)
        if isinstance(attributes, dict):
            yield attributes
            waiting.extend(attributes.values())


def _parts_of_module(module: nn.Module) -> Iterator[_Live]:
    """A module's attributes, and the containers among them."""
    yield cast("dict[object, object]", vars(module))
    yield from (one for one in held_by_module(module) if isinstance(one, dict | list | set | deque))
