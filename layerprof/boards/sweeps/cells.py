"""The run of one cell: its metrics, how it ended, and what its layer profile brings."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from layerprof.boards.base import Point, scalars, table_texts
from layerprof.boards.sweeps.base import metric_tag, value_text
from layerprof.errors import LayerprofError
from layerprof.ledger import Layout, read_run
from layerprof.records import CellRecord
from layerprof.views import Column, Row, Table

_KEY_PARTS = 3  # of a profile's file name: the cell, the environment and which run it is
_ABOUT = (
    "over the cell's runs, as in the sweep's tables: the median, of peaks of memory the most, of counts of steps the "
    "sum; the x-axis is the first axis that is swept"
)


def is_run(cell: CellRecord) -> bool:
    """Whether the cell has anything to show besides why it is not there."""
    return cell.status in ("done", "failed") or (cell.status == "pending" and bool(cell.metrics))


def cell_points(cell: CellRecord, *, step: int) -> Iterator[Point]:
    """The metrics at the step, and the settings, the end and the notes as texts."""
    for name, number in cell.metrics.items():
        if number is not None:
            yield from scalars(metric_tag(name), [(step, number)], about=_ABOUT)
    yield from table_texts("cell", [table for table in (_settings(cell), _notes(cell)) if table.rows])


def measured_at_s(cell: CellRecord) -> float | None:
    """When the run behind the cell's profile ended, from the run's own file; None where it cannot be read."""
    if cell.profile_path is None:
        return None
    stem = ".".join(Path(cell.profile_path).name.split(".")[:_KEY_PARTS])
    with suppress(LayerprofError):
        return read_run(Layout(Path(cell.folder)).cells / f"{stem}.json").summary.ended_at_s
    return None


def _settings(cell: CellRecord) -> Table:
    ending = cell.status if cell.failure is None else f"{cell.status} ({cell.failure.kind}): {cell.failure.text}"
    rows = (("status", ending), *((name, value_text(value)) for name, value in cell.axes.items()))
    columns = (Column(name="setting", align="left"), Column(name="value", align="left"))
    return Table(title="settings", columns=columns, rows=tuple(Row(cells=row) for row in rows))


def _notes(cell: CellRecord) -> Table:
    names = ("code", "quantity", "scope", "note")
    rows = ((note.code, note.quantity, note.scope, note.text) for note in cell.notes)
    columns = tuple(Column(name=name, align="left") for name in names)
    return Table(title="notes", columns=columns, rows=tuple(Row(cells=row) for row in rows))
