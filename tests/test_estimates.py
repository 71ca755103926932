"""Values with errors: intervals that cover as often as they say, and the first-order rules that they follow.

Beside ``test_estimates_sums.py``, which has the sums of known answer.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest

from layerprof.estimates import ZERO, ErrorPart, Estimate, from_samples, summed, t_quantile, weighted

DRAWS = 3000
FOUR_SIGMA = 4.0 * math.sqrt(0.95 * 0.05 / DRAWS)  # of a coverage of 95 %, seen in so many draws


def off(value: float, **errors: float) -> Estimate:
    """A value whose errors, known exactly, are named by their origins; ``a_b`` is part b of origin a."""
    names = [(*name.split("_"), "")[:2] for name in errors]
    parts = zip(names, errors.values(), strict=True)
    return Estimate(
        value=value, errors=tuple(ErrorPart(origin=origin, part=part, error=error) for (origin, part), error in parts)
    )


def errors_of(estimate: Estimate) -> dict[tuple[str, str], float]:
    return {(part.origin, part.part): part.error for part in estimate.errors}


def student_within(width: float, degrees: float) -> float:
    """How often Student's t lies within ± width: its density, integrated."""
    places = np.linspace(0.0, width, 4001)
    scale = math.exp(math.lgamma((degrees + 1.0) / 2.0) - math.lgamma(degrees / 2.0)) / math.sqrt(degrees * math.pi)
    return 2.0 * float(np.trapezoid(scale * (1.0 + places**2 / degrees) ** (-(degrees + 1.0) / 2.0), places))


def test_quantiles_of_one_two_and_four_degrees_are_those_of_the_closed_forms() -> None:
    """Source: W. T. Shaw, Sampling Student's T distribution (2006), section 2."""
    alpha = 4.0 * 0.975 * 0.025
    of_four = 2.0 * math.sqrt(math.cos(math.acos(math.sqrt(alpha)) / 3.0) / math.sqrt(alpha) - 1.0)

    assert t_quantile(1.0) == pytest.approx(math.tan(0.475 * math.pi), abs=1e-4)
    assert t_quantile(2.0) == pytest.approx(0.95 * math.sqrt(2.0 / alpha), abs=1e-4)
    assert t_quantile(4.0) == pytest.approx(of_four, abs=1e-4)


@pytest.mark.parametrize(
    ("degrees", "quantile"),
    [(3, 3.182), (6, 2.447), (7, 2.365), (8, 2.306), (9, 2.262), (12, 2.179), (15, 2.131), (20, 2.086), (30, 2.042)],
)
def test_quantiles_in_the_table_are_those_of_the_handbook(degrees: int, quantile: float) -> None:
    """Source: NIST/SEMATECH e-Handbook 1.3.6.7.2, column 0.975."""
    assert t_quantile(degrees) == pytest.approx(quantile, abs=6e-4)


@pytest.mark.parametrize("degrees", [1.0, 1.2, 1.5, 2.0, 2.5, 3.7, 7.3, 9.99, 11.0, 13.5, 17.0, 25.0, 44.4, 90.0, 1e3])
def test_a_quantile_of_any_degrees_holds_95_percent_and_little_more(degrees: float) -> None:
    held = student_within(t_quantile(degrees), degrees)

    assert held >= 0.95 - 2e-5  # the table has four decimals
    assert held <= (0.961 if degrees < 2.0 else 0.9525)


def test_quantiles_fall_as_degrees_rise() -> None:
    quantiles = [t_quantile(1.0 + step / 7.0) for step in range(2000)]

    assert quantiles == sorted(quantiles, reverse=True)
    assert quantiles[-1] > t_quantile(math.inf) == 1.96


@pytest.mark.parametrize("degrees", [0.999, 0.0, -3.0, -math.inf, math.nan])
def test_below_one_degree_of_freedom_there_is_no_interval(degrees: float) -> None:
    with pytest.raises(ValueError, match=f"at least one degree of freedom; found {degrees}"):
        t_quantile(degrees)


def test_errors_move_together_where_both_origin_and_part_are_the_same() -> None:
    one = off(5.0, class_mean=3.0)

    assert (one + off(2.0, class_mean=4.0)).standard_error == pytest.approx(7.0)
    assert (one + off(2.0, class_other=4.0)).standard_error == pytest.approx(5.0)
    assert (one + off(2.0, else_mean=4.0)).standard_error == pytest.approx(5.0)


def test_a_difference_loses_what_both_share_and_keeps_the_rest() -> None:
    difference = off(9.0, shared=4.0, mine=2.0) - off(5.0, shared=1.0, yours=6.0)

    assert difference.value == 4.0
    assert errors_of(difference) == {("shared", ""): 3.0, ("mine", ""): 2.0, ("yours", ""): -6.0}
    assert difference.standard_error == pytest.approx(7.0)


def test_errors_of_opposite_signs_cancel_in_a_sum() -> None:
    assert summed([off(1.0, a=2.0), off(1.0, a=-2.0)]).standard_error == 0.0
    assert weighted([(2.0, off(1.0, a=3.0)), (3.0, off(1.0, a=-2.0))]).standard_error == 0.0


@pytest.mark.parametrize(
    "formula",
    [
        lambda first, second: first * second,
        lambda first, second: first / second,
        lambda first, second: first * first / second,
        lambda first, second: (first - second) / (first + second),
        lambda first, second: first * (first - second.scaled(2.5)),
    ],
    ids=["product", "quotient", "square over", "contrast", "product of a difference"],
)
def test_each_error_is_the_derivative_by_its_source(formula: Callable[[Estimate, Estimate], Estimate]) -> None:
    first, second = off(7.0, a=0.3, b=-0.2), off(-3.0, b=0.5, c=0.1)
    step = 1e-4

    found = errors_of(formula(first, second))

    def moved(origin: str, deviations: float) -> float:
        """The result if one source were off by so many standard deviations."""
        values = (one.value + deviations * errors_of(one).get((origin, ""), 0.0) for one in (first, second))
        return formula(*(Estimate(value=value) for value in values)).value

    derivatives = {(origin, ""): (moved(origin, step) - moved(origin, -step)) / (2.0 * step) for origin in "abc"}
    assert found == pytest.approx(derivatives, rel=1e-6, abs=1e-9)


def test_division_by_zero_is_an_error_and_of_zero_is_not() -> None:
    with pytest.raises(ZeroDivisionError, match="division"):
        off(1.0, a=0.1) / off(0.0, b=0.1)

    assert off(0.0, a=0.5) / off(2.0, b=0.1) == Estimate(value=0.0, errors=(off(0.0, a=0.25) - off(0.0, b=0.0)).errors)


@pytest.mark.parametrize("factor", [-1.0, -2.5, 0.0])
def test_a_factor_of_any_sign_scales_value_and_error(factor: float) -> None:
    one = off(4.0, a=0.3, b=-0.4)

    scaled = one.scaled(factor)

    assert scaled.value == factor * 4.0
    assert errors_of(scaled) == {("a", ""): factor * 0.3, ("b", ""): factor * -0.4}
    assert scaled.half_width == pytest.approx(abs(factor) * one.half_width)
    assert (scaled - one.scaled(factor)).half_width == 0.0
    assert scaled.ci95[0] <= scaled.value <= scaled.ci95[1]


def test_degrees_of_two_origins_are_satterthwaites() -> None:
    one, other = from_samples([3.0, 4.0, 8.0, 9.0], origin="a"), from_samples([1.0, 2.0, 6.0], origin="b")
    first, second = one.standard_error**2, other.standard_error**2

    found = (one + other).degrees

    assert found == pytest.approx((first + second) ** 2 / (first**2 / 3.0 + second**2 / 2.0))
    assert 3.0 < found < 5.0  # between the least and the sum of both


def test_parts_of_one_origin_share_its_degrees() -> None:
    """One standard deviation was estimated for them all: four of them know it no better than one."""
    parts = [
        Estimate(value=1.0, errors=(ErrorPart(origin="class", part=name, error=0.1, degrees=2.0),)) for name in "abcd"
    ]

    assert summed(parts).degrees == pytest.approx(2.0)
    assert summed(parts).standard_error == pytest.approx(0.2)


def test_an_error_that_is_known_adds_degrees_without_end() -> None:
    """Of variance v that is estimated with n degrees, and w that is known: ``n (v + w)² / v²``."""
    estimated = from_samples([9.0, 10.0, 11.0], origin="a")

    both = estimated + off(0.0, known=estimated.standard_error)

    assert both.degrees == pytest.approx(4.0 * estimated.degrees)
    assert off(1.0, known=0.1).degrees == math.inf


def test_degrees_are_never_below_one_and_endless_without_an_error() -> None:
    half = Estimate(value=1.0, errors=(ErrorPart(origin="a", part="", error=0.1, degrees=0.5),))

    assert half.degrees == 1.0
    assert half.half_width == pytest.approx(0.1 * t_quantile(1.0))
    assert ZERO.degrees == half.scaled(0.0).degrees == math.inf


def test_samples_of_known_spread_have_the_known_error() -> None:
    found = from_samples([2.0, 4.0, 4.0, 4.0, 5.0, 5.0, 7.0, 9.0], origin="a", part="b")

    assert found.value == 5.0  # squares of deviations: 32, over 7 and then 8
    assert errors_of(found) == {("a", "b"): pytest.approx(2.0 / math.sqrt(7.0))}
    assert found.degrees == pytest.approx(7.0)


def test_equal_samples_have_an_interval_of_no_width() -> None:
    assert from_samples([3.0, 3.0, 3.0], origin="a").ci95 == (3.0, 3.0)


def test_no_samples_are_refused_like_one() -> None:
    with pytest.raises(ValueError, match="at least two samples; found 0"):
        from_samples([], origin="a")


def test_an_interval_has_the_value_in_its_middle() -> None:
    assert off(10.0, a=0.3, b=0.4).ci95 == pytest.approx((10.0 - 1.96 * 0.5, 10.0 + 1.96 * 0.5))


@pytest.mark.parametrize("count", [2, 3, 5])
def test_intervals_of_few_samples_cover_their_mean(count: int) -> None:
    samples = np.random.default_rng(count).normal(7.0, 2.0, (DRAWS, count)).tolist()

    intervals = [from_samples(one, origin="a").ci95 for one in samples]

    covered = sum(low <= 7.0 <= high for low, high in intervals) / DRAWS
    assert covered == pytest.approx(0.95, abs=FOUR_SIGMA)


def test_intervals_of_two_layers_that_share_their_power_cover_their_joules() -> None:
    """Satterthwaite's degrees are themselves estimated, so the coverage is not exact."""
    draw = np.random.default_rng(1)
    powers = draw.normal(200.0, 2.0, (DRAWS, 5)).tolist()
    times = draw.normal((3.0, 5.0), 0.06, (DRAWS, 4, 2)).tolist()

    covered = 0
    for power_samples, time_samples in zip(powers, times, strict=True):
        power = from_samples(power_samples, origin="power")
        first, second = (from_samples(one, origin=f"time {n}") for n, one in enumerate(zip(*time_samples, strict=True)))
        low, high = (power * first + power * second).ci95
        covered += low <= 200.0 * 8.0 <= high

    assert 0.935 <= covered / DRAWS <= 0.97
