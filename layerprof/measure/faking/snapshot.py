"""What a model keeps, before a step on fakes and after it: the same, wherever in the model it is kept.

    modules, and the plain objects they hold    their attributes
    lists, dicts, sets and deques in them       their items
    the classes of modules                      their attributes
    functions with a cache                      emptied, where a fake was put in it

A fake that stayed would make the next count or the next real run another one.

Limits: what the step leaves in global variables, and in what a callable of the caller's holds, stays there. Beyond
a million things that a model holds, what is deepest in it is not looked at.
"""

from __future__ import annotations

import functools
import gc
import logging
import threading
from collections import OrderedDict, deque
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from operator import is_
from types import BuiltinFunctionType, FunctionType, MethodType, ModuleType
from typing import cast

import torch
from torch import nn
from torch._subclasses.fake_tensor import FakeTensor

_MOST_ITEMS = 2**20  # looked at in a second or so
_DEEPEST = 4  # containers around a fake in a cache: a tuple of tensors, in a dict, say
_MUTABLE = (dict, list, set, deque)
_LOOKED_INTO = (*_MUTABLE, tuple, frozenset)
_PLAIN = frozenset({str, bytes, int, float, complex, bool, type(None), torch.Tensor, nn.Parameter, torch.dtype})
_NOT_KEPT = (type, ModuleType, FunctionType, MethodType, BuiltinFunctionType)
_OF_THE_PROCESS = (logging.Logger, threading.Thread)  # what they hold is not the model's
_NOT_LOOKED_INTO = (*_NOT_KEPT, *_OF_THE_PROCESS, torch.Tensor)
_NO_SLOTS: Mapping[str, object] = {}


@contextmanager
def afterwards_as_before(model: nn.Module) -> Iterator[None]:
    """The block of the step; afterwards everything that the model keeps is what it was.

    Gradients that an optimizer of the real parameters drops on the way are there again.
    """
    gradients = [(parameter, parameter.grad) for parameter in model.parameters()]
    classes = [(one, dict(vars(one))) for one in _classes(model)]
    held_by_classes = [
        value for _, attributes in classes for value in attributes.values() if isinstance(value, _MUTABLE)
    ]
    kept = [(one, _content(one)) for one in _keepers([*model.modules(), *held_by_classes])]
    try:
        yield
    finally:
        for keeper, content in kept:
            _restore(keeper, content)
        for one, attributes in classes:
            _restore_class(one, attributes)
        for parameter, gradient in gradients:
            parameter.grad = gradient


@contextmanager
def afterwards_in_no_cache(mode: object) -> Iterator[None]:
    """The block of the step; afterwards the caches of functions in which fakes of the mode are left are empty.

    The collector puts aside what was there before the step, so that a fake which is left is found among few things.
    """
    is_aside = gc.get_freeze_count() == 0  # otherwise the caller, or Python 3.12 itself, put things aside to stay there
    if is_aside:
        gc.freeze()
    try:
        yield
    finally:
        is_left = any(isinstance(one, dict) and "fake_mode" in one for one in gc.get_referrers(mode))
        if is_aside:
            gc.unfreeze()
        if is_left:
            _empty_caches_with(mode)


def _empty_caches_with(mode: object) -> None:
    for one in gc.get_objects():
        if type(one) is functools._lru_cache_wrapper and one.cache_info().currsize and _has_fake(one, mode):
            one.cache_clear()


def _has_fake(cache: object, mode: object) -> bool:
    """Whether a fake of the mode is in the cache, or in containers in it."""
    level, seen = gc.get_referents(cache), set[int]()
    for _ in range(_DEEPEST + 1):
        if any(issubclass(type(one), FakeTensor) and one.fake_mode is mode for one in level):
            return True
        containers = [one for one in level if type(one) in (dict, list, tuple) and id(one) not in seen]
        seen.update(map(id, containers))
        level = gc.get_referents(*containers)
    return False


def _keepers(roots: Iterable[object]) -> Iterator[object]:
    """Whatever can be changed among what the roots hold, nearest first, each once."""
    queue, seen, left = deque(roots), set[int](), _MOST_ITEMS
    while queue and left > 0:
        value = queue.popleft()
        left -= 1
        if id(value) in seen:
            continue
        seen.add(id(value))
        if type(value) is dict:  # nearly all of them, and most are empty
            yield value
            queue.extend(one for one in value.values() if type(one) not in _PLAIN)
        elif not isinstance(value, _NOT_LOOKED_INTO):
            slots = _NO_SLOTS if isinstance(value, _LOOKED_INTO) else _slots(value)
            if isinstance(value, _MUTABLE) or slots:
                yield value
            held = _items(value) if isinstance(value, _LOOKED_INTO) else slots.values()
            queue.extend(one for one in (*held, _attributes(value)) if type(one) not in _PLAIN)


def _items(value: object) -> Iterable[object]:
    return cast("Iterable[object]", dict.values(value) if isinstance(value, dict) else value)


def _attributes(value: object) -> dict[str, object] | None:
    """The object's own attributes; asked so that no code of its class runs."""
    try:
        table = object.__getattribute__(value, "__dict__")
    except AttributeError:
        return None
    return table if type(table) is dict else None


def _slots(value: object) -> Mapping[str, object]:
    """What the object, which is no container, holds in slots."""
    names = [name for one in type(value).__mro__ for name in _slot_names(one)]
    return {name: getattr(value, name) for name in names if hasattr(value, name)} if names else _NO_SLOTS


def _slot_names(of: type) -> tuple[str, ...]:
    slots = vars(of).get("__slots__", ()) if of.__module__ not in ("builtins", "typing") else ()
    names = (slots,) if isinstance(slots, str) else tuple(slots)
    return tuple(name for name in names if type(vars(of).get(name)).__name__ == "member_descriptor")


def _content(keeper: object) -> object:
    if isinstance(keeper, dict):
        return dict(dict.items(keeper))
    if isinstance(keeper, set):
        return set(keeper)
    return list(keeper) if isinstance(keeper, list | deque) else dict(_slots(keeper))


def _restore(keeper: object, content: object) -> None:
    """Puts the content in the keeper again, past what its class makes of that."""
    if isinstance(keeper, dict) and isinstance(content, dict):
        if (keeper or content) and not _is_same(keeper, content):
            base = OrderedDict if isinstance(keeper, OrderedDict) else dict
            base.clear(keeper)
            base.update(keeper, content)
    elif isinstance(keeper, list) and isinstance(content, list):
        list.__setitem__(keeper, slice(None), content)
    elif isinstance(keeper, set) and isinstance(content, set):
        set.clear(keeper)
        set.update(keeper, content)
    elif isinstance(keeper, deque) and isinstance(content, list):
        deque.clear(keeper)
        deque.extend(keeper, content)
    elif isinstance(content, dict):
        for name in _slots(keeper).keys() - content.keys():
            object.__delattr__(keeper, name)
        for name, value in content.items():
            object.__setattr__(keeper, name, value)


def _is_same(table: dict[object, object], before: dict[object, object]) -> bool:
    """Whether a table holds the very same things; tensors cannot be asked whether they are equal."""
    is_as_long = len(table) == len(before)
    return is_as_long and all(map(is_, table, before)) and all(map(is_, table.values(), before.values()))


def _classes(model: nn.Module) -> list[type]:
    """The classes of the model's modules, but for torch's own."""
    found = {one for module in model.modules() for one in type(module).__mro__}
    return [one for one in found if one.__module__.partition(".")[0] not in ("torch", "builtins", "typing", "abc")]


def _restore_class(one: type, before: Mapping[str, object]) -> None:
    for name in vars(one).keys() - before.keys():
        delattr(one, name)
    for name, value in before.items():
        if vars(one).get(name) is not value:
            setattr(one, name, value)
