"""FLOPs of products of scaled narrow numbers, and of grouped products, in which each group of rows has its own weights.

Derivation: a row meets the weights of its own group alone, so a matrix of all rows costs what one product with one
group's weights would: 2·rows·inner·columns. Where both sides have a dimension for the groups it is a batched product;
where neither has one the groups cut the inner dimension, and the pieces add up to the whole.
Two 4-bit
numbers share an element, along the inner dimension of both sides. Scales are elementwise, and 0. Source: the four cases
of torch's ``torch.nn.functional.grouped_mm``; torch's dtype ``float4_e2m1fn_x2``.

Limits: where the groups end is data (``offs``). The formulas take it that they fill the matrix, as torch's own layouts
do; rows behind the last group, which kernels skip, are counted.
"""

from __future__ import annotations

from math import prod

import torch

from layerprof.flops.base import Flops, Formula, OpCall, shape_of

_WITH_GROUPS = 3  # dimensions of a side that has one for the groups


def grouped_mm(call: OpCall) -> Flops:
    """Of ``_scaled_mm(a, b, ...)``, and of ``_grouped_mm(a, b, ...)``, whose sides may have a dimension for the groups.

    Shape:
        a: (rows, inner) or (groups, rows, inner), b: (inner, columns) or (groups, inner, columns)
    """
    left, right = call.shape(0), call.shape(1)
    *_, rows, inner = left
    batch = left[0] if len(left) == len(right) == _WITH_GROUPS else 1
    return Flops.same(2 * batch * rows * inner * _numbers_in_one(call.args[0]) * right[-1])


def _numbers_in_one(operand: object) -> int:
    """How many numbers an element stands for: two 4-bit ones share a byte."""
    packed = getattr(torch, "float4_e2m1fn_x2", None)
    return 2 if packed is not None and isinstance(operand, torch.Tensor) and operand.dtype == packed else 1


def experts(call: OpCall) -> Flops:
    """Of transformers' ``grouped_mm_fallback(input, weight, offs)``.

    Shape:
        input: (rows, inner), weight: (groups, inner, columns)
    """
    return Flops.same(2 * prod(call.shape(0)) * call.shape(1)[-1])


def experts_backward(call: OpCall) -> Flops:
    """Of its backward, ``(input, weight, offs, gradient)``, which computes both gradients."""
    return Flops.same(2 * 2 * prod(call.shape(0)) * shape_of(call.named["weight"])[-1])


_GROUPED = "aten._scaled_mm aten._scaled_mm_v2 aten._grouped_mm aten._scaled_grouped_mm aten._scaled_grouped_mm_v2"
FORMULAS: dict[str, Formula] = {
    **dict.fromkeys(_GROUPED.split(), grouped_mm),
    "transformers.grouped_mm_fallback": experts,
    "transformers.grouped_mm_fallback_backward": experts_backward,
}
