"""What an einsum costs: two operands at a time from the left, each pair a product where a letter is summed over.

Without a sum over letters of both, a pair is multiplied element by element, which counts 0. A letter that stands in one
operand and nowhere after it is summed away before anything is multiplied.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence

from function_work import FunctionCall, Work, sum_of
from torch import Tensor

_DIGITS = "0123456789"  # stand for the dimensions behind an ellipsis
_ELLIPSIS = "..."


def einsum(call: FunctionCall) -> Work:
    """Of ``einsum(equation, *operands)``, in the order in which torch contracts without opt_einsum."""
    operands = call.args[1:]
    inputs, output = spelled_out(call.args[0], operands)
    return sum_of(list(_pairs(inputs, output, operands)))


def _pairs(inputs: Sequence[str], output: str, operands: Sequence[Tensor]) -> Iterator[Work]:
    sizes = _sizes(inputs, operands)
    left, needs_gradient = set(inputs[0]), operands[0].requires_grad
    for index, operand in enumerate(operands[1:], start=1):
        right = set(inputs[index])
        kept = set(output).union(*inputs[index + 1 :])
        summed_before = (left ^ right) - kept
        flops = 2 * math.prod(sizes[letter] for letter in (left | right) - summed_before) if left & right - kept else 0
        yield Work(flops, flops * (needs_gradient + operand.requires_grad))
        left, needs_gradient = (left | right) & kept, needs_gradient or operand.requires_grad


def _sizes(inputs: Sequence[str], operands: Sequence[Tensor]) -> Mapping[str, int]:
    """How long each letter is; where operands differ, one of them has length 1 and is stretched."""
    sizes: dict[str, int] = {}
    for word, operand in zip(inputs, operands, strict=True):
        for letter, size in zip(word, operand.shape, strict=True):
            sizes[letter] = max(sizes.get(letter, 1), size)
    return sizes


def spelled_out(equation: str, operands: Sequence[Tensor]) -> tuple[list[str], str]:
    """The letters of each operand and of the result, with digits for the dimensions that an ellipsis stands for."""
    left, arrow, output = equation.replace(" ", "").partition("->")
    assert arrow, "write the result's letters down"
    words = left.split(",")
    hidden = [one.dim() - len(word.replace(_ELLIPSIS, "")) for word, one in zip(words, operands, strict=True)]
    most = max(hidden)
    inputs = [word.replace(_ELLIPSIS, _DIGITS[most - own : most]) for word, own in zip(words, hidden, strict=True)]
    return inputs, output.replace(_ELLIPSIS, _DIGITS[:most])
