"""What was found out about a counter, before anything is made of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from layerprof.records import FrozenMapping

if TYPE_CHECKING:
    from layerprof.energy.base import SourceError
    from layerprof.energy.qualification.base.bench import Span

RATES_HZ = (10.0, 200.0)  # of reads that are tried
READS = 3.0  # of their time have to fit between two, or the device would wait for them
DRIFT_REL = 0.03  # a steady load's power wanders by so much in some seconds: 0.3 to 3 % by repeatability of real boards


@dataclass(frozen=True, slots=True, kw_only=True)
class Tick:
    """How often something moves.

    Attributes:
        tick_s: between two moves.
        jitter_s: standard deviation of that.
    """

    tick_s: float
    jitter_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Movement:
    """What was seen of a counter that was watched under load.

    Attributes:
        is_frozen: whether it stood still. A power sensor may: a steady load need not change what it shows.
        is_zero: whether it was 0 all the time.
        tick: of the counter, or None where there were too few moves.
        power_tick: of the power sensor beside it.
    """

    is_frozen: bool
    is_zero: bool
    tick: Tick | None = None
    power_tick: Tick | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Steady:
    """What was counted under a steady load, and whether that hangs on how often it was read.

    Attributes:
        spans: read at their edges alone, under load.
        ratios: power at a rate of reads over power at the edges alone; empty where it was not tried.
        bound: by which a sound counter's ratio may differ from 1.
        tested_poll_s: time between two readings at the highest rate, or None where none was tried.
    """

    spans: tuple[Span, ...]
    ratios: FrozenMapping[float] = field(default_factory=FrozenMapping)
    bound: float = 0.0
    tested_poll_s: float | None = None

    @property
    def power_w(self) -> float:
        """Mean power at the edges alone."""
        return sum(span.joules for span in self.spans) / sum(span.seconds for span in self.spans)

    @property
    def span_s(self) -> float:
        """Length of the shortest span."""
        return min(span.seconds for span in self.spans)

    @property
    def beside_w(self) -> float | None:
        """Mean power by the sensor beside it, in the same spans, or None."""
        powers = [span.beside_w for span in self.spans if span.beside_w is not None]
        return sum(powers) / len(powers) if len(powers) == len(self.spans) else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Rest:
    """What was counted after work.

    Attributes:
        idle_w: power right after work.
        late_s: how old a reading is on average, or None where work takes hardly more power than rest.
        last: a span under load at the very end.
    """

    idle_w: float
    late_s: float | None
    last: Span


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """All of it; None is what was not reached.

    Attributes:
        deep_idle: before any work.
        movement, steady, rest: of the stages.
        resets, jumps: of the watched source.
        failure: of the source, or None.
        beside_failure: of the power sensor, or None.
        long_call_s: time of a call where it is too long for the power sensor, or None.
        hurried_call_s: time of a call where that is why fewer were made, or None.
        read_s: how long a reading takes.
        duration_s: of all of it.
    """

    deep_idle: Span | None = None
    movement: Movement | None = None
    steady: Steady | None = None
    rest: Rest | None = None
    resets: int = 0
    jumps: int = 0
    failure: SourceError | None = None
    beside_failure: SourceError | None = None
    long_call_s: float | None = None
    hurried_call_s: float | None = None
    read_s: float = 0.0
    duration_s: float = 0.0
