"""The conventions that all formulas share."""

from __future__ import annotations

import torch
from flop_counts import counted, flops_of
from torch import nn
from torch.nn import functional


def ones(*shape: int) -> torch.Tensor:
    return torch.ones(*shape)


def test_softmax_scaling_bias_and_elementwise_work_are_nothing() -> None:
    x = torch.randn(4, 6)

    assert flops_of(lambda: functional.layer_norm((x * 3 + x.sum()).softmax(-1).sigmoid(), (6,))) == 0


def test_inference_mode_counts_what_no_grad_counts() -> None:
    def function() -> object:
        x = functional.linear(ones(4, 2, 8), ones(8, 8), ones(8))
        x = functional.scaled_dot_product_attention(x, x, x)
        return functional.conv1d(x, ones(3, 2, 3)) @ ones(6, 4)

    with torch.inference_mode():
        under_inference = counted(function)
    with torch.no_grad():
        under_no_grad = counted(function)

    assert under_inference.total == under_no_grad.total > 0
    assert under_inference.uncounted == under_no_grad.uncounted == {}


def test_the_dtype_and_the_layout_change_nothing() -> None:
    a, b = ones(6, 4), ones(4, 6)

    assert flops_of(lambda: a.bfloat16() @ b.bfloat16()) == flops_of(lambda: b.T @ a.T) == flops_of(lambda: a @ b)


def test_what_is_elementwise_stays_nothing_when_it_multiplies_and_sums() -> None:
    x = torch.randn(4, 6)

    assert flops_of(lambda: (x * x).sum(1)) == flops_of(lambda: functional.cosine_similarity(x, x)) == 0
    assert flops_of(lambda: torch.outer(x[0], x[1])) == flops_of(lambda: torch.linalg.vecdot(x, x)) == 0


def test_a_chain_of_products_counts_each_of_those_that_torch_takes() -> None:
    a, b, c = ones(2, 3), ones(3, 4), ones(4, 5)
    products = 2 * (2 * 3 * 4 + 2 * 4 * 5)

    assert flops_of(lambda: torch.linalg.multi_dot([a, b, c])) == products
    assert flops_of(lambda: torch.einsum("ij,jk,kl->il", a, b, c)) == products


def test_a_point_of_an_affine_grid_is_its_place_times_a_matrix() -> None:
    theta = torch.randn(3, 2, 3, requires_grad=True)
    points = 3 * 4 * 5

    forward = counted(lambda: functional.affine_grid(theta, [3, 1, 4, 5], align_corners=False))
    backward = counted(lambda: functional.affine_grid(theta, [3, 1, 4, 5], align_corners=False).sum().backward())

    assert forward.total == 2 * points * 2 * 3
    assert backward.total == 2 * forward.total


def test_a_layer_frozen_in_training_takes_no_gradient_of_its_weights() -> None:
    layer, x = nn.Linear(4, 6), torch.randn(2, 4, requires_grad=True)
    layer.weight.requires_grad_(False)

    counter = counted(lambda: layer(x).sum().backward())

    assert counter.total == 2 * (2 * 2 * 4 * 6)
