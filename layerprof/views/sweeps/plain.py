"""A sweep's cells as one table; what failed, was skipped or is still to come is a visible row with its reason."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from layerprof.records import CellRecord, SweepRecord
from layerprof.views.base import Column, Row, Table
from layerprof.views.base.sweeps import (
    SHORT_ID,
    environment_footnotes,
    method_footnotes,
    note_footnotes,
    remaining_footnotes,
)
from layerprof.views.sweeps.base import INTERVALS, axis_cell, metric_cell, quantity_of, status_of

_BATCH_AXIS, _ENVIRONMENT = "batch_size", "environment"
_BATCH_METRICS: tuple[tuple[str, str], ...] = (
    ("latency_s", "latency per batch"),
    ("latency_per_sample_s", "latency per sample"),
    ("flops", "FLOPs per batch"),
    ("flops_per_sample", "FLOPs per sample"),
    ("peak_bytes", "peak memory"),
    ("energy_j_per_sample", "energy per sample"),
)
_OF_THE_METHOD = ("steps", "warmup_steps", "batches", "last_batch_samples")
_OF_THE_SCORES = ("substitutions", "deletions", "insertions", "reference_words", "scored_samples", "unscored_samples")
_SPARES = frozenset({*_OF_THE_METHOD, *_OF_THE_SCORES, "wer_macro"})  # for them the CSV file has room
_MOST_NOTES = 30  # below a table that has not all rows either


def sweep_table(record: SweepRecord, *, most_rows: int | None = None) -> Table:
    """The table that the plan's name chooses, one row a cell; the axes and the metrics for any other plan.

    Args:
        record: the sweep, finished or not.
        most_rows: of cells, the first ones; a footnote says how many more there are, how all of them ended, and which
            file has them. None is all.
    """
    return _TABLES.get(record.plan.name, generic_table)(record, most_rows)


def generic_table(record: SweepRecord, most_rows: int | None) -> Table:
    """The axes that vary and every metric that is there."""
    ends = {end for pair in INTERVALS.values() for end in pair}
    names = dict.fromkeys(name for cell in record.cells for name in cell.metrics if name not in ends | _SPARES)
    metrics = tuple((name, _heading(name)) for name in names)
    return _table(record, axes=_varying_axes(record), metrics=metrics, most_rows=most_rows)


def _batch_table(record: SweepRecord, most_rows: int | None) -> Table:
    """Latency, FLOPs, memory and energy against the batch size; energy keeps its column even where it is missing."""
    others = tuple(axis for axis in _varying_axes(record) if axis != _BATCH_AXIS)
    return _table(record, axes=(_BATCH_AXIS, *others), metrics=_BATCH_METRICS, most_rows=most_rows)


_TABLES: dict[str, Callable[[SweepRecord, int | None], Table]] = {"batch": _batch_table}


def _varying_axes(record: SweepRecord) -> tuple[str, ...]:
    """The axes that take several values; all of them where none does, so that a single cell still has a name."""
    varying = tuple(name for name, values in record.plan.axes if len(values) > 1)
    return varying or tuple(name for name, _ in record.plan.axes)


def _table(
    record: SweepRecord, *, axes: Sequence[str], metrics: Sequence[tuple[str, str]], most_rows: int | None
) -> Table:
    places = tuple(dict.fromkeys(cell.environment for cell in record.cells if cell.environment))
    is_mixed = len(places) > 1  # then rows may be compared with some and not with others
    shown = record.cells if most_rows is None else record.cells[:most_rows]
    names = [name for name, _ in metrics]
    return Table(
        title=f"Sweep {record.plan.name} of {record.plan.model}",
        columns=(
            *(Column(name=axis) for axis in axes),
            *(Column(name=heading, quantity=quantity_of(name)) for name, heading in metrics),
            *((Column(name=_ENVIRONMENT, align="left"),) if is_mixed else ()),
            Column(name="status", align="left"),
        ),
        rows=tuple(_row(cell, axes, names, is_mixed=is_mixed) for cell in shown),
        footnotes=(
            *remaining_footnotes(record, shown=len(shown)),
            *_setting_footnotes(record, axes),
            *method_footnotes(record),
            *environment_footnotes(record, places),
            *note_footnotes(record, axes=axes, most_notes=None if most_rows is None else _MOST_NOTES),
        ),
    )


def _row(cell: CellRecord, axes: Sequence[str], metrics: Sequence[str], *, is_mixed: bool) -> Row:
    return Row(
        cells=(
            *(axis_cell(cell, axis) for axis in axes),
            *(metric_cell(cell, name) for name in metrics),
            *((cell.environment[:SHORT_ID] or None,) if is_mixed else ()),
            status_of(cell),
        ),
        role="problem" if cell.status == "failed" else "body",
    )


def _setting_footnotes(record: SweepRecord, axes: Sequence[str]) -> tuple[str, ...]:
    single = {name: values[0] for name, values in record.plan.axes if len(values) == 1 and name not in axes}
    settings = {**dict(record.plan.fixed), **single}
    return (f"Fixed: {', '.join(f'{name} {value}' for name, value in settings.items())}.",) if settings else ()


def _heading(name: str) -> str:
    """The metric's name without the unit, which the column's heading gives."""
    for suffix in ("_s", "_j", "_w", "_hz", "_bytes"):
        name = name.removesuffix(suffix).replace(f"{suffix}_per_", "_per_")
    return name.replace("_", " ")
