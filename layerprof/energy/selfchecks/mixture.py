"""Two loads in turn take the joules of one and the joules of the other.

A sensor that looks only part of the time is right about a load that is always the same. If two loads take turns in the
beat of the sensor, it sees one of them more than the other, and every window has another share, by its phase. Without
a beat the shares come out right in the mean.

Source:
    Z. Yang, K. Adamek, W. Armour, Accurate and Convenient Energy Measurements for GPUs (SC'24): sensors that look
    during 25 of 100 ms.
"""

from __future__ import annotations

from layerprof.energy.base import Window
from layerprof.energy.selfchecks.base import MARGIN, Alternating, Bench, Leeway, SelfCheck, Shuffled, compared, not_made
from layerprof.estimates import Estimate, from_samples

_RATIOS = (1 / 2, 2 / 3, 3 / 4, 1.0, 4 / 3)  # of the period to the tick
_WINDOWS = 3  # for each period; their phases are random
_SHUFFLED_WINDOWS = 8
_LEAST_CALLS = 2  # of each load in half a tick, for it to be met at all
_SLACK_REL = 0.05  # caches and clocks are not quite the same in turns as alone
_MOST_REL = 0.2
_LEAST_CONTRAST = 0.05  # of powers: loads that are alike show nothing


def mixture(bench: Bench) -> SelfCheck:
    """The window that is furthest off, over periods around the tick, is within the bound of one window."""
    reason = _hindrance(bench)
    if reason is not None:
        return not_made("mixture", "ratio", reason)
    worst, worst_bound, worst_s = 1.0, 0.0, 0.0
    for pair in _pairs(bench):
        expected = _expected_j(bench, pair)
        period_s = _period_s(bench, pair)
        for window in bench.meter.measure_many(pair, period_s, _WINDOWS):
            ratio = window.call_j / expected.value
            bound = _SLACK_REL + MARGIN * expected.half_width / expected.value + _quantisation_rel(window)
            if worst_s == 0.0 or abs(ratio - 1.0) - bound > abs(worst - 1.0) - worst_bound:
                worst, worst_bound, worst_s = ratio, bound, period_s
    return SelfCheck(
        name="mixture",
        is_ok=abs(worst - 1.0) <= worst_bound,
        measured=worst,
        expected=1.0,
        tolerance=worst_bound,
        quantity="ratio",
        detail=f"joules of two loads in turn over those of each alone, the worst window: at a period of {worst_s:.3g} s"
        + _beat(bench),
    )


def mixture_shuffled(bench: Bench) -> SelfCheck:
    """The mean of windows of two loads without a beat is that of each alone."""
    name = "mixture_shuffled"
    reason = _hindrance(bench)
    if reason is not None:
        return not_made(name, "ratio", reason)
    pair = _pair(bench, 1.0)
    period_s = _period_s(bench, pair)
    windows = bench.meter.measure_many(Shuffled(pair, bench.draw), period_s, _SHUFFLED_WINDOWS)
    found = from_samples([window.call_j for window in windows], origin="shuffled")
    return compared(
        name,
        found / _expected_j(bench, pair),
        Estimate(value=1.0),
        leeway=Leeway(slack=_SLACK_REL, most=_MOST_REL),
        quantity="ratio",
        detail=f"joules of two loads in random turns over those of each alone, at a mean period of {period_s:.3g} s",
    )


def _hindrance(bench: Bench) -> str | None:
    """Why nothing can be shown, or None."""
    powers_w = [
        sum(window.power_w for window in windows) / len(windows) for windows in (bench.first, bench.other_first)
    ]
    if max(powers_w) - min(powers_w) >= _LEAST_CONTRAST * max(powers_w):
        return None
    return f"the two loads take nearly the same power ({powers_w[0]:.4g} W and {powers_w[1]:.4g} W)"


def _pairs(bench: Bench) -> list[Alternating]:
    """The loads in turns at each period, equal ones once."""
    found = {(pair.first_calls, pair.second_calls): pair for pair in (_pair(bench, ratio) for ratio in _RATIOS)}
    return list(found.values())


def _pair(bench: Bench, ratio: float) -> Alternating:
    """The loads in turns, each for half of a period."""
    half_s = ratio * max(bench.meter.plan.tick_s, _shortest_s(bench)) / 2.0
    return Alternating(
        bench.load,
        bench.other,
        first_calls=max(1, round(half_s / bench.call_s)),
        second_calls=max(1, round(half_s / bench.other_s)),
    )


def _shortest_s(bench: Bench) -> float:
    """The shortest period in place of the tick that calls allow."""
    return 2.0 * _LEAST_CALLS * max(bench.call_s, bench.other_s)


def _period_s(bench: Bench, pair: Alternating) -> float:
    return pair.first_calls * bench.call_s + pair.second_calls * bench.other_s


def _expected_j(bench: Bench, pair: Alternating) -> Estimate:
    first = from_samples([window.call_j for window in bench.first], origin="first")
    second = from_samples([window.call_j for window in bench.other_first], origin="second")
    return first.scaled(pair.first_calls) + second.scaled(pair.second_calls)


def _quantisation_rel(window: Window) -> float:
    return window.quantisation_j / window.joules


def _beat(bench: Bench) -> str:
    tick_s = bench.meter.plan.tick_s
    return "" if _shortest_s(bench) <= tick_s else f"; calls are too long to meet the beat of a tick of {tick_s:.3g} s"
