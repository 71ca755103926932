"""Takes windows: a load runs steadily, long before and until after the joules are counted.

     sleep     pre-roll + dither      window + dither
    ├ 0..T ┼────── load runs ──────┼────── load runs ──────┼ settle ┼ load runs ┼
                          state ^  ^ opening               ^ closing     ^ state

A counter speaks of the past: it is late, and its last tick is some time ago. So the joules of a window are in truth
those of a moment before its ends, and only where the load has been running for longer than that they are the load's.
That is why a window does not begin until its load is steady, and why the random delay against phase lock is under
load: a delay with an idle device right before it would put joules of idling into the window. A delay ahead of the
pre-roll does no harm, and it sets the phase for loads whose calls are longer than a tick.
"""

from __future__ import annotations

import random
from dataclasses import replace

from layerprof.clock import PacedClock
from layerprof.energy.base import (
    LOT_S,
    DeviceState,
    EnergySource,
    Load,
    SourceError,
    WatchedSource,
    Window,
    WindowPlan,
    refuse_long_calls,
)
from layerprof.energy.windows.base import (
    LEAST_TICKS,
    Probe,
    Run,
    Taken,
    between_edges,
    between_ticks,
    calibrate,
)
from layerprof.errors import MeasurementError

_DITHER_CALLS, _DITHER_REL = 8.0, 0.2  # in calls, but no more than so much of the window
_FROZEN_TICKS = 3  # in which a counter under load has to move
_TRIES = 2  # a counter may be reset once in a session
_WAITING_PARTS = 20  # in a tick, while nothing runs: so that the end of a window meets any phase
_WAITING_S = 0.001  # the least that a wait is good for


class WindowMeter:
    """Takes windows with one source after one plan.

    Args:
        source: of the joules.
        clock: that windows are timed by and waited with.
        plan: how windows are taken.
        draw: where delays against phase lock come from.

    Attributes:
        plan, clock: as given.

    Raises:
        MeasurementError: where the plan's windows hold too few ticks.
    """

    def __init__(self, source: EnergySource, clock: PacedClock, plan: WindowPlan, draw: random.Random) -> None:
        self.plan, self.clock = plan, clock
        self._source, self._draw = source, draw
        self._is_polled = plan.estimator == "polled"
        self._poll_s = min(plan.poll_s, source.facts.poll_s or plan.poll_s)
        self._refuse_short(plan.window_s)

    def calibrate(self, load: Load) -> float:
        """Seconds of one call of a load."""
        return calibrate(load, self.clock)

    def measure_many(self, load: Load, call_s: float, count: int) -> tuple[Window, ...]:
        """So many windows of a load, each as `measure`."""
        return tuple(self.measure(load, call_s) for _ in range(count))

    def idle(self, seconds: float) -> Window:
        """A window in which nothing runs; it has no calls. It begins after the pre-roll, with nothing running too."""
        wait_s = self._poll_s if self._is_polled else max(_WAITING_S, self.plan.tick_s / _WAITING_PARTS)
        if self.plan.estimator == "ticks":
            wait_s = max(_WAITING_S, self._poll_s)
        window = self.measure(_Waiting(self.clock, wait_s), wait_s, times=seconds / self.plan.window_s)
        return replace(window, calls=0)

    def measure(self, load: Load, call_s: float, *, times: float = 1.0) -> Window:
        """A window of a load.

        Args:
            load: that runs.
            call_s: seconds of one call, as `calibrate` says; about is good enough.
            times: the plan's length is multiplied by this.

        Raises:
            SourceError: where the counter did not move, went back or leapt, twice, or does not answer, or where a call
                is longer than it may be left unread.
            MeasurementError: where the window would hold too few ticks.
        """
        self._refuse_short(times * self.plan.window_s)
        refuse_long_calls(self._source.facts, call_s)
        faults: list[str] = []
        for _ in range(_TRIES):
            watched = WatchedSource(self._source, self.clock)  # of this window alone: what was before is not its fault
            window = self._window(Probe(watched, self.clock), load, call_s, times)
            fault = self._fault(window, watched)
            if fault is None:
                return replace(window, flags=tuple(sorted({*window.flags, *faults})))
            faults.append(fault)
        raise SourceError(
            faults[-1],
            f"joules were asked of {self._source.facts.name}, which twice stood still, went back or leapt while a load "
            f"ran ({', '.join(faults)}); look for a driver that was reloaded, or use another source",
        )

    def _window(self, probe: Probe, load: Load, call_s: float, times: float) -> Window:
        """Pre-roll and window, whatever the counter did."""
        plan = self.plan
        lot_s = min(LOT_S, self._poll_s) if self._is_polled else LOT_S
        run = Run(load, call_s, self.clock, lot_s=lot_s, tend=probe.tend)
        self.clock.sleep_s(self._draw.uniform(0.0, plan.tick_s))
        run.keep(plan.pre_roll_s + self._draw.uniform(0.0, plan.tick_s))
        state = self._state_at_work(run, probe)
        seconds = times * plan.length_s(call_s)
        dithered_s = seconds + self._draw.uniform(0.0, self._dither_s(call_s, seconds))
        if plan.sees_ticks(call_s):
            taken = between_ticks(run, probe, dithered_s, tick_s=plan.tick_s, poll_s=self._poll_s)
        else:
            taken = between_edges(run, probe, dithered_s, tick_s=plan.tick_s, is_polled=self._is_polled)
        return self._closed(taken, run, state, {"few_calls"} if 2.0 * call_s > seconds else set())

    def _state_at_work(self, run: Run, probe: Probe) -> DeviceState:
        """What the device is like under load; where the answer outlasts what runs, the load is made steady again."""
        run.fill()
        asked_ns = self.clock.now_ns()
        state = probe.state()
        if self.clock.now_ns() - asked_ns > run.lot_s * 1e9:
            run.keep(self.plan.pre_roll_s)
        return state

    def _dither_s(self, call_s: float, seconds: float) -> float:
        """The longest that a window is drawn out by: a tick, or several calls where these are about as long as ticks.

        A window is a whole number of calls. If all were of one number, their lengths in ticks would have one fraction,
        and all would be wrong by the same part of a tick.
        """
        return max(self.plan.tick_s, min(_DITHER_CALLS * call_s, _DITHER_REL * seconds))

    def _closed(self, taken: Taken, run: Run, state: DeviceState, flags: set[str]) -> Window:
        joules = taken.closing.joules - taken.opening.joules
        states = (state, taken.state)
        if any(state.throttle_reasons for state in states):
            flags.add("throttled")
        if any(state.foreign_processes for state in states):
            flags.add("contended")
        return Window(
            start_ns=taken.opening.at_ns,
            end_ns=taken.closing.at_ns,
            joules=joules,
            calls=run.calls,
            run_s=run.seconds,
            quantisation_j=taken.blur_s * joules / taken.seconds if taken.seconds > 0.0 else 0.0,
            edges_w=taken.edges_w,
            states=states,
            flags=tuple(sorted(flags)),
        )

    def _fault(self, window: Window, watched: WatchedSource) -> str | None:
        """Why a window cannot be used, or None."""
        if watched.resets or window.joules < 0.0:
            return "counter_reset"
        if watched.jumps:
            return "counter_jump"
        is_long = window.end_ns == window.start_ns or window.seconds > _FROZEN_TICKS * self.plan.tick_s
        return "counter_frozen" if window.joules == 0.0 and is_long else None

    def _refuse_short(self, seconds: float) -> None:
        plan = self.plan
        unit_s, unit = (self._poll_s, "polls") if self._is_polled else (plan.tick_s, "ticks")
        least_s = LEAST_TICKS[plan.estimator] * unit_s
        if seconds < least_s * (1.0 - 1e-9):
            raise MeasurementError(
                f"a window of {seconds:.3g} s was asked for, which holds too few {unit} of {unit_s:.3g} s; "
                f"ask for {least_s:.3g} s or more"
            )


class _Waiting:
    """A load of which a call is a wait.

    Args:
        clock: that is waited with.
        wait_s: of a call.
    """

    def __init__(self, clock: PacedClock, wait_s: float) -> None:
        self._clock, self._wait_s = clock, wait_s

    def launch(self, calls: int) -> None:
        """Waits so many times."""
        self._clock.sleep_s(calls * self._wait_s)

    def settle(self) -> None:
        """Nothing runs."""
