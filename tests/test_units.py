"""Numbers to text: one scale for a column, significant digits, and a dash for what is missing."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from layerprof.units import MISSING, Quantity, percent, plus_minus, scale_for, significant, supported, with_unit

same_examples = settings(deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])


@pytest.mark.parametrize(
    ("value", "quantity", "text"),
    [
        (0.0123, "s", "12.3 ms"),
        (2.5, "s", "2.50 s"),
        (61.0, "s", "61.0 s"),
        (4.2e-5, "s", "42.0 µs"),
        (3e-9, "s", "3.00 ns"),
        (751_060_000_000, "flops", "751 GFLOP"),
        (1.5e12, "flops_per_s", "1.50 TFLOP/s"),
        (4.8e12, "bytes_per_s", "4.80 TB/s"),
        (999e6, "bytes_per_s", "999 MB/s"),
        (1234.5, "flops_per_byte", "1,234 FLOP/B"),
        (0.25, "flops_per_byte", "0.250 FLOP/B"),
        (999, "macs", "999 MAC"),
        (1024, "bytes", "1.00 KiB"),
        (1023, "bytes", "1,023 B"),
        (3 * 2**30, "bytes", "3.00 GiB"),
        (0.25, "j", "250 mJ"),
        (1.2e6, "j", "1.20 MJ"),
        (0.0025, "j_s", "2.50 mJ·s"),
        (150.0, "w", "150 W"),
        (1.5e9, "hz", "1.50 GHz"),
        (12_345, "count", "12.3 k"),
        (7, "count", "7.00"),
        (1.25, "ratio", "1.25"),
        (0, "s", "0 s"),
        (0, "flops", "0 FLOP"),
        (None, "s", MISSING),
    ],
)
def test_a_number_is_shown_in_its_own_unit(value: float | None, quantity: Quantity, text: str) -> None:
    assert with_unit(value, quantity) == text


def test_a_column_has_the_scale_of_its_largest_number() -> None:
    scale = scale_for([1e-6, None, 0, 0.5], "s")

    assert scale.label == "ms"
    assert [scale.text(value) for value in (0.5, 1e-3, 1e-6, 0, None)] == ["500", "1.00", "0.00100", "0", MISSING]


@pytest.mark.parametrize("values", [[], [None], [0, 0.0]])
def test_a_column_of_nothing_is_in_the_base_unit(values: list[float | None]) -> None:
    assert scale_for(values, "bytes").label == "B"
    assert scale_for(values, "s").label == "s"


def test_negative_numbers_have_a_scale_too() -> None:
    assert with_unit(-0.002, "s") == "-2.00 ms"


QUANTITIES: list[Quantity] = ["s", "flops", "flops_per_s", "bytes_per_s", "macs", "j", "w", "hz", "count"]


@same_examples
@given(st.floats(min_value=1e-8, max_value=1e17), st.sampled_from(QUANTITIES))
def test_the_largest_number_reads_between_1_and_1000(value: float, quantity: Quantity) -> None:
    scale = scale_for([value], quantity)

    shown = value / scale.divisor
    is_at_an_end = (shown < 1 and value < 1) or shown >= 1000
    assert 1 <= shown < 1000 or is_at_an_end


@pytest.mark.parametrize(
    ("value", "digits", "text"),
    [
        (1234.5, 3, "1,234"),
        (12.345, 3, "12.3"),
        (1.0, 3, "1.00"),
        (0.12345, 3, "0.123"),
        (0.00012345, 2, "0.00012"),
        (0.0000012, 3, "1.20e-06"),
        (-12.3, 2, "-12"),
        (9.999, 3, "10.0"),
        (0, 3, "0"),
    ],
)
def test_numbers_have_significant_digits(value: float, digits: int, text: str) -> None:
    assert significant(value, digits=digits) == text


def test_shares_are_in_percent() -> None:
    assert percent(1, 8) == "12.5 %"
    assert percent(2, 3, digits=0) == "67 %"


@pytest.mark.parametrize(("part", "whole"), [(None, 1), (1, None), (1, 0)])
def test_a_share_of_nothing_is_a_dash(part: float | None, whole: float | None) -> None:
    assert percent(part, whole) == MISSING


@pytest.mark.parametrize(
    ("value", "half_width", "text"),
    [
        (7.449, 0.12, "7.4 ± 0.1"),
        (7.449, 0.37, "7.4 ± 0.4"),
        (7.449, 0.96, "7.4 ± 1.0"),
        (1234.0, 62.0, "1,230 ± 60"),
        (232.8, 11.6, "230 ± 10"),
        (99.97, 0.2, "100.0 ± 0.2"),
        (0.00123, 0.00006, "0.00123 ± 0.00006"),
        (0.3, 2.0, "0.3 ± 2.0"),
        (0.354, 0.516, "0.35 ± 0.52"),
        (0.0, 0.04, "0 ± 0.04"),
        (-7.449, 0.12, "-7.4 ± 0.1"),
        (7.449, 1e-9, "7.449"),
        (7.449, None, "7.4"),
        (123.4, None, "120"),
        (7.449, 0.0, "7.45"),
        (0.0, None, "0"),
        (0.0, 0.0, "0"),
        (1.2345e-9, 1e-11, "1.23e-09 ± 1e-11"),
    ],
)
def test_a_measured_number_has_the_digits_that_its_error_supports(
    value: float, half_width: float | None, text: str
) -> None:
    assert plus_minus(value, half_width) == text


@same_examples
@given(st.floats(min_value=1e-3, max_value=1e6), st.floats(min_value=0.05, max_value=1.0))
def test_a_number_that_is_known_to_5_percent_never_has_four_digits(value: float, relative: float) -> None:
    text = supported(value, relative * value).replace(",", "").strip("0").replace(".", "").strip("0")

    assert len(text) <= 3


def test_a_measured_number_is_rounded_in_the_unit_of_its_column() -> None:
    scale = scale_for([7.449e-3], "j")

    assert scale.supported(7.449e-3, 0.12e-3) == "7.4"
    assert scale.supported(7.449e-3, 0.12e-3, shows_error=True) == "7.4 ± 0.1"
    assert scale.supported(7.449e-3, None, shows_error=True) == "7.4"
