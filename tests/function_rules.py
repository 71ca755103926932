"""What each torch function costs by the definition of what it computes, forward and backward.

Forward, a rule reads the result where layerprof's formulas read the operands: every element of a product's result took
``inner`` multiplies and as many adds. Backward, each operand that needs a gradient costs as much again, for that is a
product of the same three lengths; but where that product has nothing to sum over it is elementwise and counts 0.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import torch
from function_einsum import einsum
from function_layers import attention, gated, lstm, multi_head_attention
from function_work import FunctionCall, Rule, Work, of_product
from torch import Tensor
from torch.nn import functional

_LEFT = ("input", "mat1", "batch1")
_RIGHT = ("weight", "other", "mat2", "vec", "batch2", "tensor")


def _product(left_at: int = 0) -> Rule:
    """Of a product whose operands stand side by side: the length of the left one's rows is summed over."""

    def rule(call: FunctionCall) -> Work:
        return _of_pair(call.result, _operand(call, left_at, _LEFT), _operand(call, left_at + 1, _RIGHT))

    return rule


def _operand(call: FunctionCall, position: int, names: Sequence[str]) -> Tensor:
    """By position, or by the one of those names that the function has for it."""
    given: Iterator[Tensor | None] = (call.get(position, name) for name in names)
    return next(one for one in given if one is not None)


def _of_pair(result: Tensor, left: Tensor, right: Tensor) -> Work:
    flops = 2 * result.numel() * int(left.shape[-1])
    if right.dim() > 1:
        return of_product(flops, left, right)
    if left.dim() == 1:  # both gradients of a product of two vectors are a number times a vector
        return Work(flops, 0)
    return of_product(flops, right)  # the matrix's gradient is an outer product: there is nothing to sum over


def _reflected_product(call: FunctionCall) -> Work:
    return _of_pair(call.result, call.args[1], call.args[0])


def _tensordot(call: FunctionCall) -> Work:
    left, right, dims = call.args[0], call.args[1], call.get(2, "dims", 2)
    assert not isinstance(dims, int), "name the dimensions"
    inner = math.prod(left.shape[dim] for dim in dims[0])
    return of_product(2 * call.result.numel() * inner, left, right)


def _convolution(call: FunctionCall) -> Work:
    source, weight = call.get(0, "input"), call.get(1, "weight")
    return of_product(2 * call.result.numel() * int(weight[0].numel()), source, weight)


def _transposed_convolution(call: FunctionCall) -> Work:
    source, weight = call.get(0, "input"), call.get(1, "weight")
    return of_product(2 * source.numel() * int(weight[0].numel()), source, weight)


def _distances(call: FunctionCall) -> Work:
    """Of all pairs, for every coordinate a multiply and an add, as in the product that most of it is."""
    left, right = call.args[:2]
    return of_product(2 * call.result.numel() * left.shape[-1], left, right)


def _bilinear(call: FunctionCall) -> Work:
    """y = aᵀ W b for each output: W with the one, and the result with the other."""
    assert not call.result.requires_grad, "its gradients are taken in an order of their own"
    left, _, weight = call.args[:3]
    rows = left.numel() // left.shape[-1]
    outputs, _, width = weight.shape
    return Work(2 * rows * (weight.numel() + outputs * width), 0)


def _grouped_product(call: FunctionCall) -> Work:
    """Each row meets the matrix of its group alone."""
    rows, matrices = call.args[:2]
    assert (rows.dim(), matrices.dim()) == (2, 3)
    return of_product(2 * call.result.numel() * int(rows.shape[-1]), rows, matrices)


def _transform(call: FunctionCall) -> Work:
    """Of a complex transform, as of a real one that is taken for it: 5 n log₂ n for n points."""
    source, dims = call.args[0], call.get(2, "dim")
    points = math.prod(source.shape[dim] for dim in dims)
    flops = round(5 * source.numel() * math.log2(points))
    return Work(flops, flops * source.requires_grad)


RULES: Mapping[Callable[..., Any], Rule] = {
    functional.linear: _product(),
    torch.matmul: _product(),
    torch.mm: _product(),
    torch.bmm: _product(),
    torch.mv: _product(),
    torch.dot: _product(),
    torch.addmm: _product(1),
    torch.baddbmm: _product(1),
    Tensor.matmul: _product(),
    Tensor.__matmul__: _product(),
    Tensor.__rmatmul__: _reflected_product,
    Tensor.mm: _product(),
    Tensor.bmm: _product(),
    Tensor.addmm: _product(1),
    Tensor.baddbmm: _product(1),
    torch.tensordot: _tensordot,
    torch.cdist: _distances,
    functional.bilinear: _bilinear,
    torch.bilinear: _bilinear,
    functional.conv1d: _convolution,
    functional.conv2d: _convolution,
    functional.conv3d: _convolution,
    functional.conv_transpose1d: _transposed_convolution,
    functional.conv_transpose2d: _transposed_convolution,
    functional.conv_transpose3d: _transposed_convolution,
    functional.scaled_dot_product_attention: attention,
    functional.multi_head_attention_forward: multi_head_attention,
    functional.grouped_mm: _grouped_product,
    torch._grouped_mm: _grouped_product,
    torch.einsum: einsum,
    torch.lstm: lstm,
    torch.gru: gated,
    torch.rnn_tanh: gated,
    torch.rnn_relu: gated,
    torch.fft.fftn: _transform,
}

# A function with one of these in its name, and without a rule, fails the count: it may hide products.
SUSPECT = (
    *("mm", "matmul", "conv", "dot", "mv", "einsum", "inner", "outer", "chain", "kron", "dist", "corr", "cov"),
    *("attention", "lstm", "gru", "rnn", "bilinear", "fft", "stft", "linalg", "solve", "addr", "inverse"),
)
