"""A sweep's cells by the test that they belong to, and what names a cell there."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from layerprof.boards.base import REPORT, unique_names
from layerprof.boards.sweeps.base.base import value_text
from layerprof.records import CellRecord, SweepRecord
from layerprof.views.sweeps.base import results_of

_OTHERS = "in no test"


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """Cells that are compared with each other.

    Attributes:
        name: of the plan's test; "" for a plan without tests.
        axes: that take several values among its cells, in the plan's order.
        cells: in the test's order; one that was not in force has its reason and no numbers.
    """

    name: str
    axes: tuple[str, ...]
    cells: tuple[CellRecord, ...]


def groups_of(record: SweepRecord) -> tuple[Group, ...]:
    """One group a test; one of all cells for a plan without tests. A cell may be in several."""
    if not record.plan.tests:
        return (Group(name="", axes=_varying(record.cells, dict(record.plan.axes)), cells=record.cells),)
    groups = [
        Group(name=of.test.name, axes=_varying(of.cells, dict(of.test.axes)), cells=of.cells)
        for of in results_of(record).tests
    ]
    in_a_test = {cell.id for group in groups for cell in group.cells}
    others = tuple(cell for cell in record.cells if cell.id not in in_a_test)
    more = [Group(name=_OTHERS, axes=_varying(others, ()), cells=others)] if others else []
    return (*groups, *more)


def _varying(cells: Iterable[CellRecord], first: Iterable[str]) -> tuple[str, ...]:
    """The axes that take several values, those of the plan first; all of the plan's where none does."""
    values: dict[str, set[str]] = {}
    names = dict.fromkeys(first)
    rows = [cell.axes for cell in cells]
    for axis in dict.fromkeys((*names, *(axis for axes in rows for axis in axes))):
        values[axis] = {repr(axes.get(axis)) for axes in rows}
    return tuple(axis for axis, found in values.items() if len(found) > 1) or tuple(names)


def run_names(groups: Iterable[Group]) -> Mapping[str, str]:
    """The folder of each cell by its id: its settings that vary, below the first test that it is in."""
    names: dict[str, str] = {}
    groups = tuple(groups)
    folders = unique_names(((group.name, group.name) for group in groups if group.name), taken=(REPORT,))
    for group in groups:
        own = [cell for cell in group.cells if cell.id not in names]
        found = unique_names((cell.id, _settings(cell, group.axes)) for cell in own)
        prefix = f"{folders[group.name]}/" if group.name else ""
        names.update({id_: f"{prefix}{name}" for id_, name in found.items()})
    return names


def _settings(cell: CellRecord, axes: Iterable[str]) -> str:
    return ",".join(f"{axis}={value_text(cell.axes.get(axis))}" for axis in axes) or f"cell={cell.id}"
