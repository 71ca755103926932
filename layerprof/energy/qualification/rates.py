"""Whether what a counter counts hangs on how often it is read.

The same steady load, and the counter read at the edges alone, at 10 Hz, at 200 Hz, and at the edges alone once more:
the mean of the first and the last takes out a drift that is steady. Calls are not cut, and a reading may take a third
of the time between two, so the rates may come out lower; they are named by what they came to.

Source:
    Dauner et al. (HotCarbon'26), as quoted by others: the counter of an RTX 4090 was short by 95 % when it was read
    every 0.5 ms and by 13 % every 100 ms. The bound is twice the worst that a tick T does to a window W, T / W.
"""

from __future__ import annotations

from layerprof.energy.base import LOT_S
from layerprof.energy.qualification.base import DRIFT_REL, RATES_HZ, READS, Activity, Bench, Span, Steady, Tick
from layerprof.records import FrozenMapping

_TICKS = 40  # in a span, if that is not more than 4 s
_LEAST_TICKS = 20
_LONGEST_S, _SHORTEST_S = 4.0, 1.0
_COARSE_CALL_S = 2.0 / RATES_HZ[-1]


def span_length_s(tick_s: float) -> float:
    """How long a span is with a counter of this tick: 1 to 4 s, and never less than 20 ticks."""
    return max(_SHORTEST_S, min(_LONGEST_S, _TICKS * tick_s), _LEAST_TICKS * tick_s)


def try_rates(bench: Bench, tick: Tick, *, pre_roll_s: float) -> Steady:
    """Counts a steady load at several rates of reads.

    Calls that are too long to be read between at 200 Hz are counted at the edges alone, and the rates tried at rest.

    Raises:
        SourceError: when the counter does not answer.
    """
    seconds = span_length_s(tick.tick_s)
    bench.tell("whether reading the counter changes what it counts")
    bench.run("work", pre_roll_s)
    if bench.source.facts.poll_s is not None:
        return Steady(spans=(_span(bench, "work", seconds, tick),))
    if bench.call_s <= _COARSE_CALL_S:
        edges, often = _tried(bench, "work", seconds, tick)
        return _steady(edges, edges, often, tick)
    count = 1 if bench.is_hurried else 2
    spans = tuple(_span(bench, "work", seconds, tick) for _ in range(count))
    bench.settle()
    bench.run("rest", pre_roll_s)
    edges, often = _tried(bench, "rest", seconds, tick)
    return _steady(spans, edges, often, tick)


def _tried(bench: Bench, activity: Activity, seconds: float, tick: Tick) -> tuple[tuple[Span, ...], tuple[Span, ...]]:
    """The spans at the edges alone, and those at each rate."""
    most_hz = 1.0 / (READS * bench.read_s) if bench.read_s > 0.0 else RATES_HZ[-1]
    rates_hz = sorted({min(rate, most_hz) for rate in RATES_HZ})
    before = _span(bench, activity, seconds, tick)
    often = tuple(_span(bench, activity, seconds, tick, reads_hz=rate) for rate in rates_hz)
    return (before, _span(bench, activity, seconds, tick)), often


def _steady(spans: tuple[Span, ...], edges: tuple[Span, ...], often: tuple[Span, ...], tick: Tick) -> Steady:
    """All of it, with power at each rate over that at the edges alone."""
    alone_w = sum(span.power_w for span in edges) / len(edges)
    if alone_w <= 0.0:
        return Steady(spans=spans, bound=_bound(tick, edges))
    return Steady(
        spans=spans,
        ratios=FrozenMapping({_rate(span): span.power_w / alone_w for span in often}),
        bound=_bound(tick, edges),
        tested_poll_s=often[-1].read_every_s,
    )


def _rate(span: Span) -> str:
    """How often it was read, to two digits: ``170 Hz``."""
    return f"{float(f'{1.0 / span.read_every_s:.2g}'):g} Hz"


def _span(bench: Bench, activity: Activity, seconds: float, tick: Tick, *, reads_hz: float | None = None) -> Span:
    """A span that begins at a random phase of the tick."""
    if activity == "rest" or not bench.is_hurried:  # so long a call ends at any phase by itself
        bench.run(activity, bench.draw.uniform(0.0, tick.tick_s), step_s=LOT_S)
    return bench.span(activity, seconds, reads_hz=reads_hz)


def _bound(tick: Tick, edges: tuple[Span, ...]) -> float:
    return 2.0 * (tick.tick_s + 3.0 * tick.jitter_s) / min(span.seconds for span in edges) + DRIFT_REL
