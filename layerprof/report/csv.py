"""CSV with raw numbers in base units: one row a layer, or one row a cell of a sweep; what is missing is empty.

Spreadsheets run cells that begin like a formula, and names are not trusted, so such text is given a leading apostrophe;
numbers are written as they are.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from layerprof.records import FlopReport, Profile, SweepRecord
from layerprof.report.base import TidyRow, inert, tidy_rows
from layerprof.views import Scalar, layer_columns

_FORMULA_STARTS = ("=", "+", "-", "@")
_OUTCOME_COLUMNS = ("id", "status", "failure_kind", "failure_text", "environment", "runs_done", "runs_planned", "tests")


@dataclass(frozen=True, slots=True, kw_only=True)
class CsvRenderer:
    """Renders to CSV with a header row and line feeds as line ends."""

    def profile(self, record: Profile) -> str:
        """One row a layer, in definition order; the root's path is empty."""
        columns = layer_columns(record)
        rows = ([column.read(layer) for column in columns] for layer in record.layers)
        return _csv_text([column.name for column in columns], rows)

    def sweep(self, record: SweepRecord) -> str:
        """One row a cell, in the plan's order: its outcome, its tests, its axes, its metrics, its notes."""
        tidy = tuple(tidy_rows(record))
        axes = list(dict.fromkeys(name for row in tidy for name in row.axes))
        metrics = list(dict.fromkeys(name for row in tidy for name in row.metrics))
        rows = (_cell_row(row, axes, metrics) for row in tidy)
        return _csv_text([*_OUTCOME_COLUMNS, *axes, *metrics, "notes"], rows)

    def flop_report(self, record: FlopReport) -> str:
        """One row a layer, in definition order, called layers included."""
        return _csv_text(["path", "flops"], (list(pair) for pair in record.by_layer.items()))


def _cell_row(row: TidyRow, axes: Sequence[str], metrics: Sequence[str]) -> list[Scalar]:
    cell = row.cell
    kind, text = (cell.failure.kind, cell.failure.text) if cell.failure else (None, None)
    outcome = (cell.id, cell.status, kind, text, cell.environment, cell.runs_done, cell.runs_planned)
    settings, numbers = map(row.axes.get, axes), map(row.metrics.get, metrics)
    return [*outcome, " ".join(row.tests), *settings, *numbers, "; ".join(row.notes)]


def _csv_text(header: Sequence[str], rows: Iterable[Sequence[Scalar]]) -> str:
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow([_guarded(name) for name in header])
    writer.writerows([_guarded(value) for value in row] for row in rows)
    return stream.getvalue()


def _guarded(value: Scalar) -> Scalar:
    if not isinstance(value, str):
        return value
    text = inert(value)
    return f"'{text}" if text.lstrip().startswith(_FORMULA_STARTS) else text
