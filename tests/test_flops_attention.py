"""Scaled dot-product attention against its definition, pair by pair of query and key."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import pytest
import torch
from flop_counts import MULTIPLY_AND_ADD, by_hand, counted, flops_of, shaped
from torch import Tensor
from torch.nn import functional
from torch.nn.attention import SDPBackend, sdpa_kernel


@dataclass(frozen=True)
class Attention:
    """An attention small enough to walk through."""

    batch: int = 2
    heads: int = 4
    key_heads: int = 4
    queries: int = 5
    keys: int = 5
    width: int = 8
    value_width: int = 8

    def tensors(self, *, requires_grad: bool = False) -> tuple[Tensor, Tensor, Tensor]:
        query = torch.randn(self.batch, self.heads, self.queries, self.width, requires_grad=requires_grad)
        key = torch.randn(self.batch, self.key_heads, self.keys, self.width, requires_grad=requires_grad)
        value = torch.randn(self.batch, self.key_heads, self.keys, self.value_width, requires_grad=requires_grad)
        return query, key, value

    def run(self, *, is_causal: bool = False, requires_grad: bool = False) -> Tensor:
        tensors = self.tensors(requires_grad=requires_grad)
        return functional.scaled_dot_product_attention(
            *tensors, is_causal=is_causal, enable_gqa=self.key_heads != self.heads
        )

    def flops(self, *, is_causal: bool = False, per_pair: int | None = None) -> int:
        """The definition: a dot product and a scaled sum for every pair of query and key that the mask keeps."""
        pairs = (
            1
            for _batch, _head, query, key in itertools.product(
                *map(range, (self.batch, self.heads, self.queries, self.keys))
            )
            if not is_causal or key <= query
        )
        return MULTIPLY_AND_ADD * sum(pairs) * (per_pair or self.width + self.value_width)


ATTENTIONS = {
    "square": Attention(),
    "one query": Attention(queries=1, keys=7),
    "fewer queries": Attention(queries=3, keys=7),
    "more queries": Attention(queries=7, keys=3),
    "grouped queries": Attention(key_heads=2),
    "narrow values": Attention(value_width=4),
}


@pytest.mark.parametrize("one", ATTENTIONS.values(), ids=ATTENTIONS)
def test_attention_counts_both_of_its_products(one: Attention) -> None:
    counter = counted(one.run)

    assert counter.total == counter.causal_total == one.flops()
    assert counter.uncounted == {}


@pytest.mark.parametrize("one", ATTENTIONS.values(), ids=ATTENTIONS)
def test_causal_attention_is_dense_with_the_triangle_beside_it(one: Attention) -> None:
    counter = counted(lambda: one.run(is_causal=True))

    assert counter.total == one.flops()
    if "scaled_dot_product" in "".join(counter.by_op):  # where it is taken apart, the mask is a tensor of the caller's
        assert counter.causal_total == one.flops(is_causal=True)


def test_the_usual_causal_attention_is_seen_as_one() -> None:
    counter = counted(lambda: Attention().run(is_causal=True))

    assert counter.causal_total == Attention().flops(is_causal=True) < counter.total


@pytest.mark.parametrize("one", ATTENTIONS.values(), ids=ATTENTIONS)
def test_fused_attention_and_the_same_by_products_have_the_same_flops(one: Attention) -> None:
    with sdpa_kernel(SDPBackend.MATH):
        by_products = flops_of(one.run)

    assert flops_of(one.run) == by_products


def test_attention_under_a_mask_is_dense() -> None:
    one = Attention()
    mask = torch.zeros(one.queries, one.keys)

    counted_flops = flops_of(lambda: functional.scaled_dot_product_attention(*one.tensors(), attn_mask=mask))

    assert counted_flops == one.flops()


def test_attention_by_products_that_is_dispatched_whole_knows_that_it_is_causal() -> None:
    one = Attention(queries=3, keys=7)

    with torch.inference_mode(), sdpa_kernel(SDPBackend.MATH):
        counter = counted(lambda: one.run(is_causal=True))

    assert (counter.total, counter.causal_total) == (one.flops(), one.flops(is_causal=True))


ON_ACCELERATORS = (
    "flash_attention",
    "efficient_attention",
    "cudnn_attention",
    "fused_attention_overrideable",
)


@pytest.mark.parametrize("name", ON_ACCELERATORS)
@pytest.mark.parametrize("is_causal", [False, True])
def test_accelerators_ops_count_the_same_pairs(name: str, is_causal: bool) -> None:
    one = Attention(key_heads=2, value_width=4)
    query, key, value = (shaped(*tensor.shape) for tensor in one.tensors())

    forward = by_hand(f"aten._scaled_dot_product_{name}", query, key, value, is_causal=is_causal)
    backward = by_hand(f"aten._scaled_dot_product_{name}_backward", query, query, key, value, is_causal=is_causal)

    recomputed = 3 * one.width + 2 * one.value_width
    assert forward is not None
    assert backward is not None
    assert (forward.dense, forward.causal) == (one.flops(), one.flops(is_causal=is_causal))
    assert backward.dense == one.flops(per_pair=recomputed)
    assert backward.causal == one.flops(per_pair=recomputed, is_causal=is_causal)


def test_the_flash_op_of_gpus_counts_places_from_the_last_key() -> None:
    one = Attention(queries=3, keys=7)
    query, key, value = (shaped(*tensor.shape) for tensor in one.tensors())

    found = by_hand("aten._scaled_dot_product_flash_attention", query, key, value, is_causal=True)

    seen = sum(1 for place in range(3) for key_place in range(7) if key_place <= place + 4)
    assert found is not None
    assert found.causal == MULTIPLY_AND_ADD * one.batch * one.heads * seen * (one.width + one.value_width)
