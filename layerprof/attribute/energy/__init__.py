"""From what the energy pass brought to the joules of every row, which add up to what was measured in one piece.

EnergyPass ──powers, idle──▶ pools (units, work, gap) ─┐
rows ──────own times───────▶ trees of each phase ──────┼─▶ shares ─▶ layers, stages, phases ─▶ notes
                                                       └─▶ closure, units, least difference
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from layerprof.attribute.base import EnergyPass, RawTrace
from layerprof.attribute.energy.base import Meter, Pool, Portions, Shares, Times, step_pool, together
from layerprof.attribute.energy.filling import Dealt, filled_rows
from layerprof.attribute.energy.notes import notes_on_no_energy, notes_on_summary, once
from layerprof.attribute.energy.pools import pools_of
from layerprof.attribute.energy.shares import shares_of
from layerprof.attribute.energy.summary import summary_of
from layerprof.attribute.energy.trees import parents_of, phase_tree, ran_in, times_of
from layerprof.records import Energy, EnergySummary, Note

if TYPE_CHECKING:
    from collections.abc import Sequence

    from layerprof.attribute.roofline import Rows

__all__ = ["Energies", "with_energy"]

_WHOLE_STEP = 0.95  # of the time of a step that is the caller's own callable: from here on it is the root's call


@dataclass(frozen=True, slots=True, kw_only=True)
class Energies:
    """Rows with their joules, and what the record says of them besides.

    Attributes:
        rows: layers, stages and phases.
        summary: of the step, or None without an energy pass.
        unattributed: joules of no layer, or None where they are not known.
        notes: what was noticed, and what weakens the joules.
        missing: why joules are missing.
    """

    rows: Rows
    summary: EnergySummary | None = None
    unattributed: Energy | None = None
    notes: tuple[Note, ...] = ()
    missing: tuple[Note, ...] = ()


def with_energy(raw: RawTrace, rows: Rows, *, steps: tuple[int, ...] = ()) -> Energies:
    """The rows with the joules of each, by the powers of units and the time of layers.

    Args:
        raw: with the energy pass; without one the rows stay as they are.
        rows: layers, stages and phases, with their times.
        steps: of the time pass that count, the same as in the tables; none chosen means all.
    """
    measured = raw.energy
    if measured is None:
        return Energies(rows=rows)
    layers, times = rows[0], times_of(raw, rows, steps)
    parent = parents_of(layers)
    units = [{one.layer for one in measured.powers if one.phase == number} for number in range(len(raw.phases))]
    trees = [
        phase_tree(parent, units[number], ran_in(raw, layers, phase.name), times, number)
        for number, phase in enumerate(raw.phases)
    ]
    pools, covered = pools_of(measured, trees, times)
    shares = [shares_of(tree, phase) for tree, phase in zip(trees, pools, strict=True)]
    meter = _meter(measured)
    dealt = Dealt(meter=meter, trees=trees, pools=pools, shares=shares, step=_root_step(raw, rows, times))
    filled, summary = filled_rows(raw, rows, dealt), summary_of(measured, pools, covered, meter)
    unattributed = _unattributed(shares, meter)
    return Energies(
        rows=filled,
        summary=summary,
        unattributed=unattributed,
        notes=tuple(once((*measured.notes, *notes_on_summary(raw, summary)))),
        missing=tuple(notes_on_no_energy(raw, filled, trees, times, is_booked=unattributed is not None)),
    )


def _meter(measured: EnergyPass) -> Meter:
    counter = measured.counter
    is_estimated = counter.kind == "estimated"
    return Meter(
        source=counter.source,
        is_estimated=is_estimated,
        resolution_s=counter.tick_s or 0.0,
        sensor_rel=counter.sensor_rel,
        idle_w=None if is_estimated else measured.idle_w.value,  # an assumption says nothing of idling
        window_s=measured.step.window_s,
        windows=measured.step.windows,
    )


def _root_step(raw: RawTrace, rows: Rows, times: Times | None) -> Pool | None:
    """The joules of the step, where it is the root's call; in training it is more than that.

    Where the caller's own callable is the step, it is the root's call as far as nearly all of its time is. Where it is
    known to be, time does not matter: hooks take some of it outside of the root.
    """
    assert raw.energy is not None  # or nobody asks
    is_nearly = bool(rows[0][0].calls) and (times is None or times.root_share >= _WHOLE_STEP)
    return step_pool(raw.energy.step) if (raw.is_root_step or is_nearly) and not raw.spec.train else None


def _unattributed(shares: Sequence[Shares], meter: Meter) -> Energy | None:
    parts: list[Portions | None] = [one.unattributed for one in shares]
    portions = together(parts)
    return None if portions is None else meter.energy(portions)
