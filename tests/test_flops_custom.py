"""`register_flops`: formulas for ops that are not ours."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
import torch
from torch import Tensor, nn

import layerprof as lp
from layerprof import flops

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
    ],
    ids=["packet", "overload", "name", "dotted name", "name with overload"],
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


def test_a_formula_that_does_not_fit_is_a_measurement_error_with_the_remedy() -> None:
    lp.register_flops(f"{NAMESPACE}::square_product", lambda: 1)

    with pytest.raises(lp.MeasurementError, match=r"does not fit its arguments .* layerprof\.register_flops"):
        profile()


@pytest.mark.parametrize("error", [ZeroDivisionError, AttributeError, AssertionError, RuntimeError])
def test_a_formula_that_raises_is_named_and_not_the_model(error: type[Exception]) -> None:
    def formula(*shapes: object) -> int:
        raise error("on purpose")

    lp.register_flops(f"{NAMESPACE}::square_product", formula)

    with pytest.raises(lp.MeasurementError, match=r"the FLOP formula of layerprof_tests\.square_product"):
        profile()


@pytest.mark.parametrize("op", ["square_product", "", 5, None, nn.Linear])
def test_what_names_no_op_is_refused(op: object) -> None:
    with pytest.raises(lp.InputError, match=r"an op is torch\.ops\.library\.name"):
        lp.register_flops(op, lambda: 1)  # type: ignore[arg-type]  # what a caller may do


def test_a_formula_that_cannot_be_called_is_refused() -> None:
    with pytest.raises(lp.InputError, match=r"a FLOP formula is a function .* found int"):
        lp.register_flops("my::op", 5)  # type: ignore[arg-type]  # what a caller may do
