"""`register_flops`: formulas for ops that are not ours."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
import torch
from torch import Tensor, nn
from torch._ops import HigherOrderOperator
from torch.nn.attention.flex_attention import create_block_mask

import layerprof as lp
from layerprof import flops
from layerprof.flops.base import Flops, OpCall
from layerprof.flops.custom import as_formula

NAMESPACE = "layerprof_tests"


@torch.library.custom_op(f"{NAMESPACE}::square_product", mutates_args=())
def square_product(x: Tensor, times: int = 1) -> Tensor:
    """A product with its own transpose, so many times over."""
    return torch.stack([x @ x.T] * times)


@torch.library.custom_op(f"{NAMESPACE}::split_sum", mutates_args=())
def split_sum(parts: list[Tensor], weight: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """Two sums of a list."""
    return torch.stack(parts).sum(0), torch.stack(parts).sum(1)


class Custom(nn.Module):
    """A layer of the custom op."""

    def forward(self, x: Tensor) -> Tensor:
        result: Tensor = torch.ops.layerprof_tests.square_product(x, times=3)
        return result


X = torch.ones(2, 5)


@pytest.fixture(autouse=True)
def _no_formulas_left_behind(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(flops, "_REGISTERED", {})
    yield


def profile() -> lp.Profile:
    return lp.profile(nn.Sequential(Custom(), nn.Flatten()), X, passes=("flops",), warmup=0, repeats=1)


def test_an_op_without_a_formula_is_listed_with_its_layers() -> None:
    profiled = profile()

    assert profiled.uncounted == (
        lp.UncountedOp(op=f"{NAMESPACE}.square_product.default", calls=1, layers=("0",), time_share=None),
    )
    assert profiled.step_flops == 0


def of_shapes(x: tuple[int, ...], times: int = 1, *, out_shape: object = None) -> int:
    assert out_shape == (times, x[0], x[0])
    return 2 * times * x[0] * x[1] * x[0]


@pytest.mark.parametrize(
    "op",
    [
        lambda: torch.ops.layerprof_tests.square_product,
        lambda: torch.ops.layerprof_tests.square_product.default,
        lambda: f"{NAMESPACE}::square_product",
        lambda: f"{NAMESPACE}.square_product",
        lambda: f"{NAMESPACE}.square_product.default",
        lambda: square_product,
    ],
    ids=["packet", "overload", "name", "dotted name", "name with overload", "what custom_op made of the function"],
)
def test_a_formula_gets_shapes_and_the_outputs(op: Callable[[], torch._ops.OpOverload]) -> None:
    lp.register_flops(op(), of_shapes)

    profiled = profile()

    assert profiled["0"].flops == profiled.step_flops == 2 * 3 * 2 * 5 * 2
    assert profiled.uncounted == ()


def test_a_formula_need_not_take_the_outputs_shape() -> None:
    lp.register_flops(f"{NAMESPACE}::square_product", lambda x, times: 100 * times)

    assert profile().step_flops == 300


def test_a_formula_may_take_any_keyword_as_torchs_own_do() -> None:
    def formula(x: tuple[int, ...], *args: object, out_shape: object = None, **kwargs: object) -> int:
        return 7

    lp.register_flops(f"{NAMESPACE}::square_product", formula)

    assert profile().step_flops == 7


def test_lists_of_tensors_become_lists_of_shapes_and_none_stays() -> None:
    seen: list[object] = []

    def formula(parts: object, weight: object = None, *, out_shape: object = None) -> int:
        seen.extend((parts, weight, out_shape))
        return 1

    lp.register_flops(f"{NAMESPACE}::split_sum", formula)
    counter = flops.make_counter(lambda: -1)
    with counter:
        torch.ops.layerprof_tests.split_sum([X, X], None)

    assert seen == [[(2, 5), (2, 5)], None, ((2, 5), (2, 5))]
    assert counter.total == 1


def test_a_pair_is_the_dense_and_the_causal_count() -> None:
    lp.register_flops(square_product, lambda x, times: (100 * times, 60 * times))

    profiled = profile()

    assert (profiled.step_flops, profiled.root.causal_flops) == (300, 180)


def test_none_lists_the_op_as_uncounted() -> None:
    lp.register_flops(square_product, lambda x, times: None)

    profiled = profile()

    assert profiled.step_flops == 0
    assert [one.op for one in profiled.uncounted] == [f"{NAMESPACE}.square_product.default"]


def attend() -> torch.Tensor:
    flex_attention = torch.ops.higher_order.flex_attention
    x, blocks = torch.ones(2, 4, 16, 8), create_block_mask(causal, None, None, 16, 16, device="cpu", BLOCK_SIZE=4)
    output: torch.Tensor = flex_attention(x, x, x, unscored, blocks.as_tuple(), 1.0, {}, (), ())[0]
    return output


def causal(batch: Tensor, head: Tensor, query: Tensor, key: Tensor) -> Tensor:
    return query >= key


def unscored(score: Tensor, *places: Tensor) -> Tensor:
    return score


@pytest.mark.parametrize("op", [torch.ops.higher_order.flex_attention, "higher_order::flex_attention"])
def test_a_formula_for_a_higher_order_op_gets_its_arguments_too(op: HigherOrderOperator | str) -> None:
    lp.register_flops(op, lambda query, key, value, score, blocks, *rest: query[-1] * len(blocks[2]))
    counter = flops.make_counter(lambda: -1)

    with torch.no_grad(), counter:
        attend()

    assert counter.total == 8 * 3  # the width, and the three dimensions of the numbers of blocks


def test_flex_attention_has_a_formula() -> None:
    counter = flops.make_counter(lambda: -1)

    with torch.no_grad(), counter:
        attend()

    blocks_kept = 4 * 5 // 2
    assert counter.uncounted == {}
    assert counter.total == 2 * 2 * 4 * 16 * 16 * (8 + 8)
    assert counter.causal_total == 2 * 2 * 4 * blocks_kept * 4 * 4 * (8 + 8)


def test_tensors_in_mappings_become_shapes_too() -> None:
    """Higher-order ops that launch Triton kernels take the kernel's arguments as a mapping."""
    call = OpCall((), {"kernel_idx": 3, "kwargs": {"x": X, "pair": (X, 1)}}, None)

    def formula(kernel_idx: int, kwargs: object) -> int:
        assert kwargs == {"x": (2, 5), "pair": ((2, 5), 1)}
        return 7

    assert as_formula(formula)(call) == Flops.same(7)


def test_keywords_of_an_op_without_a_schema_are_not_taken_for_positional_ones() -> None:
    call = OpCall((X,), {"0": X, "scale": 3}, None)

    found = as_formula(lambda x, scale: x[0] * scale)(call)

    assert found == Flops.same(6)


def test_a_later_formula_replaces_an_earlier_one() -> None:
    lp.register_flops(f"{NAMESPACE}::square_product", lambda x, times: 1)
    lp.register_flops(f"{NAMESPACE}::square_product", lambda x, times: 2)

    assert profile().step_flops == 2


def test_a_registered_formula_goes_before_ours() -> None:
    lp.register_flops(torch.ops.aten.mm, lambda a, b: 11)

    assert lp.count_flops(nn.Linear(5, 5, bias=False), X).total == 11


def test_an_op_that_counts_as_zero_can_be_given_a_formula() -> None:
    lp.register_flops(torch.ops.aten.relu, lambda x: x[0] * x[1])

    assert lp.count_flops(nn.ReLU(), X).total == 10
