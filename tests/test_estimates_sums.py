"""Values with errors: what becomes of the errors in sums, products and quotients."""

from __future__ import annotations

import math
import random

import pytest

from layerprof.estimates import ErrorPart, Estimate, from_samples, summed, t_quantile, weighted


def off(value: float, error: float, origin: str, *, degrees: float = math.inf) -> Estimate:
    return Estimate(value=value, errors=(ErrorPart(origin=origin, part="", error=error, degrees=degrees),))


def test_errors_of_one_origin_add_up_and_of_others_in_quadrature() -> None:
    assert summed([off(1.0, 3.0, "a"), off(2.0, 4.0, "a")]).standard_error == pytest.approx(7.0)
    assert summed([off(1.0, 3.0, "a"), off(2.0, 4.0, "b")]).standard_error == pytest.approx(5.0)
    assert (off(1.0, 3.0, "a") - off(1.0, 3.0, "a")).standard_error == 0.0


def test_a_sum_of_nothing_is_exactly_nothing() -> None:
    assert summed([]) == weighted([]) == Estimate(value=0.0)


def test_a_weighted_sum_is_the_sum_of_scaled_values() -> None:
    draw = random.Random(1)
    estimates = [off(draw.uniform(1.0, 9.0), draw.uniform(0.1, 1.0), draw.choice("abc")) for _ in range(20)]
    factors = [draw.uniform(-2.0, 2.0) for _ in estimates]

    found = weighted(zip(factors, estimates, strict=True))

    expected = summed(one.scaled(factor) for factor, one in zip(factors, estimates, strict=True))
    assert found.value == pytest.approx(expected.value)
    assert found.half_width == pytest.approx(expected.half_width)


def test_relative_errors_of_products_and_quotients_add_in_quadrature() -> None:
    first, second = off(10.0, 0.3, "a"), off(5.0, 0.2, "b")

    for result in (first * second, first / second):
        assert result.standard_error / result.value == pytest.approx(math.hypot(0.03, 0.04))


def test_an_error_that_both_share_is_none_of_their_quotient() -> None:
    gain = off(1.0, 0.05, "gain")

    assert (Estimate(value=6.0) * gain / (Estimate(value=3.0) * gain)).standard_error == pytest.approx(0.0)


def test_the_interval_of_samples_is_students() -> None:
    samples = (9.0, 10.0, 11.0)

    low, high = from_samples(samples, origin="a").ci95

    assert (low + high) / 2 == pytest.approx(10.0)
    assert (high - low) / 2 == pytest.approx(4.3027 * 1.0 / math.sqrt(3.0))


@pytest.mark.parametrize(("degrees", "quantile"), [(1.0, 12.7062), (10.0, 2.2281), (math.inf, 1.96), (1e9, 1.96)])
def test_quantiles_are_those_of_the_tables(degrees: float, quantile: float) -> None:
    assert t_quantile(degrees) == pytest.approx(quantile, rel=1e-4)


def test_between_the_rows_of_the_table_a_quantile_is_never_too_narrow() -> None:
    assert t_quantile(40.0) >= 2.0211  # the table of a handbook


def test_without_degrees_or_samples_there_is_no_interval() -> None:
    with pytest.raises(ValueError, match="at least one degree"):
        t_quantile(0.5)
    with pytest.raises(ValueError, match="at least two samples"):
        from_samples([1.0], origin="a")
