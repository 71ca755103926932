"""FLOPs of matrix products: 2·rows·inner·columns for every pair that is multiplied.

Source: each of the rows·columns outputs is a dot product of length ``inner``, that many multiplies and adds
(G. H. Golub, C. F. Van Loan, Matrix Computations, 4th ed., section 1.1.11). The addition of a bias or of the ``C`` in
``C + A B`` is 0 by convention.
"""

from __future__ import annotations

from math import prod

from layerprof.flops.base import Flops, Formula, OpCall, matmul_flops


def mm(call: OpCall) -> Flops:
    """Of ``mm(a, b)``.

    Shape:
        a: (rows, inner), b: (inner, columns)
    """
    return _product(call, 0)


def addmm(call: OpCall) -> Flops:
    """Of ``addmm(c, a, b)``: as ``mm(a, b)``.

    Shape:
        a: (rows, inner), b: (inner, columns)
    """
    return _product(call, 1)


def bmm(call: OpCall) -> Flops:
    """Of ``bmm(a, b)``.

    Shape:
        a: (batch, rows, inner), b: (batch, inner, columns)
    """
    return _product(call, 0)


def baddbmm(call: OpCall) -> Flops:
    """Of ``baddbmm(c, a, b)``: as ``bmm(a, b)``.

    Shape:
        a: (batch, rows, inner), b: (batch, inner, columns)
    """
    return _product(call, 1)


def addbmm(call: OpCall) -> Flops:
    """Of ``addbmm(c, a, b)``: as ``bmm(a, b)``; the sum over the batch goes into the same multiply-adds.

    Shape:
        a: (batch, rows, inner), b: (batch, inner, columns)
    """
    return _product(call, 1)


def _product(call: OpCall, first: int) -> Flops:
    *batch, rows, inner = call.shape(first)
    return Flops.same(matmul_flops(tuple(batch), rows, inner, call.shape(first + 1)[-1]))


def mv(call: OpCall) -> Flops:
    """Of ``mv(a, x)``.

    Shape:
        a: (rows, inner), x: (inner,)
    """
    return Flops.same(2 * prod(call.shape(0)))


def addmv(call: OpCall) -> Flops:
    """Of ``addmv(c, a, x)``: as ``mv(a, x)``.

    Shape:
        a: (rows, inner), x: (inner,)
    """
    return Flops.same(2 * prod(call.shape(1)))


def dot(call: OpCall) -> Flops:
    """Of ``dot(x, y)``.

    Shape:
        x, y: (inner,)
    """
    return Flops.same(2 * prod(call.shape(0)))


def addr(call: OpCall) -> Flops:
    """Of ``addr(c, x, y)``, the outer product: one multiply-add for each output.

    Shape:
        x: (rows,), y: (columns,)
    """
    return Flops.same(2 * prod(call.shape(1)) * prod(call.shape(2)))


def linear(call: OpCall) -> Flops:
    """Of ``linear(x, weight)`` where it is dispatched whole.

    Shape:
        x: (..., inner), weight: (columns, inner)
    """
    return Flops.same(2 * prod(call.shape(0)) * call.shape(1)[0])


FORMULAS: dict[str, Formula] = {
    "aten.mm": mm,
    "aten.addmm": addmm,
    "aten._addmm_activation": addmm,
    "aten.bmm": bmm,
    "aten.baddbmm": baddbmm,
    "aten.addbmm": addbmm,
    "aten.mv": mv,
    "aten.addmv": addmv,
    "aten.dot": dot,
    "aten.vdot": dot,
    "aten.addr": addr,
    "aten.linear": linear,
    "aten.mkldnn_linear": linear,
    "aten._int_mm": mm,
    "aten._scaled_mm": mm,
}
