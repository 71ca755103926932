"""The intervals of scores: over clusters, exact where all agree, none where there is nothing to tell, and honest."""

from __future__ import annotations

import random
from collections.abc import Callable
from statistics import NormalDist

import numpy as np
import pytest
from quality_scores import estimate, scored

from layerprof.quality.base import FEWEST_CLUSTERS, expanded_interval, resampled_totals
from layerprof.quality.estimates import estimates_of
from layerprof.records import QualityRecord

SIMULATED = 500  # the share that is covered is known to ±1 %
Draw = Callable[[random.Random], tuple[list[tuple[float, float]], float]]


def right_and_wrong(right: int, wrong: int, *, image_ids: list[str] | None = None) -> QualityRecord:
    return scored(["x"] * right + ["y"] * wrong, [["x"]] * (right + wrong), image_ids=image_ids)


def codes(record: QualityRecord, name: str) -> list[str]:
    return [note.code for note in record.notes if name in note.quantity.split(", ")]


def test_the_interval_holds_the_value_and_is_as_wide_as_the_normal_one() -> None:
    found = estimate(right_and_wrong(40, 60), "accuracy")

    half = 1.96 * (0.4 * 0.6 / 100) ** 0.5
    assert found.low == pytest.approx(0.4 - half, abs=0.02)
    assert found.high == pytest.approx(0.4 + half, abs=0.02)
    assert (found.value, found.n) == (0.4, 100)


def test_equal_answers_have_equal_intervals() -> None:
    assert right_and_wrong(4, 9).estimates == right_and_wrong(4, 9).estimates


def test_samples_of_one_picture_are_drawn_together() -> None:
    pictures = [f"p{number // 10}" for number in range(100)]

    apart, together = right_and_wrong(40, 60), right_and_wrong(40, 60, image_ids=pictures)

    one, other = estimate(apart, "accuracy"), estimate(together, "accuracy")
    assert one.value == other.value
    assert None not in (one.low, one.high, other.low, other.high)
    assert width(other) > 2 * width(one)  # each picture is all right or all wrong: ten trials, not a hundred


def width(found: object) -> float:
    low, high = getattr(found, "low", None), getattr(found, "high", None)
    assert low is not None
    assert high is not None
    return float(high - low)


@pytest.mark.parametrize("count", [2, 8, 300])
def test_none_of_n_right_has_the_exact_binomial_interval(count: int) -> None:
    found = estimate(right_and_wrong(0, count), "accuracy")

    assert found.low == 0.0
    assert found.high is not None
    assert (1.0 - found.high) ** count == pytest.approx(0.025)


def test_all_of_n_right_has_the_mirrored_interval() -> None:
    none, every = estimate(right_and_wrong(0, 8), "exact_match"), estimate(right_and_wrong(8, 0), "exact_match")

    assert every.high == 1.0
    assert every.low == pytest.approx(1.0 - (none.high or 0.0))


def test_the_exact_interval_counts_pictures_and_not_samples() -> None:
    pictures = ["p", "p", "p", "q", "q", "q"]

    found = estimate(right_and_wrong(0, 6, image_ids=pictures), "accuracy")

    assert found.high == estimate(right_and_wrong(0, 2), "accuracy").high


def test_a_rate_on_which_all_agree_has_no_interval_and_a_note() -> None:
    record = right_and_wrong(8, 0)

    found = estimate(record, "wer")
    assert (found.value, found.low, found.high) == (0.0, None, None)
    assert codes(record, "wer") == ["no_interval"]
    assert codes(record, "accuracy") == ["exact_interval"]


@pytest.mark.parametrize(("pictures", "is_told"), [(2, False), (7, False), (8, True), (9, True)])
def test_below_eight_pictures_nothing_is_resampled_and_a_note_says_so(pictures: int, is_told: bool) -> None:
    names = [f"p{number % pictures}" for number in range(3 * pictures)]

    record = right_and_wrong(1, 3 * pictures - 1, image_ids=names)

    for name in ("wer", "accuracy"):
        found = estimate(record, name)
        assert found.value is not None
        assert (found.low is not None, found.high is not None) == (is_told, is_told)
        assert codes(record, name) == ([] if is_told else ["few_clusters"])


def test_below_eight_pictures_the_exact_interval_stays() -> None:
    record = right_and_wrong(0, 3)

    assert estimate(record, "accuracy").low == 0.0
    assert codes(record, "accuracy") == ["exact_interval"]
    assert codes(record, "wer") == ["few_clusters"]


def test_one_picture_has_no_interval_and_a_note() -> None:
    record = right_and_wrong(1, 2, image_ids=["p", "p", "p"])

    found = estimate(record, "wer")
    assert (found.low, found.high, found.n) == (None, None, 3)
    assert codes(record, "wer") == ["one_cluster"]


def test_samples_that_do_not_count_are_no_clusters() -> None:
    record = scored(["x", "y"], [["x"], [""]])

    assert estimate(record, "wer").low is None
    assert estimate(record, "wer").n == 1


def test_what_is_resampled_needs_no_note() -> None:
    assert right_and_wrong(3, 5).notes == ()


def test_metrics_resampled_together_have_the_intervals_that_each_has_alone() -> None:
    record = scored(["x", "y z", "x y", "x"] * 8, [["x y z"], ["y", "z y x w"], ["x y"], ["q"]] * 8)

    for found in record.estimates:
        assert found.low is not None
        assert (found,) == estimates_of([found.name], record.samples)


def test_totals_are_of_as_many_clusters_as_there_are() -> None:
    totals = resampled_totals([(1.0, 10.0), (1.0, 20.0), (1.0, 60.0)], draws=500)

    assert totals.shape == (500, 2)
    assert set(totals[:, 0]) == {3.0}
    assert totals[:, 1].mean() == pytest.approx(90.0, rel=0.1)


def test_draws_in_blocks_are_all_there() -> None:
    many = [(1.0,)] * 300_000

    assert set(resampled_totals(many, draws=7)[:, 0]) == {300_000.0}


def test_the_fewer_the_clusters_the_further_out_the_percentiles() -> None:
    values = np.linspace(0.0, 1.0, 10_001)

    few, many = expanded_interval(values, clusters=11), expanded_interval(values, clusters=100_000)

    share = NormalDist().cdf(-2.2281 * (11 / 10) ** 0.5)  # Student's quantile of ten degrees of freedom
    assert many == pytest.approx((0.025, 0.975), abs=1e-3)
    assert few == pytest.approx((share, 1.0 - share), abs=1e-4)


def errors_per_words(draw: random.Random) -> tuple[list[tuple[float, float]], float]:
    """Sixty references of one to twelve words, each word wrong with 0.4, and now and then a long wrong answer."""
    lengths = [draw.randint(1, 12) for _ in range(60)]
    errors = [sum(draw.random() < 0.4 for _ in range(length)) + 5 * (draw.random() < 0.1) for length in lengths]
    return list(zip(map(float, errors), map(float, lengths), strict=True)), (0.4 * 6.5 + 0.5) / 6.5


def outcomes_by_picture(draw: random.Random) -> tuple[list[tuple[float, float]], float]:
    """Forty pictures of one to five questions, easy and hard ones: all right with 0.9, or with 0.3."""
    clusters = []
    for _ in range(40):
        share, questions = draw.choice((0.9, 0.3)), draw.randint(1, 5)
        clusters.append((float(sum(draw.random() < share for _ in range(questions))), float(questions)))
    return clusters, 0.6


def few_outcomes(draw: random.Random) -> tuple[list[tuple[float, float]], float]:
    """Twenty samples, half of them right."""
    return [(float(draw.random() < 0.5), 1.0) for _ in range(20)], 0.5


@pytest.mark.parametrize("draw_from", [errors_per_words, outcomes_by_picture, few_outcomes])
def test_intervals_cover_the_truth_as_often_as_they_say(draw_from: Draw) -> None:
    assert share_covered(draw_from) == pytest.approx(0.95, abs=0.03)


def test_the_fewest_clusters_still_cover_nearly_as_often_and_two_do_not() -> None:
    def first(count: int) -> Draw:
        def drawn(draw: random.Random) -> tuple[list[tuple[float, float]], float]:
            clusters, truth = errors_per_words(draw)
            return clusters[:count], truth

        return drawn

    assert share_covered(first(FEWEST_CLUSTERS)) > 0.9
    assert share_covered(first(2)) < 0.8


def share_covered(draw_from: Draw) -> float:
    draw, covered = random.Random(20), 0
    for _ in range(SIMULATED):
        clusters, truth = draw_from(draw)
        totals = resampled_totals(clusters, draws=2_000)
        low, high = expanded_interval(totals[:, 0] / totals[:, 1], clusters=len(clusters))
        covered += low <= truth <= high
    return covered / SIMULATED
