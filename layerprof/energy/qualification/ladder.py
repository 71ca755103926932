"""Power at rest, before and after work, and how old a reading is.

    power   load ‾‾‾‾‾‾‾‾|
            idle         |_________________________
    count                ^ settled   ^ drained    ^ end
                         └ late ─────┴ idle ──────┘

A reading that is ``a`` seconds old has not seen the last ``a`` seconds of the load. What the counter gains after the
load has ended, beyond what rest takes, is what it had not seen: ``(load - idle) a`` on average, if the reading at the
end is as old as the one at the settling. Each repetition meets another phase of the tick, so the mean age is the
counter's delay and half a tick.
"""

from __future__ import annotations

import statistics

from layerprof.energy.qualification.base import Bench, Rest, Span, Tick

_DEEP_REST_S, _DEEP_SPAN_S = 2.0, 3.0
_FAST_DEEP_REST_S, _FAST_DEEP_SPAN_S = 1.0, 1.5  # of a counter that moves every few milliseconds
_FAST_TICK_S = 0.01
_REPEATS, _SLOW_REPEATS = 4, 2
_SLOW_TICK_S = 0.2
_DRAIN_TICKS, _DRAIN_S = 5.0, 1.0
_SPAN_TICKS, _SPAN_S = 10, 0.5
_AVERAGES = 1.5  # of a sensor's average have to pass before it has forgotten the load
_LAST_TICKS, _LAST_S = 10, 0.25
_LEAST_RISE = 0.05  # of the load's power: below it what comes late cannot be told from what rest takes


def deep_idle(bench: Bench) -> Span:
    """Power at rest before any work.

    Raises:
        SourceError: when the counter does not answer.
    """
    bench.tell("power at rest")
    is_fast = (bench.source.facts.nominal_tick_s or 1.0) <= _FAST_TICK_S
    bench.run("rest", _FAST_DEEP_REST_S if is_fast else _DEEP_REST_S)
    return bench.span("rest", _FAST_DEEP_SPAN_S if is_fast else _DEEP_SPAN_S)


def after_work(bench: Bench, tick: Tick, load_w: float, *, pre_roll_s: float) -> Rest:
    """Power right after work, and how old a reading is; at last, whether the counter still moves.

    Raises:
        SourceError: when the counter does not answer.
    """
    bench.tell("how late the counter is, and power right after work")
    repeats = min(bench.repeats, _REPEATS if tick.tick_s <= _SLOW_TICK_S else _SLOW_REPEATS)
    rests = [_after_one(bench, tick, pre_roll_s) for _ in range(repeats)]
    idle_w = sum(idle.joules for _, idle in rests) / sum(idle.seconds for _, idle in rests)
    late_s = None
    if load_w - idle_w > _LEAST_RISE * load_w:
        unseen_j = statistics.fmean(drain.joules - idle_w * drain.seconds for drain, _ in rests)
        late_s = max(0.0, unseen_j / (load_w - idle_w))
    bench.run("work", pre_roll_s + bench.draw.uniform(0.0, tick.tick_s))
    last = bench.span("work", max(_LAST_S, _LAST_TICKS * tick.tick_s))
    bench.settle()
    return Rest(idle_w=idle_w, late_s=late_s, last=last)


def _after_one(bench: Bench, tick: Tick, pre_roll_s: float) -> tuple[Span, Span]:
    """What is counted while late joules come in, and then."""
    bench.run("work", pre_roll_s + bench.draw.uniform(0.0, tick.tick_s))
    bench.settle()
    facts = bench.source.facts
    drain = bench.span("rest", max(_DRAIN_S, _DRAIN_TICKS * tick.tick_s, _AVERAGES * facts.averaged_s))
    # A whole number of ticks: then both edges cut off the same part of one.
    ticks = max(_SPAN_TICKS, round(_SPAN_S / tick.tick_s))
    return drain, bench.span("rest", ticks * tick.tick_s)
