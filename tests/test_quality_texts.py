"""The normaliser: what is made equal, what is kept apart, and that a second time changes nothing."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from layerprof.quality import NORMALISER, normalised


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("A Dog.", "a dog"),
        ("  a\tdog \n", "a dog"),
        ("don't", "DONT"),
        ("don\u2019t", "don't"),
        ("don\u02bct", "don't"),
        ("“yes”", "yes"),
        ("t-shirt", "tshirt"),
        ("1,000", "1000"),
        ("\uff46\uff55\uff4c\uff4c", "full"),
        ("ﬁsh", "fish"),
        ("STRASSE", "straße"),
        ("cafe\u0301", "café"),
        ("so\u00adft", "soft"),
        ("a\u00a0dog", "a dog"),
        ("3\u200b.5", "3.5"),
        ("U.S.A.", "usa"),
    ],
)
def test_texts_that_mean_the_same_words_are_equal(one: str, other: str) -> None:
    assert normalised(one) == normalised(other)


@pytest.mark.parametrize(
    ("one", "other"), [("3.5", "35"), ("12:30", "1230"), ("1/2", "12"), ("$5", "5"), ("well known", "wellknown")]
)
def test_texts_that_mean_other_things_stay_apart(one: str, other: str) -> None:
    assert normalised(one) != normalised(other)


@pytest.mark.parametrize("text", ["", " ", "?!", "…", "\u200b", "'", "-"])
def test_a_text_without_words_is_empty(text: str) -> None:
    assert normalised(text) == ""


def test_a_text_has_as_many_words_as_its_spaces_say() -> None:
    text = "it's well-known, isn't it? (3.5/5)"

    assert len(normalised(text).split(" ")) == len(text.split())


@given(st.text())
@example("e.\u0301")
@example("1\u200b.5")
@example("3.,5")
@example("\u0130\u0345")
@example("\u1e9e\u00b4")
def test_a_second_time_changes_nothing(text: str) -> None:
    once = normalised(text)

    assert normalised(once) == once


@given(st.text())
def test_words_are_parted_by_single_spaces(text: str) -> None:
    found = normalised(text)

    assert found == " ".join(found.split())


def test_the_normaliser_is_named_with_a_version() -> None:
    assert NORMALISER == "words-1"
