"""The columns of the place under the roofline: rates, intensity, efficiency and bound.

Rates do not add up. A row of several records has the FLOPs and bytes of all over the time that their own rates imply,
and their efficiencies weighted by it, which is again the least time that the roof allows over the time taken:

    sum(efficiency * taken) / sum(taken) = sum(least) / sum(taken)

An efficiency above 1 is no result: the records hold None and a note, and the column shows a mark in its place.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from layerprof.records import LayerProfile, Note, PhaseProfile, Profile, Quantities, StageProfile
from layerprof.views.base.base import Cell, Column, Measured, Reading

ABOVE = "> 100 %"  # in place of an efficiency that cannot be
_ABOVE_CODE = "above_ceiling"  # of the note that stands for it
# What a footnote calls a missing column, then the names by which notes speak of it.
_RATES = ("rates", "flops_per_s", "bytes_per_s")
_INTENSITY = ("intensity", "intensity", "bytes_moved")
_CEILINGS = ("efficiency and bound", "efficiency", "bound")
_BOUND_JOINT = "/"  # between the bounds of a row of several records


@dataclass(frozen=True, slots=True, kw_only=True)
class RoofReading(Reading):
    """A column of the place under the roofline.

    Records that did no work have no place there and do not count; a row of nothing else is blank.

    Attributes:
        above: the paths and names whose efficiency came out above 1, and those of layers in one phase.
    """

    above: frozenset[str] = frozenset()

    def over(self, records: Sequence[Measured]) -> Cell:  # noqa: D102 - as `Reading`
        if not records:
            return None
        working = [record for record in records if isinstance(record, Quantities) and not _is_idle(record)]
        if not working:
            return ""
        if self.attribute == "efficiency" and any(_is_above(record, self.above) for record in working):
            return ABOVE
        values = [getattr(record, self.attribute) for record in working]
        if any(value in (None, "unknown") for value in values):
            return None
        return _COMBINED[self.attribute](working) if len(working) > 1 else values[0]

    def over_phase(self, layers: Sequence[LayerProfile], phase: str) -> Cell:
        """The value of what those ``layers`` did that ran in one phase."""
        ran = [layer for layer in layers if phase in layer.by_phase]
        if self.attribute == "efficiency" and any(self._is_above_in(layer, phase) for layer in ran):
            return ABOVE
        return self.over([layer.by_phase[phase] for layer in ran])

    def _is_above_in(self, layer: LayerProfile, phase: str) -> bool:
        return layer.by_phase[phase].efficiency is None and f"{layer.path} in {phase}" in self.above


def roof_readings(profile: Profile) -> Mapping[str, RoofReading]:
    """Every column of the roofline, by the name of its field."""
    above = _scopes_above(profile.notes)
    columns = (
        (Column(name="FLOP rate", quantity="flops_per_s"), "flops_per_s", _RATES),
        (Column(name="byte rate", quantity="bytes_per_s"), "bytes_per_s", _RATES),
        (Column(name="intensity", quantity="flops_per_byte"), "intensity", _INTENSITY),
        (Column(name="efficiency", quantity="share"), "efficiency", _CEILINGS),
        (Column(name="bound", align="left"), "bound", _CEILINGS),
    )
    return {
        name: RoofReading(column=column, attribute=name, explained_by=reasons, above=above)
        for column, name, reasons in columns
    }


def _scopes_above(notes: Sequence[Note]) -> frozenset[str]:
    """Scopes of the rows whose efficiency came out above 1.

    A layer's path, ``stage <name>``, ``phase <name>``, or ``<path> in <phase>``.
    """
    return frozenset(note.scope for note in notes if _is_above_note(note))


def _is_above(record: Quantities, above: frozenset[str]) -> bool:
    """Whether the record's efficiency is one of those that came out above 1."""
    if record.efficiency is not None:
        return False
    if isinstance(record, LayerProfile):
        return record.path in above
    if isinstance(record, StageProfile):
        return f"stage {record.name}" in above
    return isinstance(record, PhaseProfile) and f"phase {record.name}" in above


def above_footnotes(profile: Profile, cells: Sequence[Cell]) -> tuple[str, ...]:
    """Why efficiencies among ``cells`` are marked: the first note's words, and how many more notes there are."""
    notes = [note for note in profile.notes if _is_above_note(note)]
    if ABOVE not in cells or not notes:
        return ()
    others = f" (and {len(notes) - 1} more in the notes)" if len(notes) > 1 else ""
    return (f"{ABOVE}: no result; {notes[0].text}{others}",)


def _is_above_note(note: Note) -> bool:
    return note.code == _ABOVE_CODE and note.quantity == "efficiency"


def _is_idle(record: Quantities) -> bool:
    return record.bytes_moved == 0 and record.flops == 0


def _taken_s(record: Quantities) -> float | None:
    """The time that its own rates are over."""
    if record.flops and record.flops_per_s:
        return record.flops / record.flops_per_s
    return record.bytes_moved / record.bytes_per_s if record.bytes_moved and record.bytes_per_s else None


def _rate_of(attribute: str) -> Callable[[Sequence[Quantities]], Cell]:
    def rate(records: Sequence[Quantities]) -> Cell:
        return _over_time([getattr(record, attribute) for record in records], records)

    return rate


def _efficiency(records: Sequence[Quantities]) -> Cell:
    taken_s = [_taken_s(record) or 0.0 for record in records]
    least_s = [(record.efficiency or 0.0) * each for record, each in zip(records, taken_s, strict=True)]
    return _over_time(least_s, records)


def _over_time(amounts: Sequence[float | None], records: Sequence[Quantities]) -> Cell:
    times = [_taken_s(record) for record in records]
    known = [(amount, time_s) for amount, time_s in zip(amounts, times, strict=True) if amount is not None and time_s]
    return sum(a for a, _ in known) / sum(t for _, t in known) if len(known) == len(records) else None


def _intensity(records: Sequence[Quantities]) -> Cell:
    amount = sum(record.bytes_moved or 0 for record in records)
    return sum(record.flops or 0 for record in records) / amount if amount else None


def _bound(records: Sequence[Quantities]) -> Cell:
    """Their bounds, that of the most time first."""
    times: dict[str, float] = {}
    for record in records:
        times[str(record.bound)] = times.get(str(record.bound), 0.0) + (_taken_s(record) or 0.0)
    return _BOUND_JOINT.join(sorted(times, key=lambda bound: -times[bound]))


_COMBINED: Mapping[str, Callable[[Sequence[Quantities]], Cell]] = {
    "flops_per_s": _rate_of("flops"),
    "bytes_per_s": _rate_of("bytes_moved"),
    "intensity": _intensity,
    "efficiency": _efficiency,
    "bound": _bound,
}
