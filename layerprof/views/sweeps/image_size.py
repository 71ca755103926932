"""The test ``image_size``: pictures resized before the processor, as published, and models that see the true size."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from layerprof.records import CellRecord
from layerprof.views.base import Column, Table
from layerprof.views.sweeps.base import (
    CellColumn,
    CellsOfTest,
    Results,
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

_AXES = ("resized_to", "image_size")
_KNOWN = (*_AXES, "dataset")
_RESIZED, _TRUE = "resized before the processor (as published)", "true size, positions interpolated"
_SHORT = {_RESIZED: "resized before", _TRUE: "true size"}


def published_image_size(results: Results, of: CellsOfTest) -> tuple[Table, ...]:
    """As published, a table for each kind of size: word error rate and latency of the data sets side by side."""
    return tuple(_pivot(of, kind) for kind in (_RESIZED, _TRUE) if any(_kind_of(cell) == kind for cell in of.cells))


def full_image_size(results: Results, of: CellsOfTest) -> tuple[Table, ...]:
    """Everything that was measured, a table for each data set; the first one tells the kinds of size apart."""
    datasets = sorted({str(cell.axes.get("dataset")) for cell in of.cells})
    first, *others = (_of_dataset(results, of, dataset) for dataset in datasets)
    legend = (f"{short}: {kind}." for kind, short in _SHORT.items())
    return replace(first, footnotes=(*legend, *first.footnotes)), *others


def _pivot(of: CellsOfTest, kind: str) -> Table:
    cells = [cell for cell in of.cells if _kind_of(cell) == kind]
    others = [axis for axis, _ in of.test.axes if axis not in _KNOWN]

    def label(cell: CellRecord) -> str:
        return ", ".join([_size_of(cell), *(f"{axis} {cell.axes.get(axis)}" for axis in others)])

    return pivot_table(
        cells,
        title=f"Image size, {kind}",
        heading="image_size",
        label=label,
        footnotes=(*fixed_footnotes(of), *_reasons(cells), *rate_footnotes(cells)),
    )


def _reasons(cells: list[CellRecord]) -> Iterator[str]:
    return weakness_footnotes(cells, lambda cell: f"{cell.axes.get('dataset')} {_size_of(cell)}")


def _of_dataset(results: Results, of: CellsOfTest, dataset: str) -> Table:
    cells = tuple(cell for cell in of.cells if str(cell.axes.get("dataset")) == dataset)
    return cells_table(
        results,
        replace(of, cells=cells),
        title=f"Image size, in full: {dataset}",
        columns=(
            CellColumn(column=Column(name="image_size"), read=_size_of),
            CellColumn(column=Column(name="kind", align="left"), read=lambda cell: _SHORT[_kind_of(cell)]),
            *other_columns(of, _KNOWN),
            metric_column("latency_s", "latency per batch"),
            energy_column(),
            metric_column("flops", "FLOPs per batch"),
            metric_column("vision_tokens", "vision tokens", quantity="integer"),
            metric_column("peak_bytes", "peak memory"),
            metric_column("conv_s", "convolutions"),
            *scoring_columns(cells),
            status_column(),
        ),
        footnotes=(
            *reason_footnotes(cells, lambda cell: f"{_size_of(cell)} {_SHORT[_kind_of(cell)]}"),
            *weight_footnotes(cells),
        ),
    )


def _kind_of(cell: CellRecord) -> str:
    return _TRUE if cell.axes.get("resized_to") is None else _RESIZED


def _size_of(cell: CellRecord) -> str:
    """The size that the row is of: what the picture was brought to first, else what the model sees."""
    sizes = (cell.axes.get(axis) for axis in _AXES)
    return next((str(size) for size in sizes if size is not None), "own")
