"""What every way of taking a window shares: readings with their moments, and a load that is kept running."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from layerprof.clock import Clock
from layerprof.energy.base import LONG_CALL_S, LOT_S, DeviceState, EnergySource, Load, Reading

LEAST_TICKS = {"ticks": 10, "edges": 20, "polled": 20, "assumed": 0}  # in a window; research: 20 ticks at the edges,
# 10 from tick to tick. Of polled power they are polls.
_ROUNDING = 0.02  # of a call: the times of calls and polls are known about


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """A window as it was taken, before it was looked at.

    Attributes:
        opening, closing: its ends; equal moments where the counter did not move in time.
        blur_s: bound of the time by which what was counted may differ from the time between the two.
        state: of the device when it ended, at work.
        edges_w: power over the whole run by its first and last reading, or None where it is the same.
    """

    opening: Reading
    closing: Reading
    blur_s: float
    state: DeviceState
    edges_w: float | None = None

    @property
    def seconds(self) -> float:
        """Between its ends."""
        return (self.closing.at_ns - self.opening.at_ns) / 1e9


class Probe:
    """Reads a source and notes when.

    Args:
        source: that is read.
        clock: where time comes from.
    """

    def __init__(self, source: EnergySource, clock: Clock) -> None:
        self._source, self._clock = source, clock
        self._read_ns: int | None = None

    def read(self) -> Reading:
        """The count now.

        Raises:
            SourceError: when the source does not answer.
        """
        before_ns = self._clock.now_ns()
        joules = self._source.read_j()
        self._read_ns = before_ns
        return Reading(at_ns=(before_ns + self._clock.now_ns()) // 2, joules=joules)

    def tend(self, next_s: float) -> None:
        """Reads a counter that has to be read now and then, where it would be left for too long in the next seconds.

        Raises:
            SourceError: when the source does not answer.
        """
        limit_s = self._source.facts.longest_unread_s
        if limit_s is None:
            return
        unread_s = None if self._read_ns is None else (self._clock.now_ns() - self._read_ns) / 1e9
        if unread_s is None or unread_s + next_s > limit_s:
            self.read()

    def state(self) -> DeviceState:
        """What the device is like now."""
        return self._source.state()


class Run:
    """A load that is kept running in lots, and its calls.

    Args:
        load: that runs.
        call_s: time of one call, about.
        clock: where time comes from.
        lot_s: time of the calls that are launched together, at most.
        tend: is called before whatever takes time, with the seconds that may pass until the next time, or None.

    Attributes:
        lot_s: as given.
        calls: launched since `begin`.
        seconds: from `begin` to `finish`.
    """

    def __init__(
        self,
        load: Load,
        call_s: float,
        clock: Clock,
        *,
        lot_s: float = LOT_S,
        tend: Callable[[float], None] | None = None,
    ) -> None:
        self._load, self._call_s, self._clock, self._tend = load, call_s, clock, tend
        self.lot_s = lot_s
        self._begun_ns = 0
        self.calls = 0
        self.seconds = 0.0

    def begin(self) -> None:
        """Counts calls and time from here; the load that ran so far is settled."""
        self._settle()
        self.calls, self._begun_ns = 0, self._clock.now_ns()

    def launch(self, seconds: float | None = None) -> int:
        """Launches calls of so many seconds, a lot where none are said, at least one; gives their number."""
        calls = max(1, round(min(self.lot_s, self.lot_s if seconds is None else seconds) / self._call_s))
        self._launch(calls)
        return calls

    def poll(self, seconds: float) -> None:
        """Launches calls of no less than so many seconds: a counter is not read more often than it was tried."""
        self._launch(max(1, math.ceil(seconds / self._call_s - _ROUNDING)))

    def fill(self) -> None:
        """Launches a full lot that is not counted, for what is asked meanwhile; calls that are long last anyway."""
        if not self.has_long_calls:
            self._load.launch(max(1, round(self.lot_s / self._call_s)))

    @property
    def has_long_calls(self) -> bool:
        """Whether a call takes longer than whatever may be asked of the device."""
        return self._call_s >= LONG_CALL_S

    def keep(self, seconds: float, *, since_ns: int | None = None, least_calls: int = 0, each: Each = None) -> None:
        """Keeps the load running.

        Args:
            seconds: for how long.
            since_ns: from when on; None is from now on.
            least_calls: that are launched in any case.
            each: is called after every lot.
        """
        until_ns = (self._clock.now_ns() if since_ns is None else since_ns) + round(seconds * 1e9)
        done = 0
        while done < least_calls or self._clock.now_ns() < until_ns:
            done += self.launch((until_ns - self._clock.now_ns()) / 1e9)
            if each is not None:
                each()

    def finish(self) -> None:
        """Waits until all calls are done."""
        self._settle()
        self.seconds = (self._clock.now_ns() - self._begun_ns) / 1e9

    def close(self, probe: Probe) -> tuple[Reading, DeviceState]:
        """Waits until all calls are done; gives the count then, and what the device is like at work.

        The state is asked for while the last call runs, or, where calls are short, while some more run that are not
        counted: a device that waits for an answer would be idle within the window.
        """
        state = probe.state() if self.has_long_calls else None
        self.finish()
        reading = probe.read()
        if state is None:
            self.fill()
            state = probe.state()
            self._load.settle()
        return reading, state

    def _launch(self, calls: int) -> None:
        self._tend_to()
        self._load.launch(calls)
        self.calls += calls

    def _settle(self) -> None:
        self._tend_to()
        self._load.settle()

    def _tend_to(self) -> None:
        if self._tend is not None:
            self._tend(max(self.lot_s, self._call_s))


Each = Callable[[], object] | None
