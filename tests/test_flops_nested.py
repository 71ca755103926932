"""Ragged batches count as their components do, one after the other."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from flop_counts import MULTIPLY_AND_ADD, by_hand, counted, flops_of, shaped
from torch import Tensor, nn
from torch.nn import functional

import layerprof as lp

pytestmark = pytest.mark.filterwarnings("ignore:The PyTorch API of nested tensors:UserWarning")

LENGTHS = (3, 5)
WIDTH, COLUMNS = 8, 4


def components(*before: int) -> list[Tensor]:
    return [torch.ones(*before, length, WIDTH) for length in LENGTHS]


def ragged(parts: list[Tensor], *, layout: torch.layout = torch.strided, requires_grad: bool = False) -> Tensor:
    return torch.nested.nested_tensor(parts, layout=layout, requires_grad=requires_grad)


def total(function: Callable[[Tensor], object], parts: list[Tensor]) -> int:
    return sum(flops_of(lambda part=part: function(part)) for part in parts)  # type: ignore[misc]  # bound at once


@pytest.mark.parametrize("layout", [torch.strided, torch.jagged])
def test_a_linear_layer_of_a_ragged_batch(layout: torch.layout) -> None:
    layer = nn.Linear(WIDTH, COLUMNS)

    assert flops_of(lambda: layer(ragged(components(), layout=layout))) == total(layer, components()) > 0


def test_a_ragged_batch_can_be_profiled_and_is_described() -> None:
    layer, x = nn.Linear(WIDTH, COLUMNS), ragged(components())

    profile = lp.profile(layer, x, passes=("flops",), warmup=0, repeats=1)

    assert profile.step_flops == total(layer, components())
    assert profile.spec.inputs == (("0", f"float32[{len(LENGTHS)}, *, {WIDTH}]"),)


@pytest.mark.parametrize("layout", [torch.strided, torch.jagged])
def test_training_a_linear_layer_of_a_ragged_batch_takes_three_products(layout: torch.layout) -> None:
    layer = nn.Linear(WIDTH, COLUMNS)
    x = ragged(components(), layout=layout, requires_grad=True)

    counter = counted(lambda: torch.nested.to_padded_tensor(layer(x), 0.0).sum().backward())

    assert counter.uncounted == {}
    assert counter.total == 3 * total(layer, components())


def test_products_of_two_ragged_batches() -> None:
    parts = components()
    x, other = ragged(parts), ragged([part.T for part in parts])
    expected = total(lambda part: part @ part.T, parts)

    assert flops_of(lambda: torch.bmm(x, other)) == flops_of(lambda: x @ other) == expected > 0


def test_a_product_of_a_ragged_batch_and_a_matrix() -> None:
    weight = torch.ones(WIDTH, COLUMNS)

    found = flops_of(lambda: ragged(components(), layout=torch.jagged) @ weight)

    assert found == total(lambda part: part @ weight, components()) > 0


@pytest.mark.parametrize("heads", [1, 2])
def test_attention_within_each_sequence_of_a_ragged_batch(heads: int) -> None:
    parts = components(heads)
    x = ragged(parts)

    def attention(part: Tensor) -> Tensor:
        batch = part if part.is_nested else part[None]
        return functional.scaled_dot_product_attention(batch, batch, batch)

    assert flops_of(lambda: attention(x)) == total(attention, parts) > 0


@pytest.mark.parametrize("heads", [1, 2])
def test_attention_within_each_sequence_of_a_jagged_batch(heads: int) -> None:
    parts = [torch.ones(length, heads, WIDTH) for length in LENGTHS]
    query = ragged(parts, layout=torch.jagged).transpose(1, 2)

    found = flops_of(lambda: functional.scaled_dot_product_attention(query, query, query))

    pairs = sum(length * length for length in LENGTHS)
    assert found == MULTIPLY_AND_ADD * heads * pairs * (WIDTH + WIDTH)


VIEWS: dict[str, Callable[[Tensor], Tensor]] = {
    "flatten": lambda x: x.flatten(2),
    "reshape": lambda x: x.reshape(x.shape[0], -1, 2 * WIDTH),
    "unflatten": lambda x: x.unflatten(3, (2, WIDTH // 2)),
}


@pytest.mark.parametrize("grad_mode", [torch.no_grad, torch.inference_mode])
@pytest.mark.parametrize("name", VIEWS)
def test_a_view_of_a_jagged_batch_costs_nothing(name: str, grad_mode: Callable[[], torch.no_grad]) -> None:
    x = ragged([torch.ones(length, 2, WIDTH) for length in LENGTHS], layout=torch.jagged)

    with grad_mode():
        counter = counted(lambda: VIEWS[name](x))

    assert (counter.total, counter.total_bytes) == (0, 0)
    assert counter.uncounted == {}
    assert counter.unsized == set()


def test_a_jagged_batch_that_meets_fakes_counts_the_tokens_that_are_there() -> None:
    layer, x = nn.Linear(WIDTH, COLUMNS), ragged(components(), layout=torch.jagged)
    model = nn.Sequential(layer)

    report = lp.count_flops(model, call=lambda: model(x))

    assert report.total == total(layer, components())
    assert report.uncounted == ()


def test_fused_attention_of_a_ragged_batch_is_causal_in_each_sequence() -> None:
    x = ragged(components(2))

    found = by_hand("aten._scaled_dot_product_efficient_attention", x, x, x, is_causal=True)

    each = [
        by_hand("aten._scaled_dot_product_efficient_attention", *[shaped(*part.shape)] * 3, is_causal=True)
        for part in components(2)
    ]
    assert found is not None
    assert found.dense == sum(one.dense for one in each if one is not None)
    assert found.causal == sum(one.causal for one in each if one is not None) < found.dense


def test_a_padded_batch_that_torch_makes_ragged_counts_the_tokens_that_are_there() -> None:
    layer = nn.TransformerEncoderLayer(WIDTH, 2, 16, batch_first=True)
    model = nn.TransformerEncoder(layer, 2).eval()
    padding = torch.tensor([[False] * 3 + [True] * 2, [False] * 5])

    found = flops_of(lambda: model(torch.ones(2, 5, WIDTH), src_key_padding_mask=padding))

    assert found == total(lambda part: model(part[None]), components()) > 0


def test_ragged_batches_that_do_not_pair_up_are_not_known() -> None:
    two, three = ragged(components()), ragged([*components(), torch.ones(1, WIDTH)])

    assert by_hand("aten.bmm", two, three) is None
