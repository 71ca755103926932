"""FLOPs: formulas, the table of ops that count as 0, and the counter that meets every op at dispatch."""

from __future__ import annotations

from collections.abc import Callable

from torch._ops import OpOverload, OpOverloadPacket

from layerprof.flops import attention, convolution, fused, matmul
from layerprof.flops.base import Formula
from layerprof.flops.counter import FlopCounter
from layerprof.flops.custom import ShapeFormula, as_formula, op_name
from layerprof.flops.zero import ZERO_OPS

__all__ = ["ZERO_OPS", "FlopCounter", "make_counter", "register_flops"]

_BUILT_IN: dict[str, Formula] = {
    **matmul.FORMULAS,
    **convolution.FORMULAS,
    **attention.FORMULAS,
    **fused.FORMULAS,
}
_REGISTERED: dict[str, Formula] = {}  # lives as long as the ops it is about: torch.ops is process-wide too


def register_flops(op: OpOverload | OpOverloadPacket | str, formula: ShapeFormula) -> None:
    """Has ``op`` counted by ``formula`` from now on, in this process; a later call for the same op replaces it.

    Args:
        op: ``torch.ops.library.name``, one of its overloads, or ``"library::name"``.
        formula: gets the op's arguments with every tensor replaced by its shape (a tuple), and ``out_shape`` if it
            takes one; returns FLOPs, a multiply-add being two.

    Raises:
        InputError: when ``op`` names no op or ``formula`` cannot be called.
    """
    _REGISTERED[op_name(op)] = as_formula(formula)


def make_counter(where: Callable[[], int]) -> FlopCounter:
    """A counter with our formulas and the registered ones, which come first.

    Args:
        where: the number of the place (call path and phase) at this moment, negative under no layer.
    """
    return FlopCounter(where, formulas={**_BUILT_IN, **_REGISTERED}, zero_ops=ZERO_OPS)
