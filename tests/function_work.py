"""What the rules of the independent FLOP count are made of: a call of a torch function, and the work behind it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor

_OF_COMPLEX = 4  # (a + bi)(c + di) added to a sum is four multiplications and four additions


@dataclass(frozen=True, slots=True, kw_only=True)
class FunctionCall:
    """One call of a torch function, and what it returned."""

    args: Sequence[Any]
    named: Mapping[str, Any]
    result: Any

    def get(self, position: int, name: str, default: Any = None) -> Any:
        """The argument, given by position or by name."""
        return self.args[position] if len(self.args) > position else self.named.get(name, default)


@dataclass(frozen=True, slots=True)
class Work:
    """FLOPs of a call, and of the gradients of its operands if that of its result arrives."""

    forward: int
    backward: int


Rule = Callable[[FunctionCall], Work]


def of_product(flops: int, *operands: Tensor) -> Work:
    """A product, and as much again for each operand whose gradient is needed; of complex numbers, four real ones."""
    real = flops * (_OF_COMPLEX if any(operand.is_complex() for operand in operands) else 1)
    return Work(real, real * sum(operand.requires_grad for operand in operands))


def sum_of(parts: Sequence[Work]) -> Work:
    """Of a function that does several things."""
    return Work(sum(part.forward for part in parts), sum(part.backward for part in parts))
