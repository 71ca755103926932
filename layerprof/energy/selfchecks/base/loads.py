"""Loads that are made of other loads: two in turn, one with pauses, one that only waits, one that is watched."""

from __future__ import annotations

import random

from layerprof.clock import PacedClock
from layerprof.energy.base import EnergySource, Load


class Alternating:
    """Of which a call is some calls of one load, then some of another: always the same beat.

    Args:
        first, second: the loads.
        first_calls, second_calls: of each in a call.
    """

    def __init__(self, first: Load, second: Load, *, first_calls: int, second_calls: int) -> None:
        self.first, self.second = first, second
        self.first_calls, self.second_calls = first_calls, second_calls

    def launch(self, calls: int) -> None:  # noqa: D102 - as `Load`
        for _ in range(calls):
            self.first.launch(self.first_calls)
            self.second.launch(self.second_calls)

    def settle(self) -> None:  # noqa: D102 - as `Load`
        self.first.settle()
        self.second.settle()


class Shuffled(Alternating):
    """The same calls, but without a beat: one load runs within the other, at a random place.

    Which of the two is inside is drawn too, so that at any fixed moment of the period either is as likely to run as
    its share of the time says, where both shares are a half.

    Args:
        pair: the loads and their calls.
        draw: where places come from.
    """

    def __init__(self, pair: Alternating, draw: random.Random) -> None:
        super().__init__(pair.first, pair.second, first_calls=pair.first_calls, second_calls=pair.second_calls)
        self._draw = draw

    def launch(self, calls: int) -> None:  # noqa: D102 - as `Load`
        for _ in range(calls):
            outside, inside = (self.first, self.first_calls), (self.second, self.second_calls)
            if self._draw.random() < 0.5:
                outside, inside = inside, outside
            before = self._draw.randint(0, outside[1])
            for load, part in ((outside[0], before), inside, (outside[0], outside[1] - before)):
                if part:
                    load.launch(part)


class Paused:
    """Of which a call is some calls of a load, settled, and then a pause of random length in which nothing runs.

    Args:
        load: that is called.
        calls: of it in a call.
        pause_s: mean length of the pause.
        clock: that is waited with.
        draw: where lengths come from; each is from 0 to twice the mean.
    """

    def __init__(self, load: Load, calls: int, *, pause_s: float, clock: PacedClock, draw: random.Random) -> None:
        self._load, self._calls, self._pause_s = load, calls, pause_s
        self._clock, self._draw = clock, draw

    def launch(self, calls: int) -> None:  # noqa: D102 - as `Load`
        for _ in range(calls):
            self._load.launch(self._calls)
            self._load.settle()
            if self._pause_s > 0.0:
                self._clock.sleep_s(self._draw.uniform(0.0, 2.0 * self._pause_s))

    def settle(self) -> None:  # noqa: D102 - as `Load`
        self._load.settle()


class Waiting:
    """Of which a call is a wait.

    Args:
        clock: that is waited with.
        wait_s: of a call.
    """

    def __init__(self, clock: PacedClock, wait_s: float) -> None:
        self._clock, self._wait_s = clock, wait_s

    def launch(self, calls: int) -> None:  # noqa: D102 - as `Load`
        for _ in range(calls):
            self._clock.sleep_s(self._wait_s)

    def settle(self) -> None:
        """Nothing runs."""


class Watched:
    """A load during which another source is read.

    Args:
        load: that runs.
        lot: calls of it between two readings.
        source: that is read.
        clock: where the moments of readings come from.
    """

    def __init__(self, load: Load, lot: int, source: EnergySource, clock: PacedClock) -> None:
        self._load, self._lot, self._source, self._clock = load, lot, source, clock
        self._readings: list[tuple[int, float]] = []

    def launch(self, calls: int) -> None:  # noqa: D102 - as `Load`
        while calls > 0:
            part = min(calls, self._lot)
            self._load.launch(part)
            self._readings.append((self._clock.now_ns(), self._source.read_j()))
            calls -= part

    def settle(self) -> None:  # noqa: D102 - as `Load`
        self._load.settle()

    def power_w(self, start_ns: int, end_ns: int) -> float | None:
        """Mean power between the first and the last reading in a window; None where there are no two."""
        inside = [reading for reading in self._readings if start_ns <= reading[0] <= end_ns]
        if len(inside) < 2 or inside[-1][0] <= inside[0][0]:
            return None
        return (inside[-1][1] - inside[0][1]) / (inside[-1][0] - inside[0][0]) * 1e9
