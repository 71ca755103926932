"""Word error rates and latency of several data sets side by side, as the published tables have them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from layerprof.records import CellRecord
from layerprof.views.base import Cell, Column, Row, Table
from layerprof.views.sweeps.base.base import ECHOED, has_echo, metric_cell, quantity_of

_HEADINGS = {"wer": "WER", "wer_echo": ECHOED, "latency_s": "latency"}
_NAMELESS = "all samples"  # where cells have no data set


def pivot_table(
    cells: Sequence[CellRecord],
    *,
    title: str,
    heading: str,
    label: Callable[[CellRecord], str],
    footnotes: Sequence[str] = (),
) -> Table:
    """One row a label, and for each data set its word error rate and its latency per batch.

    The rate of prompt and answer together, which seems to be what was published, has a column where it was asked for.
    What brought nothing has the kind of its failure in the place of its word error rate.

    Args:
        cells: of one test.
        title: of the table.
        heading: of its first column.
        label: a row's name, in which cells of one data set differ.
        footnotes: below it.
    """
    datasets = sorted({_dataset_of(cell) for cell in cells})
    rows: dict[str, dict[str, CellRecord]] = {}
    for cell in cells:
        rows.setdefault(label(cell), {})[_dataset_of(cell)] = cell
    metrics = ("wer", *(("wer_echo",) if has_echo(cells) else ()), "latency_s")
    return Table(
        title=title,
        columns=(
            Column(name=heading),
            *(
                Column(name=f"{dataset} {_HEADINGS[metric]}", quantity=quantity_of(metric))
                for dataset in datasets
                for metric in metrics
            ),
        ),
        rows=tuple(_row(name, found, datasets, metrics) for name, found in rows.items()),
        footnotes=tuple(footnotes),
    )


def _row(name: str, found: Mapping[str, CellRecord], datasets: Sequence[str], metrics: Sequence[str]) -> Row:
    cells = tuple(each for dataset in datasets for each in _figures(found.get(dataset), metrics))
    is_problem = all(cell.failure for cell in found.values())
    return Row(cells=(name, *cells), role="problem" if is_problem else "body")


def _figures(cell: CellRecord | None, metrics: Sequence[str]) -> tuple[Cell, ...]:
    if cell is None:
        return ("",) * len(metrics)
    figures = tuple(_figure(cell, name) for name in metrics)
    if cell.status != "done" and all(each is None for each in figures):
        return cell.status if cell.failure is None else cell.failure.kind, *figures[1:]
    return figures


def _figure(cell: CellRecord, name: str) -> Cell:
    """The number with its error; that of the echo alone, since lines have no room for it."""
    return cell.metrics.get(name) if name == "wer_echo" else metric_cell(cell, name, form="plus_minus")


def _dataset_of(cell: CellRecord) -> str:
    return str(cell.axes.get("dataset") or _NAMELESS)
