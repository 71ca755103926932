"""How often a counter moves, and the power sensor beside it: both are watched until they have moved often enough.

    reads      . . . . . . . . . . . . . . . . . . .
    count      ______|‾‾‾‾‾‾‾‾‾‾‾‾|‾‾‾‾‾‾‾‾‾‾‾‾‾|‾‾‾
    move seen        ^ in the middle of the two reads that differ

What the counter counts meanwhile is thrown away, since reading it that often may corrupt it. It is watched under load;
where a call of the load is too long for that, or the counter faster than its reads, it is watched at rest.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from itertools import pairwise

from layerprof.energy.qualification.base import Activity, Bench, Movement, Tick

_POLL_S = 0.002
_FINE_POLL_S = 0.0001
_POLLS_A_TICK = 50  # no denser once the tick is known
_COARSE_CALL_S = 2.0 * _POLL_S
_MOVES = 30  # then the mean time between moves is known to a thirtieth of a poll
_FINE_MOVES = 200
_LEAST_MOVES = 4
_LONGEST_S = 6.0
_FINE_S = 0.5
_SETTLING_S = 0.3  # of a load, before it is watched
_FAST_SHARE = 0.2  # of reads that differ: then there are fewer than five in a tick, too few to tell its length
_FAST_MOVES = 10  # before that is judged


class _Watch:
    """The moments at which a value changed."""

    def __init__(self) -> None:
        self.moments_s: list[float] = []
        self.looks = 0
        self._last: tuple[float, float] | None = None

    def look(self, at_s: float, value: float) -> None:
        if self._last is not None:
            self.looks += 1
            if value != self._last[1]:
                self.moments_s.append((self._last[0] + at_s) / 2.0)
        self._last = at_s, value

    @property
    def is_fast(self) -> bool:
        """Whether it moves about as often as it is looked at."""
        return len(self.moments_s) >= _FAST_MOVES and len(self.moments_s) > _FAST_SHARE * self.looks

    @property
    def gap_s(self) -> float:
        """Time between two moves so far, 0 before it is known."""
        if len(self.moments_s) < _LEAST_MOVES:
            return 0.0
        return (self.moments_s[-1] - self.moments_s[0]) / (len(self.moments_s) - 1)


def watch_ticks(bench: Bench) -> Movement:
    """Watches counter and power sensor under load, for 6 s at most.

    Raises:
        SourceError: when the counter does not answer.
    """
    bench.tell("how often the counter moves")
    activity: Activity = "work" if bench.call_s <= _COARSE_CALL_S else "rest"
    if not bench.is_hurried:
        bench.run("work", _SETTLING_S)
    if activity == "rest":
        bench.settle()
    count, beside = _Watch(), _Watch()
    is_zero = _watched(bench, activity, count, beside)
    power_tick = tick_of(beside.moments_s, poll_s=_POLL_S)
    poll_s = max(_POLL_S, count.gap_s / _POLLS_A_TICK)
    if bench.source.facts.poll_s is None and count.is_fast:
        count, poll_s = _watched_finely(bench), _FINE_POLL_S
    return Movement(
        is_frozen=is_zero or (bench.source.facts.poll_s is None and not count.moments_s),
        is_zero=is_zero,
        tick=tick_of(count.moments_s, poll_s=poll_s),
        power_tick=power_tick,
    )


def _watched(bench: Bench, activity: Activity, count: _Watch, beside: _Watch) -> bool:
    """Looks at both until they have moved often enough; gives whether the counter was 0 all the time."""
    began_s, is_zero = bench.elapsed_s, True
    while bench.elapsed_s - began_s < _LONGEST_S and not _is_enough(bench, count, beside, began_s):
        bench.advance(activity, max(_POLL_S, count.gap_s / _POLLS_A_TICK))
        reading = bench.read()
        is_zero = is_zero and reading.joules == 0.0
        count.look(bench.elapsed_s, reading.joules if bench.shown_w is None else bench.shown_w)
        bench.read_beside()
        if bench.beside_w is not None:
            beside.look(bench.elapsed_s, bench.beside_w)
    return is_zero


def _is_enough(bench: Bench, count: _Watch, beside: _Watch, began_s: float) -> bool:
    """The power sensor is waited for only half of the time: a load of steady power does not move it."""
    is_beside_known = len(beside.moments_s) >= _MOVES / 2 or bench.elapsed_s - began_s > _LONGEST_S / 2.0
    return (len(count.moments_s) >= _MOVES or count.is_fast) and (bench.beside is None or is_beside_known)


def _watched_finely(bench: Bench) -> _Watch:
    """Looks at a fast counter at rest, where reads are not held up by calls."""
    bench.settle()
    count, began_s = _Watch(), bench.elapsed_s
    while bench.elapsed_s - began_s < _FINE_S and len(count.moments_s) < _FINE_MOVES:
        bench.advance("rest", _FINE_POLL_S)
        reading = bench.read()
        count.look(bench.elapsed_s, reading.joules)
    return count


def tick_of(moments_s: Sequence[float], *, poll_s: float) -> Tick | None:
    """The time between moves, and how it scatters; None below four moves.

    A move that was not seen (nothing was counted in that tick) leaves a gap of two ticks or more, so gaps are counted
    in whole ticks of the median gap: ``tick = sum of gaps / sum of ticks in them``. Both ends of a gap are off by up to
    half a poll, which adds ``poll**2 / 6`` to its variance.
    """
    if len(moments_s) < _LEAST_MOVES:
        return None
    gaps_s = [after - before for before, after in pairwise(moments_s)]
    middle_s = statistics.median(gaps_s)
    ticks = [max(1, round(gap / middle_s)) for gap in gaps_s]
    singles = [gap for gap, count in zip(gaps_s, ticks, strict=True) if count == 1]
    variance = statistics.variance(singles) - poll_s**2 / 6.0 if len(singles) > 1 else 0.0
    return Tick(tick_s=sum(gaps_s) / sum(ticks), jitter_s=math.sqrt(max(0.0, variance)))
