"""The published word error rates are whole errors over the words of the references that we decided to score against."""

from __future__ import annotations

import struct

import pytest

from layerprof.quality.words import word_errors

SAMPLES = 300  # of each data set
WORDS_OF = {"TextVQA": 430, "ScienceQA": SAMPLES, "COCO": 3177}  # first reference, the choice's letter, first caption
PUBLISHED = [
    ("TextVQA", 3.753488302230835, 1614),
    ("TextVQA", 3.7511627674102783, 1613),
    ("ScienceQA", 20.883333206176758, 6265),
    ("COCO", 0.995278537273407, 3162),
    ("COCO", 0.9940195083618164, 3158),
    ("COCO", 0.9937047362327576, 3157),
]


def as_float32(number: float) -> float:
    """Rounded as a 32-bit float is."""
    return float(struct.unpack("f", struct.pack("f", number))[0])


@pytest.mark.parametrize(("dataset", "rate", "errors"), PUBLISHED)
def test_a_published_rate_is_whole_errors_over_the_references_words(dataset: str, rate: float, errors: int) -> None:
    assert as_float32(errors / WORDS_OF[dataset]) == rate


@pytest.mark.parametrize(("dataset", "rate", "errors"), PUBLISHED)
def test_no_other_number_of_errors_gives_the_rate(dataset: str, rate: float, errors: int) -> None:
    words = WORDS_OF[dataset]

    assert [near for near in range(errors - 50, errors + 51) if as_float32(near / words) == rate] == [errors]


@pytest.mark.parametrize("name", ["A", "B", "c", "2"])
def test_a_choices_letter_or_number_is_one_word_a_sample(name: str) -> None:
    found = [word_errors(name.lower(), "anything at all") for _ in range(SAMPLES)]

    assert sum(errors.reference_words for errors in found if errors is not None) == WORDS_OF["ScienceQA"]
