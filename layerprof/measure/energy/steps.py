"""Whole steps as a load: the model as it is, one step after the other."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

from layerprof.clock import PacedClock

if TYPE_CHECKING:
    from layerprof.measure.runner import StepRunner


class StepLoad:
    """Steps of the model; each is settled at both ends, as the steps are whose latency is printed.

    Args:
        runner: of the steps.
    """

    def __init__(self, runner: StepRunner) -> None:
        self._runner = runner

    def launch(self, calls: int) -> None:
        """Runs so many steps."""
        for _ in range(calls):
            self._runner.run()

    def settle(self) -> None:
        """A step has settled when it returns."""


class CopiesLoad:
    """The copies of inputs that are made before each step: not the model's work, yet inside of windows of steps.

    Args:
        runner: of the steps.
    """

    def __init__(self, runner: StepRunner) -> None:
        self._runner = runner

    def launch(self, calls: int) -> None:
        """Makes the inputs of so many steps."""
        for _ in range(calls):
            self._runner.deal()

    def settle(self) -> None:
        """What is copied on a device is waited for by the step after it; by then it is done."""


class DitheredLoad:
    """Steps with a random pause before each, so that they cannot keep step with a counter that looks now and then.

    Args:
        runner: of the steps.
        clock: that pauses are waited with.
        most_s: the longest pause.
        draw: of the pauses.

    Attributes:
        calls: steps so far.
        paused_s: time of all pauses so far.
    """

    def __init__(self, runner: StepRunner, clock: PacedClock, *, most_s: float, draw: random.Random) -> None:
        self._runner, self._clock, self._most_s, self._draw = runner, clock, most_s, draw
        self.calls = 0
        self.paused_s = 0.0

    def launch(self, calls: int) -> None:
        """Runs so many steps."""
        for _ in range(calls):
            began_ns = self._clock.now_ns()
            self._clock.sleep_s(self._draw.uniform(0.0, self._most_s))
            self.paused_s += (self._clock.now_ns() - began_ns) / 1e9
            self.calls += 1
            self._runner.run()

    def settle(self) -> None:
        """A step has settled when it returns."""
