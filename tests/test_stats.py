"""Intervals by their definition, plateaus, and ratios of neighbours."""

from __future__ import annotations

import statistics
from fractions import Fraction
from math import comb

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from layerprof.stats import (
    MIN_SAMPLES_FOR_INTERVAL,
    interquartile_range,
    is_plateau,
    median_interval,
    paired_ratio,
    relative_half_width,
)

CONFIDENCE = Fraction(95, 100)

same_examples = settings(deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])


def coverage(n: int, dropped: int) -> Fraction:
    """How often the interval without the ``dropped`` lowest and highest samples holds the median, exactly."""
    return 1 - 2 * Fraction(sum(comb(n, k) for k in range(dropped + 1)), 2**n)


@pytest.mark.parametrize("n", range(6, 31))
def test_the_interval_is_the_narrowest_that_covers_the_median_with_95_percent(n: int) -> None:
    interval = median_interval(list(range(n)))

    assert interval is not None
    low, high = interval
    assert high == n - 1 - low
    assert coverage(n, int(low)) >= CONFIDENCE
    assert coverage(n, int(low) + 1) < CONFIDENCE


@pytest.mark.parametrize("n", range(MIN_SAMPLES_FOR_INTERVAL))
def test_below_six_samples_there_is_no_interval(n: int) -> None:
    assert median_interval(list(range(n))) is None
    assert n == 0 or coverage(n, 0) < CONFIDENCE


def test_another_confidence_has_its_own_interval() -> None:
    assert median_interval(list(range(10)), confidence=0.5) == (3, 6)
    assert median_interval(list(range(6)), confidence=0.99) is None


def test_the_interval_of_many_samples_is_found() -> None:
    interval = median_interval(list(range(2000)))

    assert interval is not None
    assert coverage(2000, int(interval[0])) >= CONFIDENCE > coverage(2000, int(interval[0]) + 1)


@same_examples
@given(st.lists(st.floats(min_value=-1e9, max_value=1e9), min_size=6, max_size=30))
def test_the_interval_holds_the_median_whatever_the_order(samples: list[float]) -> None:
    interval = median_interval(samples)

    assert interval is not None
    assert interval[0] <= statistics.median(samples) <= interval[1]
    assert median_interval(sorted(samples, reverse=True)) == interval


def test_the_interquartile_range_is_the_distance_between_the_quartiles() -> None:
    assert interquartile_range([1, 2, 3, 4, 5]) == 2
    assert interquartile_range([7.0]) == 0


def test_half_the_width_is_a_fraction_of_the_median() -> None:
    assert relative_half_width([9, 10, 10, 10, 10, 11]) == pytest.approx(0.1)


@pytest.mark.parametrize("samples", [[], [1.0] * 5, [0.0] * 6])
def test_without_an_interval_or_a_median_there_is_no_half_width(samples: list[float]) -> None:
    assert relative_half_width(samples) is None


def test_steps_that_still_get_faster_are_no_plateau() -> None:
    assert not is_plateau([10, 9, 8, 7, 6, 5])


def test_level_steps_are_a_plateau() -> None:
    assert is_plateau([10, 5, 5, 5, 5, 5, 5])


@pytest.mark.parametrize("n", range(6))
def test_fewer_than_two_windows_are_no_plateau(n: int) -> None:
    assert not is_plateau([1.0] * n)


def test_one_outlier_does_not_hold_up_the_plateau() -> None:
    assert is_plateau([5, 5, 50, 5, 5, 5])
    assert is_plateau([5, 5, 5, 5, 50, 5])


def test_one_slow_first_step_is_no_plateau_yet() -> None:
    assert not is_plateau([50, 5, 5])


def test_steps_that_get_slower_are_a_plateau() -> None:
    assert is_plateau([5, 5, 5, 6, 6, 6])


def test_a_ratio_of_neighbours_is_free_of_drift() -> None:
    bare = [1.0, 2.0, 4.0, 8.0, 16.0, 32.0]

    ratio, interval = paired_ratio([1.1 * one for one in bare], bare)

    assert interval is not None
    assert [ratio, *interval] == pytest.approx([1.1] * 3)


def test_a_ratio_of_few_pairs_has_no_interval() -> None:
    assert paired_ratio([3.0], [2.0]) == (1.5, None)


def test_what_has_no_neighbour_is_left_out() -> None:
    assert paired_ratio([2.0, 4.0, 100.0], [1.0, 2.0]) == (2.0, None)


@pytest.mark.parametrize(("above", "below"), [([], [1.0]), ([1.0], []), ([], [])])
def test_a_ratio_of_nothing_is_refused(above: list[float], below: list[float]) -> None:
    with pytest.raises(ValueError, match="at least one pair"):
        paired_ratio(above, below)


@pytest.mark.parametrize("below", [[0.0], [1.0, -1.0]])
def test_a_ratio_to_nothing_is_refused(below: list[float]) -> None:
    with pytest.raises(ValueError, match="positive denominators"):
        paired_ratio([1.0, 1.0], below)
