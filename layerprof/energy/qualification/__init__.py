"""What a counter is worth, found out before it is believed.

Counters of joules tick slowly, are late, and some lie: there are ones that lose joules when they are read, count a
fixed power, or stand still. So each is tried with a load first, for half a minute, once a process:

    first reading dropped ─▶ rest ─▶ ticks under load ─▶ rates of reads ─▶ rest after work (4 times) ─▶ load once more
                          idle_w     tick, jitter,      read-rate ratios,  active idle, lateness        does it still
                                     power's tick       counter : power                                 move?

What comes out is a record with a verdict and a note for all that was noticed, and never an exception of the counter's.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import replace

from layerprof.clock import PacedClock
from layerprof.energy.base import EnergySource, Load, SourceError, refuse_long_calls
from layerprof.energy.qualification.base import Bench, Found, Setting, Span, Tick
from layerprof.energy.qualification.kept import forget_counters, keep_counter, kept_counter
from layerprof.energy.qualification.ladder import after_work, deep_idle
from layerprof.energy.qualification.rates import try_rates
from layerprof.energy.qualification.ticks import watch_ticks
from layerprof.energy.qualification.verdict import assumed, judged, tick_s_of
from layerprof.records import EnergyCounter

__all__ = ["best_counter", "forget_counters", "keep_counter", "kept_counter", "qualify"]

_PRE_ROLL_S, _PRE_ROLL_TICKS, _PRE_ROLL_AVERAGES = 0.3, 5.0, 1.2  # while its lateness is not known


def qualify(  # noqa: PLR0913 - what it is tried with, and nothing that could be a record of its own
    source: EnergySource,
    load: Load,
    clock: PacedClock,
    *,
    call_s: float,
    power: EnergySource | None = None,
    draw: random.Random,
    tell: Callable[[str], None] | None = None,
) -> EnergyCounter:
    """Finds out what a counter is worth, in half a minute of the clock's time.

    Args:
        source: that is tried. A power sensor that is summed may be one too.
        load: to try it with: steady, and far above rest.
        clock: where time comes from.
        call_s: time of one of the load's calls, about; up to 4 ms where ticks are to be seen under load. Where it is
            longer than 2 s, as few are made as will do.
        power: a summed power sensor of the same domain to hold against it, or None.
        draw: of random delays against phase lock.
        tell: is told what is being found out.

    Returns:
        A rejected one where it stopped to answer, moved back, stood still, or is not to be believed, or where calls are
        longer than it may be left unread.
    """
    if source.facts.kind == "estimated":
        return assumed(source.facts)
    bench = Bench(source, power, Setting(load=load, call_s=call_s, clock=clock, draw=draw, tell=tell))
    found = Found()
    try:
        refuse_long_calls(source.facts, call_s)
        for stage in (_first_reading, _at_rest, _movement, _steady, _after_work):
            found = stage(bench, found)
            if _is_done_with(bench, found):
                break
    except SourceError as error:
        found = replace(found, failure=error)
    finally:
        bench.settle()
    watched = bench.source
    found = replace(
        found,
        resets=watched.resets,
        jumps=watched.jumps,
        beside_failure=bench.beside_failure,
        long_call_s=call_s if bench.is_beside_too_slow else None,
        hurried_call_s=call_s if bench.is_hurried else None,
        read_s=bench.read_s,
        duration_s=bench.elapsed_s,
    )
    return judged(source.facts, found)


def best_counter(
    sources: Sequence[EnergySource],
    load: Load,
    clock: PacedClock,
    *,
    call_s: float,
    draw: random.Random,
    tell: Callable[[str], None] | None = None,
) -> tuple[EnergySource | None, tuple[EnergyCounter, ...]]:
    """The first source that is not rejected, and what was found out about all that were tried.

    What was found out before in this process about the counter itself is not found out again; it has no powers then.

    Args:
        sources: the most trusted first. A counter is held against the first summed power sensor of its domain.
        load: as of `qualify`.
        clock: as of `qualify`.
        call_s: as of `qualify`.
        draw: as of `qualify`.
        tell: as of `qualify`.
    """
    counters: list[EnergyCounter] = []
    for source in sources:
        counter = kept_counter(source.facts)
        if counter is None:
            power = _power_beside(source, sources)
            counter = qualify(source, load, clock, call_s=call_s, power=power, draw=draw, tell=tell)
            keep_counter(source.facts, counter)
        counters.append(counter)
        if counter.verdict != "rejected":
            return source, tuple(counters)
    return None, tuple(counters)


def _power_beside(source: EnergySource, sources: Sequence[EnergySource]) -> EnergySource | None:
    """The power sensor that a counter is held against; a power sensor is held against none."""
    if source.facts.poll_s is not None:
        return None
    found = (one for one in sources if one.facts.poll_s is not None and one.facts.domain == source.facts.domain)
    return next(found, None)


def _first_reading(bench: Bench, found: Found) -> Found:
    """The first readings after a sensor was opened can be absurd (593 W on a board of 175 W); they are dropped."""
    bench.read()
    bench.read_beside()
    return found


def _at_rest(bench: Bench, found: Found) -> Found:
    return replace(found, deep_idle=deep_idle(bench))


def _movement(bench: Bench, found: Found) -> Found:
    return replace(found, movement=watch_ticks(bench))


def _steady(bench: Bench, found: Found) -> Found:
    return replace(found, steady=try_rates(bench, _tick(bench, found), pre_roll_s=_pre_roll_s(bench, found)))


def _after_work(bench: Bench, found: Found) -> Found:
    load_w = found.steady.power_w if found.steady is not None else 0.0
    return replace(found, rest=after_work(bench, _tick(bench, found), load_w, pre_roll_s=_pre_roll_s(bench, found)))


def _tick(bench: Bench, found: Found) -> Tick:
    """The tick to go by; the slowest that was ever seen where it is not known."""
    seen = found.movement.tick if found.movement is not None else None
    return seen or Tick(tick_s=tick_s_of(bench.source.facts, found) or 0.5, jitter_s=0.0)


def _pre_roll_s(bench: Bench, found: Found) -> float:
    averaged_s = bench.source.facts.averaged_s
    if bench.beside is not None:
        averaged_s = max(averaged_s, bench.beside.facts.averaged_s)
    return max(_PRE_ROLL_S, _PRE_ROLL_TICKS * _tick(bench, found).tick_s, _PRE_ROLL_AVERAGES * averaged_s)


def _is_done_with(bench: Bench, found: Found) -> bool:
    """Whether it is broken already, so that nothing else need be found out."""
    spans: tuple[Span, ...] = found.steady.spans if found.steady is not None else ()
    is_frozen = found.movement is not None and found.movement.is_frozen
    return bench.source.resets > 0 or is_frozen or any(span.joules <= 0.0 for span in spans)
