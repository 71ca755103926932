"""Who owns the bytes alive at the step's peak: by layer and caller, adding up to the peak to the last byte."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence

from layerprof.records import PeakOwner, Profile, family_of
from layerprof.views.base import ROOT_LABEL, Cell, Column, Row, Table, likeness_of

_NO_LAYER = "(under no layer)"


def peak_owners_table(profile: Profile, *, count: int = 10) -> Table:
    """The ``count`` owners of the most bytes at the peak, closed by the others, by what no tensor held, and the peak.

    Layers of one class and size that differ only by index are one row where their callers do, too. It is empty where
    the owners are not known.
    """
    memory = profile.memory
    owners = memory.owners if memory is not None else ()
    if memory is None or not owners:
        return Table(title="Memory at the peak", columns=(Column(name="layer", align="left"),), rows=())
    has_phases = len(profile.phases) > 1
    rows = sorted(_grouped(owners, profile), key=lambda row: -_size(row))
    hidden = _size(owner for row in rows[count:] for owner in row)
    blank = ("",) * (3 if has_phases else 2)
    closing = [
        *([("(others)", hidden)] if rows[count:] else []),
        *([("(held by no tensor)", memory.unowned_bytes)] if memory.unowned_bytes else []),
        ("step's peak", memory.step_peak_bytes),
    ]
    return Table(
        title="Memory at the peak",
        columns=_columns(has_phases=has_phases),
        rows=(
            *(Row(cells=_cells(row, memory.step_peak_bytes, has_phases=has_phases)) for row in rows[:count]),
            *(
                Row(cells=(label, *blank, size, _share(size, memory.step_peak_bytes)), role="closing")
                for label, size in closing
            ),
        ),
        footnotes=("bytes that the step had allocated and that were alive when it had the most; baseline left out.",),
    )


def _columns(*, has_phases: bool) -> tuple[Column, ...]:
    phase = (Column(name="phase", align="left"),) if has_phases else ()
    return (
        Column(name="layer", align="left"),
        Column(name="called from", align="left"),
        *phase,
        Column(name="layers", quantity="integer"),
        Column(name="bytes", quantity="bytes"),
        Column(name="of peak", quantity="share"),
    )


def _cells(owners: Sequence[PeakOwner], peak_bytes: int, *, has_phases: bool) -> tuple[Cell, ...]:
    first, size = owners[0], _size(owners)
    layers = {owner.path for owner in owners if owner.path is not None}
    callers = {_caller(owner) for owner in owners}
    return (
        _NO_LAYER if first.path is None else _label(first.path, is_alone=len(layers) == 1),
        _label(_caller(first), is_alone=len(callers) == 1) if len(first.call_path) > 1 else "",
        *((first.phase,) if has_phases else ()),
        len(layers) if layers else "",
        size,
        _share(size, peak_bytes),
    )


def _label(path: str, *, is_alone: bool) -> str:
    return (path if is_alone else family_of(path)) or ROOT_LABEL


def _grouped(owners: Iterable[PeakOwner], profile: Profile) -> list[list[PeakOwner]]:
    """The owners by likeness of layer and caller, and phase."""
    likeness = {layer.path: likeness_of(layer) for layer in profile.layers}
    groups: dict[Hashable, list[PeakOwner]] = {}
    for owner in owners:
        alike = tuple(likeness.get(path, path) for path in owner.call_path[-2:])  # the caller, if any, and the layer
        groups.setdefault((alike, owner.phase), []).append(owner)
    return list(groups.values())


def _caller(owner: PeakOwner) -> str:
    return owner.call_path[-2] if len(owner.call_path) > 1 else ""


def _size(owners: Iterable[PeakOwner]) -> int:
    return sum(owner.size_bytes for owner in owners)


def _share(size: int, whole: int) -> float | None:
    return size / whole if whole else None
