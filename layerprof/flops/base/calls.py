"""What a FLOP formula is, and what it may use: the shapes of an op's inputs and output.

FLOPs here are the multiplies and adds of matrix products, convolutions and attention, a multiply-add being two.
Bias, elementwise work, norms, softmax and copies are 0 by convention. A flop is not a property of nature: counts made
by other conventions differ, and `docs` says how.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import prod

import torch

Shape = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Flops:
    """FLOPs of one op: as computed, and with causal attention counted as the triangle it needs."""

    dense: int
    causal: int

    @classmethod
    def same(cls, flops: int) -> Flops:
        """For ops in which nothing is causal."""
        return cls(flops, flops)


@dataclass(frozen=True, slots=True)
class OpCall:
    """One dispatched op.

    Attributes:
        args: positional arguments, as dispatched.
        named: all given arguments by the names of the op's schema; positions differ between overloads.
        output: what it returned.
    """

    args: tuple[object, ...]
    named: Mapping[str, object]
    output: object

    def shape(self, position: int) -> Shape:
        """The shape of the tensor argument at ``position``."""
        return shape_of(self.args[position])

    def multiplier(self, position: int) -> int:
        """How many real multiply-adds stand behind one of the tensor argument at ``position``: 4 where it is complex.

        (a + bi)(c + di) added to a sum takes 4 multiplications and 4 additions.
        """
        value = self.args[position]
        return 4 if isinstance(value, torch.Tensor) and value.is_complex() else 1

    def output_shape(self) -> Shape:
        """The shape of the first tensor that it returned."""
        first = self.output[0] if isinstance(self.output, tuple | list) else self.output
        return shape_of(first)


Formula = Callable[[OpCall], Flops | None]  # None: what it depends on is not known here, so the op is not counted


def shape_of(value: object) -> Shape:
    """The shape of a tensor.

    Raises:
        TypeError: for anything that is no tensor.
    """
    if not isinstance(value, torch.Tensor):
        raise TypeError(f"a tensor was expected, found {type(value).__name__}")
    return tuple(value.shape)


def matmul_flops(batch: Shape, rows: int, inner: int, columns: int) -> int:
    """A (rows, inner) by (inner, columns) product for each of ``batch``: every output needs ``inner`` multiply-adds."""
    return 2 * prod(batch) * rows * inner * columns
