"""Time in which nothing runs costs idle power, between calls as well as alone."""

from __future__ import annotations

from dataclasses import replace

from layerprof.energy.selfchecks.base import Bench, Leeway, Paused, SelfCheck, Waiting, compared, fitted
from layerprof.estimates import Estimate, from_samples

_WORK_S = 0.02  # of calls between two pauses
_LONGEST_PAUSE_S = 0.25
_PAUSES = (0.0, 2.0, 4.0)  # of the work's time
_WINDOWS = 3
_WAIT_S = 0.005  # of a call of a load that only waits
# In shares of the load's power. Clocks stay up in short gaps, so they cost somewhat more than a longer rest: with a
# fifth of a step in gaps, 5 % of the load's power is 1 % of the step.
_GAP_SLACK_REL = 0.05
_NULL_SLACK_REL = 0.02
_MOST_REL = 0.25
_LEAST_CONTRAST = 0.05  # between the load and rest: a counter that shows none counts something else


def time_dilation(bench: Bench) -> SelfCheck:
    """What each further second of pause adds to a call is the power of the idle device."""
    calls = max(1, round(_WORK_S / bench.call_s))
    unit_s = min(_LONGEST_PAUSE_S, calls * bench.call_s)
    points = []
    for _ in range(_WINDOWS):
        for pause in _PAUSES:
            load = Paused(bench.load, calls, pause_s=pause * unit_s, clock=bench.meter.clock, draw=bench.draw)
            window = bench.meter.measure(load, calls * bench.call_s + pause * unit_s)
            points.append((window.call_s, window.call_j))
    return compared(
        "time_dilation",
        fitted(points).slope,
        _idle(bench),
        leeway=Leeway(slack=_GAP_SLACK_REL * bench.load_w, most=_MOST_REL * bench.load_w),
        quantity="power_w",
        detail=f"joules for each second of pauses of 0 to {2.0 * _PAUSES[-1] * unit_s:.3g} s between calls, and power "
        "at rest right after",
    )


def null(bench: Bench) -> SelfCheck:
    """A load that only waits takes the power of the idle device, as qualification found it where it did."""
    windows = bench.meter.measure_many(Waiting(bench.meter.clock, _WAIT_S), _WAIT_S, _WINDOWS)
    known_w = bench.counter.active_idle_w
    expected = _idle(bench) if known_w is None else Estimate(value=known_w)
    check = compared(
        "null",
        from_samples([window.power_w for window in windows], origin="waiting"),
        expected,
        leeway=Leeway(slack=_NULL_SLACK_REL * bench.load_w, most=_MOST_REL * bench.load_w),
        quantity="power_w",
        detail="power of a load that only waits, and of the idle device after work",
    )
    if expected.value <= (1.0 - _LEAST_CONTRAST) * bench.load_w:
        return check
    return replace(
        check, is_ok=False, detail=f"{check.detail}; it is no less than that of a load, {bench.load_w:.4g} W"
    )


def _idle(bench: Bench) -> Estimate:
    windows = [bench.meter.idle(bench.meter.plan.window_s) for _ in range(_WINDOWS)]
    return from_samples([window.power_w for window in windows], origin="idle")
