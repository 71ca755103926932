"""The test ``seq_len``: texts cut to several lengths; which length is meant stands in the title."""

from __future__ import annotations

from dataclasses import replace

from layerprof.records import CellRecord
from layerprof.views.base import Table
from layerprof.views.sweeps.base import (
    CellsOfTest,
    Results,
    axis_column,
    cells_table,
    energy_column,
    fixed_footnotes,
    metric_column,
    other_columns,
    pivot_table,
    rate_footnotes,
    reason_footnotes,
    scoring_columns,
    status_column,
    weakness_footnotes,
    weight_footnotes,
)

_KINDS = {
    "seq_len": "text tokens at most",
    "text_tokens": "text tokens exactly",
    "total_tokens": "tokens at most, those of the picture included",
    "new_tokens": "new tokens",
}


def published_seq_len(results: Results, of: CellsOfTest) -> Table:
    """As published: word error rate and latency of the data sets side by side, by length."""
    axis = _axis_of(of)
    others = [name for name, _ in of.test.axes if name not in (axis, "dataset")]

    def label(cell: CellRecord) -> str:
        return ", ".join([str(cell.axes.get(axis)), *(f"{name} {cell.axes.get(name)}" for name in others)])

    reasons = weakness_footnotes(of.cells, lambda cell: f"{cell.axes.get('dataset')} {label(cell)}")
    return pivot_table(
        of.cells,
        title=f"Sequence length ({_KINDS[axis]}), as published",
        heading=axis,
        label=label,
        footnotes=(*fixed_footnotes(of), *reasons, *rate_footnotes(of.cells)),
    )


def full_seq_len(results: Results, of: CellsOfTest) -> tuple[Table, ...]:
    """Everything that was measured, with the lengths that the texts really have, a table for each data set."""
    datasets = sorted({str(cell.axes.get("dataset")) for cell in of.cells})
    return tuple(_of_dataset(results, of, dataset) for dataset in datasets)


def _of_dataset(results: Results, of: CellsOfTest, dataset: str) -> Table:
    axis = _axis_of(of)
    cells = tuple(cell for cell in of.cells if str(cell.axes.get("dataset")) == dataset)
    return cells_table(
        results,
        replace(of, cells=cells),
        title=f"Sequence length ({_KINDS[axis]}), in full: {dataset}",
        columns=(
            axis_column(axis),
            *other_columns(of, (axis, "dataset")),
            metric_column("text_tokens_mean", "text tokens, mean"),
            metric_column("text_tokens_max", "text tokens, most", quantity="integer"),
            metric_column("cut_share", "cut samples"),
            metric_column("latency_s", "latency per batch"),
            energy_column(),
            metric_column("flops", "FLOPs per batch"),
            *scoring_columns(cells),
            metric_column("new_tokens_mean", "new tokens, mean"),
            status_column(),
        ),
        footnotes=(*reason_footnotes(cells, lambda cell: f"{axis} {cell.axes.get(axis)}"), *weight_footnotes(cells)),
    )


def _axis_of(of: CellsOfTest) -> str:
    varying = [name for name, _ in of.test.axes]
    return next((name for name in varying if name in _KINDS), "seq_len")
