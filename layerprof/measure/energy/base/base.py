"""What a module holds beside the modules in it: attributes, and containers among them."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator

import torch
from torch import nn

_HOOKS = frozenset(name for name in vars(nn.Module()) if "hooks" in name)


def tensors_of_module(module: nn.Module) -> list[torch.Tensor]:
    """The tensors that a module and those in it hold as attributes, or in containers among these, each once."""
    found: dict[int, torch.Tensor] = {}
    for one in module.modules():
        held = (value for value in held_by_module(one) if isinstance(value, torch.Tensor))
        registered = (*one.parameters(recurse=False), *one.buffers(recurse=False))  # a scripted one's are no attributes
        found.update((id(tensor), tensor) for tensor in (*registered, *held))
    return list(found.values())


def held_by_module(module: nn.Module) -> Iterator[object]:
    """What a module's attributes are, and what the containers among them hold, each once.

    Objects of other classes are the module's own affair. Registers of hooks are not meant: somebody may put a hook on
    between two calls.
    """
    waiting, seen = [value for name, value in vars(module).items() if name not in _HOOKS], set[int]()
    while waiting:
        one = waiting.pop()
        if id(one) in seen:
            continue
        seen.add(id(one))
        yield one
        if isinstance(one, dict):
            waiting.extend(one.values())
        elif isinstance(one, list | tuple | set | frozenset | deque):
            waiting.extend(one)
