"""A sweep as rows of plain values, one a cell: what CSV, JSON and raw text are made of.

Names of tests are joined by blanks where a format has one field for them; a number that is not finite is left out and
told, so that no format has a NaN.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from layerprof.records import AxisValue, CellRecord, SweepRecord


@dataclass(frozen=True, slots=True, kw_only=True)
class TidyRow:
    """A cell of a sweep as plain values.

    Attributes:
        cell: that it is of.
        tests: of the plan that the cell is in.
        axes: every setting by name.
        metrics: numbers in SI base units by name; None where not measured.
        notes: one line each.
    """

    cell: CellRecord
    tests: tuple[str, ...]
    axes: Mapping[str, AxisValue]
    metrics: Mapping[str, float | int | None]
    notes: tuple[str, ...]


def tidy_rows(record: SweepRecord) -> Iterator[TidyRow]:
    """One row a cell, in the plan's order."""
    tests_of: dict[str, list[str]] = {}
    for test in record.plan.tests:
        for id_ in dict.fromkeys(test.cells):
            tests_of.setdefault(id_, []).append(test.name)
    for cell in record.cells:
        odd = [name for name, value in cell.metrics.items() if isinstance(value, float) and not math.isfinite(value)]
        yield TidyRow(
            cell=cell,
            tests=tuple(tests_of.get(cell.id, ())),
            axes=cell.axes,
            metrics={**cell.metrics, **dict.fromkeys(odd)} if odd else cell.metrics,
            notes=(*map(str, cell.notes), *(f"{name}: not a finite number, left out" for name in odd)),
        )
