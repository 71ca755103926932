"""Backward passes against what their definition needs: one product for each gradient that is asked for."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.attention import SDPBackend, sdpa_kernel

from layerprof.flops import make_counter

PAIRS = 2 * 3 * 5 * 7  # batch, heads, queries, keys
WIDTH = 8


def counts(run: Callable[[], Tensor]) -> tuple[int, int]:
    """FLOPs of the forward pass, and of the backward pass alone."""
    forward, backward = make_counter(lambda: -1), make_counter(lambda: -1)
    with forward:
        result = run()
    with backward:
        result.sum().backward()
    assert forward.uncounted == backward.uncounted == {}
    return forward.total, backward.total


CONVOLUTIONS: dict[str, Callable[[], nn.Module]] = {
    "plain": lambda: nn.Conv2d(4, 6, 3),
    "strided and padded": lambda: nn.Conv2d(4, 6, 3, stride=2, padding=1),
    "dilated": lambda: nn.Conv2d(4, 6, 3, dilation=2),
    "grouped": lambda: nn.Conv2d(4, 6, 3, groups=2),
    "transposed": lambda: nn.ConvTranspose2d(4, 6, 3, stride=2),
    "transposed and grouped": lambda: nn.ConvTranspose2d(4, 6, 3, groups=2),
}


@pytest.mark.parametrize("make", CONVOLUTIONS.values(), ids=CONVOLUTIONS)
def test_a_convolutions_two_gradients_cost_as_much_as_its_result_each(make: Callable[[], nn.Module]) -> None:
    layer, x = make(), torch.randn(2, 4, 9, 9, requires_grad=True)

    forward, backward = counts(lambda: layer(x))

    assert backward == 2 * forward > 0


@pytest.mark.parametrize("make", CONVOLUTIONS.values(), ids=CONVOLUTIONS)
def test_a_gradient_that_is_not_asked_for_costs_nothing(make: Callable[[], nn.Module]) -> None:
    layer, x = make(), torch.randn(2, 4, 9, 9)

    forward, backward = counts(lambda: layer(x))

    assert backward == forward > 0


def test_a_linear_layers_two_gradients_cost_as_much_as_its_result_each() -> None:
    layer, x = nn.Linear(4, 6), torch.randn(2, 3, 4, requires_grad=True)

    forward, backward = counts(lambda: layer(x))

    assert (forward, backward) == (2 * 6 * 4 * 6, 2 * forward)


def attention(*, is_causal: bool = False) -> Tensor:
    query = torch.randn(2, 3, 5, WIDTH, requires_grad=True)
    key, value = (torch.randn(2, 3, 7, WIDTH, requires_grad=True) for _ in range(2))
    return functional.scaled_dot_product_attention(query, key, value, is_causal=is_causal)


def test_attention_by_products_has_a_gradient_for_each_operand() -> None:
    with sdpa_kernel(SDPBackend.MATH):
        forward, backward = counts(attention)

    assert forward == 2 * PAIRS * 2 * WIDTH  # scores, and their sum of values
    assert backward == 2 * PAIRS * 4 * WIDTH  # dQ, dK, dV and the gradient of the weights


def test_fused_attention_computes_its_scores_again() -> None:
    forward, backward = counts(attention)

    assert forward == 2 * PAIRS * 2 * WIDTH
    assert backward == 2 * PAIRS * 5 * WIDTH  # the four above, and the scores


def test_the_triangle_of_causal_attention_goes_through_its_gradients() -> None:
    counter = make_counter(lambda: -1)
    kept = sum(1 for query in range(5) for key in range(7) if key <= query) * 2 * 3

    with counter:
        attention(is_causal=True).sum().backward()

    assert counter.total == 2 * PAIRS * 7 * WIDTH
    assert counter.causal_total == 2 * kept * 7 * WIDTH
