"""Numbers with their 95 % intervals, ratios of them, and what a ratio can carry."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache

from layerprof.estimates import ratio_interval
from layerprof.records import CellRecord
from layerprof.units import Quantity, significant, with_unit

CLEAR_SHARE = 0.03
"""The least effect that is called one, as a share; below it nobody would decide otherwise."""

_UNIT_SUFFIXES = ("_s", "_j")


@dataclass(frozen=True, slots=True, kw_only=True)
class Interval:
    """A number, with the ends of its 95 % interval where it has one."""

    value: float
    low: float | None = None
    high: float | None = None

    @property
    def relative(self) -> float | None:
        """Half the width of the interval as a share of the value; None where it has none."""
        if self.low is None or self.high is None or self.value <= 0.0:
            return None
        return (self.high - self.low) / 2.0 / self.value

    def widened(self, relative: float | None) -> Interval:
        """The same number with a further, independent error in quadrature; without an interval where that is None."""
        if relative is None or self.relative is None:
            return Interval(value=self.value)
        return _around(self.value, math.hypot(self.relative, relative))


def metric_of(cell: CellRecord, name: str) -> Interval | None:
    """A cell's metric with the ends that stand beside it; None where it was not measured."""
    value = cell.metrics.get(name)
    if value is None or not math.isfinite(value):
        return None
    low_name, high_name = _ends(name)
    low, high = cell.metrics.get(low_name), cell.metrics.get(high_name)
    return Interval(value=value) if low is None or high is None else Interval(value=value, low=low, high=high)


def over(ratio: Interval, exact: float) -> Interval:
    """A ratio over an exact number other than 0."""
    low, high = (None if end is None else end / exact for end in (ratio.low, ratio.high))
    return Interval(value=ratio.value / exact, low=low, high=high)


def ratio_of(after: Interval, before: Interval) -> Interval | None:
    """After over before, as two numbers measured apart; None where there is nothing to divide by."""
    if before.value <= 0.0:
        return None
    found = ratio_interval((after.value, after.low, after.high), (before.value, before.low, before.high))
    low, high = found or (None, None)
    return Interval(value=after.value / before.value, low=low, high=high)


def is_clear(ratio: Interval) -> bool:
    """Whether a ratio is another than 1: its interval does not hold 1, and it is 3 % away from it at least."""
    if ratio.low is None or ratio.high is None:
        return False
    return not ratio.low <= 1.0 <= ratio.high and abs(ratio.value - 1.0) >= CLEAR_SHARE


def exponent(ratio: float, of: float) -> float | None:
    """The power p for which ``of ** p`` is the ratio; None where the one or the other does not change enough to tell.

    A ratio that doubles with every doubling of the work has 1, one that stays has 0.
    """
    if ratio <= 0.0 or of <= 0.0 or abs(of - 1.0) < CLEAR_SHARE:
        return None
    return math.log(ratio) / math.log(of)


def amount_text(value: float | None, quantity: Quantity) -> str:
    """A number in running text, with its unit."""
    return with_unit(value, quantity)


def times_text(ratio: Interval) -> str:
    """A ratio in words, with its interval: ``× 13.2 [12.8, 13.6]``."""
    return f"× {significant(ratio.value)}{interval_text(ratio)}"


def interval_text(amount: Interval) -> str:
    """The ends of the interval in brackets, after a space; empty where there are none."""
    if amount.low is None or amount.high is None:
        return ""
    return f" [{significant(amount.low)}, {significant(amount.high)}]"


def _around(value: float, relative: float) -> Interval:
    return Interval(value=value, low=max(0.0, value * (1.0 - relative)), high=value * (1.0 + relative))


@cache
def _ends(name: str) -> tuple[str, str]:
    """``latency_low_s`` and ``latency_high_s`` of ``latency_s``; ``wer_low`` and ``wer_high`` of ``wer``."""
    suffix = next((each for each in _UNIT_SUFFIXES if name.endswith(each)), "")
    stem = name.removesuffix(suffix)
    return f"{stem}_low{suffix}", f"{stem}_high{suffix}"
