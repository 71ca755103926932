"""What self-checks work with."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from layerprof.clock import PacedClock
from layerprof.energy.base import EnergySource, Load, Window, WindowPlan
from layerprof.records import EnergyCounter


class Meter(Protocol):
    """Takes windows; ``layerprof.energy.windows.WindowMeter`` does."""

    @property
    def plan(self) -> WindowPlan:
        """How it takes them."""
        ...

    @property
    def clock(self) -> PacedClock:
        """That it times them by and waits with."""
        ...

    def calibrate(self, load: Load) -> float:
        """Seconds of one call of a load."""
        ...

    def measure(self, load: Load, call_s: float, *, times: float = 1.0) -> Window:
        """A window of a load, so many times as long as planned."""
        ...

    def measure_many(self, load: Load, call_s: float, count: int) -> Sequence[Window]:
        """So many windows of a load."""
        ...

    def idle(self, seconds: float) -> Window:
        """A window in which nothing runs."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Bench:
    """Meter, loads, and what they did in the first round.

    Attributes:
        meter: that takes the windows.
        counter: as qualified.
        load, other: two loads of different power.
        call_s, other_s: seconds of a call of each.
        first, other_first: windows of each, taken before all checks.
        power: a power sensor beside the counter, summed, or None.
        draw: where random delays come from.
    """

    meter: Meter
    counter: EnergyCounter
    load: Load
    other: Load
    call_s: float
    other_s: float
    first: tuple[Window, ...]
    other_first: tuple[Window, ...]
    power: EnergySource | None
    draw: random.Random

    @property
    def load_w(self) -> float:
        """Power of the load in the first round."""
        return sum(window.power_w for window in self.first) / len(self.first)
