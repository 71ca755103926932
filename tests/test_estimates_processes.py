"""The interval over processes: what it is made of, and that it covers what it says in simulated sweeps."""

from __future__ import annotations

import random
import statistics
from collections.abc import Callable

import pytest

from layerprof import stats
from layerprof.estimates import do_processes_differ, median_over_processes, ratio_interval

SWEEPS = 2000  # simulated; the share that is covered is known to ±1 %
STEPS = 10  # a process

Draw = Callable[[random.Random, float], float]


def test_of_one_process_it_is_the_processs_own() -> None:
    assert median_over_processes([2.0], [(1.0, 3.0)]) == (2.0, (1.0, 3.0))
    assert median_over_processes([2.0], [None]) == (2.0, None)


def test_it_is_around_the_mean_by_how_the_medians_differ() -> None:
    value, interval = median_over_processes([1.0, 2.0, 3.0], [None, None, None])

    half = 4.3027 / 3**0.5  # the standard deviation is 1
    assert value == 2.0
    assert interval == pytest.approx((2.0 - half, 2.0 + half))


def test_medians_that_happen_to_agree_claim_no_more_than_each_of_them_knows() -> None:
    _, interval = median_over_processes([1.0, 1.0, 1.0, 1.0], [(0.8, 1.2)] * 4)

    assert interval == pytest.approx((0.9, 1.1))


def test_it_reaches_to_the_value() -> None:
    values = [1.0, 1.0, 1.0, 1.0, 5.0]

    value, interval = median_over_processes(values, [None] * 5)

    assert value == 1.0
    assert interval is not None
    assert interval[0] <= value <= interval[1]


def test_without_a_process_there_is_no_value() -> None:
    with pytest.raises(ValueError, match="no median"):
        median_over_processes([], [])


def normal(chance: random.Random, sigma: float) -> float:
    return 1.0 + sigma * chance.gauss(0.0, 1.0)


def log_normal(chance: random.Random, sigma: float) -> float:
    """Of median 1."""
    return chance.lognormvariate(0.0, sigma)


def coverage(draw: Draw, *, processes: int, between: float, within: float) -> float:
    """The share of sweeps whose interval has the median over all processes that there could be, which is 1."""
    chance = random.Random(20240229)
    covered = 0
    for _ in range(SWEEPS):
        levels = [draw(chance, between) for _ in range(processes)]
        measured = [[level * draw(chance, within) for _ in range(STEPS)] for level in levels]
        medians = [statistics.median(steps) for steps in measured]
        _, interval = median_over_processes(medians, [stats.median_interval(steps) for steps in measured])
        assert interval is not None
        covered += interval[0] <= 1.0 <= interval[1]
    return covered / SWEEPS


@pytest.mark.parametrize("processes", [3, 5])
@pytest.mark.parametrize("draw", [normal, log_normal])
@pytest.mark.parametrize("between", [0.02, 0.1])
def test_it_covers_95_percent_where_processes_differ(draw: Draw, processes: int, between: float) -> None:
    assert coverage(draw, processes=processes, between=between, within=0.03) == pytest.approx(0.95, abs=0.02)


@pytest.mark.parametrize("processes", [2, 3, 5])
@pytest.mark.parametrize("draw", [normal, log_normal])
def test_it_never_covers_much_less_where_they_do_not(draw: Draw, processes: int) -> None:
    assert coverage(draw, processes=processes, between=0.0, within=0.1) >= 0.93


def test_processes_that_are_equal_are_hardly_ever_said_to_differ() -> None:
    chance = random.Random(20240229)
    alarms = 0
    for _ in range(SWEEPS):
        measured = [[normal(chance, 0.1) for _ in range(STEPS)] for _ in range(3)]
        medians = [statistics.median(steps) for steps in measured]
        alarms += do_processes_differ(medians, [stats.median_interval(steps) for steps in measured])

    assert alarms / SWEEPS <= 1 / 300


def test_one_process_differs_from_none() -> None:
    assert not do_processes_differ([1.0], [(0.9, 1.1)])
    assert not do_processes_differ([1.0, 2.0], [None, None])


def test_a_ratio_of_exact_numbers_is_exact() -> None:
    assert ratio_interval((6.0, 6.0, 6.0), (2.0, 2.0, 2.0)) == (3.0, 3.0)


def test_a_ratio_over_an_exact_number_keeps_the_relative_interval() -> None:
    low, high = ratio_interval((10.0, 8.0, 15.0), (2.0, 2.0, 2.0)) or (0.0, 0.0)

    assert low == pytest.approx(4.0)
    assert high == pytest.approx(7.5)


def test_the_ends_of_a_ratio_turn_around_with_it() -> None:
    over, under = (10.0, 8.0, 15.0), (4.0, 3.5, 4.2)

    low, high = ratio_interval(over, under) or (0.0, 0.0)
    inverse_low, inverse_high = ratio_interval(under, over) or (0.0, 0.0)

    assert 1.0 / inverse_high == pytest.approx(low)
    assert 1.0 / inverse_low == pytest.approx(high)


@pytest.mark.parametrize(
    ("over", "under"),
    [
        ((1.0, None, None), (1.0, 0.5, 2.0)),
        ((1.0, 0.5, 2.0), (1.0, None, None)),
        ((1.0, 0.0, 2.0), (1.0, 0.5, 2.0)),
        ((1.0, 0.5, 2.0), (0.0, 0.0, 2.0)),
    ],
)
def test_a_ratio_without_two_intervals_above_zero_has_none(
    over: tuple[float, float | None, float | None], under: tuple[float, float | None, float | None]
) -> None:
    assert ratio_interval(over, under) is None
