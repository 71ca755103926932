"""A source that is watched for what a sound counter never does: going back, and leaping ahead."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from layerprof.clock import Clock
    from layerprof.energy.base.sources import DeviceState, EnergySource, SourceFacts

_LEAP_LIMITS = 3.0  # times the power limit: boards pass theirs for moments, but not three times
_SLACK_TICKS = 2.0  # a reading may be so many ticks older than the one after it
_UNKNOWN_TICK_S = 0.5  # the slowest sensor seen: power of an RTX 4090 Laptop


class WatchedSource:
    """Passes on what a source says, and counts what cannot be true.

    A counter that stands still is not its business: how long that is too long depends on what runs.

    Args:
        source: that is watched.
        clock: where time comes from. Without it leaps are not seen.

    Attributes:
        last_j: the last reading, or None before the first.
        resets: how often a reading was below the one before.
        jumps: how often it rose by more than three times the power limit allows.
    """

    def __init__(self, source: EnergySource, clock: Clock | None = None) -> None:
        self.facts: SourceFacts = source.facts
        self.last_j: float | None = None
        self.resets = self.jumps = 0
        self._source, self._clock = source, clock
        self._last_ns: int | None = None  # before that reading: it may be of any moment until it was there
        self._slack_s = _SLACK_TICKS * (self.facts.nominal_tick_s or _UNKNOWN_TICK_S)

    @property
    def last_w(self) -> float | None:
        """The last power that was read; None before, and where the source is a counter."""
        shown_w: float | None = getattr(self._source, "last_w", None)
        return shown_w

    def read_j(self) -> float:  # noqa: D102 - as `EnergySource`
        before_ns = self._now_ns()
        joules = self._source.read_j()
        if self.last_j is not None:
            self.resets += joules < self.last_j
            self.jumps += self._is_leap(joules - self.last_j)
        self.last_j, self._last_ns = joules, before_ns
        return joules

    def state(self) -> DeviceState:  # noqa: D102 - as `EnergySource`
        return self._source.state()

    def close(self) -> None:  # noqa: D102 - as `EnergySource`
        self._source.close()

    def _now_ns(self) -> int | None:
        return None if self._clock is None else self._clock.now_ns()

    def _is_leap(self, risen_j: float) -> bool:
        """Whether it rose by more than it can have in the longest time that may lie between the two readings."""
        now_ns = self._now_ns()
        if now_ns is None or self._last_ns is None or self.facts.limit_w is None:
            return False
        passed_s = (now_ns - self._last_ns) / 1e9
        return risen_j > _LEAP_LIMITS * self.facts.limit_w * (passed_s + self._slack_s)
