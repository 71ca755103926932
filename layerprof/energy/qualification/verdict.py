"""What is made of what was found out: a verdict, how windows are to be taken, and a note for all that was noticed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from layerprof.energy.base import SourceFacts
from layerprof.energy.qualification.base import DRIFT_REL, RATES_HZ, READS, Found, Rest, Steady
from layerprof.records import CounterVerdict, EnergyCounter, EnergyEstimator, FrozenMapping, Note, ReadRate

_ORDER: tuple[CounterVerdict, ...] = ("accepted", "restricted", "rejected")
_LEAST_TICK_S = 0.005  # a faster counter's edges are as good as its ticks, and its ticks would have to be hunted
_LIMITS = 1.5  # times the power limit: above it no mean power of seconds can be
_POWER_REL = 0.05  # counter and power sensor share one shunt, so more is no difference of gain
_LEAST_RISE = 0.05  # of a load's power over rest, beyond the bounds
_POWER_RISE = 0.2  # of the power sensor: a load that is none is not the counter's fault
_TRIED_S = 1.0 / RATES_HZ[-1]  # between two reads, where these take less than a third of it
_REFUSALS = ("polls_too_sparse", "reads_too_sparse")  # of calls, not by a counter
_PRE_ROLL_TICKS, _PRE_ROLL_LATES, _PRE_ROLL_AVERAGES, _PRE_ROLL_S = 5.0, 2.0, 1.2, 0.25


@dataclass(frozen=True, slots=True, kw_only=True)
class _Finding:
    """Something noticed: its stable word, a sentence, and the best verdict that it leaves."""

    code: str
    text: str
    verdict: CounterVerdict = "accepted"


def judged(facts: SourceFacts, found: Found) -> EnergyCounter:
    """The counter, by what was found out about it.

    Returns:
        One whose counter is broken has no powers: its findings say why.
    """
    findings = tuple(_findings(facts, found))
    if any(_broken(found)):
        found = replace(found, deep_idle=None, steady=None, rest=None)  # what a broken counter counted is no power
    verdict = max((finding.verdict for finding in findings), key=_ORDER.index, default=_ORDER[0])
    movement, steady, rest = found.movement, found.steady, found.rest
    tick = movement.tick if movement is not None else None
    power_tick = movement.power_tick if movement is not None else None
    read_rate = _read_rate(steady)
    return EnergyCounter(
        source=facts.name,
        domain=facts.domain,
        device=facts.device,
        kind=facts.kind,
        verdict=verdict,
        estimator=_estimator(facts, found, is_trusted=verdict == "accepted", rate=read_rate),
        tick_s=tick_s_of(facts, found) if movement is not None and not movement.is_frozen else None,
        tick_jitter_s=tick.jitter_s if tick is not None else None,
        power_tick_s=power_tick.tick_s if power_tick is not None else None,
        late_s=rest.late_s if rest is not None else None,
        pre_roll_s=_pre_roll_s(facts, found),
        read_rate=read_rate,
        read_rate_ratios=steady.ratios if steady is not None else FrozenMapping(),
        tested_poll_s=steady.tested_poll_s if steady is not None else None,
        power_ratio=_power_ratio(steady),
        load_w=steady.power_w if steady is not None else None,
        active_idle_w=rest.idle_w if rest is not None else None,
        idle_w=found.deep_idle.power_w if found.deep_idle is not None else None,
        sensor_rel=facts.sensor_rel,
        limit_w=facts.limit_w,
        findings=(*facts.notes, *(_note(facts, finding) for finding in findings)),
        duration_s=found.duration_s,
    )


def assumed(facts: SourceFacts) -> EnergyCounter:
    """A source that measures nothing: there is nothing to find out."""
    text = "These joules are assumed from a fixed power; nothing was measured."
    return EnergyCounter(
        source=facts.name,
        domain=facts.domain,
        device=facts.device,
        kind=facts.kind,
        verdict="accepted",
        estimator="assumed",
        sensor_rel=facts.sensor_rel,
        limit_w=facts.limit_w,
        findings=(*facts.notes, _note(facts, _Finding(code="estimated", text=text))),
    )


def tick_s_of(facts: SourceFacts, found: Found) -> float | None:
    """The tick: as it was seen, or else as it is published; of a power sensor, at least how often it must be read."""
    if found.movement is not None and found.movement.tick is not None:
        return found.movement.tick.tick_s
    return facts.nominal_tick_s or facts.poll_s


def _findings(facts: SourceFacts, found: Found) -> Iterator[_Finding]:
    """What was noticed; where the counter is broken, nothing is concluded from its numbers."""
    yield from _beside_failed(found)
    yield from _calls_too_long(found)
    broken = tuple(_broken(found))
    yield from broken
    if broken or found.movement is None or found.steady is None:
        return
    if found.movement.tick is None and facts.poll_s is None:
        instead = "the published one is used" if facts.nominal_tick_s is not None else "none is published either"
        yield _Finding(code="tick_not_found", text=f"It moved too seldom to tell its tick; {instead}.")
    yield from _implausible(facts, found.steady)
    yield from _read_rate_findings(found.steady)
    yield from _slow_reads(facts, found, found.steady)
    tick_s = tick_s_of(facts, found) or 0.0
    disagreements = tuple(_disagreement(found.steady, tick_s))
    yield from disagreements
    if found.rest is not None:
        insensitivities = tuple(_insensitive(found.steady, found.rest, tick_s))
        yield from insensitivities
        if insensitivities and not disagreements:
            yield from _power_rose(found, found.steady)
        yield from _unsteady(found.steady, found.rest, tick_s)


def _broken(found: Found) -> Iterator[_Finding]:
    """What makes a counter none."""
    if found.failure is not None:
        is_refused = found.failure.code in _REFUSALS
        text = str(found.failure) if is_refused else f"It stopped to answer while it was tried: {found.failure}"
        yield _Finding(code=found.failure.code, text=text, verdict="rejected")
    if found.resets:
        text = f"It went back {found.resets} time(s) while it was tried; a counter only rises."
        yield _Finding(code="counter_reset", text=text, verdict="rejected")
    if found.jumps:
        text = f"It leapt {found.jumps} time(s) by more than three times the power limit allows."
        yield _Finding(code="counter_jump", text=text, verdict="rejected")
    if _is_frozen(found):
        is_zero = found.movement is not None and found.movement.is_zero
        text = "It reads 0 all the time." if is_zero else "It stood still for seconds while a load ran."
        yield _Finding(code="counter_frozen", text=text, verdict="rejected")


def _is_frozen(found: Found) -> bool:
    if found.resets:  # what it lost then may hide what it gained
        return False
    spans = [] if found.steady is None else list(found.steady.spans)
    spans += [] if found.rest is None else [found.rest.last]
    is_unmoved = found.movement is not None and found.movement.is_frozen
    return is_unmoved or any(span.joules <= 0.0 for span in spans)


def _beside_failed(found: Found) -> Iterator[_Finding]:
    if found.beside_failure is not None:
        text = f"The power sensor beside it stopped to answer, so it was not held against it: {found.beside_failure}"
        yield _Finding(code="power_not_compared", text=text)


def _calls_too_long(found: Found) -> Iterator[_Finding]:
    """What long calls did not allow."""
    if found.long_call_s is not None:
        text = (
            f"Calls of {found.long_call_s:.2g} s are longer than a power sensor may be left unread, so it was not held "
            "against the one beside it."
        )
        yield _Finding(code="power_not_compared", text=text)
    if found.hurried_call_s is not None:
        text = f"Calls of {found.hurried_call_s:.2g} s are long, so it was tried with fewer of them than usual."
        yield _Finding(code="few_repeats", text=text)


def _slow_reads(facts: SourceFacts, found: Found, steady: Steady) -> Iterator[_Finding]:
    """That reads take so long that they may be no more frequent; else it would be the device that waits for them."""
    tested_s = steady.tested_poll_s
    if facts.poll_s is None and tested_s is not None and READS * found.read_s > _TRIED_S:
        text = f"Reads take {1e3 * found.read_s:.2g} ms, so it is read every {1e3 * tested_s:.2g} ms at most"
        is_too_seldom = _is_tried_too_seldom(steady, tick_s_of(facts, found) or 0.0)
        yield _Finding(code="reads_slow", text=text + (", and its ticks are not seen." if is_too_seldom else "."))


def _implausible(facts: SourceFacts, steady: Steady) -> Iterator[_Finding]:
    if facts.limit_w is not None and steady.power_w > _LIMITS * facts.limit_w:
        text = f"It counts {steady.power_w:.0f} W under load, and the device's limit is {facts.limit_w:.0f} W."
        yield _Finding(code="implausible_power", text=text, verdict="rejected")


def _read_rate_findings(steady: Steady) -> Iterator[_Finding]:
    if _read_rate(steady) == "sensitive":
        seen = ", ".join(f"{ratio:.2f} at {rate}" for rate, ratio in steady.ratios.items())
        text = (
            f"Reading it often changes what it counts (power over that at the edges alone: {seen}), so it is read at "
            "the edges of long windows only."
        )
        yield _Finding(code="counter_read_rate_sensitive", text=text, verdict="restricted")


def _disagreement(steady: Steady, tick_s: float) -> Iterator[_Finding]:
    ratio = _power_ratio(steady)
    if ratio is not None and abs(ratio - 1.0) > _POWER_REL + tick_s / steady.span_s:
        text = f"It counts {ratio:.2f} times the power sensor's joules over the same seconds; either may be wrong."
        yield _Finding(code="counter_disagrees_with_power", text=text, verdict="rejected")


def _insensitive(steady: Steady, rest: Rest, tick_s: float) -> Iterator[_Finding]:
    least = _LEAST_RISE + tick_s / steady.span_s + DRIFT_REL
    if steady.power_w - rest.idle_w > least * steady.power_w:
        return
    text = f"It counts {steady.power_w:.1f} W under load and {rest.idle_w:.1f} W at rest, which is hardly a difference."
    if steady.beside_w is None:
        text += " There is no power sensor to tell whether that is true."
        yield _Finding(code="insensitive", text=text, verdict="rejected")
        return
    yield _Finding(code="insensitive", text=text)


def _power_rose(found: Found, steady: Steady) -> Iterator[_Finding]:
    """A counter that happens to count a fixed power near the load's own is told by the power sensor at rest."""
    idle_w = found.deep_idle.beside_w if found.deep_idle is not None else None
    if idle_w is not None and steady.beside_w is not None and steady.beside_w - idle_w > _POWER_RISE * steady.beside_w:
        text = (
            f"The power sensor rose from {idle_w:.1f} to {steady.beside_w:.1f} W under load, and the counter did not."
        )
        yield _Finding(code="counter_disagrees_with_power", text=text, verdict="rejected")


def _unsteady(steady: Steady, rest: Rest, tick_s: float) -> Iterator[_Finding]:
    bound = tick_s / rest.last.seconds + tick_s / steady.span_s + DRIFT_REL
    ratio = rest.last.power_w / steady.power_w
    if abs(ratio - 1.0) > bound:
        text = f"The same load took {ratio:.2f} times its power at the end, so it is read at the edges of windows only."
        yield _Finding(code="counter_unsteady", text=text, verdict="restricted")


def _read_rate(steady: Steady | None) -> ReadRate:
    if steady is None or not steady.ratios:
        return "untested"
    return "unchanged" if all(abs(r - 1.0) <= steady.bound for r in steady.ratios.values()) else "sensitive"


def _power_ratio(steady: Steady | None) -> float | None:
    if steady is None or steady.beside_w is None or steady.beside_w <= 0.0:
        return None
    return steady.power_w / steady.beside_w


def _estimator(facts: SourceFacts, found: Found, *, is_trusted: bool, rate: ReadRate) -> EnergyEstimator:
    """From tick to tick, where reads are known to do no harm, often enough, and ticks are worth waiting for."""
    if facts.poll_s is not None:
        return "polled"
    tick_s = tick_s_of(facts, found)
    is_worth_it = tick_s is not None and tick_s >= _LEAST_TICK_S and not _is_tried_too_seldom(found.steady, tick_s)
    return "ticks" if is_trusted and rate == "unchanged" and is_worth_it else "edges"


def _is_tried_too_seldom(steady: Steady | None, tick_s: float) -> bool:
    """Whether single ticks cannot be told apart at the highest rate of reads that was tried."""
    return steady is not None and steady.tested_poll_s is not None and steady.tested_poll_s >= tick_s / 2.0


def _pre_roll_s(facts: SourceFacts, found: Found) -> float:
    """How long a load has to run before what is counted is its own."""
    tick_s = tick_s_of(facts, found) or 0.0
    late_s = found.rest.late_s if found.rest is not None and found.rest.late_s is not None else 0.0
    return max(_PRE_ROLL_TICKS * tick_s, _PRE_ROLL_LATES * late_s, _PRE_ROLL_AVERAGES * facts.averaged_s, _PRE_ROLL_S)


def _note(facts: SourceFacts, finding: _Finding) -> Note:
    return Note(code=finding.code, quantity="energy", scope=facts.name, text=finding.text)
