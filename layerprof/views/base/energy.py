"""The columns of joules: energy, mean power, and joules for each thousand million FLOPs.

Joules are written with the digits that their interval supports. A row of several records has the sum of their joules;
its error is the sum of theirs, which is never too small: layers of one class are wrong in the same direction.

Power has an interval of its own, since joules move with the time that they are taken over. The record has that of the
step and of distinct layers; the power of other rows is written with two digits.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from layerprof.records import Energy, Profile, Quantities
from layerprof.views.base.base import Amount, AmountForm, Cell, Column, Measured, Reading, joules_of

_ENERGY = ("energy", "energy", "self_energy")  # what a footnote calls it, then the names by which notes speak of it
_CLOSURE = "energy_closure"  # of the note that parts do not add up to the whole

Part = Literal["joules", "power", "j_per_gflop"]


@dataclass(frozen=True, slots=True, kw_only=True)
class EnergyReading(Reading):
    """A column of joules, or of what follows from them.

    Attributes:
        part: what it shows.
        form: how it is written.
        unattributed, step: joules of no layer and of the step, or None.
        step_power_ci95_w: 95 % interval of the step's mean power, or None.
    """

    part: Part = "joules"
    form: AmountForm = "digits"
    unattributed: Energy | None = None
    step: Energy | None = None
    step_power_ci95_w: tuple[float, float] | None = None

    @property
    def adds_up(self) -> bool:  # noqa: D102 - as `Reading`
        return self.attribute == "self_energy"

    def over(self, records: Sequence[Measured]) -> Cell:  # noqa: D102 - as `Reading`
        energies = [getattr(record, self.attribute, None) for record in records]
        known = [energy for energy in energies if energy is not None]
        if not known or len(known) < len(energies):
            return None
        if self.part == "j_per_gflop":
            return self._per_gflop(known, [record for record in records if isinstance(record, Quantities)])
        return self._amount(known)

    def closing_cells(self) -> tuple[Cell, Cell, Cell]:  # noqa: D102 - as `Reading`
        if self.part == "j_per_gflop":
            return "", "", ""
        unattributed, step = ("" if one is None else self._amount([one]) for one in (self.unattributed, self.step))
        return "", unattributed if self.part == "joules" else "", step

    def _amount(self, energies: Sequence[Energy]) -> Cell:
        if self.part == "joules":
            return joules_of(energies, form=self.form)
        if len(energies) == 1:
            return self._power(energies[0])
        seconds = sum(energy.total_j / energy.power_w for energy in energies if energy.power_w)
        total_j = sum(energy.total_j for energy in energies)
        return Amount(value=total_j / seconds, form=self.form) if seconds > 0.0 else ""

    def _power(self, energy: Energy) -> Cell:
        if not energy.power_w:
            return ""
        low, high = (self.step_power_ci95_w if energy == self.step else None) or (None, None)
        return Amount(value=energy.power_w, low=low, high=high, form=self.form)

    def _per_gflop(self, energies: Sequence[Energy], records: Sequence[Quantities]) -> Cell:
        name = "self_flops" if self.adds_up else "flops"
        counted: list[int | None] = [getattr(record, name) for record in records]
        known = [flops for flops in counted if flops is not None]
        if len(known) < len(energies):
            return None
        return _scaled(joules_of(energies, form=self.form), 1e9 / sum(known)) if sum(known) else ""


def _scaled(amount: Amount, factor: float) -> Amount:
    ends = (None if end is None else factor * end for end in (amount.low, amount.high))
    low, high = ends
    return Amount(value=factor * amount.value, low=low, high=high, form=amount.form)


def energy_readings(profile: Profile) -> Mapping[str, EnergyReading]:
    """Every column of joules, by name; those with ``_error`` show the error too."""
    summary = profile.energy
    step = None if summary is None else summary.step

    def reading(name: str, attribute: str, part: Part, form: AmountForm) -> EnergyReading:
        quantity: Literal["j", "w", "ratio"] = "j" if part == "joules" else "w" if part == "power" else "ratio"
        return EnergyReading(
            column=Column(name=name, quantity=quantity),
            attribute=attribute,
            explained_by=_ENERGY if part == "joules" else (),
            part=part,
            form=form,
            unattributed=profile.unattributed_energy,
            step=step,
            step_power_ci95_w=None if summary is None else summary.step_power_ci95_w,
        )

    return {
        "energy": reading("energy", "energy", "joules", "digits"),
        "energy_error": reading("energy", "energy", "joules", "plus_minus"),
        "self_energy": reading("self energy", "self_energy", "joules", "digits"),
        "power": reading("mean power", "energy", "power", "digits"),
        "j_per_gflop": reading("J/GFLOP", "energy", "j_per_gflop", "digits"),
    }


def energy_footnotes(profile: Profile) -> Iterator[str]:
    """That the joules of layers do not add up to those of the step, where they do not."""
    yield from (f"energy: {note.text}." for note in profile.notes if note.code == _CLOSURE)
