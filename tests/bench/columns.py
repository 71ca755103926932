"""Attribution: from columns of synthetic events to call tree and rows, by events a second and bytes an event.

What is timed is all of `attribute`, so the rows, the call tree, the notes and the checks are in it.
"""

from __future__ import annotations

import gc
import statistics
import tracemalloc
from collections.abc import Callable, Iterator
from functools import partial

from lines import Goal, Line, as_bytes, as_million_a_second, as_ratio, line_of, seconds
from synthetic import events_in, ops_trace, time_trace

from layerprof.attribute import RawTrace, attribute

COUNTS = {10**5: 9, 10**6: 7, 10**7: 3}  # events -> runs
_RATE = Goal(bound=1e6, is_least=True)
_MEMORY = Goal(bound=300)
_LINEAR = Goal(bound=1.25)  # sorting alone makes it log 10⁷ / log 10⁶ = 1.17


def lines() -> Iterator[Line]:
    """The paths of the time pass and of the ops pass."""
    yield from _path("time pass to tree and rows", time_trace)
    yield from _path("ops pass to tree and rows", lambda events: ops_trace(events, has_device=False))
    yield from _path("ops pass with device to tree and rows", lambda events: ops_trace(events, has_device=True))


def _path(what: str, make: Callable[[int], RawTrace]) -> Iterator[Line]:
    an_event_s: dict[int, list[float]] = {}
    for asked, runs in COUNTS.items():
        raw = make(asked)
        events, note = events_in(raw), f"{asked:,} events"
        _run(raw)
        an_event_s[asked] = [seconds(partial(_run, raw)) / events for _ in range(runs)]
        yield line_of(what, [1 / one for one in an_event_s[asked]], as_million_a_second, goal=_RATE, note=note)
        extra = [_peak_bytes(raw) / events]
        yield line_of(f"{what}, memory an event", extra, as_bytes, goal=_MEMORY, note=note)
    million, ten = (statistics.median(an_event_s[count]) for count in (10**6, 10**7))
    note = "time of an event among 10 million against 1 million"
    yield line_of(f"{what}, linear", [ten / million], as_ratio, goal=_LINEAR, note=note)


def _run(raw: RawTrace) -> None:
    profile = attribute(raw)
    assert all(check.ok for check in profile.checks)


def _peak_bytes(raw: RawTrace) -> int:
    """The most memory beyond the columns themselves."""
    gc.collect()
    tracemalloc.start()
    try:
        _run(raw)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
