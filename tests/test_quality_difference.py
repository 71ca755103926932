"""Two runs over the same samples: which answers changed, and by how much a metric moved."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest
from quality_scores import estimate, scored, scoring

from layerprof.errors import InputError
from layerprof.quality import compare
from layerprof.records import QualityRecord

WORDS = ["a", "dog", "cat", "red"]


def a_run(seed: int, *, samples: int = 60) -> QualityRecord:
    draw = random.Random(seed)
    texts = [" ".join(draw.choices(WORDS, k=4)) for _ in range(samples)]
    return scored(texts, [["a red dog"]] * samples)


def test_the_difference_is_that_of_the_two_values() -> None:
    before, after = a_run(1), a_run(2)

    found = compare(before, after, "wer")

    assert found is not None
    assert (found.before, found.after) == (estimate(before, "wer").value, estimate(after, "wer").value)
    assert found.difference == found.after - found.before
    assert found.low is not None
    assert found.high is not None
    assert found.low <= found.difference <= found.high


def test_a_run_and_itself_differ_in_nothing() -> None:
    run = a_run(1)

    found = compare(run, run, "wer")

    assert found is not None
    assert (found.difference, found.changed_answers, found.samples) == (0.0, 0, 60)
    assert (found.low, found.high, found.is_clear) == (None, None, False)


def test_answers_that_changed_without_a_change_of_score_are_counted() -> None:
    before, after = scored(["x", "dog"], [["a"], ["dog"]]), scored(["y", "dog"], [["a"], ["dog"]])

    found = compare(before, after, "accuracy")

    assert found is not None
    assert (found.difference, found.changed_answers) == (0.0, 1)


def test_pairing_takes_away_what_makes_samples_hard() -> None:
    draw = random.Random(3)
    lengths = [draw.randint(0, 20) for _ in range(80)]  # wrong words that both runs have
    before = scored(["x " * length + "dog" for length in lengths], [["dog"]] * 80)
    worse = scored(
        [("x " * length + ("cat" if at % 4 == 0 else "dog")) for at, length in enumerate(lengths)], [["dog"]] * 80
    )

    found = compare(before, worse, "wer")

    assert found is not None
    assert found.is_clear
    assert found.difference == pytest.approx(20 / 80)
    apart = estimate(before, "wer")
    assert apart.low is not None
    assert apart.high is not None
    assert found.low is not None
    assert found.high is not None
    assert found.high - found.low < (apart.high - apart.low) / 4


def test_the_order_of_a_runs_samples_does_not_matter() -> None:
    before, after = a_run(1), a_run(2)

    turned = [replace(run, samples=run.samples[::-1]) for run in (before, after)]

    for one, other in ((before, turned[1]), (turned[0], after), (turned[0], turned[1])):
        assert compare(one, other, "wer") == compare(before, after, "wer")


def test_other_samples_cannot_be_paired() -> None:
    run = a_run(1)

    assert compare(run, replace(run, samples_sha256="other"), "wer") is None
    assert compare(run, replace(run, samples=run.samples[:-1]), "wer") is None
    assert compare(run, replace(run, normaliser="words-2"), "wer") is None


def test_accuracies_by_other_rules_cannot_be_paired() -> None:
    texts, references = ["dog", "cat"], [["dog"] * 10, ["dog"] * 10]
    one, other = scored(texts, references), scored(texts, references, about=scoring(metric="vqa_accuracy"))

    assert compare(one, other, "accuracy") is None
    assert compare(one, other, "wer") is not None


def test_a_metric_that_nothing_was_scored_for_gives_no_difference() -> None:
    assert compare(a_run(1), a_run(2), "wer_echo") is None


@pytest.mark.parametrize(("samples", "is_told"), [(7, False), (8, True)])
def test_fewer_than_eight_pictures_give_no_interval(samples: int, is_told: bool) -> None:
    found = compare(a_run(1, samples=samples), a_run(2, samples=samples), "wer")

    assert found is not None
    assert (found.low is not None, found.high is not None) == (is_told, is_told)


def test_one_picture_gives_no_interval() -> None:
    before = scored(["dog", "cat"], [["dog"]] * 2, image_ids=["p", "p"])
    after = scored(["cat", "cat"], [["dog"]] * 2, image_ids=["p", "p"])

    found = compare(before, after, "wer")

    assert found is not None
    assert (found.difference, found.low, found.high, found.n) == (0.5, None, None, 2)


def test_an_unknown_metric_is_an_error() -> None:
    with pytest.raises(InputError, match="no metric of answers 'bleu'; there are wer"):
        compare(a_run(1), a_run(1), "bleu")
