"""From windows to what attribution is handed: powers of layers in phases, and distinct ones for the record."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from layerprof.attribute import StepEnergy, UnitPower
from layerprof.energy import (
    Drift,
    Window,
    call_j_of,
    call_s_of,
    flags_of,
    member_powers,
    power_of,
    quantisation_rel_of,
)
from layerprof.estimates import Estimate, from_samples
from layerprof.measure.energy.base import Survey, UnitCalls, UnitClass, UnitKey
from layerprof.records import EnergyConditions, EnergyKind, EnergyUnit, FrozenMapping

_MARKS_REL = 0.01  # of a step's time: what marks seem to add below it may be chance
_FIDELITY = 0.1  # of a replayed call's time; beyond it the replay is flagged


@dataclass(frozen=True, slots=True, kw_only=True)
class MeasuredUnit:
    """A distinct layer with what was measured of it.

    Attributes:
        unit: the layers that do the same work.
        windows: of each sampled member, by its key; empty where it was not replayed.
        power_w: of a regressed one.
        copies: sets of weights and inputs that were taken in turn.
        footprint_bytes: of one set.
        flags: of replay.
        drift: of all windows of the session.
    """

    unit: UnitClass
    windows: Mapping[UnitKey, Sequence[Window]]
    power_w: Estimate | None = None
    copies: int = 1
    footprint_bytes: int | None = None
    flags: tuple[str, ...] = ()
    drift: Drift = field(default_factory=Drift)

    @property
    def name(self) -> str:
        """Of the unit in its phase."""
        return f"{self.unit.name} in {self.unit.phase}"

    @property
    def kind(self) -> EnergyKind:
        """How its power was got."""
        return "replayed" if self.windows else "regressed"

    @property
    def all_windows(self) -> list[Window]:
        """Of all sampled members."""
        return [window for windows in self.windows.values() for window in windows]


def unit_powers(number: int, measured: MeasuredUnit, calls: Mapping[UnitKey, UnitCalls]) -> tuple[UnitPower, ...]:
    """The power of every member of a unit.

    Args:
        number: of the unit.
        measured: with its windows, or its regressed power.
        calls: of the survey.
    """
    powers, _ = _member_powers(measured)
    windows = measured.all_windows
    flags = unit_flags(measured, calls)
    return tuple(
        UnitPower(
            layer=key.layer,
            phase=key.phase,
            unit=number,
            kind=measured.kind,
            power_w=powers[key],
            insitu_s=_insitu(calls[key]),
            window_s=_mean_length(windows),
            windows=len(windows),
            quantisation_rel=quantisation_rel_of(windows) if windows else 0.0,
            flags=flags,
        )
        for key in measured.unit.members
    )


def powers_of(measured: MeasuredUnit) -> Mapping[UnitKey, Estimate]:
    """The power of every member, in watts."""
    return _member_powers(measured)[0]


def _member_powers(measured: MeasuredUnit) -> tuple[Mapping[UnitKey, Estimate], tuple[str, ...]]:
    if measured.power_w is not None:
        return dict.fromkeys(measured.unit.members, measured.drift.added_to(measured.power_w)), ()
    names = {f"{key.layer} in {key.phase}": key for key in measured.unit.members}
    by_key = {key: name for name, key in names.items()}
    sampled = {
        by_key[key]: power_of(windows, origin=f"windows of {by_key[key]}") for key, windows in measured.windows.items()
    }
    found = member_powers(sampled, list(names), origin=f"members of {measured.name}")
    return {names[name]: measured.drift.added_to(power) for name, power in found.powers.items()}, found.flags


def _insitu(calls: UnitCalls) -> Estimate:
    return from_samples(calls.samples_s, origin=f"time of {calls.key.layer} in {calls.key.phase}")


def _mean_length(windows: Sequence[Window]) -> float:
    return sum(window.seconds for window in windows) / len(windows) if windows else 0.0


def unit_record(
    measured: MeasuredUnit, calls: Mapping[UnitKey, UnitCalls], *, paths: Sequence[str], phases: Sequence[str]
) -> EnergyUnit:
    """A unit as the record shows it.

    Args:
        measured: with its windows.
        calls: of the survey.
        paths: of all layers.
        phases: names of the record's phases.
    """
    unit, windows = measured.unit, measured.all_windows
    power_w = measured.power_w or (power_of(windows, origin="") if len(windows) > 1 else None)
    return EnergyUnit(
        name=unit.name,
        type_name=unit.type_name,
        phase=phases[unit.phase],
        paths=tuple(paths[key.layer] for key in unit.members),
        sampled=tuple(paths[key.layer] for key in measured.windows),
        kind=measured.kind,
        calls=unit.calls,
        power_w=None if power_w is None else power_w.value,
        ci95_w=None if power_w is None else power_w.ci95,
        insitu_s=sum(calls[key].seconds for key in unit.members),
        fidelity=_fidelity(measured, calls),
        windows=len(windows),
        window_s=_mean_length(windows),
        copies=measured.copies,
        footprint_bytes=measured.footprint_bytes,
        flags=unit_flags(measured, calls),
    )


def unit_flags(measured: MeasuredUnit, calls: Mapping[UnitKey, UnitCalls]) -> tuple[str, ...]:
    """All that weakens a unit's power: of replay, windows, its members' calls, and how unlike their times are."""
    _, of_members = _member_powers(measured)
    fidelity = _fidelity(measured, calls)
    is_unlike = fidelity is not None and abs(fidelity - 1.0) > _FIDELITY
    of_calls = [calls[key].flags for key in measured.unit.members]
    return _merged(
        measured.flags,
        of_members,
        flags_of(measured.all_windows),
        measured.unit.flags,
        *of_calls,
        ("unlike_time",) if is_unlike else (),
    )


def _fidelity(measured: MeasuredUnit, calls: Mapping[UnitKey, UnitCalls]) -> float | None:
    """Time of a replayed call over its time in the model, the mean over the sampled members."""
    ratios = [
        sum(window.call_s for window in windows) / len(windows) / (calls[key].seconds / calls[key].calls)
        for key, windows in measured.windows.items()
        if calls[key].calls and calls[key].seconds > 0.0
    ]
    return sum(ratios) / len(ratios) if ratios else None


def step_energy(
    windows: Sequence[Window], copies: Sequence[Window], drift: Drift, *, flags: tuple[str, ...] = ()
) -> StepEnergy:
    """Joules and seconds of one step, from windows of whole steps.

    Args:
        windows: of steps, and of the copies of inputs before them.
        copies: of those copies alone; empty where they take no time to speak of.
        drift: of the session.
        flags: of the step.
    """
    joules, seconds = call_j_of(windows, origin="windows of steps"), call_s_of(windows, origin="windows of steps")
    power_w = power_of(windows, origin="windows of steps")
    if copies:
        joules = joules - call_j_of(copies, origin="windows of copies")
        seconds = seconds - call_s_of(copies, origin="windows of copies")
        power_w = joules / seconds
    return StepEnergy(
        joules=drift.added_to(joules),
        seconds=seconds,
        power_w=drift.added_to(power_w),
        window_s=_mean_length(windows),
        windows=len(windows),
        quantisation_rel=quantisation_rel_of(windows),
        flags=_merged(flags_of(windows), flags, ("copies_subtracted",) if copies else ()),
    )


def phase_times(survey: Survey, count: int, step_s: float) -> tuple[Estimate, ...]:
    """The time of each of the record's phases in a surveyed step, without what the marks around units took.

    Marks lie outside of the units' own times, so what a surveyed step took longer than a step of the windows is taken
    off what is outside of units, each phase's in proportion.

    Args:
        survey: of steps with marks.
        count: of phases.
        step_s: of a step without them.
    """
    inside_s = [sum(unit.seconds for unit in survey.units if unit.key.phase == phase) for phase in range(count)]
    whole = [_phase_time(survey, phase) for phase in range(count)]
    outside_s = [max(0.0, one.value - inside) for one, inside in zip(whole, inside_s, strict=True)]
    added_s = max(0.0, sum(survey.step_s) / len(survey.step_s) - step_s)
    is_noise = added_s <= _MARKS_REL * step_s
    kept = 1.0 if is_noise or not sum(outside_s) else max(0.0, 1.0 - added_s / sum(outside_s))
    return tuple(one - Estimate(value=(1.0 - kept) * outside) for one, outside in zip(whole, outside_s, strict=True))


def _phase_time(survey: Survey, phase: int) -> Estimate:
    if phase not in survey.phase_s:
        return Estimate(value=0.0)
    return from_samples(survey.phase_s[phase], origin=f"time of phase {phase}")


def conditions_of(
    windows: Sequence[Window], *, reference: Sequence[Window], facts: FrozenMapping[str]
) -> EnergyConditions:
    """What the device was like in all windows of work; processes of others are counted in idle ones too."""
    at_work = [window for window in windows if window.calls]  # at rest clocks are low, and that is no reason
    states = [state for window in at_work for state in window.states]
    temperatures_c = [state.temperature_c for state in states if state.temperature_c is not None]
    clocks_hz = [state.clock_hz for state in states if state.clock_hz is not None]
    seen = [state.foreign_processes for window in windows for state in window.states]
    foreign = [count for count in seen if count is not None]
    first, last = (reference[0], reference[-1]) if len(reference) > 1 else (None, None)
    return EnergyConditions(
        temperature_c=(min(temperatures_c), max(temperatures_c)) if temperatures_c else None,
        clock_hz=(min(clocks_hz), max(clocks_hz)) if clocks_hz else None,
        throttled=sum("throttled" in window.flags for window in at_work),
        throttle_reasons=tuple(dict.fromkeys(reason for state in states for reason in state.throttle_reasons)),
        foreign_processes=max(foreign) if foreign else None,
        drift=last.power_w / first.power_w if first is not None and last is not None else None,
        facts=facts,
    )


def _merged(*flags: Sequence[str]) -> tuple[str, ...]:
    return tuple(sorted({flag for some in flags for flag in some}))
