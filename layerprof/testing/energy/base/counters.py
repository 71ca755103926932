"""Counters and power sensors of a simulated device, with the faults that real ones have.

true joules ─▶ seen (duty window) ─▶ lost by reading ─▶ gain ─▶ late ─▶ ticks ─▶ quantum ─▶ wrap ─▶ reading

Nothing happens between readings: what a counter shows follows from the device's true joules at its last tick, so an
hour costs no more than a second.
"""

from __future__ import annotations

import math
import random
from bisect import bisect_right
from dataclasses import dataclass
from typing import TYPE_CHECKING

from layerprof.energy.base import DeviceState, SourceError, SourceFacts

if TYPE_CHECKING:
    from layerprof.testing.energy.base.device import SimulatedDevice


@dataclass(frozen=True, slots=True, kw_only=True)
class CounterModel:
    """How a counter of joules behaves.

    Attributes:
        tick_s: how often it moves.
        jitter_s: standard deviation of the moment at which it moves.
        late_s: how long after the moment that it speaks of.
        quantum_j: what it counts in.
        wrap_j: at which it starts anew, or None.
        gain: joules counted for each true one.
        duty_s: only the last so many seconds of each tick are looked at; None is all of it.
        lost_s: each reading makes it lose up to so many seconds of what came since the reading before.
        constant_w: it counts so much, whatever is drawn; None is what is drawn.
        freeze_at_s, reset_at_s: when it stops, or starts from 0 again.
        fails_at_s: when it stops to answer.
        leaps: (seconds, joules): from then on it shows so many more.
        read_s, state_s: how long a reading takes, and telling the device's state.
        start_j: what it shows at the device's beginning; real ones have counted since the driver was loaded.
    """

    tick_s: float
    jitter_s: float = 0.0
    late_s: float = 0.0
    quantum_j: float = 0.001
    wrap_j: float | None = None
    gain: float = 1.0
    duty_s: float | None = None
    lost_s: float = 0.0
    constant_w: float | None = None
    freeze_at_s: float | None = None
    reset_at_s: float | None = None
    fails_at_s: float | None = None
    leaps: tuple[tuple[float, float], ...] = ()
    read_s: float = 0.0
    state_s: float = 0.0
    start_j: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class PowerModel:
    """How a power sensor behaves.

    Attributes:
        publish_s: how often it gives a new value.
        boxcar_s: over how long that is averaged.
        noise_rel: standard deviation of a value, as a fraction.
        gain: watts shown for each true one.
        first_w: what it says when it is read for the first time, or None for the truth.
        quantum_w: what it shows power in.
    """

    publish_s: float
    boxcar_s: float
    noise_rel: float = 0.0
    gain: float = 1.0
    first_w: float | None = None
    quantum_w: float = 0.001


class SimulatedCounter:
    """A counter of joules that a device's true ones go into.

    Args:
        device: that it counts.
        model: how it behaves.
        facts: what it says of itself.
        seed: of its phase and its jitter.
        state: the device's state, as it shows it.

    Attributes:
        reads: how often it was read.
    """

    def __init__(
        self,
        device: SimulatedDevice,
        model: CounterModel,
        facts: SourceFacts,
        *,
        seed: int = 0,
        state: DeviceState | None = None,
    ) -> None:
        self.facts = facts
        self.reads = 0
        self._device, self._model = device, model
        self._state = state or DeviceState()
        self._ticks = _Ticks(model, seed)
        self._duty = _DutyJoules(device, model, self._ticks.phase_s) if model.duty_s is not None else None
        self._losses = _Losses(device, model.lost_s)

    def read_j(self) -> float:
        """The count now, as `EnergySource.read_j`, unwrapped counters apart.

        Raises:
            SourceError: once it has stopped to answer.
        """
        model = self._model
        if model.read_s:
            self._device.sleep_s(model.read_s / 2.0)
        joules = self._shown_j(self._device.now_ns() / 1e9)
        if model.read_s:
            self._device.sleep_s(model.read_s / 2.0)
        return joules

    def state(self) -> DeviceState:  # noqa: D102 - as `EnergySource`
        if self._model.state_s:
            self._device.sleep_s(self._model.state_s)
        return self._state

    def close(self) -> None:
        """Nothing is held."""

    def _shown_j(self, now_s: float) -> float:
        model = self._model
        if model.fails_at_s is not None and now_s >= model.fails_at_s:
            raise SourceError("unsupported_device", "the simulated counter does not answer any more")
        self.reads += 1
        if model.lost_s:
            self._losses.read()
        if model.freeze_at_s is not None:
            now_s = min(now_s, model.freeze_at_s)
        counted = self._counted(self._ticks.last(now_s))
        if model.reset_at_s is not None and now_s >= model.reset_at_s:
            counted -= self._counted(self._ticks.last(model.reset_at_s))
        else:
            counted += model.start_j
        counted += sum(joules for at_s, joules in model.leaps if now_s >= at_s)
        # Half a millionth of a quantum keeps a sum of floats that is a hair below a whole quantum from losing it.
        counted = math.floor(max(0.0, counted) / model.quantum_j + 5e-7) * model.quantum_j
        return counted % model.wrap_j if model.wrap_j is not None else counted

    def _counted(self, number: int) -> float:
        """Joules until a tick, before quantum and wrap."""
        model = self._model
        until_s = max(0.0, self._ticks.moment_s(number) - model.late_s)
        if model.constant_w is not None:
            return model.constant_w * until_s
        if self._duty is not None:
            return model.gain * self._duty.joules(number)
        until_ns = round(until_s * 1e9)
        return model.gain * self._losses.left_j(until_ns)


class _Ticks:
    """The moments at which a counter moves."""

    def __init__(self, model: CounterModel, seed: int) -> None:
        self._tick_s, self._jitter_s, self._seed = model.tick_s, model.jitter_s, seed
        self.phase_s = random.Random(f"phase {seed}").uniform(0.0, model.tick_s)
        self._known: dict[int, float] = {}

    def last(self, now_s: float) -> int:
        """The number of the last tick until now."""
        number = math.floor((now_s - self.phase_s) / self._tick_s)
        return number if self.moment_s(number) <= now_s else number - 1

    def moment_s(self, number: int) -> float:
        """When it comes: never so late that it would come after the next."""
        moment = self.phase_s + number * self._tick_s
        if not self._jitter_s:
            return moment
        if number not in self._known:
            late = abs(random.Random(f"{self._seed} {number}").gauss(0.0, self._jitter_s))
            self._known[number] = min(late, 0.9 * self._tick_s)
        return moment + self._known[number]


class _Losses:
    """What readings made a counter lose, by the time of the reading.

    It is taken off what later ticks add, so that the count stands still between ticks and never goes back.
    """

    def __init__(self, device: SimulatedDevice, lost_s: float) -> None:
        self._device, self._lost_s = device, lost_s
        self._reads_ns: list[int] = []
        self._joules: list[float] = []  # lost until then
        self._left: tuple[int, float] = 0, 0.0  # the latest moment that was asked for, and what was left then

    def read(self) -> None:
        """A reading now loses a part of what came since the one before: all of it where that is little."""
        now_ns = self._device.now_ns()
        if not self._reads_ns:
            self._reads_ns.append(now_ns)
            self._joules.append(0.0)
            return
        last_ns = self._reads_ns[-1]
        if now_ns <= last_ns:
            return
        since_s = (now_ns - last_ns) / 1e9
        share = self._lost_s / since_s * -math.expm1(-since_s / self._lost_s)
        lost_j = share * (self._device.joules(now_ns) - self._device.joules(last_ns))
        self._reads_ns.append(now_ns)
        self._joules.append(self._joules[-1] + lost_j)

    def left_j(self, until_ns: int) -> float:
        """The device's joules until then without those that readings until then have lost."""
        drawn_j = self._device.joules(until_ns)
        if not self._reads_ns:
            return drawn_j
        place = bisect_right(self._reads_ns, until_ns)
        left_j = drawn_j - (self._joules[place - 1] if place else 0.0)
        latest_ns, latest_j = self._left
        if until_ns < latest_ns:
            return left_j
        self._left = until_ns, max(left_j, latest_j)  # a reading may lose some that an earlier tick has shown
        return self._left[1]


class _DutyJoules:
    """Joules of a counter that looks at the last part of each tick alone, and takes that for the whole tick."""

    def __init__(self, device: SimulatedDevice, model: CounterModel, phase_s: float) -> None:
        self._device, self._phase_s = device, phase_s
        self._tick_s, self._late_s = model.tick_s, model.late_s
        self._duty_ns = round((model.duty_s or model.tick_s) * 1e9)
        self._sums = [0.0]  # until tick 0, 1, ...

    def joules(self, number: int) -> float:
        """Until a tick that has passed."""
        while len(self._sums) <= number:
            end_ns = round((self._phase_s + len(self._sums) * self._tick_s - self._late_s) * 1e9)
            begin_ns = max(0, end_ns - self._duty_ns)
            seen_j = self._device.joules(end_ns) - self._device.joules(begin_ns)
            power_w = seen_j / ((end_ns - begin_ns) / 1e9) if end_ns > begin_ns else 0.0
            self._sums.append(self._sums[-1] + power_w * self._tick_s)
        return self._sums[max(0, number)]


class SimulatedPower:
    """A power sensor of a device.

    Args:
        device: that it looks at.
        model: how it behaves.
        seed: of its phase and its noise.
    """

    def __init__(self, device: SimulatedDevice, model: PowerModel, *, seed: int = 0) -> None:
        self._device, self._model, self._seed = device, model, seed
        self._phase_s = random.Random(f"power phase {seed}").uniform(0.0, model.publish_s)
        self._is_first = True
        self._shown: tuple[int, float] | None = None  # number of the value, and it

    def read_w(self) -> float:
        """The power that it shows now."""
        model, now_s = self._model, self._device.now_ns() / 1e9
        if self._is_first:
            self._is_first = False
            if model.first_w is not None:
                return model.first_w
        number = math.floor((now_s - self._phase_s) / model.publish_s)
        if self._shown is None or self._shown[0] != number:
            self._shown = number, self._published_w(number)
        return self._shown[1]

    def _published_w(self, number: int) -> float:
        model = self._model
        end_ns = round((self._phase_s + number * model.publish_s) * 1e9)
        begin_ns = max(0, end_ns - round(model.boxcar_s * 1e9))
        if end_ns > begin_ns:
            power_w = (self._device.joules(end_ns) - self._device.joules(begin_ns)) / ((end_ns - begin_ns) / 1e9)
        else:
            power_w = self._device.idle_w
        noise = random.Random(f"{self._seed} {number}").gauss(0.0, model.noise_rel) if model.noise_rel else 0.0
        return round(model.gain * power_w * (1.0 + noise) / model.quantum_w) * model.quantum_w
