"""FLOPs: formulas, the table of ops that count as 0, and the counter that meets every op at dispatch."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from torch._ops import HigherOrderOperator, OpOverload, OpOverloadPacket

from layerprof.flops import (
    attention,
    convolution,
    distance,
    fourier,
    fused,
    grouped,
    matmul,
    quantized,
    recurrent,
    sparse,
)
from layerprof.flops.base import Formula
from layerprof.flops.counter import FlopCounter
from layerprof.flops.custom import ShapeFormula, as_formula, op_name
from layerprof.flops.nested import over_components
from layerprof.flops.zero import ZERO_OPS

if TYPE_CHECKING:
    from torch._library.custom_ops import CustomOpDef

__all__ = ["ZERO_OPS", "FlopCounter", "make_counter", "register_flops"]

_DENSE: dict[str, Formula] = {
    **matmul.FORMULAS,
    **grouped.FORMULAS,
    **quantized.FORMULAS,
    **convolution.FORMULAS,
    **attention.FORMULAS,
    **fused.FORMULAS,
    **recurrent.FORMULAS,
    **distance.FORMULAS,
    **fourier.FORMULAS,
    **sparse.FORMULAS,
}
_BUILT_IN: dict[str, Formula] = {
    name: over_components(sparse.unless_sparse(name, formula)) for name, formula in _DENSE.items()
}
_REGISTERED: dict[str, Formula] = {}  # lives as long as the ops it is about: torch.ops is process-wide too


def register_flops(
    op: OpOverload | OpOverloadPacket | HigherOrderOperator | CustomOpDef | str, formula: ShapeFormula
) -> None:
    """Has ``op`` counted by ``formula`` from now on, in this process; a later call for the same op replaces it.

    Args:
        op: ``torch.ops.library.name``, one of its overloads, what ``torch.library.custom_op`` and ``triton_op`` make of
            a function, a higher-order op, or ``"library::name"``.
        formula: gets the op's arguments with every tensor replaced by its shape (a tuple), and ``out_shape`` if it
            takes one. It returns FLOPs, a multiply-add being two; a pair of them, dense and causal; or None for "not
            known here", which lists the op as uncounted.

    Raises:
        InputError: when ``op`` names no op of a library that is there (one that is not may be imported later), or
            ``formula`` cannot be called. What a formula gives is checked when it is asked: a number that is negative
            or not whole is a ``MeasurementError`` of the count.

    Limits:
        A Triton kernel that is launched by itself is no op, and cannot be seen: wrap it by ``torch.library.triton_op``
        (or ``custom_op``), and register that.
    """
    _REGISTERED[op_name(op)] = as_formula(formula)


def make_counter(where: Callable[[], int], describe: Callable[[int], str] = lambda place: "") -> FlopCounter:
    """A counter with our formulas and the registered ones, which come first.

    Args:
        where: the number of the place (call path and phase) at this moment, negative under no layer.
        describe: what a place is, in words that errors end with.
    """
    formulas = {**_BUILT_IN, **_REGISTERED}
    return FlopCounter(where, formulas=formulas, zero_ops=ZERO_OPS, describe=describe)
