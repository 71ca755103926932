"""What the record says of the step's joules: units, the parts against the whole, and how well layers can be told apart.

    closure            (units + rest + gap) / step, with errors that parts and step share taken once
    power of a unit    that of its members, each by its time in the model, with the errors of power alone
    least difference   t * sqrt(2) * the own error of one member of a class: what two members do not share

Source:
    The least significant difference of two means, R. A. Fisher, The Design of Experiments (1935).
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace

from layerprof.attribute.base import EnergyPass, UnitPower
from layerprof.attribute.energy.base import Meter, PhasePools, step_pool, whole
from layerprof.estimates import Estimate, summed, weighted
from layerprof.records import Closure, ClosureVerdict, EnergySummary, EnergyUnit

_OK, _WARN = 0.10, 0.20  # how far the parts may be from the whole


def summary_of(measured: EnergyPass, pools: Sequence[PhasePools], covered: float | None, meter: Meter) -> EnergySummary:
    """The energy of one step, and what it rests on."""
    return EnergySummary(
        counter=measured.counter,
        step=meter.energy((whole(step_pool(measured.step)),)),
        step_power_ci95_w=None if measured.step.power_w is None else measured.step.power_w.ci95,
        step_s=measured.step.seconds.value,
        units=_units(measured, pools, meter),
        closure=None if covered is None else _closure(measured, pools, covered),
        conditions=measured.conditions,
        least_difference_rel=_least_difference(measured.powers),
        samples=measured.samples,
        carbon_g_per_kwh=measured.carbon_g_per_kwh,
        duration_s=measured.duration_s,
        survey_ratio=measured.survey_ratio,
    )


def _units(measured: EnergyPass, pools: Sequence[PhasePools], meter: Meter) -> tuple[EnergyUnit, ...]:
    """With the joules of each, the most first."""
    members: dict[int, list[UnitPower]] = {}
    for one in measured.powers:
        members.setdefault(one.unit, []).append(one)
    units = [
        _unit(
            replace(unit, kind="estimated" if meter.is_estimated else unit.kind),
            members.get(number, ()),
            pools,
            meter,
        )
        for number, unit in enumerate(measured.units)
    ]
    return tuple(sorted(units, key=lambda unit: -unit.energy.total_j if unit.energy is not None else 0.0))


def _unit(unit: EnergyUnit, members: Sequence[UnitPower], pools: Sequence[PhasePools], meter: Meter) -> EnergyUnit:
    """A unit with the joules of its members, and with the power that goes with them."""
    if not members:
        return replace(unit, energy=None)
    energy = meter.energy(tuple(whole(pools[one.phase].units[one.layer]) for one in members))
    power_w = _mean_power(members)
    if power_w is None:
        return replace(unit, energy=energy)
    return replace(unit, energy=energy, power_w=power_w.value, ci95_w=power_w.ci95)


def _mean_power(members: Sequence[UnitPower]) -> Estimate | None:
    """Joules over seconds of all members; None where they took no time.

    Their times are weights here and not wrong themselves: the interval is of power alone.
    """
    seconds = sum(one.insitu_s.value for one in members)
    if not seconds > 0.0:
        return None
    return weighted((one.insitu_s.value / seconds, one.power_w) for one in members)


def _closure(measured: EnergyPass, pools: Sequence[PhasePools], covered: float) -> Closure | None:
    """The parts against the whole; None where the step took no joules."""
    units_j = summed(unit.joules for phase in pools for unit in phase.units.values())
    rest_j = summed(phase.work.joules for phase in pools if phase.work is not None)
    gap_j = summed(phase.gap.joules for phase in pools if phase.gap is not None)
    if not measured.step.joules.value:
        return None
    outside_j = rest_j + gap_j
    parts_j, is_told = units_j + outside_j, all(phase.is_rest_told for phase in pools)
    ratio = parts_j / measured.step.joules
    return Closure(
        ratio=ratio.value,
        ci95=ratio.ci95,
        verdict=_verdict(ratio.value),
        covered=covered,
        units_j=units_j.value,
        outside_j=outside_j.value,
        rest_j=rest_j.value if is_told else None,
        gap_j=gap_j.value if is_told else None,
        step_j=measured.step.joules.value,
        parts_ci95_j=parts_j.ci95,
    )


def _verdict(ratio: float) -> ClosureVerdict:
    away = round(abs(ratio - 1.0), 9)  # 1.1 - 1 is 0.1 and a little, as a float
    if away <= _OK:
        return "ok"
    return "warn" if away <= _WARN else "not_trustworthy"


def _least_difference(powers: Sequence[UnitPower]) -> float | None:
    """Of the class with most members: that of its worst known member; None where none has an error of its own."""
    counts = Counter(one.unit for one in powers)
    if not counts:
        return None
    unit, members = counts.most_common(1)[0]
    if members < 2:
        return None
    own = tuple(_own_errors([one.power_w * one.insitu_s for one in powers if one.unit == unit]))
    shares = [math.sqrt(2.0) * one.half_width / abs(one.value) for one in own if one.errors and one.value]
    return max(shares, default=None)


def _own_errors(members: Sequence[Estimate]) -> Iterator[Estimate]:
    """Each member with the parts of its error that no other member has."""
    holders = Counter((part.origin, part.part) for member in members for part in member.errors)
    for member in members:
        own = tuple(part for part in member.errors if holders[part.origin, part.part] == 1)
        yield Estimate(value=member.value, errors=own)
