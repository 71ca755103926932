"""Which choice an answer takes: by its letter, its text, its number, in this order."""

from __future__ import annotations

import pytest

from layerprof.errors import InputError
from layerprof.quality.choices import choice_accuracy

CHOICES = ("a dog", "vitamin C", "the 2 cats")
RIGHT = ("B", "vitamin C", "1")


@pytest.mark.parametrize(
    "answer",
    [
        *("B", "b", "B.", "(B)", "[B]", "b) it is", "B: yes", "B, I think", "B - yes", "B because it is", " B\n"),
        *("B. vitamin C", "(B) Vitamin C.", "B) Vitamin C", "B. B", "B or b", "B: abc, yes"),
        *("vitamin C", "Vitamin c.", "“vitamin C”"),
        *("1", "1.", "(1)"),
    ],
)
def test_the_right_letter_text_or_number_is_right(answer: str) -> None:
    assert choice_accuracy(answer, RIGHT, CHOICES) == 1.0


@pytest.mark.parametrize(
    "answer",
    [
        *("", "?", "A", "C", "(C)", "D", "2", "a dog", "Bob", "The answer is B", "I B"),
        *("A or B", "B or A", "B, C", "B. C.", "B and C", "B/C", "b or a", "B. (not A)", "A, B or C"),
        *("vitamin", "vitamin C is in it", "B-12", "1 or 2", "one"),
        *("B the 2 cats", "B. The 2 cats", "(B) a dog", "B, a dog.", "b) a dog"),
    ],
)
def test_another_choice_several_or_none_is_wrong(answer: str) -> None:
    assert choice_accuracy(answer, RIGHT, CHOICES) == 0.0


@pytest.mark.parametrize("answer", ["A dog", "a dog", "A. A dog", "A", "a"])
def test_the_article_is_no_letter_before_a_word(answer: str) -> None:
    assert choice_accuracy(answer, ("A", "a dog", "0"), CHOICES) == 1.0
    assert choice_accuracy("A dog", ("B", "a dog", "1"), ("a cat", "a dog")) == 1.0


def test_the_word_i_is_no_ninth_letter() -> None:
    ninth = ("I", "i", "8")

    assert choice_accuracy("I think so", ninth, "abcdefghi") == 0.0
    assert choice_accuracy("I.", ninth, "abcdefghi") == 1.0


def test_the_letter_goes_before_the_text() -> None:
    assert choice_accuracy("B", ("A", "B", "0"), ("B", "A")) == 0.0
    assert choice_accuracy("A", ("A", "B", "0"), ("B", "A")) == 1.0


def test_the_text_goes_before_the_number() -> None:
    choices = ("3", "2", "1")

    assert choice_accuracy("2", ("C", "1", "2"), choices) == 0.0
    assert choice_accuracy("1", ("C", "1", "2"), choices) == 1.0


def test_of_two_choices_with_one_text_the_right_one_is_taken() -> None:
    assert choice_accuracy("dog", ("B", "dog", "1"), ("dog", "dog")) == 1.0


def test_the_letters_own_text_after_it_is_right_even_where_another_choice_has_the_same() -> None:
    assert choice_accuracy("B dog", ("B", "dog", "1"), ("dog", "dog")) == 1.0


def test_a_choice_without_text_contradicts_no_letter() -> None:
    assert choice_accuracy("(B).", ("B", "dog", "1"), ("", "dog")) == 1.0


@pytest.mark.parametrize("references", [(), ("",), (" ", "", "")])
def test_a_right_choice_that_is_held_back_gives_no_accuracy(references: tuple[str, ...]) -> None:
    assert choice_accuracy("A", references, CHOICES) is None


def test_letters_beyond_the_choices_are_not_read_as_such() -> None:
    assert choice_accuracy("B or E", ("B",), ("x", "y")) == 1.0


@pytest.mark.parametrize(
    ("references", "choices"),
    [(("D",), CHOICES), (("", "a dog"), CHOICES), (("A",), ()), (("dog",), CHOICES), (("A",), "x" * 27)],
)
def test_without_a_letter_of_the_choices_it_cannot_be_scored(references: tuple[str, ...], choices: str) -> None:
    with pytest.raises(InputError, match="letter"):
        choice_accuracy("A", references, tuple(choices))
