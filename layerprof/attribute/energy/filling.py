"""The rows with their joules: layers and their phases, stages, and phases."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from types import MemberDescriptorType
from typing import TYPE_CHECKING, TypeVar

from layerprof.attribute.base import RawTrace
from layerprof.attribute.energy.base import (
    Meter,
    PhasePools,
    PhaseTree,
    Pool,
    Portions,
    Shares,
    together,
    whole,
)
from layerprof.records import Energy, FrozenMapping, LayerProfile, PhaseProfile, Quantities, StageProfile

if TYPE_CHECKING:
    from layerprof.attribute.roofline import Rows

_Row = TypeVar("_Row", bound=Quantities)


@dataclass(frozen=True, slots=True, kw_only=True)
class Dealt:
    """All that was dealt out, from which rows are filled.

    Attributes:
        meter: what all joules have in common.
        trees, pools, shares: of each phase.
        step: the joules of the step, where it is the root's call; else None.
    """

    meter: Meter
    trees: Sequence[PhaseTree]
    pools: Sequence[PhasePools]
    shares: Sequence[Shares]
    step: Pool | None


def filled_rows(raw: RawTrace, rows: Rows, dealt: Dealt) -> Rows:
    """The rows with the joules of each."""
    names = [phase.name for phase in raw.phases]
    filling = _Filling(names, dealt)
    layers = tuple(filling.layer(index, row) for index, row in enumerate(rows[0]))
    stages = _Stages(rows[0], dealt)
    numbers = {name: number for number, name in enumerate(names)}
    return (
        layers,
        tuple(stages.filled(row) for row in rows[1]),
        tuple(_phase(row, dealt.pools[numbers[row.name]], dealt.meter) for row in rows[2]),
    )


class _Filling:
    """Fills the rows of layers."""

    def __init__(self, names: Sequence[str], dealt: Dealt) -> None:
        self._names, self._dealt = names, dealt

    def layer(self, index: int, row: LayerProfile) -> LayerProfile:
        """A layer with its joules, those of each phase among them."""
        dealt = self._dealt
        if not any(tree.may_run[index] for tree in dealt.trees):  # of a list that is never called, what is in it is not
            own: list[Portions | None] = [() for _ in dealt.trees]
            total = own
        else:
            own = [shares.own[index] for shares in dealt.shares]
            total = [shares.total[index] for shares in dealt.shares]
        total_energy = self._energies(total)
        own_energy = total_energy if own == total else self._energies(own)  # most layers call nobody
        energy = self._over_phases(total, total_energy)
        own_whole = energy if own == total else self._over_phases(own, own_energy)
        if index == 0:
            energy = self._of_root(row, energy)
            total_energy = [energy] if len(self._names) == 1 else total_energy
        by_phase = {
            name: _with_energy(row.by_phase[name], total_energy[number], own_energy[number])
            for number, name in enumerate(self._names)
            if name in row.by_phase
        }
        return _with_energy(row, energy, own_whole, by_phase=FrozenMapping(by_phase))

    def _of_root(self, row: LayerProfile, below: Energy | None) -> Energy | None:
        """The step's own joules where the step is a call of the root; nothing where it is never called."""
        if self._dealt.step is not None:
            return self._dealt.meter.energy((whole(self._dealt.step),))
        return below if row.calls else None

    def _energies(self, by_phase: Sequence[Portions | None]) -> list[Energy | None]:
        return [None if portions is None else self._dealt.meter.energy(portions) for portions in by_phase]

    def _over_phases(self, by_phase: Sequence[Portions | None], energies: Sequence[Energy | None]) -> Energy | None:
        """The sum over phases; that of a layer that took joules in one phase alone is the same."""
        taking = [number for number, portions in enumerate(by_phase) if portions]
        if None in by_phase:
            return None
        if len(taking) <= 1:
            return energies[taking[0] if taking else 0]
        portions = together(by_phase)
        return None if portions is None else self._dealt.meter.energy(portions)


class _Stages:
    """Fills the rows of stages: a unit that lies in one stage counts with its own joules, and not as shares of them."""

    def __init__(self, layers: Sequence[LayerProfile], dealt: Dealt) -> None:
        self._dealt = dealt
        self._places = {layer.path: index for index, layer in enumerate(layers)}
        self._is_whole = _in_one_stage(layers, dealt.trees[0].parent)

    def filled(self, row: StageProfile) -> StageProfile:
        """A stage with the joules of its layers."""
        members = [self._places[path] for path in row.paths]
        parts = (part for number in range(len(self._dealt.trees)) for part in self._parts(members, number))
        portions = together(parts)
        energy = None if portions is None else self._dealt.meter.energy(portions)
        return _with_energy(row, energy, energy)

    def _parts(self, members: Sequence[int], number: int) -> Iterator[Portions | None]:
        tree, shares = self._dealt.trees[number], self._dealt.shares[number]
        units = self._dealt.pools[number].units
        for index in members:
            head = tree.head[index]
            if head in units and self._is_whole[head]:
                yield (whole(units[head]),) if head == index else ()
            elif not tree.is_hidden[index]:
                yield shares.own[index]


def _in_one_stage(layers: Sequence[LayerProfile], parent: Sequence[int]) -> list[bool]:
    """Whether all layers below each one are in its own stage."""
    found = [True] * len(layers)
    for index in range(len(layers) - 1, 0, -1):
        above = parent[index]
        found[above] = found[above] and found[index] and layers[index].stage == layers[above].stage
    return found


def _phase(row: PhaseProfile, pools: PhasePools, meter: Meter) -> PhaseProfile:
    """A phase with the joules of its units, of work outside of them, and of its gap."""
    parts = tuple(map(whole, pools.all))
    energy = meter.energy(parts) if parts else None
    return _with_energy(row, energy, energy)


def _with_energy(row: _Row, energy: Energy | None, own: Energy | None, **others: object) -> _Row:
    """A copy of a row with its joules.

    Copying the slots takes a third of the time of `dataclasses.replace`, and there are two rows for each of a thousand
    layers. No row has a ``__post_init__`` that would have to run.
    """
    copy = object.__new__(type(row))
    record: type = type(row)
    changes = {"energy": energy, "self_energy": own, **others}
    for name, slot in _slots_of(record):
        slot.__set__(copy, changes[name] if name in changes else slot.__get__(row))
    return copy


@functools.cache
def _slots_of(record: type) -> tuple[tuple[str, MemberDescriptorType], ...]:
    return tuple((field.name, getattr(record, field.name)) for field in fields(record))
