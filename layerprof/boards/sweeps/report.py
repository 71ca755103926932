"""What stands in the report's run besides numbers: tables of the sweep, its figures, and what was left out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from layerprof.boards.base import Point, label, picture, table_texts
from layerprof.records import SweepRecord
from layerprof.views import Column, Row, Table, sweep_tables


@dataclass(frozen=True, slots=True, kw_only=True)
class Omission:
    """Something that the export left out.

    Attributes:
        what: a cell's run, or a series.
        why: in words.
    """

    what: str
    why: str


def report_points(record: SweepRecord, omissions: Sequence[Omission]) -> Iterator[Point]:
    """Tables and figures.

    Args:
        record: with its analysis, where it has one.
        omissions: in the order in which they were met.
    """
    tables = sweep_tables(record)
    left_out = (_omissions_table(omissions),) if omissions else ()
    yield from table_texts("report", (*tables, *left_out))
    yield from _pictures(record)


def _pictures(record: SweepRecord) -> Iterator[Point]:
    from layerprof.report.plots import figure_png, sweep_plots  # matplotlib, which takes half a second

    for plot in sweep_plots(record):
        test = f"{label(plot.test)}/" if plot.test else ""
        yield picture(f"figures/{test}{plot.name}", figure_png(plot.figure))


def _omissions_table(omissions: Sequence[Omission]) -> Table:
    return Table(
        title="left out of this export",
        columns=(Column(name="what", align="left"), Column(name="why", align="left")),
        rows=tuple(Row(cells=(omission.what, omission.why), role="problem") for omission in omissions),
    )
