"""The inputs of each step: copies, so that whatever the model writes, the caller's own are as they were.

Copies are made outside the measured window. A tensor is copied once, and again for the next step when its version
counter says that a step wrote to it. Objects that are neither tensors nor plain values (a KV cache) may change in ways
nobody can see, so each step gets its own deep copy of them; tensors in them that were computed from others lose their
graph of gradients, as those among the inputs do.

Limits: a write behind the version counter's back (``.data``) stays in the copy that later steps see.
"""

from __future__ import annotations

import copy
import gc
from collections import deque
from collections.abc import Mapping
from types import BuiltinFunctionType, FunctionType, ModuleType

import torch
from torch.utils._pytree import tree_flatten, tree_unflatten

from layerprof.errors import InputError

_PLAIN = (str, bytes, int, float, complex, bool, type(None), torch.dtype, torch.device)
_NOT_COPIED = (type, ModuleType, FunctionType, BuiltinFunctionType)  # a deep copy holds the same ones
_MOST_OBJECTS = 2**20  # looked at in one input, in a second or so


class InputFeed:
    """Deals one set of inputs a step.

    Args:
        inputs: any nested structure; a mapping of any sort at the top is taken as a dict.
    """

    def __init__(self, inputs: object) -> None:
        plain = dict(inputs) if isinstance(inputs, Mapping) else inputs
        self._leaves, self._spec = tree_flatten(plain)
        self._copies: dict[int, tuple[torch.Tensor, int]] = {}  # by the original's id: its copy, and that's version

    def next(self) -> object:
        """Inputs for one step, which it may change."""
        return tree_unflatten([self._dealt(leaf) for leaf in self._leaves], self._spec)

    def tensors(self) -> list[torch.Tensor]:
        """The tensors among the inputs, as steps see them."""
        own = (leaf for leaf in self._leaves if isinstance(leaf, torch.Tensor))
        return [self._copies[id(leaf)][0] if id(leaf) in self._copies else leaf for leaf in own]

    def _dealt(self, leaf: object) -> object:
        if isinstance(leaf, torch.Tensor):
            return self._dealt_tensor(leaf)
        return leaf if isinstance(leaf, _PLAIN) else _deep_copied(leaf)

    def _dealt_tensor(self, leaf: torch.Tensor) -> torch.Tensor:
        """The tensor's copy; a new one where a step wrote to the last, or where nobody can tell."""
        dealt, version = self._copies.get(id(leaf), (None, -1))
        if dealt is None or dealt.is_inference() or dealt._version != version:
            dealt = leaf.detach().clone()
            if leaf.is_leaf and leaf.requires_grad:
                dealt.requires_grad_()
            self._copies[id(leaf)] = dealt, 0 if dealt.is_inference() else dealt._version
        return dealt


def _deep_copied(leaf: object) -> object:
    """A copy of an object with its tensors; those in the middle of a graph of gradients are copied without it.

    Raises:
        InputError: when an object with tensors in it, which steps would write to, cannot be copied.
    """
    tensors = _tensors_in(leaf)
    memo = {id(one): one.detach().clone() for one in tensors if not one.is_leaf}
    try:
        return copy.deepcopy(leaf, memo)
    except Exception as error:  # whatever the object's own way of being copied raises
        if not tensors:  # nothing in it that a step could spoil unseen, such as a generator or a lock
            return leaf
        raise InputError(
            f"an input of type {type(leaf).__name__} cannot be copied ({type(error).__name__}: {error}), so that each "
            "step would change the caller's; give one that copy.deepcopy takes, or run the step as call="
        ) from error


def _tensors_in(leaf: object) -> list[torch.Tensor]:
    """The tensors that an object holds, however deep."""
    found: list[torch.Tensor] = []
    queue, seen = deque([leaf]), {id(leaf)}
    while queue and len(seen) < _MOST_OBJECTS:
        value = queue.popleft()
        if isinstance(value, torch.Tensor):
            found.append(value)
        elif not isinstance(value, _NOT_COPIED):
            held = [one for one in gc.get_referents(value) if id(one) not in seen]
            seen.update(map(id, held))
            queue.extend(held)
    return found
