"""The joules of each phase in pieces: its units, the work outside of them, and the gap.

    rest     the phase's time minus the units' own, never below 0
    a CPU    all of the rest is work, at the mean power of the phase's units
    a GPU    of the rest, the part in which it was busy is work at that power; the remainder is the gap at idle power;
             where nobody knows how long it was busy, all of it is in the gap, which is then too few joules

Without units the whole step is work of its layers, which share it by their time.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from layerprof.attribute.base import EnergyPass, StepEnergy, UnitPower
from layerprof.attribute.energy.base import UNTOLD, PhasePools, PhaseTree, Pool, Times, step_pool
from layerprof.estimates import ZERO, Estimate, summed


def pools_of(
    measured: EnergyPass, trees: Sequence[PhaseTree], times: Times | None
) -> tuple[tuple[PhasePools, ...], float | None]:
    """The pools of each phase, and the share of the step's time that was in units; None without units."""
    if not measured.powers:
        return tuple(_shared(measured.step, trees)), None
    by_phase = [[one for one in measured.powers if one.phase == number] for number in range(len(trees))]
    pools = tuple(
        _phase_pools(measured, phase_s, powers, tree, times)
        for phase_s, powers, tree in zip(measured.phase_s, by_phase, trees, strict=True)
    )
    whole_s = sum(phase_s.value for phase_s in measured.phase_s)
    covered = sum(one.insitu_s.value for one in measured.powers) / whole_s if whole_s > 0.0 else 0.0
    return pools, min(1.0, covered)


def _shared(step: StepEnergy, trees: Sequence[PhaseTree]) -> Iterator[PhasePools]:
    """The step's joules by the time of each phase; one phase has them all."""
    if len(trees) == 1:
        yield PhasePools(units={}, work=step_pool(step), gap=None, is_of_units=False)
        return
    times_s = [tree.outside_s for tree in trees]
    for tree, time_s in zip(trees, times_s, strict=True):
        work = step_pool(step, kind="time_share", share=time_s / sum(times_s)) if tree.has_times else None
        yield PhasePools(units={}, work=work, gap=None, is_of_units=False)


def _phase_pools(
    measured: EnergyPass, phase_s: Estimate, powers: Sequence[UnitPower], tree: PhaseTree, times: Times | None
) -> PhasePools:
    units = {one.layer: _unit_pool(one) for one in powers}
    rest_s = phase_s - summed(one.insitu_s for one in powers)
    rest_s = rest_s if rest_s.value > 0.0 else ZERO
    busy_s = _busy_s(measured, rest_s, tree, times)
    if busy_s is None:
        both = _gap_pool(measured, rest_s, flags=(UNTOLD,))
        return PhasePools(units=units, work=None, gap=both, is_of_units=True, is_rest_told=False)
    work = _work_pool(measured.step, busy_s, powers, units)
    gap = None if measured.counter.domain == "cpu_package" else _gap_pool(measured, rest_s - busy_s)
    return PhasePools(units=units, work=work, gap=gap, is_of_units=True)


def _unit_pool(one: UnitPower) -> Pool:
    return Pool(
        joules=one.power_w * one.insitu_s,
        seconds=one.insitu_s.value,
        kind=one.kind,
        quantisation_rel=one.quantisation_rel,
        window_s=one.window_s,
        windows=one.windows,
        flags=one.flags,
    )


def _busy_s(measured: EnergyPass, rest_s: Estimate, tree: PhaseTree, times: Times | None) -> Estimate | None:
    """The part of the rest in which something ran; None where that is not known."""
    if measured.counter.domain == "cpu_package":
        return rest_s
    if times is None or not times.is_of_device:
        return None
    return rest_s if tree.outside_s >= rest_s.value else Estimate(value=tree.outside_s)


def _work_pool(step: StepEnergy, busy_s: Estimate, powers: Sequence[UnitPower], units: dict[int, Pool]) -> Pool:
    """Work outside of units, at the mean power of those of the phase; at the step's where the phase has none."""
    pools = list(units.values())
    units_j = summed(pool.joules for pool in pools)
    units_s = summed(one.insitu_s for one in powers)
    if not units_s.value > 0.0:
        return Pool(
            joules=step.mean_w * busy_s,
            seconds=busy_s.value,
            kind="time_share",
            quantisation_rel=step.quantisation_rel,
            window_s=step.window_s,
            windows=step.windows,
            flags=step.flags,
        )
    moved_j = sum(pool.quantisation_rel * pool.joules.value for pool in pools)
    return Pool(
        joules=units_j / units_s * busy_s,
        seconds=busy_s.value,
        kind="time_share",
        quantisation_rel=moved_j / units_j.value if units_j.value else 0.0,
        window_s=min(pool.window_s for pool in pools),
        windows=min(pool.windows for pool in pools),
        flags=tuple(sorted({flag for pool in pools for flag in pool.flags})),
    )


def _gap_pool(measured: EnergyPass, gap_s: Estimate, *, flags: tuple[str, ...] = ()) -> Pool:
    return Pool(
        joules=measured.idle_w * gap_s,
        seconds=gap_s.value,
        kind="time_share",
        quantisation_rel=0.0,
        window_s=measured.step.window_s,
        windows=measured.step.windows,
        flags=flags,
    )
