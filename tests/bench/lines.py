"""What a line of the bench is: the median of some samples, its interval, and whether it reached its goal.

Everything that can be is a ratio of two things measured side by side, in turn, since two measurements one after the
other differ by several percent on identical code. A goal that is missed is printed as missed: a bench is no test.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from layerprof import stats, units

ROUNDS = 15  # of each comparison, unless a goal asks for more

Verdict = Literal["met", "missed", ""]
Text = Callable[[float], str]

_NS_PER_S = 1e9


@dataclass(frozen=True, slots=True, kw_only=True)
class Goal:
    """What a number is to be: at most the bound, or at least it.

    Attributes:
        bound: in the number's own unit.
        is_least: whether more is better.
    """

    bound: float
    is_least: bool = False

    def is_met_by(self, value: float) -> bool:
        """Whether a number is on the right side of the bound."""
        return value >= self.bound if self.is_least else value <= self.bound


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One measured number as text: what it is of, its interval, its goal."""

    what: str
    number: str
    interval: str
    goal: str
    verdict: Verdict
    note: str


def line_of(what: str, samples: Sequence[float], text: Text, *, goal: Goal | None = None, note: str = "") -> Line:
    """The median of some samples.

    Args:
        what: it is of.
        samples: one a round.
        text: how a number is printed.
        goal: what the median is to be, if anything.
        note: what it is compared with, and of how much.
    """
    middle, interval = statistics.median(samples), stats.median_interval(samples)
    return Line(
        what=what,
        number=text(middle),
        interval=units.MISSING if interval is None else f"{text(interval[0])} to {text(interval[1])}",
        goal="" if goal is None else f"{'≥' if goal.is_least else '≤'} {text(goal.bound)}",
        verdict="" if goal is None else "met" if goal.is_met_by(middle) else "missed",
        note=note,
    )


def as_ratio(value: float) -> str:
    """So many times."""
    return f"{value:.3f} ×"


def as_seconds(value: float) -> str:
    """In the unit that fits."""
    return units.with_unit(value, "s")


def as_million_a_second(value: float) -> str:
    """Events a second."""
    return f"{value / 1e6:.2f} M/s"


def as_bytes(value: float) -> str:
    """Whole bytes."""
    return f"{value:.0f} B"


def seconds(function: Callable[[], object]) -> float:
    """How long one call takes."""
    began = time.perf_counter_ns()
    function()
    return (time.perf_counter_ns() - began) / _NS_PER_S


def in_turn(*functions: Callable[[], object], rounds: int = ROUNDS) -> list[list[float]]:
    """Seconds of each, run in turn, the order reversed in every other round; after one round that does not count."""
    for function in functions:
        function()  # caches fill
    times: list[list[float]] = [[] for _ in functions]
    order = list(range(len(functions)))
    for turn in range(rounds):
        for which in order if turn % 2 == 0 else order[::-1]:
            times[which].append(seconds(functions[which]))
    return times


def ratios(above: Sequence[float], below: Sequence[float]) -> list[float]:
    """Of neighbours in time."""
    return [one / other for one, other in zip(above, below, strict=True)]
