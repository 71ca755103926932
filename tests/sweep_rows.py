"""Reading the tables of a made-up sweep by title, row and column, and changing one of its cells."""

from __future__ import annotations

from dataclasses import replace

from layerprof.records import CellRecord, FrozenMapping, SweepRecord
from layerprof.views import Row, Table, sweep_tables


def table_of(record: SweepRecord, title: str) -> Table:
    (table,) = (table for table in sweep_tables(record) if table.title == title)
    return table


def names(table: Table) -> list[str]:
    return [column.name for column in table.columns]


def row_of(table: Table, *first: str) -> Row:
    (row,) = (row for row in table.rows if row.cells[: len(first)] == first)
    return row


def value_of(table: Table, row: Row, name: str) -> object:
    return row.cells[names(table).index(name)]


def changed(record: SweepRecord, cell: CellRecord, **changes: object) -> SweepRecord:
    cells = tuple(replace(each, **changes) if each.id == cell.id else each for each in record.cells)  # type: ignore[arg-type]  # fields of a cell
    return replace(record, cells=cells)


def with_metrics(record: SweepRecord, cell: CellRecord, **metrics: float | None) -> SweepRecord:
    return changed(record, cell, metrics=FrozenMapping({**cell.metrics, **metrics}))
