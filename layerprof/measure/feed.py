"""The inputs of each step: as the caller gave them, copied where the model changes them in place.

Copies are made outside the measured window. Which tensors need one is learnt from the first step, which always runs
on copies: a tensor whose version counter moved was written to. Objects that are neither tensors nor plain values (a
KV cache) may change in ways nobody can see, so each step gets its own deep copy of them.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping

import torch
from torch.utils._pytree import tree_flatten, tree_unflatten

_PLAIN = (str, bytes, int, float, complex, bool, type(None), torch.dtype, torch.device)


class InputFeed:
    """Deals one set of inputs a step.

    Args:
        inputs: any nested structure; a mapping of any sort at the top is taken as a dict.
    """

    def __init__(self, inputs: object) -> None:
        plain = dict(inputs) if isinstance(inputs, Mapping) else inputs
        self._leaves, self._spec = tree_flatten(plain)
        self._needs_copy = [not isinstance(leaf, (torch.Tensor, *_PLAIN)) for leaf in self._leaves]
        self._first: list[tuple[int, torch.Tensor, int]] | None = None
        self._has_learnt = False

    def next(self) -> object:
        """Inputs for one step, which it may change."""
        if not self._has_learnt:
            return self._first_inputs()
        leaves = [
            _copied(leaf) if needs_copy else leaf
            for leaf, needs_copy in zip(self._leaves, self._needs_copy, strict=True)
        ]
        return tree_unflatten(leaves, self._spec)

    def learn(self) -> None:
        """The step that ran on the inputs of the first `next` is over: see which it wrote to."""
        for index, tensor, version in self._first or ():
            self._needs_copy[index] = tensor.is_inference() or tensor._version != version
        self._has_learnt, self._first = True, None

    def tensors(self) -> list[torch.Tensor]:
        """The tensors among the inputs, as the caller gave them."""
        return [leaf for leaf in self._leaves if isinstance(leaf, torch.Tensor)]

    def _first_inputs(self) -> object:
        leaves = [leaf if isinstance(leaf, _PLAIN) else _copied(leaf) for leaf in self._leaves]
        self._first = [
            (index, leaf, 0 if leaf.is_inference() else leaf._version)
            for index, leaf in enumerate(leaves)
            if isinstance(leaf, torch.Tensor)
        ]
        return tree_unflatten(leaves, self._spec)


def _copied(leaf: object) -> object:
    if isinstance(leaf, torch.Tensor):
        copied = leaf.detach().clone()
        return copied.requires_grad_(leaf.requires_grad) if leaf.is_leaf else copied
    try:
        return copy.deepcopy(leaf)
    except (TypeError, RuntimeError, NotImplementedError):  # what cannot be copied is passed on as it is
        return leaf
