"""Each formula against the definition of its operation, with the multiplies and adds counted one by one."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass

import pytest
import torch
from function_counter import FunctionCounter
from torch import Tensor
from torch.nn import functional
from torch.nn.attention import SDPBackend, sdpa_kernel

from layerprof.flops import FlopCounter, make_counter

NOWHERE = -1
MULTIPLY_AND_ADD = 2


def counted(function: Callable[[], object]) -> FlopCounter:
    counter = make_counter(lambda: NOWHERE)
    with counter:
        function()
    return counter


def flops(function: Callable[[], object]) -> int:
    with torch.no_grad():
        counter = counted(function)
    assert counter.uncounted == {}
    return counter.total


@dataclass(frozen=True)
class Convolution:
    """A one-dimensional convolution small enough to walk through."""

    batch: int = 2
    inputs: int = 4
    outputs: int = 6
    length: int = 9
    kernel: int = 3
    stride: int = 1
    padding: int = 0
    dilation: int = 1
    groups: int = 1
    output_padding: int = 0

    def flops(self) -> int:
        """The definition: every output sums over the channels of its group and the kernel, padding included."""
        padded = self.length + 2 * self.padding
        reach = self.dilation * (self.kernel - 1)
        starts = [start for start in range(0, padded, self.stride) if start + reach < padded]
        met = itertools.product(
            range(self.batch), range(self.outputs), starts, range(self.inputs // self.groups), range(self.kernel)
        )
        return sum(MULTIPLY_AND_ADD for _ in met)

    def transposed_flops(self) -> int:
        """The definition: every input is scattered over the channels of its group and the kernel."""
        met = itertools.product(
            range(self.batch),
            range(self.inputs),
            range(self.length),
            range(self.outputs // self.groups),
            range(self.kernel),
        )
        return sum(MULTIPLY_AND_ADD for _ in met)

    def run(self) -> Tensor:
        return functional.conv1d(
            torch.ones(self.batch, self.inputs, self.length),
            torch.ones(self.outputs, self.inputs // self.groups, self.kernel),
            torch.ones(self.outputs),
            stride=self.stride,
            padding=self.padding,
            dilation=self.dilation,
            groups=self.groups,
        )

    def run_transposed(self) -> Tensor:
        return functional.conv_transpose1d(
            torch.ones(self.batch, self.inputs, self.length),
            torch.ones(self.inputs, self.outputs // self.groups, self.kernel),
            torch.ones(self.outputs),
            stride=self.stride,
            padding=self.padding,
            output_padding=self.output_padding,
            dilation=self.dilation,
            groups=self.groups,
        )


CONVOLUTIONS = {
    "plain": Convolution(),
    "strided": Convolution(stride=2),
    "strided with a rest": Convolution(length=10, stride=3),
    "padded": Convolution(padding=2),
    "dilated": Convolution(dilation=2),
    "grouped": Convolution(groups=2),
    "depthwise": Convolution(inputs=4, outputs=4, groups=4),
    "all at once": Convolution(length=11, stride=2, padding=1, dilation=2, groups=2),
    "a kernel as long as the input": Convolution(length=3),
}


@pytest.mark.parametrize("one", CONVOLUTIONS.values(), ids=CONVOLUTIONS)
def test_a_convolution_counts_what_each_output_sums_over(one: Convolution) -> None:
    assert flops(one.run) == one.flops()


@pytest.mark.parametrize("one", CONVOLUTIONS.values(), ids=CONVOLUTIONS)
def test_a_transposed_convolution_counts_what_each_input_is_scattered_over(one: Convolution) -> None:
    assert flops(one.run_transposed) == one.transposed_flops()


def test_padding_of_the_output_costs_nothing() -> None:
    one = Convolution(stride=2, output_padding=1)

    assert flops(one.run_transposed) == one.transposed_flops()


def test_two_and_three_dimensions_count_every_position_of_the_kernel() -> None:
    flat = flops(lambda: functional.conv2d(torch.ones(1, 3, 8, 6), torch.ones(5, 3, 3, 2), stride=2, padding=1))
    deep = flops(lambda: functional.conv3d(torch.ones(1, 2, 5, 6, 7), torch.ones(4, 2, 2, 3, 4)))

    assert flat == MULTIPLY_AND_ADD * 5 * (4 * 4) * 3 * (3 * 2)
    assert deep == MULTIPLY_AND_ADD * 4 * (4 * 4 * 4) * 2 * (2 * 3 * 4)


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

    assert flops(function) == matmul_definition(*sizes)


@pytest.mark.parametrize("name", ["mm", "addmm", "bmm", "baddbmm", "broadcast", "linear with bias", "einsum"])
def test_the_function_counter_of_these_tests_agrees_with_the_definition(name: str) -> None:
    function, sizes = PRODUCTS[name]
    counter = FunctionCounter()

    with counter:
        function()

    assert counter.flops == matmul_definition(*sizes)


@pytest.mark.parametrize("one", CONVOLUTIONS.values(), ids=CONVOLUTIONS)
def test_the_function_counter_of_these_tests_agrees_on_convolutions(one: Convolution) -> None:
    counter = FunctionCounter()

    with counter:
        one.run()
        one.run_transposed()

    assert counter.flops == one.flops() + one.transposed_flops()


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
        by_products = flops(one.run)

    assert flops(one.run) == by_products


def test_attention_under_a_mask_is_dense() -> None:
    one = Attention()
    mask = torch.zeros(one.queries, one.keys)

    counted_flops = flops(lambda: functional.scaled_dot_product_attention(*one.tensors(), attn_mask=mask))

    assert counted_flops == one.flops()


def test_softmax_scaling_bias_and_elementwise_work_are_nothing() -> None:
    x = torch.randn(4, 6)

    assert flops(lambda: functional.layer_norm((x * 3 + x.sum()).softmax(-1).sigmoid(), (6,))) == 0


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

    assert flops(lambda: a.bfloat16() @ b.bfloat16()) == flops(lambda: b.T @ a.T) == flops(lambda: a @ b)
