"""Fourier transforms by their butterflies, and distances by their pairs."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from flop_counts import flops_of, training_flops
from torch import Tensor
from torch.nn import functional

MULTIPLICATION, ADDITION = 6, 2  # FLOPs of complex ones


def butterflies(length: int) -> int:
    """The definition, for a power of two: halves of the length are transformed and put together, pair by pair."""
    if length == 1:
        return 0
    return 2 * butterflies(length // 2) + length // 2 * (MULTIPLICATION + 2 * ADDITION)


@pytest.mark.parametrize("length", [1, 2, 8, 64])
def test_a_complex_transform_counts_its_butterflies(length: int) -> None:
    x = torch.ones(3, length, dtype=torch.cfloat)

    assert flops_of(lambda: torch.fft.fft(x)) == flops_of(lambda: torch.fft.ifft(x)) == 3 * butterflies(length)


@pytest.mark.parametrize("length", [2, 8, 64])
def test_a_real_transform_is_half_of_a_complex_one(length: int) -> None:
    x = torch.ones(4, length)
    spectrum = torch.fft.rfft(x)
    half = 4 * butterflies(length) // 2

    assert flops_of(lambda: torch.fft.rfft(x)) == flops_of(lambda: torch.fft.fft(x)) == half
    assert flops_of(lambda: torch.fft.irfft(spectrum, n=length)) == half


def test_several_dimensions_are_transformed_one_after_the_other() -> None:
    x = torch.ones(3, 4, 8, dtype=torch.cfloat)

    assert flops_of(lambda: torch.fft.fft2(x)) == 3 * (4 * butterflies(8) + 8 * butterflies(4))
    assert flops_of(lambda: torch.fft.fft(x, dim=1)) == 3 * 8 * butterflies(4)


def test_a_length_that_is_no_power_of_two_is_between_those_that_are() -> None:
    counts = [flops_of(lambda n=n: torch.fft.fft(torch.ones(n, dtype=torch.cfloat))) for n in (8, 11, 16)]  # type: ignore[misc]

    assert butterflies(8) == counts[0] < counts[1] < counts[2] == butterflies(16)


def test_a_short_time_transform_is_one_for_each_frame() -> None:
    window, frames = torch.ones(8), (40 - 8) // 4 + 1

    found = flops_of(
        lambda: torch.stft(torch.ones(2, 40), 8, hop_length=4, window=window, center=False, return_complex=True)
    )

    assert found == 2 * frames * butterflies(8) // 2


def test_a_transforms_gradient_is_a_transform() -> None:
    x = torch.randn(3, 8, dtype=torch.cfloat, requires_grad=True)

    assert training_flops(lambda: torch.fft.fft(x)) == (3 * butterflies(8), 3 * butterflies(8))


def points(number: int, *, requires_grad: bool = False) -> Tensor:
    return torch.randn(2, number, 3, requires_grad=requires_grad)


WAYS: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "the usual": torch.cdist,
    "by products": lambda a, b: torch.cdist(a, b, compute_mode="use_mm_for_euclid_dist"),
    "by differences": lambda a, b: torch.cdist(a, b, compute_mode="donot_use_mm_for_euclid_dist"),
    "another power": lambda a, b: torch.cdist(a, b, p=1.0),
}


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
@pytest.mark.parametrize("number", [4, 40])
def test_distances_count_a_multiply_and_an_add_for_each_pair_and_coordinate(
    way: Callable[[Tensor, Tensor], Tensor], number: int
) -> None:
    products = flops_of(lambda: points(number) @ points(5).mT)

    assert flops_of(lambda: way(points(number), points(5))) == products > 0


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
@pytest.mark.parametrize("number", [4, 40])
def test_the_gradients_of_distances_cost_as_much_for_each_operand(
    way: Callable[[Tensor, Tensor], Tensor], number: int
) -> None:
    a, b = points(number, requires_grad=True), points(5, requires_grad=True)

    forward, backward = training_flops(lambda: way(a, b))

    assert backward == 2 * forward > 0


def test_distances_within_a_set_count_each_pair_once() -> None:
    x = torch.randn(5, 3, requires_grad=True)
    pairs = 5 * 4 // 2

    assert training_flops(lambda: functional.pdist(x)) == (2 * pairs * 3, 2 * 2 * pairs * 3)
