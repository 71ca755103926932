"""The loads and the line that self-checks are made of."""

from __future__ import annotations

import random

import pytest
from energy_windows import SmoothLoad

from layerprof.energy.selfchecks.base import Alternating, Paused, Shuffled, fitted
from layerprof.testing.energy import SimulatedDevice


def test_a_line_through_points_on_one_is_found_exactly() -> None:
    line = fitted([(1.0, 5.0), (2.0, 7.0), (4.0, 11.0)])

    assert line.slope.value == pytest.approx(2.0)
    assert line.intercept.value == pytest.approx(3.0)
    assert line.slope.standard_error == pytest.approx(0.0, abs=1e-12)


def test_the_errors_of_a_line_are_those_of_regression() -> None:
    # Residuals of +-1 around y = 0 at -1, 0, 0, 1: sum of squares 2 and 2 degrees of freedom; Sxx = 2.
    line = fitted([(-1.0, 0.0), (0.0, 1.0), (0.0, -1.0), (1.0, 0.0)])

    assert line.slope.standard_error == pytest.approx((1.0 / 2.0) ** 0.5)
    assert line.intercept.standard_error == pytest.approx((1.0 / 4.0) ** 0.5)
    assert line.slope.degrees == 2.0


def test_intervals_of_a_line_cover_the_truth() -> None:
    draw = random.Random(1)
    covered = 0
    for _ in range(2000):
        line = fitted([(x, 3.0 + 2.0 * x + draw.gauss(0.0, 1.0)) for x in (1.0, 1.0, 2.0, 2.0, 4.0, 4.0)])
        covered += line.intercept.ci95[0] <= 3.0 <= line.intercept.ci95[1]

    assert 0.93 <= covered / 2000 <= 0.97


@pytest.mark.parametrize("points", [[(0.0, 1.0), (1.0, 2.0)], [(1.0, 1.0), (1.0, 2.0), (1.0, 3.0)]])
def test_a_line_needs_three_points_at_different_places(points: list[tuple[float, float]]) -> None:
    with pytest.raises(ValueError, match="three points"):
        fitted(points)


def alternating(device: SimulatedDevice, calls: int = 10) -> Alternating:
    first = SmoothLoad(device, power_w=400.0, call_s=0.005)
    second = SmoothLoad(device, power_w=200.0, call_s=0.005)
    return Alternating(first, second, first_calls=calls, second_calls=calls)


def test_shuffled_calls_are_the_same_calls() -> None:
    device = SimulatedDevice()
    pair = alternating(device)

    Shuffled(pair, random.Random(0)).launch(100)

    assert isinstance(pair.first, SmoothLoad)
    assert isinstance(pair.second, SmoothLoad)
    assert (pair.first.calls, pair.second.calls) == (1000, 1000)
    assert device.joules(device.now_ns()) == pytest.approx(1000 * 0.005 * (400.0 + 200.0))


@pytest.mark.parametrize("moment_s", [0.003, 0.026, 0.052, 0.099])
def test_at_any_moment_of_a_shuffled_period_both_loads_are_as_likely(moment_s: float) -> None:
    device = SimulatedDevice()
    load = Shuffled(alternating(device), random.Random(0))
    load.launch(3000)

    at_first = 0
    for period in range(3000):
        at_ns = round((period * 0.1 + moment_s) * 1e9)
        at_first += device.joules(at_ns + 1000) - device.joules(at_ns) > 300.0 * 1e-6

    assert at_first / 3000 == pytest.approx(0.5, abs=4.0 * 0.5 / 3000**0.5)


def test_pauses_have_the_mean_that_was_asked_for() -> None:
    device = SimulatedDevice()
    load = SmoothLoad(device, power_w=400.0, call_s=0.01)

    Paused(load, 2, pause_s=0.03, clock=device, draw=random.Random(0)).launch(2000)

    assert load.calls == 4000
    assert device.now_ns() / 1e9 == pytest.approx(2000 * (0.02 + 0.03), rel=0.02)
