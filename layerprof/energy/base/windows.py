"""What a window is: joules between two readings while one load ran steadily."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from layerprof.energy.base.sources import DeviceState
    from layerprof.records import EnergyEstimator

LOT_S = 0.05  # of calls that are launched together: a longer queue would blur the edges of windows
LONG_CALL_S = 5.0 * LOT_S  # of which the one that runs hides whatever is asked of the device meanwhile
_EDGE_TICKS = 20  # in a window from edge to edge


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """A counter's reading.

    Attributes:
        at_ns: the middle between the moments before and after it.
        joules: read.
    """

    at_ns: int
    joules: float


@dataclass(frozen=True, slots=True, kw_only=True)
class WindowPlan:
    """How windows are taken with one counter.

    Attributes:
        estimator: from tick to tick, from edge to edge, or by polling power.
        tick_s: of the counter.
        window_s: least length of a window.
        pre_roll_s: how long the load runs before it.
        poll_s: how often it is read where that is allowed: near edges for ticks, all along for power.
        sensor_rel: bound of the error of the sensor's gain.
        coarse_window_s: least length where calls are too long to see single ticks between them; 0 is not known.
    """

    estimator: EnergyEstimator
    tick_s: float
    window_s: float
    pre_roll_s: float
    poll_s: float
    sensor_rel: float = 0.0
    coarse_window_s: float = 0.0

    def sees_ticks(self, call_s: float) -> bool:
        """Whether single ticks can be told apart between calls of such a length."""
        return self.estimator == "ticks" and max(call_s, self.poll_s) < self.tick_s / 2.0

    def length_s(self, call_s: float) -> float:
        """Seconds of a window of calls of such a length, without the delay against phase lock.

        A call that is longer than a poll blurs the ticks as a longer poll would, so the window grows with it, up to
        one that ticks need not be seen in.
        """
        if self.estimator != "ticks":
            return self.window_s
        if not self.sees_ticks(call_s):
            return max(self.window_s, self.coarse_window_s, _EDGE_TICKS * self.tick_s)
        return max(self.window_s, self.coarse_window_s * max(call_s, self.poll_s) / self.tick_s)

    def cost_s(self, call_s: float) -> float:
        """About how long a window takes with all that goes before and after it, in whole calls."""
        lot_s = 0.0 if call_s >= LONG_CALL_S else max(LOT_S, call_s)
        waited_s = 2.0 * self.tick_s if self.sees_ticks(call_s) else 0.0
        pre_roll_s = _whole(self.pre_roll_s + self.tick_s / 2.0, call_s)
        # The first calls of a window run before its first reading where the host waits for each; two are in any case.
        window_s = max(2.0 * call_s, _whole(self.length_s(call_s) + self.tick_s / 2.0, call_s)) + max(LOT_S, call_s)
        return self.tick_s / 2.0 + pre_roll_s + window_s + waited_s + 2.0 * lot_s


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """One window.

    Attributes:
        start_ns, end_ns: of the joules.
        joules: between them.
        calls: of the load in ``run_s``; they do not end with the joules where those end with a tick.
        run_s: time of those calls, settled at both ends.
        quantisation_j: bound of what the tick may add or take.
        edges_w: power by the readings at the edges alone, beside the estimator's own; None where it is the same.
        states: of the device at the window's edges.
        flags: stable words for what weakens it: ``throttled``, ``contended``; ``counter_reset``, ``counter_jump`` and
            ``counter_frozen`` where it was taken again because of that; ``few_calls`` where two calls are longer than
            it was to be.
    """

    start_ns: int
    end_ns: int
    joules: float
    calls: int
    run_s: float
    quantisation_j: float
    edges_w: float | None = None
    states: tuple[DeviceState, ...] = ()
    flags: tuple[str, ...] = ()

    @property
    def seconds(self) -> float:
        """Length of the window."""
        return (self.end_ns - self.start_ns) / 1e9

    @property
    def power_w(self) -> float:
        """Mean power in the window."""
        return self.joules / self.seconds

    @property
    def call_s(self) -> float:
        """Time of one call."""
        return self.run_s / self.calls

    @property
    def call_j(self) -> float:
        """Joules of one call."""
        return self.power_w * self.call_s


def _whole(seconds: float, call_s: float) -> float:
    """Of calls that take so long at least."""
    return math.ceil(seconds / call_s) * call_s if call_s > 0.0 else seconds
