"""Batches by their shapes: which is the longest, and which differ."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeVar

import torch

Shapes = tuple[tuple[str, tuple[int, ...]], ...]
_Batch = TypeVar("_Batch")


def longest_of(batches: Sequence[object]) -> object:
    """The batch with the most numbers in it."""
    return max(batches, key=_size)


def one_of_each(batches: Sequence[_Batch]) -> tuple[_Batch, ...]:
    """A batch for each shape."""
    return tuple({shapes_of(batch): batch for batch in batches}.values())


def are_mixed(batches: Sequence[object]) -> bool:
    """Whether they differ in their shapes."""
    return len(one_of_each(batches)) > 1


def shapes_of(batch: object) -> Shapes:
    """The shapes of a batch's tensors, by name; nothing for inputs of another form."""
    if not isinstance(batch, Mapping):
        return ()
    return tuple((name, tuple(value.shape)) for name, value in batch.items() if isinstance(value, torch.Tensor))


def _size(batch: object) -> int:
    return sum(torch.Size(shape).numel() for _, shape in shapes_of(batch))
