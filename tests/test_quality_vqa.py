"""The accuracy of visual question answering: how texts are processed, and the mean over the people left out."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from layerprof.quality.vqa import PEOPLE, processed, vqa_accuracy


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("The Red dog.", "red dog"),
        ("two", "2"),
        ("none", "0"),
        ("ten", "10"),
        ("eleven", "eleven"),
        ("dont", "don't"),
        ("don't", "don't"),
        ("couldnt've", "couldn't've"),
        ("couldn'tve", "couldn't've"),
        ("twas", "'twas"),
        ("bob's", "bob 's"),
        ("yes, sir?", "yes sir"),
        ("1,000", "1000"),
        ("3.5", "3.5"),
        ("u.s.a.", "usa"),
        ("t-shirt", "t shirt"),
        ("t-shirt - red", "tshirt red"),  # a dash that touches a space removes all of them, as published
        ("t-shirt -red", "tshirt red"),
        ("t-shirt- red", "tshirt red"),
        ("coca/cola", "coca cola"),
        ("(stop)", "stop"),
        ("line\none\ttwo", "line 1 2"),
        ("a", ""),
        ("its", "its"),  # the possessive and the contraction cannot be told apart
    ],
)
def test_texts_are_processed_as_the_evaluation_was_published(text: str, expected: str) -> None:
    assert processed(text) == expected


def left_out_one_by_one(answer: str, references: list[str]) -> float:
    """The definition, person by person."""
    scores = []
    for place in range(len(references)):
        others = references[:place] + references[place + 1 :]
        scores.append(min(1.0, sum(processed(other) == processed(answer) for other in others) / 3))
    return sum(scores) / len(scores)


@given(st.lists(st.sampled_from(["red", "blue", "The red", "two", "2"]), min_size=2, max_size=12))
def test_it_is_the_mean_over_the_ways_to_leave_one_person_out(references: list[str]) -> None:
    for answer in ("red", "two", "green"):
        assert vqa_accuracy(answer, references) == pytest.approx(left_out_one_by_one(answer, references), abs=1e-12)


@pytest.mark.parametrize(("matches", "accuracy"), [(0, 0.0), (1, 0.3), (2, 0.6), (3, 0.9), (4, 1.0), (10, 1.0)])
def test_of_ten_people_four_make_an_answer_fully_right(matches: int, accuracy: float) -> None:
    references = ["stop"] * matches + ["go"] * (PEOPLE - matches)

    assert vqa_accuracy("Stop", references) == pytest.approx(accuracy)


def test_of_a_single_answer_it_is_plain_equality() -> None:
    assert vqa_accuracy("the dog", ["Dog."]) == 1.0
    assert vqa_accuracy("cat", ["dog"]) == 0.0


def test_of_two_equal_answers_a_right_one_has_a_third() -> None:
    assert vqa_accuracy("dog", ["dog", "dog"]) == pytest.approx(1 / 3)


def test_an_answer_without_text_is_wrong_whatever_the_others_said() -> None:
    assert vqa_accuracy(" ", ["a"] * PEOPLE) == 0.0
    assert vqa_accuracy("", [""] * 5 + ["dog"] * 5) == 0.0


def test_without_anyones_answer_there_is_no_accuracy() -> None:
    assert vqa_accuracy("dog", []) is None
    assert vqa_accuracy("dog", ["", " "]) is None
