"""How long windows have to be with one counter."""

from __future__ import annotations

import math
from dataclasses import replace

from layerprof.energy.base import WindowPlan
from layerprof.energy.windows.base import LEAST_TICKS
from layerprof.errors import MeasurementError
from layerprof.records import EnergyCounter

_FLOOR_S = 1.0  # power wanders within shorter ones (heat, clocks, other work on the machine)
_ASSUMED_S = 0.1  # where nothing is measured but time
_POLLS_IN_TICK = 50  # of a counter of which a move is waited for: 2 ms for 100 ms
_LEAST_POLL_S = 0.0005  # reading takes time too
_UNKNOWN_TICK_S = 0.5  # the slowest period that is published; taken where no tick was found
_TICKS_OF_PRE_ROLL = 2.0  # a tick may be almost a tick late


def plan_windows(counter: EnergyCounter, *, target_rel: float = 0.01, windows: int = 5) -> WindowPlan:
    """The shortest windows that bring the error of the tick down to the target, for the mean of so many of them.

    Args:
        counter: as qualified; a rejected one has no windows.
        target_rel: one standard deviation of the mean that the tick may cause, as a fraction.
        windows: that the mean is of.

    Raises:
        MeasurementError: where the counter was rejected.
        ValueError: where the target is not positive or there is no window.

    Source:
        From edge to edge, one window of length W at a random phase of the tick T has an error of at most T / (2 W)
        (one standard deviation; frac(W / T) = 1/2), so W >= T / (2 target sqrt(windows)). From tick to tick the same
        formula is about polls instead of ticks.
    """
    if counter.verdict == "rejected":
        reasons = "; ".join(note.text for note in counter.findings) or "no reason is known"
        raise MeasurementError(
            f"windows were asked for with the counter {counter.source}, which was rejected: {reasons}"
        )
    if not target_rel > 0.0 or windows < 1:
        raise ValueError(f"a plan needs a positive target and a window; found {target_rel} and {windows}")
    plan = _shortest(counter)
    coarse_s = plan.tick_s / (2.0 * target_rel * math.sqrt(windows))
    least_s = max(plan.window_s, LEAST_TICKS["edges"] * plan.tick_s)
    if plan.estimator == "edges":
        return replace(plan, window_s=max(least_s, coarse_s), coarse_window_s=max(least_s, coarse_s))
    if plan.estimator == "ticks":
        share = min(1.0, plan.poll_s / plan.tick_s)
        return replace(plan, window_s=max(plan.window_s, share * coarse_s), coarse_window_s=max(least_s, coarse_s))
    return plan


def _shortest(counter: EnergyCounter) -> WindowPlan:
    """A plan with the least number of ticks or polls."""
    estimator = counter.estimator
    tick_s = 0.0 if estimator == "assumed" else counter.tick_s or counter.power_tick_s or _UNKNOWN_TICK_S
    poll_s = tick_s
    if estimator != "polled":  # what more frequent reads do to it is not known
        poll_s = max(_LEAST_POLL_S, tick_s / _POLLS_IN_TICK, counter.tested_poll_s or 0.0)
    return WindowPlan(
        estimator=estimator,
        tick_s=tick_s,
        window_s=_ASSUMED_S if estimator == "assumed" else max(_FLOOR_S, LEAST_TICKS[estimator] * tick_s),
        pre_roll_s=max(counter.pre_roll_s, _TICKS_OF_PRE_ROLL * tick_s + (counter.late_s or 0.0)),
        poll_s=poll_s,
        sensor_rel=counter.sensor_rel,
    )
