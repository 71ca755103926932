"""What a counter is tried on: a load that can be kept running, rest, and readings with their moments.

bench.run("work", 1.0)                       # pre-roll
span = bench.span("work", 4.0)               # read at its edges alone, the load running on both sides
bench.settle()
bench.span("rest", 1.0)
"""

from __future__ import annotations

import statistics
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from layerprof.energy.base import LOT_S, EnergySource, Reading, ShowsPower, SourceError, WatchedSource, is_too_long

if TYPE_CHECKING:
    import random

    from layerprof.clock import PacedClock
    from layerprof.energy.base import Load

Activity = Literal["work", "rest"]

_LONG_CALL_S = 2.0  # a dozen of them would take longer than all the rest
_VERY_LONG_CALL_S = 6.0
_EARLY = 0.1  # of the time between two readings: calls do not end at the moment that was planned


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """Joules between two readings while the device did one thing.

    Attributes:
        seconds: between them.
        joules: counted.
        reads: of the counter after the first.
        beside_w: mean of the power sensor over the same time, or None.
    """

    seconds: float
    joules: float
    reads: int = 1
    beside_w: float | None = None

    @property
    def power_w(self) -> float:
        """Mean power by the counter."""
        return self.joules / self.seconds

    @property
    def read_every_s(self) -> float:
        """Mean time between two readings of the counter."""
        return self.seconds / self.reads


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """What the device is kept at work with.

    Attributes:
        load, call_s: that runs, and the time of one call, about.
        clock: where time comes from.
        draw: of random delays.
        tell: is told what is being found out.
    """

    load: Load
    call_s: float
    clock: PacedClock
    draw: random.Random
    tell: Callable[[str], None] | None = None


class Bench:
    """A counter, perhaps a power sensor beside it, and a load.

    Args:
        source: the counter.
        power: the power sensor, or None.
        setting: what the device is kept at work with.

    Attributes:
        source: the counter, watched.
        beside: the power sensor; None once it has failed.
        beside_failure: of the power sensor, or None.
        call_s, draw: as of the setting.
    """

    def __init__(self, source: EnergySource, power: EnergySource | None, setting: Setting) -> None:
        self.source = WatchedSource(source, setting.clock)
        self.beside = power
        self.beside_failure: SourceError | None = None
        self.call_s, self.draw = setting.call_s, setting.draw
        # Asked once: whether an object fits a protocol takes longer than a reading.
        self._shown = source if isinstance(source, ShowsPower) else None
        self._shown_beside = power if isinstance(power, ShowsPower) else None
        self._load, self._clock, self._tell = setting.load, setting.clock, setting.tell
        self._reads_s: list[float] = []
        self._read_ns = setting.clock.now_ns()
        self._begun_ns = setting.clock.now_ns()

    @property
    def repeats(self) -> int:
        """How often what is repeated may be, at most: long calls would make a trial of minutes."""
        if self.call_s <= _LONG_CALL_S:
            return 4
        return 2 if self.call_s <= _VERY_LONG_CALL_S else 1

    @property
    def is_hurried(self) -> bool:
        """Whether calls are so long that the fewest of them are made."""
        return self.call_s > _LONG_CALL_S

    @property
    def read_s(self) -> float:
        """How long a reading of the counter takes, the median; 0 before the first."""
        return statistics.median(self._reads_s) if self._reads_s else 0.0

    @property
    def is_beside_too_slow(self) -> bool:
        """Whether the power sensor cannot be read often enough between calls."""
        return self.beside is not None and is_too_long(self.call_s, self.beside.facts.poll_s)

    @property
    def elapsed_s(self) -> float:
        """Since the bench was made."""
        return (self._clock.now_ns() - self._begun_ns) / 1e9

    def tell(self, text: str) -> None:
        """Says what is being found out."""
        if self._tell is not None:
            self._tell(text)

    @property
    def shown_w(self) -> float | None:
        """The power that the source read last; None where it is a counter."""
        return None if self._shown is None else self._shown.last_w

    @property
    def beside_w(self) -> float | None:
        """The power that the sensor beside it read last, or None."""
        return None if self._shown_beside is None else self._shown_beside.last_w

    def read(self) -> Reading:
        """The counter now.

        Raises:
            SourceError: when it does not answer.
        """
        before_ns = self._clock.now_ns()
        reading = self._read(self.source)
        self._read_ns = before_ns
        self._reads_s.append((self._clock.now_ns() - before_ns) / 1e9)
        return reading

    def read_beside(self) -> Reading | None:
        """The power sensor now; None without one. One that fails is done with, for the counter may be sound."""
        if self.beside is None:
            return None
        try:
            return self._read(self.beside)
        except SourceError as error:
            self.beside, self._shown_beside, self.beside_failure = None, None, error
            return None

    def advance(self, activity: Activity, seconds: float) -> None:
        """Works or rests for so long; at work, for whole calls, at least one."""
        limit_s = self.source.facts.longest_unread_s
        next_s = max(seconds, self.call_s)
        if limit_s is not None and (self._clock.now_ns() - self._read_ns) / 1e9 + next_s > limit_s:
            self.read()  # or it would start anew unseen
        if activity == "work":
            self._load.launch(max(1, round(seconds / self.call_s)))
        else:
            self._clock.sleep_s(seconds)

    def run(
        self, activity: Activity, seconds: float, *, step_s: float = LOT_S, each: Callable[[], object] | None = None
    ) -> None:
        """Works or rests for so long, and does something after every step."""
        until_ns = self._clock.now_ns() + round(seconds * 1e9)
        while (left_ns := until_ns - self._clock.now_ns()) > 0:
            self.advance(activity, min(step_s, left_ns / 1e9))
            if each is not None:
                each()

    def settle(self) -> None:
        """Waits until the load is done."""
        self._load.settle()

    def span(self, activity: Activity, seconds: float, *, reads_hz: float | None = None) -> Span:
        """Joules of so many seconds.

        Args:
            activity: what the device does; it did so before already, and a lot of it is launched before the first
                reading, so that it need not wait for that.
            seconds: how long.
            reads_hz: how often the counter is read between the edges. None is not at all, and the power sensor is read
                instead, unless calls are too long for it: between calls alone it would see the same moment of each. A
                summed power sensor is read as often as it needs in any case.
        """
        polls_s = self.source.facts.poll_s
        every_s = polls_s if polls_s is not None else None if reads_hz is None else 1.0 / reads_hz
        is_seen = activity == "rest" or not self.is_beside_too_slow
        beside = self.beside if reads_hz is None and is_seen else None
        beside_s = beside.facts.poll_s if beside is not None else None
        step_s = min(step for step in (LOT_S, every_s, beside_s) if step is not None)
        if activity == "work" and self.call_s < LOT_S:
            self.advance(activity, LOT_S)
        rounds = _Rounds(self, every_s, is_beside_read=beside is not None)
        self.run(activity, seconds, step_s=step_s, each=rounds.turn)
        return rounds.close()

    def _read(self, source: EnergySource) -> Reading:
        before_ns = self._clock.now_ns()
        joules = source.read_j()
        return Reading(at_ns=(before_ns + self._clock.now_ns()) // 2, joules=joules)


class _Rounds:
    """The readings of one span."""

    def __init__(self, bench: Bench, every_s: float | None, *, is_beside_read: bool) -> None:
        self._bench, self._is_beside_read = bench, is_beside_read
        self._every_s = every_s
        self._first_beside = bench.read_beside() if is_beside_read else None
        self._first = bench.read()
        self._reads = 0
        self._due_s = bench.elapsed_s + (every_s or 0.0)

    def turn(self) -> None:
        """What is done after every step."""
        if self._is_beside_read:
            self._bench.read_beside()
        if self._every_s is not None and self._bench.elapsed_s >= self._due_s - _EARLY * self._every_s:
            self._due_s += self._every_s
            self._bench.read()
            self._reads += 1

    def close(self) -> Span:
        last_beside = self._bench.read_beside() if self._is_beside_read else None
        last = self._bench.read()
        return Span(
            seconds=(last.at_ns - self._first.at_ns) / 1e9,
            joules=last.joules - self._first.joules,
            reads=self._reads + 1,
            beside_w=_power_w(self._first_beside, last_beside),
        )


def _power_w(first: Reading | None, last: Reading | None) -> float | None:
    if first is None or last is None or last.at_ns <= first.at_ns:
        return None
    return (last.joules - first.joules) / (last.at_ns - first.at_ns) * 1e9
