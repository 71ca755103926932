"""The tree of exceptions, split by what the caller can do."""

from __future__ import annotations

import pytest

import layerprof as lp


@pytest.mark.parametrize(
    ("error", "bases"),
    [
        (lp.InputError, (lp.LayerprofError, ValueError)),
        (lp.MeasurementError, (lp.LayerprofError, RuntimeError)),
        (lp.UnavailableError, (lp.LayerprofError, RuntimeError)),
        (lp.RecordError, (lp.LayerprofError, ValueError)),
        (lp.MeasurementInterruptedError, (lp.MeasurementError, KeyboardInterrupt)),
    ],
)
def test_an_error_can_be_caught_as_ours_and_as_pythons(error: type[Exception], bases: tuple[type, ...]) -> None:
    for base in bases:
        with pytest.raises(base, match="why"):
            raise error("why")


@pytest.mark.parametrize("error", [lp.MeasurementError, lp.MeasurementInterruptedError])
def test_an_error_of_measuring_has_no_partial_profile_unless_given(error: type[lp.MeasurementError]) -> None:
    assert error("why").partial is None
