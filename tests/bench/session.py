"""The ops pass: a step with our ranges against one without in the same session, and reading the session's events.

    session ── a step to warm up ── ours · theirs · theirs · ours ── stop ── read

Both sorts of step run in one session of torch's profiler, so its flags are the same and drift falls on both alike.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from blip2 import sites_of, step_of, tiny
from lines import Goal, Line, as_ratio, as_seconds, in_turn, line_of, ratios, seconds
from torch import nn

from layerprof.instruments import OpsSession, RangeRecorder, read_columns

if TYPE_CHECKING:
    from torch._C._autograd import _KinetoEvent

SESSIONS = 13
READ_STEPS = 20  # of the session whose events are read
READ_ROUNDS = 25
_NAMED_BY_US = "layerprof::"


@dataclass(slots=True)
class _Times:
    """Seconds of steps without a profiler, in a session, and in a session with our ranges."""

    bare_s: list[float] = field(default_factory=list)
    theirs_s: list[float] = field(default_factory=list)
    ours_s: list[float] = field(default_factory=list)


def lines() -> Iterator[Line]:
    """Steps in a session, and its events."""
    model, inputs = tiny()
    step = step_of(model, inputs)
    times = _steps(model, step)
    what = "ops pass, step of blip2-tiny"
    yield line_of(
        what,
        ratios(times.ours_s, times.theirs_s),
        as_ratio,
        goal=Goal(bound=1.3),
        note="against a step in the same torch.profiler session without our ranges",
    )
    yield line_of(what, ratios(times.ours_s, times.bare_s), as_ratio, note="against a bare step")
    yield line_of(
        "torch.profiler, step of blip2-tiny",
        ratios(times.theirs_s, times.bare_s),
        as_ratio,
        note="against a bare step",
    )
    yield from _reading(model, step)


def _steps(model: nn.Module, step: Callable[[], None]) -> _Times:
    times, sites = _Times(), sites_of(model)
    step()
    for turn in range(SESSIONS):
        recorder, session = RangeRecorder(), OpsSession(has_device=False)
        times.bare_s.append(seconds(step))
        with session.running():
            with recorder.installed(sites), recorder.step():
                step()
            for is_ours in (True, False, False, True) if turn % 2 == 0 else (False, True, True, False):
                with ExitStack() as stack:
                    if is_ours:
                        stack.enter_context(recorder.installed(sites))
                        stack.enter_context(recorder.step())
                    (times.ours_s if is_ours else times.theirs_s).append(seconds(step))
        times.bare_s.append(seconds(step))
    return times


def _reading(model: nn.Module, step: Callable[[], None]) -> Iterator[Line]:
    recorder, session = RangeRecorder(), OpsSession(has_device=False)
    with session.running(), recorder.installed(sites_of(model)):
        for _ in range(READ_STEPS):
            with recorder.step():
                step()
    events = session.take_events()
    names = [event.name() for event in events]
    ops = [event for event, name in zip(events, names, strict=True) if not name.startswith(_NAMED_BY_US)]
    ranges = [event for event, name in zip(events, names, strict=True) if name.startswith(_NAMED_BY_US)]
    with _without_gc():
        ours, theirs = in_turn(
            lambda: read_columns(events, has_device=False),
            lambda: _call_getters(events, ops, ranges),
            rounds=READ_ROUNDS,
        )
    yield line_of(
        "reading events into columns",
        ratios(ours, theirs),
        as_ratio,
        goal=Goal(bound=1.3),
        note=f"against a bare loop over the same getters, both without gc; {len(events):,} events",
    )
    yield line_of("reading one event", [one / len(events) for one in ours], as_seconds)


def _call_getters(events: Sequence[_KinetoEvent], ops: Sequence[_KinetoEvent], ranges: Sequence[_KinetoEvent]) -> None:
    """Every getter that is read, of the events that it is read of, and nothing done with what it returns."""
    for event in events:
        event.start_ns()
        event.name()
        event.activity_type()
    for event in ops:
        event.end_ns()
        event.device_resource_id()
        event.correlation_id()
        event.shapes()
    for event in ranges:
        event.end_ns()
        event.device_resource_id()
        event.correlation_id()


@contextmanager
def _without_gc() -> Iterator[None]:
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()
