"""Twice the calls take twice the joules."""

from __future__ import annotations

from layerprof.energy.base import Window
from layerprof.energy.selfchecks.base import Bench, Leeway, SelfCheck, compared, fitted
from layerprof.estimates import Estimate

_LENGTHS = (1.0, 2.0, 4.0)  # of the planned window
_ROUNDS = 3
_SLACK_REL = 0.01  # of the joules of the shortest window: what windows are planned to be good for
_MOST_REL = 0.2


def linearity(bench: Bench) -> SelfCheck:
    """The line through the joules of settled runs of different lengths goes through 0.

    ``joules = a + b calls``: b is the joules of a call without anything that is the same for every run; a is what a run
    takes beside its calls, such as a slow start, and what it gains or loses at its ends, by reading too.
    """
    plan = bench.meter.plan
    longer = max(1.0, plan.coarse_window_s / plan.window_s)  # whole runs begin and end between ticks
    windows = [
        bench.meter.measure(bench.load, bench.call_s, times=longer * times)
        for _ in range(_ROUNDS)
        for times in _LENGTHS
    ]
    runs = [(window.calls, _settled_j(window)) for window in windows]
    line = fitted(runs)
    shortest_j = min(joules for _, joules in runs)
    return compared(
        "linearity",
        line.intercept,
        Estimate(value=0.0),
        leeway=Leeway(slack=_SLACK_REL * shortest_j, most=_MOST_REL * shortest_j),
        quantity="intercept_j",
        detail=f"joules of runs of {' : '.join(f'{times:g}' for times in _LENGTHS)} lengths, the shortest "
        f"{shortest_j:.4g} J; their slope is {line.slope.value:.4g} J a call",
    )


def _settled_j(window: Window) -> float:
    """Joules of all calls, from the beginning of the first to the end of the last."""
    return (window.power_w if window.edges_w is None else window.edges_w) * window.run_s
