"""The gradients of tensors that are not the model's: they are afterwards as before."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch.autograd.graph import Node


class Gradients:
    """Keeps the gradients of tensors that a step comes upon, and of those that they were computed from.

    Limits: a graph from before the step that a backward runs through is spent afterwards, as in a real run.
    """

    def __init__(self) -> None:
        self._before: dict[int, tuple[torch.Tensor, torch.Tensor | None]] = {}
        self._seen: set[Node] = set()

    def keep(self, tensor: torch.Tensor) -> None:
        """Remembers the gradients that a backward through the tensor would change."""
        if tensor.grad_fn is not None:
            self._keep_below(tensor.grad_fn)
        elif tensor.requires_grad:
            self._before.setdefault(id(tensor), (tensor, tensor.grad))

    @contextmanager
    def as_before(self) -> Iterator[None]:
        """The block of the step; afterwards the gradients are those from before."""
        try:
            yield
        finally:
            for tensor, before in self._before.values():
                tensor.grad = before
            self._seen.clear()

    def _keep_below(self, node: Node) -> None:
        nodes = [node]
        while nodes:
            node = nodes.pop()
            if node in self._seen:
                continue
            self._seen.add(node)
            nodes.extend(below for below, _ in node.next_functions if below is not None)
            leaf = getattr(node, "variable", None)  # what a node that accumulates gradients has
            if isinstance(leaf, torch.Tensor):
                self._before.setdefault(id(leaf), (leaf, leaf.grad))
