"""Matrix products of every kind, with the multiplies and adds counted one by one."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import pytest
import torch
from flop_counts import MULTIPLY_AND_ADD, by_hand, counted, flops_of, shaped, training_flops
from function_counter import FunctionCounter
from torch import Tensor, nn
from torch.nn import functional


def matmul_definition(batch: int, rows: int, inner: int, columns: int) -> int:
    met = itertools.product(range(batch), range(rows), range(inner), range(columns))
    return sum(MULTIPLY_AND_ADD for _ in met)


def ones(*shape: int) -> Tensor:
    return torch.ones(*shape)


PRODUCTS: dict[str, tuple[Callable[[], object], tuple[int, int, int, int]]] = {
    "mm": (lambda: ones(2, 3) @ ones(3, 5), (1, 2, 3, 5)),
    "addmm": (lambda: torch.addmm(ones(2, 5), ones(2, 3), ones(3, 5)), (1, 2, 3, 5)),
    "bmm": (lambda: torch.bmm(ones(4, 2, 3), ones(4, 3, 5)), (4, 2, 3, 5)),
    "baddbmm": (lambda: torch.baddbmm(ones(4, 2, 5), ones(4, 2, 3), ones(4, 3, 5)), (4, 2, 3, 5)),
    "addbmm": (lambda: torch.addbmm(ones(2, 5), ones(4, 2, 3), ones(4, 3, 5)), (4, 2, 3, 5)),
    "mv": (lambda: ones(2, 3) @ ones(3), (1, 2, 3, 1)),
    "addmv": (lambda: torch.addmv(ones(2), ones(2, 3), ones(3)), (1, 2, 3, 1)),
    "dot": (lambda: ones(3) @ ones(3), (1, 1, 3, 1)),
    "vdot": (lambda: torch.vdot(ones(3), ones(3)), (1, 1, 3, 1)),
    "addr": (lambda: torch.addr(ones(2, 5), ones(2), ones(5)), (1, 2, 1, 5)),
    "broadcast": (lambda: ones(6, 1, 2, 3) @ ones(4, 3, 5), (24, 2, 3, 5)),
    "linear": (lambda: functional.linear(ones(2, 3), ones(5, 3)), (1, 2, 3, 5)),
    "linear with bias": (lambda: functional.linear(ones(4, 2, 3), ones(5, 3), ones(5)), (4, 2, 3, 5)),
    "linear of a vector": (lambda: functional.linear(ones(3), ones(5, 3)), (1, 1, 3, 5)),
    "einsum": (lambda: torch.einsum("bij,bjk->bik", ones(4, 2, 3), ones(4, 3, 5)), (4, 2, 3, 5)),
    "einsum over two indices": (lambda: torch.einsum("ijk,jkl->il", ones(2, 3, 4), ones(3, 4, 5)), (1, 2, 12, 5)),
    "tensordot": (lambda: torch.tensordot(ones(2, 3), ones(3, 5), dims=1), (1, 2, 3, 5)),
    "integers": (lambda: torch._int_mm(ones(32, 16).char(), ones(16, 8).char()), (1, 32, 16, 8)),
    "no rows": (lambda: ones(0, 3) @ ones(3, 5), (1, 0, 3, 5)),
}


@pytest.mark.parametrize("name", PRODUCTS)
def test_a_product_counts_a_multiply_and_an_add_for_each_pair(name: str) -> None:
    function, sizes = PRODUCTS[name]

    assert flops_of(function) == matmul_definition(*sizes)


@pytest.mark.parametrize("name", ["mm", "addmm", "bmm", "baddbmm", "broadcast", "linear with bias", "einsum"])
def test_the_function_counter_of_these_tests_agrees_with_the_definition(name: str) -> None:
    function, sizes = PRODUCTS[name]
    counter = FunctionCounter()

    with counter:
        function()

    assert counter.flops == matmul_definition(*sizes)


IN_PLACE: dict[str, tuple[Callable[[], object], tuple[int, int, int, int]]] = {
    "addmm_": (lambda: ones(2, 5).addmm_(ones(2, 3), ones(3, 5)), (1, 2, 3, 5)),
    "addbmm_": (lambda: ones(2, 5).addbmm_(ones(4, 2, 3), ones(4, 3, 5)), (4, 2, 3, 5)),
    "baddbmm_": (lambda: ones(4, 2, 5).baddbmm_(ones(4, 2, 3), ones(4, 3, 5)), (4, 2, 3, 5)),
    "addmv_": (lambda: ones(2).addmv_(ones(2, 3), ones(3)), (1, 2, 3, 1)),
    "addr_": (lambda: ones(2, 5).addr_(ones(2), ones(5)), (1, 2, 1, 5)),
    "mm into a tensor": (lambda: torch.mm(ones(2, 3), ones(3, 5), out=ones(2, 5)), (1, 2, 3, 5)),
    "addmm into a tensor": (lambda: torch.addmm(ones(5), ones(2, 3), ones(3, 5), out=ones(2, 5)), (1, 2, 3, 5)),
    "matmul into a tensor": (lambda: torch.matmul(ones(4, 2, 3), ones(3, 5), out=ones(4, 2, 5)), (4, 2, 3, 5)),
    "dot into a tensor": (lambda: torch.dot(ones(3), ones(3), out=torch.ones(())), (1, 1, 3, 1)),
    "lists of products": (
        lambda: torch.ops.aten._foreach_mm([ones(2, 3), ones(2, 3)], [ones(3, 5), ones(3, 5)]),
        (2, 2, 3, 5),
    ),
}


@pytest.mark.parametrize("name", IN_PLACE)
def test_where_the_result_is_written_changes_nothing(name: str) -> None:
    function, sizes = IN_PLACE[name]

    assert flops_of(function) == matmul_definition(*sizes)
    with torch.inference_mode():
        assert counted(function).total == matmul_definition(*sizes)


COMPLEX: dict[str, Callable[[Tensor], object]] = {
    "mm": lambda x: x @ x,
    "addmm": lambda x: torch.addmm(x, x, x),
    "bmm": lambda x: torch.bmm(x[None], x[None]),
    "mv": lambda x: x @ x[0],
    "addmv": lambda x: torch.addmv(x[0], x, x[0]),
    "dot": lambda x: torch.dot(x[0], x[0]),
    "vdot": lambda x: torch.vdot(x[0], x[0]),
    "addr": lambda x: torch.addr(x, x[0], x[0]),
    "linear": lambda x: functional.linear(x, x),
}


@pytest.mark.parametrize("name", COMPLEX)
def test_a_complex_product_is_four_real_ones(name: str) -> None:
    x = ones(3, 3)

    assert flops_of(lambda: COMPLEX[name](x.to(torch.cfloat))) == 4 * flops_of(lambda: COMPLEX[name](x)) > 0


def bilinear_by_products(left: Tensor, weight: Tensor, right: Tensor) -> Tensor:
    outputs, width, other_width = weight.shape
    halfway = left @ weight.permute(1, 0, 2).reshape(width, outputs * other_width)
    return halfway.reshape(-1, outputs, other_width) @ right[:, :, None]


def test_a_bilinear_form_counts_the_two_products_that_it_is() -> None:
    layer = nn.Bilinear(3, 4, 5, bias=False)
    left, right = ones(6, 3), ones(6, 4)

    assert flops_of(lambda: layer(left, right)) == flops_of(lambda: bilinear_by_products(left, layer.weight, right)) > 0


def test_a_bilinear_forms_gradients_each_are_a_form_of_the_same_three_operands() -> None:
    batch, width, other_width, outputs = 6, 3, 4, 5
    left, right = torch.randn(batch, width, requires_grad=True), torch.randn(batch, other_width, requires_grad=True)
    layer = nn.Bilinear(width, other_width, outputs)
    whole = batch * outputs * width * other_width

    _, backward = training_flops(lambda: layer(left, right))

    of_left = whole + batch * width * other_width  # gradient with weight over the outputs, then with the other operand
    of_weight = batch * outputs * width + whole  # left with the gradient, of every output, then with the other operand
    of_right = whole + batch * outputs * other_width  # left with weight over the width, then with the gradient
    assert backward == MULTIPLY_AND_ADD * (of_left + of_weight + of_right)


def test_products_of_scaled_numbers_count_as_any() -> None:
    left, right = ones(16, 32).to(torch.float8_e4m3fn), ones(16, 32).to(torch.float8_e4m3fn)
    scale = torch.tensor(1.0)

    counted_flops = flops_of(lambda: torch._scaled_mm(left, right.t(), scale, scale, out_dtype=torch.bfloat16))

    assert counted_flops == matmul_definition(1, 16, 32, 16)


def test_two_numbers_in_one_element_are_two() -> None:
    packed = torch.float4_e2m1fn_x2

    found = by_hand("aten._scaled_mm", shaped(6, 2, dtype=packed), shaped(2, 5, dtype=packed))

    assert found is not None
    assert found.dense == matmul_definition(1, 6, 4, 5)


GROUPED = {
    "rows in groups": ((6, 4), (3, 4, 5), (1, 6, 4, 5)),
    "columns in groups": ((3, 6, 4), (4, 5), (1, 6, 4, 5)),
    "inner dimension in groups": ((6, 4), (4, 5), (1, 6, 4, 5)),
    "a product for each group": ((3, 6, 4), (3, 4, 5), (3, 6, 4, 5)),
}


@pytest.mark.parametrize("name", GROUPED)
def test_each_group_meets_its_own_weights(name: str) -> None:
    left, right, sizes = GROUPED[name]

    found = by_hand("aten._grouped_mm", shaped(*left), shaped(*right))

    assert found is not None
    assert found.dense == matmul_definition(*sizes)


def test_grouped_products_are_counted_where_they_run() -> None:
    x, weights = ones(6, 16).bfloat16(), ones(2, 16, 8).bfloat16()
    ends = torch.tensor([2, 6], dtype=torch.int32)

    assert flops_of(lambda: torch._grouped_mm(x, weights, offs=ends)) == matmul_definition(1, 6, 16, 8)


def test_experts_that_run_in_one_op_cost_three_products_to_train() -> None:
    rows, weight, ends = shaped(6, 4), shaped(3, 4, 5), shaped(3, dtype=torch.int32)

    forward = by_hand("transformers.grouped_mm_fallback", rows, weight, ends)
    backward = by_hand("transformers.grouped_mm_fallback_backward", rows, weight, ends, shaped(6, 5), weight=weight)

    assert forward is not None
    assert backward is not None
    assert (forward.dense, backward.dense) == (matmul_definition(1, 6, 4, 5), 2 * matmul_definition(1, 6, 4, 5))
