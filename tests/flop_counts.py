"""Counting a function's FLOPs, by the counter and op by op by hand: what the tests of the formulas share."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from layerprof import flops
from layerprof.flops import FlopCounter, make_counter
from layerprof.flops.base import Flops, OpCall

NOWHERE = -1
MULTIPLY_AND_ADD = 2


def counted(function: Callable[[], object]) -> FlopCounter:
    """The counter after it has stood around one call."""
    counter = make_counter(lambda: NOWHERE)
    with counter:
        function()
    return counter


def flops_of(function: Callable[[], object]) -> int:
    """FLOPs of one call without gradients, of which nothing may be left out."""
    with torch.no_grad():
        counter = counted(function)
    assert counter.uncounted == {}
    return counter.total


def training_flops(run: Callable[[], Tensor]) -> tuple[int, int]:
    """FLOPs of the forward pass, and of the backward pass alone."""
    forward, backward = make_counter(lambda: NOWHERE), make_counter(lambda: NOWHERE)
    with forward:
        result = run()
    loss = result.abs().sum()
    with backward:
        loss.backward()
    assert forward.uncounted == backward.uncounted == {}
    return forward.total, backward.total


def by_hand(name: str, *args: object, output: object = None, **named: object) -> Flops | None:
    """What the formula says to an op that this machine need not have: its arguments, in order and by name.

    Args:
        name: of the op, ``library.op``.
        args: those that are found by their position.
        output: what the op would return.
        named: those that are found by name.
    """
    places = {str(place): value for place, value in enumerate(args)}
    return flops._BUILT_IN[name](OpCall(args, {**places, **named}, output))


def shaped(*sizes: int, dtype: torch.dtype = torch.float32) -> Tensor:
    """A tensor of which only the shape can be read."""
    return torch.empty(sizes, dtype=dtype, device="meta")
