"""Columns of tables that have one row a cell, and the sentences below them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass

from layerprof.records import CellRecord
from layerprof.views.base import AmountForm, Cell, Column, ColumnQuantity, Row, Table
from layerprof.views.base.sweeps import SHORT_ID
from layerprof.views.sweeps.base.base import (
    ECHOED,
    CellsOfTest,
    Results,
    axis_cell,
    ending_of,
    has_echo,
    metric_cell,
    quantity_of,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class CellColumn:
    """A column of a table that has one row a cell.

    Attributes:
        column: its heading.
        read: what stands in a cell's row.
    """

    column: Column
    read: Callable[[CellRecord], Cell]


def axis_column(axis: str) -> CellColumn:
    """A setting, by its name."""
    return CellColumn(column=Column(name=axis), read=lambda cell: axis_cell(cell, axis))


def other_columns(of: CellsOfTest, known: Collection[str]) -> tuple[CellColumn, ...]:
    """The settings that vary in the test besides those that its table knows."""
    return tuple(axis_column(axis) for axis, _ in of.test.axes if axis not in known)


def metric_column(
    name: str, heading: str, *, form: AmountForm | None = None, quantity: ColumnQuantity | None = None
) -> CellColumn:
    """A metric with its interval.

    Args:
        name: of the metric.
        heading: of the column, without the unit.
        form: how the numbers are written; None as they usually are.
        quantity: None is what the metric's name says.
    """
    column = Column(name=heading, quantity=quantity or quantity_of(name))
    return CellColumn(column=column, read=lambda cell: metric_cell(cell, name, form=form))


def result_column(name: str, heading: str) -> CellColumn:
    """A metric with its error, for a table without a status: in its place a cell that brought nothing has the kind."""
    column = Column(name=heading, quantity=quantity_of(name))
    return CellColumn(column=column, read=lambda cell: _result(cell, name))


def _result(cell: CellRecord, name: str) -> Cell:
    if not cell.metrics and cell.status != "done":
        return cell.status if cell.failure is None else cell.failure.kind
    return metric_cell(cell, name, form="plus_minus")


def label_of(of: CellsOfTest) -> Callable[[CellRecord], str]:
    """What names a cell within its test: the settings that vary there."""
    axes = [axis for axis, _ in of.test.axes]
    return lambda cell: ", ".join(f"{axis} {cell.axes[axis]}" for axis in axes if axis in cell.axes) or cell.id


def energy_column() -> CellColumn:
    """Joules of one sample; it stays where they are missing, so that this is seen."""
    return metric_column("energy_j_per_sample", "energy per sample")


def rate_columns(cells: Iterable[CellRecord]) -> tuple[CellColumn, ...]:
    """The word error rate, and that with the prompt echoed where it was asked for."""
    rate = metric_column("wer", "WER")
    return (rate, metric_column("wer_echo", ECHOED)) if has_echo(cells) else (rate,)


def own_column() -> CellColumn:
    """The data set's own metric."""
    return metric_column("accuracy", "own metric")


def scoring_columns(cells: Iterable[CellRecord]) -> tuple[CellColumn, ...]:
    """Every way in which answers are scored."""
    rate, *echoed = rate_columns(cells)
    best = metric_column("wer_min", "WER, best reference")
    return rate, best, *echoed, own_column(), metric_column("exact_match", "exact match")


def status_column() -> CellColumn:
    """How the cell ended; a footnote has the reason."""
    return CellColumn(column=Column(name="status", align="left"), read=ending_of)


def cells_table(
    results: Results,
    of: CellsOfTest,
    *,
    title: str,
    columns: Sequence[CellColumn],
    footnotes: Iterable[str] = (),
) -> Table:
    """A table with one row a cell of the test, and a column of where it was measured if that differs in the sweep."""
    places = {cell.environment for cell in results.record.cells if cell.environment}
    where = CellColumn(
        column=Column(name="environment", align="left"), read=lambda cell: cell.environment[:SHORT_ID] or None
    )
    shown = (*columns, *((where,) if len(places) > 1 else ()))
    return Table(
        title=title,
        columns=tuple(each.column for each in shown),
        rows=tuple(
            Row(cells=tuple(each.read(cell) for each in shown), role="problem" if cell.failure else "body")
            for cell in of.cells
        ),
        footnotes=(*footnotes, *_hidden_footnotes(results, of)),
    )


def _hidden_footnotes(results: Results, of: CellsOfTest) -> Iterator[str]:
    if of.hidden:
        yield f"… {of.hidden:,} more in {results.record.plan.name}.csv."
