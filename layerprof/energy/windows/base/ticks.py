"""A window from tick to tick: the counter is watched until it moves, at both ends, while the load runs on.

    ── pre-roll ──┤ settle ├─┬ . . . ┬─ lots ───────────┬ . . . ┬─ settle ─┬─ lot ─┬─ idle
                           first  opening             polls  closing      last   state

A count that has just moved is as old at the opening as it is at the closing, so its age cancels. What is left is that
a tick is seen up to a poll p late: it is set in the middle of the two polls that it lies between, so the error of the
length is triangular with a standard deviation of p / sqrt(6), however long a tick is.

Source:
    M. Hähnel et al., Measuring energy consumption for short code paths using RAPL (2012), for the idea.
"""

from __future__ import annotations

from dataclasses import dataclass

from layerprof.energy.base import Reading
from layerprof.energy.windows.base.base import Probe, Run, Taken

_FROZEN_TICKS = 4  # without a move a counter is frozen; one that is up to a tick late needs two
_FROZEN_POLLS = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class _Tick:
    """A moment at which the counter moved.

    Attributes:
        reading: the count after it, and when that was.
        blur_s: it may have been so much earlier or later.
    """

    reading: Reading
    blur_s: float


def between_ticks(run: Run, probe: Probe, seconds: float, *, tick_s: float, poll_s: float) -> Taken:
    """A window of at least so many seconds, over a load that already ran for the pre-roll.

    Args:
        run: of the load; afterwards it has the calls and the time.
        probe: of the counter.
        seconds: how long.
        tick_s: of the counter.
        poll_s: how often it is read while a tick is waited for; calls that are longer are not cut.
    """
    run.begin()
    run.launch()
    first = probe.read()
    opening = _next_tick(run, probe, tick_s=tick_s, poll_s=poll_s)
    if opening is None:
        _, state = run.close(probe)
        return Taken(opening=first, closing=first, blur_s=tick_s, state=state)
    run.launch()
    run.keep(seconds, since_ns=opening.reading.at_ns)
    closing = _next_tick(run, probe, tick_s=tick_s, poll_s=poll_s)
    last, state = run.close(probe)
    if closing is None:
        return Taken(opening=first, closing=first, blur_s=tick_s, state=state)
    return Taken(
        opening=opening.reading,
        closing=closing.reading,
        blur_s=opening.blur_s + closing.blur_s,
        state=state,
        edges_w=(last.joules - first.joules) / (last.at_ns - first.at_ns) * 1e9,
    )


def _next_tick(run: Run, probe: Probe, *, tick_s: float, poll_s: float) -> _Tick | None:
    """The next move of the counter, the load running on; None where it does not come."""
    run.poll(poll_s)
    before = began = probe.read()
    polls = 0
    while polls < _FROZEN_POLLS or (before.at_ns - began.at_ns) / 1e9 < _FROZEN_TICKS * tick_s:
        run.poll(poll_s)
        after = probe.read()
        if after.joules != before.joules:
            moved = Reading(at_ns=(before.at_ns + after.at_ns) // 2, joules=after.joules)
            return _Tick(reading=moved, blur_s=(after.at_ns - before.at_ns) / 2e9)
        before, polls = after, polls + 1
    return None
