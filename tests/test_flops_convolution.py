"""Convolutions against their definition, with the multiplies and adds counted one by one."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import pytest
import torch
from flop_counts import MULTIPLY_AND_ADD, by_hand, flops_of, shaped
from function_counter import FunctionCounter
from torch import Tensor
from torch.nn import functional


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
    assert flops_of(one.run) == one.flops()


@pytest.mark.parametrize("one", CONVOLUTIONS.values(), ids=CONVOLUTIONS)
def test_a_transposed_convolution_counts_what_each_input_is_scattered_over(one: Convolution) -> None:
    assert flops_of(one.run_transposed) == one.transposed_flops()


def test_padding_of_the_output_costs_nothing() -> None:
    one = Convolution(stride=2, output_padding=1)

    assert flops_of(one.run_transposed) == one.transposed_flops()


def test_two_and_three_dimensions_count_every_position_of_the_kernel() -> None:
    flat = flops_of(lambda: functional.conv2d(torch.ones(1, 3, 8, 6), torch.ones(5, 3, 3, 2), stride=2, padding=1))
    deep = flops_of(lambda: functional.conv3d(torch.ones(1, 2, 5, 6, 7), torch.ones(4, 2, 2, 3, 4)))

    assert flat == MULTIPLY_AND_ADD * 5 * (4 * 4) * 3 * (3 * 2)
    assert deep == MULTIPLY_AND_ADD * 4 * (4 * 4 * 4) * 2 * (2 * 3 * 4)


@pytest.mark.parametrize("one", CONVOLUTIONS.values(), ids=CONVOLUTIONS)
def test_the_function_counter_of_these_tests_agrees_on_convolutions(one: Convolution) -> None:
    counter = FunctionCounter()

    with counter:
        one.run()
        one.run_transposed()

    assert counter.flops == one.flops() + one.transposed_flops()


FORWARD_OPS = (
    "aten.cudnn_convolution",
    "aten.cudnn_convolution_relu",
    "aten.cudnn_convolution_add_relu",
    "aten.miopen_convolution",
    "aten.miopen_depthwise_convolution",
    "aten._slow_conv2d_forward",
    "aten._conv_depthwise2d",
    "aten._mps_convolution",
    "torchvision.deform_conv2d",
)


@pytest.mark.parametrize("name", FORWARD_OPS)
def test_a_librarys_convolution_counts_what_torchs_does(name: str) -> None:
    one = Convolution(stride=2, groups=2)

    counted = by_hand(name, shaped(2, 4, 9), shaped(6, 2, 3), output=shaped(2, 6, 4))

    assert counted is not None
    assert counted.dense == counted.causal == one.flops()


@pytest.mark.parametrize(
    "name", ["cudnn_convolution_transpose", "miopen_convolution_transpose", "slow_conv_transpose2d"]
)
def test_a_librarys_transposed_convolution_counts_what_torchs_does(name: str) -> None:
    one = Convolution(stride=2, groups=2)

    counted = by_hand(f"aten.{name}", shaped(2, 4, 9), shaped(4, 3, 3), output=shaped(2, 6, 19))

    assert counted is not None
    assert counted.dense == one.transposed_flops()


@pytest.mark.parametrize(
    ("input_name", "weight_name", "op"),
    [("X", "W", "mkldnn._convolution_pointwise"), ("qx", "qw", "onednn.qconv2d_pointwise")],
)
@pytest.mark.parametrize("weight", [(6, 2, 3), (2, 3, 2, 3)], ids=["plain", "reordered by groups"])
def test_onednns_operands_are_found_by_name(
    input_name: str, weight_name: str, op: str, weight: tuple[int, ...]
) -> None:
    operands = {input_name: shaped(2, 4, 9), weight_name: shaped(*weight)}

    counted = by_hand(op, shaped(2, 6, 7), **operands, output=shaped(2, 6, 7))

    assert counted is not None
    assert counted.dense == Convolution(groups=2).flops()


def test_a_convolution_over_time_sums_over_kernel_and_channels() -> None:
    length, batch, inputs, outputs, kernel = 9, 2, 4, 6, 3
    x, weight = torch.ones(length, batch, inputs), torch.ones(kernel, inputs, outputs)

    counted = flops_of(lambda: torch.conv_tbc(x, weight, torch.ones(outputs)))

    assert counted == Convolution().flops()


def test_a_complex_convolution_counts_the_real_ones_that_it_is_made_of() -> None:
    one = Convolution()
    x, weight = torch.ones(2, 4, 9, dtype=torch.cfloat), torch.ones(6, 4, 3, dtype=torch.cfloat)

    assert flops_of(lambda: functional.conv1d(x, weight)) == 3 * one.flops()  # of real and imaginary parts, and sums


def test_a_complex_convolution_in_one_op_counts_four_real_ones() -> None:
    x, weight = shaped(2, 4, 9, dtype=torch.cfloat), shaped(6, 4, 3, dtype=torch.cfloat)

    counted = by_hand("aten.cudnn_convolution", x, weight, output=shaped(2, 6, 7))

    assert counted is not None
    assert counted.dense == 4 * Convolution().flops()


@pytest.mark.parametrize(
    ("name", "mask", "gradients"),
    [
        ("aten.convolution_backward", [True, True, True], 2),
        ("aten.convolution_backward", [True, False, True], 1),
        ("aten.convolution_backward", [False, False, True], 0),
        ("aten._slow_conv2d_backward", None, 2),
    ],
)
def test_each_gradient_costs_what_the_result_did(name: str, mask: list[bool] | None, gradients: int) -> None:
    named: dict[str, object] = {} if mask is None else {"output_mask": mask}

    counted = by_hand(name, shaped(2, 6, 7), shaped(2, 4, 9), shaped(6, 4, 3), **named)

    assert counted is not None
    assert counted.dense == gradients * Convolution().flops()


def test_the_gradients_of_the_apple_backend_have_their_input_first() -> None:
    one, mask = Convolution(stride=2), [True, True]
    x, weight, transposed_weight = shaped(2, 4, 9), shaped(6, 4, 3), shaped(4, 6, 3)

    plain = by_hand("aten.mps_convolution_backward", x, shaped(2, 6, 4), weight, output_mask=mask)
    transposed = by_hand(
        "aten.mps_convolution_transpose_backward", x, shaped(2, 6, 19), transposed_weight, output_mask=mask
    )

    assert plain is not None
    assert transposed is not None
    assert (plain.dense, transposed.dense) == (2 * one.flops(), 2 * one.transposed_flops())
