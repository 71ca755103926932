"""A device in virtual time whose power is known at every moment, with the true joules beside every counter's.

    device = SimulatedDevice(idle_w=80.0, seed=1)
    device.run(power_w=400.0, seconds=0.02)        # a layer at work
    device.sleep_s(1.0)                            # nothing runs
    device.joules(device.now_ns())                 # 8 + 80, give or take the noise that was asked for

It is the clock too: time passes only when something runs or waits.
"""

from __future__ import annotations

import random
from bisect import bisect_right
from collections import deque

_GRAIN_NS = 50_000_000  # noise and drift are constant for so long


class SimulatedDevice:
    """Power over virtual time, as steps.

    Args:
        idle_w: power while nothing runs.
        noise_rel: standard deviation of power from one 50 ms to the next, as a fraction.
        drift_rel: standard deviation of the slow wandering of power, as a fraction.
        drift_s: over how long it wanders.
        jitter_rel: standard deviation of the time of a run, as a fraction.
        seed: of all of it.
    """

    def __init__(
        self,
        *,
        idle_w: float = 80.0,
        noise_rel: float = 0.0,
        drift_rel: float = 0.0,
        drift_s: float = 20.0,
        jitter_rel: float = 0.0,
        seed: int = 0,
    ) -> None:
        self.idle_w = idle_w
        self._noise_rel, self._drift_rel, self._jitter_rel = noise_rel, drift_rel, jitter_rel
        self._keep = 1.0 - _GRAIN_NS / 1e9 / drift_s
        self._random = random.Random(f"device {seed}")
        self._now_ns = 0
        self._ends_ns = [0]  # of the steps of constant power
        self._joules = [0.0]  # drawn until then
        self._watts = [idle_w]  # in the step that ends there
        self._drift = self._drift_rel * self._random.gauss(0.0, 1.0)
        self._factor = 1.0 + self._drift
        self._grain = 0
        self._queue: deque[tuple[float, int]] = deque()  # (watts, nanoseconds) that are still to be worked

    def __deepcopy__(self, memo: object) -> SimulatedDevice:
        """Itself: a copy of a layer runs on the same device."""
        return self

    def now_ns(self) -> int:
        """Virtual nanoseconds since the device was made."""
        return self._now_ns

    def sleep_s(self, seconds: float) -> None:
        """Lets time pass in which nothing runs but what was queued."""
        left_ns = round(seconds * 1e9)
        while self._queue and left_ns > 0:
            watts, queued_ns = self._queue.popleft()
            part_ns = min(queued_ns, left_ns)
            self._pass(watts, part_ns)
            left_ns -= part_ns
            if part_ns < queued_ns:
                self._queue.appendleft((watts, queued_ns - part_ns))
        self._pass(self.idle_w, left_ns)

    def queue(self, *, power_w: float, seconds: float, calls: int = 1) -> None:
        """Has something run for so long, after what was queued before, while the host goes on."""
        self._queue.append((power_w, round(seconds * calls * 1e9)))

    def finish(self) -> None:
        """Waits until all that was queued is done."""
        while self._queue:
            self._pass(*self._queue.popleft())

    def run(self, *, power_w: float, seconds: float, calls: int = 1) -> None:
        """Runs something for so long, give or take the jitter; several calls at once jitter by their mean."""
        factor = 1.0
        if self._jitter_rel:
            factor += self._jitter_rel / calls**0.5 * self._random.gauss(0.0, 1.0)
        self._pass(power_w, round(seconds * calls * max(0.1, factor) * 1e9))

    def joules(self, at_ns: int) -> float:
        """The true joules from the beginning until a moment that has passed."""
        place = bisect_right(self._ends_ns, at_ns)
        if place == len(self._ends_ns):
            return self._joules[-1]
        if place == 0:
            return 0.0
        return self._joules[place - 1] + self._watts[place] * (at_ns - self._ends_ns[place - 1]) / 1e9

    def _pass(self, power_w: float, duration_ns: int) -> None:
        while duration_ns > 0:
            self._enter_grain()
            part_ns = min(duration_ns, (self._grain + 1) * _GRAIN_NS - self._now_ns)
            self._append(power_w * self._factor, part_ns)
            duration_ns -= part_ns

    def _append(self, watts: float, duration_ns: int) -> None:
        self._now_ns += duration_ns
        joules = self._joules[-1] + watts * duration_ns / 1e9
        if watts == self._watts[-1] and len(self._ends_ns) > 1:
            self._ends_ns[-1], self._joules[-1] = self._now_ns, joules
            return
        self._ends_ns.append(self._now_ns)
        self._joules.append(joules)
        self._watts.append(watts)

    def _enter_grain(self) -> None:
        """Draws the power's factor anew for each 50 ms."""
        while self._grain < self._now_ns // _GRAIN_NS:
            self._grain += 1
            if self._drift_rel:
                kick = self._drift_rel * (1.0 - self._keep**2) ** 0.5
                self._drift = self._keep * self._drift + kick * self._random.gauss(0.0, 1.0)
            noise = self._noise_rel * self._random.gauss(0.0, 1.0) if self._noise_rel else 0.0
            self._factor = 1.0 + self._drift + noise


class SimulatedLoad:
    """A load of calls that all take the same power and time.

    Args:
        device: that it runs on.
        power_w, call_s: of a call.
    """

    def __init__(self, device: SimulatedDevice, *, power_w: float, call_s: float) -> None:
        self.device = device
        self.power_w = power_w
        self.call_s = call_s
        self.calls = 0

    def launch(self, calls: int) -> None:  # noqa: D102 - as `Load`
        self.calls += calls
        if calls > 0:
            self.device.run(power_w=self.power_w, seconds=self.call_s, calls=calls)

    def settle(self) -> None:
        """Nothing to wait for: a call has ended when it returns."""


class AsynchronousLoad(SimulatedLoad):
    """A load as on a GPU: the device works on a launch while the host goes on, and waits where none came in time."""

    def launch(self, calls: int) -> None:  # noqa: D102 - as `Load`
        self.device.finish()
        self.calls += calls
        if calls > 0:
            self.device.queue(power_w=self.power_w, seconds=self.call_s, calls=calls)

    def settle(self) -> None:
        """Waits until all calls are done."""
        self.device.finish()
