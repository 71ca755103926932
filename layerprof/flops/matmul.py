"""FLOPs of matrix products: 2·rows·inner·columns for every pair that is multiplied, four times that for complex ones.

Derivation: each of the rows·columns outputs is a dot product of length ``inner``, that many multiplies and adds. A
gradient is a product of the same three sizes, so it costs what the result did. The addition of a bias or of the ``C``
in ``C + A B`` is 0 by convention. A trilinear form is two products, one after the other, in the order torch takes
them. Source: G. H. Golub, C. F. Van Loan, Matrix Computations (4th ed.), section 1.1.11; the forms of the ops are
those of torch's ``native_functions.yaml``.

Limits: an outer product or a dot product that is written as an elementwise multiplication (``outer``, ``kron``,
``linalg.vecdot``) is elementwise work, and 0.
"""

from __future__ import annotations

from math import prod

from layerprof.flops.base import Flops, Formula, OpCall, Shape, matmul_flops, shape_of


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
    flops = matmul_flops(tuple(batch), rows, inner, call.shape(first + 1)[-1])
    return Flops.same(call.multiplier(first) * flops)


def mv(call: OpCall) -> Flops:
    """Of ``mv(a, x)``.

    Shape:
        a: (rows, inner), x: (inner,)
    """
    return Flops.same(call.multiplier(0) * 2 * prod(call.shape(0)))


def addmv(call: OpCall) -> Flops:
    """Of ``addmv(c, a, x)``: as ``mv(a, x)``.

    Shape:
        a: (rows, inner), x: (inner,)
    """
    return Flops.same(call.multiplier(1) * 2 * prod(call.shape(1)))


def dot(call: OpCall) -> Flops:
    """Of ``dot(x, y)``.

    Shape:
        x, y: (inner,)
    """
    return Flops.same(call.multiplier(0) * 2 * prod(call.shape(0)))


def addr(call: OpCall) -> Flops:
    """Of ``addr(c, x, y)``, the outer product: one multiply-add for each output.

    Shape:
        x: (rows,), y: (columns,)
    """
    return Flops.same(call.multiplier(1) * 2 * prod(call.shape(1)) * prod(call.shape(2)))


def matmul(call: OpCall) -> Flops:
    """Of ``matmul(a, b)`` where it is dispatched whole: every output is a dot product.

    Shape:
        a: (..., rows, inner) or (inner,), b: (..., inner, columns) or (inner,)
    """
    return Flops.same(call.multiplier(0) * 2 * prod(call.output_shape()) * call.shape(0)[-1])


def matmul_backward(call: OpCall) -> Flops:
    """Of ``matmul_backward(gradient, a, b, mask)``: a product for each gradient asked for."""
    forward = call.multiplier(0) * 2 * prod(call.shape(0)) * call.shape(1)[-1]
    return Flops.same(forward * _asked(call, "mask"))


def linear(call: OpCall) -> Flops:
    """Of ``linear(x, weight)`` where it is dispatched whole.

    Shape:
        x: (..., inner), weight: (columns, inner)
    """
    return Flops.same(call.multiplier(0) * _linear_flops(call.shape(0), call.shape(1)))


def linear_backward(call: OpCall) -> Flops:
    """Of ``linear_backward(x, gradient, weight, output_mask)``: a product for each gradient asked for."""
    forward = call.multiplier(0) * _linear_flops(call.shape(0), call.shape(2))
    return Flops.same(forward * _asked(call, "output_mask"))


def linear_backward_input(call: OpCall) -> Flops:
    """Of ``mkldnn_linear_backward_input(size, gradient, weight)``: as much as forward."""
    return Flops.same(2 * prod(call.shape(1)) * call.shape(2)[-1])


def linear_backward_weights(call: OpCall) -> Flops:
    """Of ``mkldnn_linear_backward_weights(gradient, x, weight, ...)``: as much as forward."""
    return Flops.same(_linear_flops(call.shape(1), call.shape(2)))


def _linear_flops(x: Shape, weight: Shape) -> int:
    return 2 * prod(x) * prod(weight[:-1])


def _asked(call: OpCall, mask_name: str) -> int:
    """For how many of the two operands a gradient is asked for; an entry for the bias costs nothing."""
    mask = call.named.get(mask_name)
    return sum(bool(wanted) for wanted in mask[:2]) if isinstance(mask, list | tuple) else 2


def trilinear(call: OpCall) -> Flops:
    """Of ``_trilinear(a, b, c, ...)``, the sum of a·b·c over some dimensions, with which ``bilinear`` is computed.

    torch multiplies a and b first, summing over what c lacks (where c has the dimension it is there again), and then by
    c. Every element of the space that
    each of the two products goes through is one multiply-add.

    Shape:
        a, b, c: the same dimensions, once those that they lack (``expand1`` to ``expand3``) are put in with length 1
    """
    operands = [_expanded(call.shape(i), call.named[f"expand{i + 1}"]) for i in range(3)]
    summed = {int(dim) for dim in _items(call.named["sumdim"])}
    first = [max(pair) for pair in zip(operands[0], operands[1], strict=True)]
    kept = [1 if dim in summed else size for dim, size in enumerate(first)]
    second = [max(pair) for pair in zip(kept, operands[2], strict=True)]
    return Flops.same(call.multiplier(0) * 2 * (prod(first) + prod(second)))


def _expanded(shape: Shape, lacking: object) -> list[int]:
    expanded = list(shape)
    for dim in _items(lacking):
        expanded.insert(int(dim), 1)
    return expanded


def _items(value: object) -> list[int]:
    return list(value) if isinstance(value, list | tuple) else []


def affine_grid(call: OpCall) -> Flops:
    """Of ``affine_grid_generator(theta, ...)``: each point of the grid times the matrix of its picture.

    Shape:
        theta: (batch, dimensions, dimensions + 1), output: (batch, *positions, dimensions)
    """
    return Flops.same(2 * prod(call.output_shape()) * call.shape(0)[-1])


def affine_grid_backward(call: OpCall) -> Flops:
    """Of ``cudnn_affine_grid_generator_backward(gradient, ...)``: as much as forward."""
    *_, dimensions = call.shape(0)
    return Flops.same(2 * prod(call.shape(0)) * (dimensions + 1))


def foreach_mm(call: OpCall) -> Flops:
    """Of ``_foreach_mm(list of a, list of b)``: the sum of their products."""
    left, right = (_tensors(call.args[i]) for i in (0, 1))
    return Flops.same(sum(2 * prod(shape_of(a)) * shape_of(b)[-1] for a, b in zip(left, right, strict=True)))


def _tensors(value: object) -> list[object]:
    return list(value) if isinstance(value, list | tuple) else []


FORMULAS: dict[str, Formula] = {
    **dict.fromkeys(("aten.mm", "aten._int_mm"), mm),
    **dict.fromkeys(("aten.addmm", "aten.addmm_", "aten._addmm_activation"), addmm),
    "aten.bmm": bmm,
    **dict.fromkeys(("aten.baddbmm", "aten.baddbmm_"), baddbmm),
    **dict.fromkeys(("aten.addbmm", "aten.addbmm_"), addbmm),
    "aten.mv": mv,
    **dict.fromkeys(("aten.addmv", "aten.addmv_"), addmv),
    **dict.fromkeys(("aten.dot", "aten.vdot"), dot),
    **dict.fromkeys(("aten.addr", "aten.addr_"), addr),
    "aten.matmul": matmul,
    "aten.matmul_backward": matmul_backward,
    **dict.fromkeys(("aten.linear", "aten.mkldnn_linear"), linear),
    **dict.fromkeys(("aten.linear_backward", "aten.mkldnn_linear_backward"), linear_backward),
    "aten.mkldnn_linear_backward_input": linear_backward_input,
    "aten.mkldnn_linear_backward_weights": linear_backward_weights,
    "aten._trilinear": trilinear,
    **dict.fromkeys(("aten.affine_grid_generator", "aten.cudnn_affine_grid_generator"), affine_grid),
    "aten.cudnn_affine_grid_generator_backward": affine_grid_backward,
    **dict.fromkeys(("aten._foreach_mm", "_native._foreach_mm_native_0"), foreach_mm),
}
