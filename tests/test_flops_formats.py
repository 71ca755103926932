"""The format that products are computed in."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import pytest
import torch
from torch import nn

from layerprof.flops import make_counter
from layerprof.flops.base import format_of


def formats(function: Callable[[], object]) -> set[str]:
    counter = make_counter(lambda: -1)
    with torch.no_grad(), counter:
        function()
    assert sum(by_place.total() for by_place in counter.flops_by_dtype.values()) == counter.total
    return set(counter.flops_by_dtype)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16, torch.float64])
def test_products_are_in_the_format_of_their_operands(dtype: torch.dtype) -> None:
    model = nn.Linear(4, 4).to(dtype)

    assert formats(lambda: model(torch.ones(2, 4, dtype=dtype))) == {str(dtype).removeprefix("torch.")}


def test_under_autocast_it_is_what_the_kernel_gets() -> None:
    model = nn.Linear(4, 4)

    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert formats(lambda: model(torch.ones(2, 4))) == {"bfloat16"}


def test_products_of_whole_numbers_are_in_theirs() -> None:
    left, right = torch.ones(4, 4, dtype=torch.int8), torch.ones(4, 4, dtype=torch.int8)

    assert formats(lambda: torch._int_mm(left, right)) == {"int8"}


def test_the_narrowest_floating_operand_decides() -> None:
    operands = [torch.empty(1), torch.empty(4, 4, dtype=torch.float8_e4m3fn), torch.empty(4, dtype=torch.bfloat16)]

    assert format_of(operands, is_convolution=False) == "float8_e4m3fn"


def test_complex_products_are_in_the_format_of_their_parts() -> None:
    assert format_of([torch.empty(2, dtype=torch.complex64)], is_convolution=False) == "float32"


def test_masks_and_indices_are_no_operands() -> None:
    others = [torch.ones(2, dtype=torch.bool), torch.ones(2, dtype=torch.long)]

    assert format_of([*others, torch.empty(2)], is_convolution=False) == "float32"
    assert format_of(others, is_convolution=False) == "unknown"


def test_ops_without_flops_have_no_format() -> None:
    assert formats(lambda: torch.ones(3) + 1) == set()


@dataclass
class OnCuda:
    """What `format_of` asks of a tensor, of one that is on a device which is not here."""

    dtype: torch.dtype = torch.float32
    is_quantized: bool = False
    device: torch.device = field(default_factory=lambda: torch.device("cuda"))

    def is_floating_point(self) -> bool:
        return True

    def is_complex(self) -> bool:
        return False


@contextmanager
def precision(product: str, convolution: str) -> Iterator[None]:
    matmul, conv = torch.backends.cuda.matmul, getattr(torch.backends.cudnn, "conv")  # noqa: B009 - not in its stubs
    before = matmul.fp32_precision, conv.fp32_precision
    matmul.fp32_precision, conv.fp32_precision = product, convolution
    try:
        yield
    finally:
        matmul.fp32_precision, conv.fp32_precision = before


@pytest.mark.parametrize("is_convolution", [False, True])
@pytest.mark.parametrize(("setting", "expected"), [("tf32", "tf32"), ("ieee", "float32")])
def test_on_cuda_single_precision_is_what_the_settings_round_it_to(
    setting: str, expected: str, is_convolution: bool
) -> None:
    other = "ieee" if setting == "tf32" else "tf32"

    with precision(other, setting) if is_convolution else precision(setting, other):
        found = format_of([OnCuda()], is_convolution=is_convolution)  # type: ignore[list-item]  # stands in for one

    assert found == expected


def test_on_the_cpu_the_settings_of_cuda_do_not_matter() -> None:
    with precision("tf32", "tf32"):
        assert format_of([torch.empty(2)], is_convolution=False) == "float32"
