"""The FLOPs that an earlier benchmark printed for BLIP-2 are those of its last batch, to the digits that it printed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

import pytest
import torch

import layerprof as lp

SAMPLES = 300
IMAGE_SIZE, IMAGE_TOKENS = 224, 32
DIGITS = 3  # of every figure but one, which has four

Counted = Callable[[int, int], int]  # samples, text tokens -> FLOPs


@dataclass(frozen=True, slots=True, kw_only=True)
class Printed:
    """A figure of the benchmark, and the batch that it is taken to be of."""

    dataset: Literal["TextVQA", "COCO", "ScienceQA"]
    batch_size: int
    samples: int
    text_tokens: int
    flops: float

    @property
    def id(self) -> str:
        return f"{self.dataset}-{self.batch_size}"


PRINTED = (
    Printed(dataset="TextVQA", batch_size=1, samples=1, text_tokens=9, flops=751.3e9),
    Printed(dataset="TextVQA", batch_size=4, samples=4, text_tokens=16, flops=3.15e12),
    Printed(dataset="TextVQA", batch_size=8, samples=4, text_tokens=16, flops=3.15e12),
    Printed(dataset="TextVQA", batch_size=16, samples=12, text_tokens=16, flops=9.46e12),
    Printed(dataset="COCO", batch_size=16, samples=12, text_tokens=10, flops=9.08e12),
    Printed(dataset="ScienceQA", batch_size=16, samples=12, text_tokens=68, flops=12.8e12),
)
pytestmark = pytest.mark.slow
each_figure = pytest.mark.parametrize("printed", PRINTED, ids=lambda printed: printed.id)


@pytest.fixture(scope="module")
def counted() -> Counted:
    """Of the model at full geometry, without weights; each batch is counted once."""
    model = lp.models.load("blip2-opt-2.7b", device="meta")
    known: dict[tuple[int, int], int] = {}

    def count(samples: int, text_tokens: int) -> int:
        if (samples, text_tokens) not in known:
            with torch.device("meta"):
                pixels = torch.empty(samples, 3, IMAGE_SIZE, IMAGE_SIZE, dtype=torch.bfloat16)
                ids = torch.empty(samples, IMAGE_TOKENS + text_tokens, dtype=torch.long)
            report = lp.count_flops(model, {"pixel_values": pixels, "input_ids": ids})
            assert report.uncounted == ()
            known[samples, text_tokens] = report.total
        return known[samples, text_tokens]

    return count


@pytest.fixture(scope="module")
def of_a_sample(counted: Counted) -> Callable[[int], Fraction]:
    """FLOPs of one sample by its text tokens: linear layers grow with them, attention with their square."""
    known: Mapping[int, int] = {
        tokens: counted(samples, tokens) // samples for samples, tokens in ((1, 9), (12, 10), (12, 16))
    }

    def at(tokens: int) -> Fraction:
        return sum((flops * _lagrange(tokens, one, known) for one, flops in known.items()), Fraction(0))

    return at


def _lagrange(tokens: int, one: int, known: Mapping[int, int]) -> Fraction:
    """The weight of the value at ``one`` in the parabola through the values at all of ``known``."""
    weight = Fraction(1)
    for other in known:
        if other != one:
            weight *= Fraction(tokens - other, one - other)
    return weight


def digits(flops: float | Fraction) -> str:
    return f"{float(flops):.{DIGITS - 1}e}"


@each_figure
def test_the_batch_is_the_last_of_all_samples(printed: Printed) -> None:
    assert printed.samples == (SAMPLES % printed.batch_size or min(printed.batch_size, SAMPLES))


@each_figure
def test_the_last_batch_has_the_flops_that_were_printed(printed: Printed, counted: Counted) -> None:
    assert digits(counted(printed.samples, printed.text_tokens)) == digits(printed.flops)


@each_figure
def test_a_text_longer_or_shorter_by_one_token_does_not(
    printed: Printed, of_a_sample: Callable[[int], Fraction]
) -> None:
    for tokens in (printed.text_tokens - 1, printed.text_tokens + 1):
        assert digits(printed.samples * of_a_sample(tokens)) != digits(printed.flops)


def test_flops_of_a_sample_are_a_parabola_in_its_text_tokens(
    counted: Counted, of_a_sample: Callable[[int], Fraction]
) -> None:
    assert of_a_sample(68) == Fraction(counted(12, 68), 12)


def test_flops_grow_with_the_samples(counted: Counted) -> None:
    assert 3 * counted(4, 16) == counted(12, 16)


def test_a_full_batch_of_16_has_more_flops_than_two_of_the_figures_even_without_text(
    of_a_sample: Callable[[int], Fraction],
) -> None:
    full = 16 * of_a_sample(0)

    assert [printed.id for printed in PRINTED if printed.batch_size == 16 and printed.flops < full] == [
        "TextVQA-16",
        "COCO-16",
    ]
