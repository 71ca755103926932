"""`register_flops` refuses what names no op, and a count refuses what a formula may not give."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch
from torch import Tensor, nn

import layerprof as lp
from layerprof import flops

LIBRARY = "layerprof_tests"
PRODUCT = f"{LIBRARY}::refused_product"


@torch.library.custom_op(PRODUCT, mutates_args=())
def refused_product(x: Tensor) -> Tensor:
    """A product with its own transpose."""
    return x @ x.T


class Custom(nn.Module):
    """A layer of the custom op."""

    def forward(self, x: Tensor) -> Tensor:
        result: Tensor = torch.ops.layerprof_tests.refused_product(x)
        return result


X = torch.ones(2, 5)


@pytest.fixture(autouse=True)
def _no_formulas_left_behind(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(flops, "_REGISTERED", {})
    yield


def profile() -> lp.Profile:
    return lp.profile(nn.Sequential(Custom(), nn.Flatten()), X, passes=("flops",), warmup=0, repeats=1)


def test_a_formula_that_does_not_fit_is_a_measurement_error_with_the_remedy() -> None:
    lp.register_flops(PRODUCT, lambda: 1)

    with pytest.raises(lp.MeasurementError, match=r"does not fit its arguments .* layerprof\.register_flops"):
        profile()


@pytest.mark.parametrize("error", [ZeroDivisionError, AttributeError, AssertionError, RuntimeError])
def test_a_formula_that_raises_is_named_and_not_the_model(error: type[Exception]) -> None:
    def formula(*shapes: object) -> int:
        raise error("on purpose")

    lp.register_flops(PRODUCT, formula)

    with pytest.raises(lp.MeasurementError, match=r"the FLOP formula of layerprof_tests\.refused_product"):
        profile()


def test_the_error_of_a_formula_names_the_layer() -> None:
    lp.register_flops(torch.ops.aten.mm, lambda a, b: (1, 2, 3))  # type: ignore[arg-type,return-value]  # as a caller may
    model = nn.Sequential(nn.Identity(), nn.Linear(5, 5, bias=False))

    for count in (
        lambda: lp.count_flops(model, X),
        lambda: lp.profile(model, X, passes=("flops",), warmup=0, repeats=1),
    ):
        with pytest.raises(lp.MeasurementError, match=r"aten\.mm\.default in layer '1' does not fit its arguments"):
            count()


@pytest.mark.parametrize("flops_given", [-5, 2.5, (4, -1), (4, 0.5), float("inf"), float("nan"), "7"])
def test_a_count_that_is_negative_or_not_whole_is_refused(flops_given: object) -> None:
    lp.register_flops(PRODUCT, lambda x: flops_given)  # type: ignore[arg-type,return-value]  # as a caller may

    with pytest.raises(lp.MeasurementError, match=r"the FLOP formula of layerprof_tests\.refused_product"):
        profile()


def test_a_whole_count_may_be_a_float() -> None:
    lp.register_flops(PRODUCT, lambda x: 600 / 2)  # type: ignore[arg-type,return-value]  # as a caller may

    assert profile().step_flops == 300


@pytest.mark.parametrize("flops_given", [2**63, (1, 2**70)])
def test_a_count_that_no_record_has_room_for_is_refused_with_its_op_and_layer(flops_given: object) -> None:
    lp.register_flops(PRODUCT, lambda x: flops_given)  # type: ignore[arg-type,return-value]  # as a caller may

    with pytest.raises(lp.MeasurementError, match=r"layerprof_tests::refused_product in layer '0'; .* count a smaller"):
        profile()


def test_a_count_that_just_has_room_is_kept() -> None:
    lp.register_flops(PRODUCT, lambda x: 2**63 - 1)

    assert profile().step_flops == 2**63 - 1


def test_a_model_whose_flops_have_no_room_is_refused() -> None:
    model, x = nn.Linear(2**20, 2**20, device="meta"), torch.empty(2**24, 2**20, device="meta")

    with pytest.raises(lp.MeasurementError, match=r"3\.69e\+19 FLOPs, most of them by aten::addmm in the model's own"):
        lp.count_flops(model, x)


@pytest.mark.parametrize(
    "op",
    [f"{LIBRARY}::refused_products", "aten.mm.defult", "higher_order::flex_attentoin"],
)
def test_the_name_of_an_op_that_is_not_there_is_refused(op: str) -> None:
    with pytest.raises(lp.InputError, match=r"no op is called .*; correct its name, or define the op first"):
        lp.register_flops(op, lambda x: 1)


@pytest.mark.parametrize(
    "op",
    ["refused_product", "", f"{LIBRARY}::", "::refused_product", ".x", "a::b::c", 5, None, nn.Linear, lambda x: x],
)
def test_what_names_no_op_is_refused(op: object) -> None:
    with pytest.raises(lp.InputError, match=r"an op is torch\.ops\.library\.name"):
        lp.register_flops(op, lambda: 1)  # type: ignore[arg-type]  # what a caller may do


def test_a_formula_that_cannot_be_called_is_refused() -> None:
    with pytest.raises(lp.InputError, match=r"a FLOP formula is a function .* found int"):
        lp.register_flops("my::op", 5)  # type: ignore[arg-type]  # what a caller may do


def test_a_formula_may_be_there_before_the_library_of_its_op() -> None:
    lp.register_flops("a_library_to_come::product", lambda a, b: 2 * a[0] * a[1] * b[1])

    assert "a_library_to_come.product" in flops._REGISTERED
