"""The test ``device``: the same work on an accelerator and on a processor, by the format of its numbers."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from layerprof.names import DTYPES, dtype_of, short_dtype
from layerprof.records import CellRecord
from layerprof.views.base import Amount, Cell, Column, Table
from layerprof.views.sweeps.base import (
    PUBLISHED_FLOPS,
    CellColumn,
    CellsOfTest,
    Results,
    axis_column,
    cells_table,
    energy_column,
    fixed_footnotes,
    metric_cell,
    metric_column,
    other_columns,
    own_column,
    rate_columns,
    ratio_cell,
    reason_footnotes,
    result_column,
    status_column,
    weakness_footnotes,
    weight_footnotes,
)

_KNOWN = ("device", "dtype")
_LATENCY = "latency_s"
_SPEED = "speed over CPU"
_SPEED_TEXT = f"{_SPEED}: latency of the CPU row of the same dtype over that of this row."


def published_device(results: Results, of: CellsOfTest) -> Table:
    """As published: latency, joules of a sample, and FLOPs, by device."""
    label = _label(results)
    return cells_table(
        results,
        of,
        title="Device, as published",
        columns=(
            CellColumn(column=Column(name="device"), read=label),
            *other_columns(of, _KNOWN),
            result_column(_LATENCY, "latency"),
            result_column("energy_j_per_sample", "energy per sample"),
            result_column("flops", "FLOPs"),
        ),
        footnotes=(*fixed_footnotes(of), PUBLISHED_FLOPS, *weakness_footnotes(of.cells, label)),
    )


def full_device(results: Results, of: CellsOfTest) -> Table:
    """Everything that was measured, and how much faster a device is than the processor in the same format."""
    return cells_table(
        results,
        of,
        title="Device, in full",
        columns=(
            axis_column("device"),
            CellColumn(column=Column(name="dtype"), read=lambda cell: _dtype(results, cell)),
            *other_columns(of, _KNOWN),
            metric_column(_LATENCY, "latency per batch"),
            metric_column("latency_per_sample_s", "latency per sample"),
            CellColumn(column=Column(name=_SPEED, quantity="ratio"), read=_speed_column(results, of)),
            energy_column(),
            metric_column("flops", "FLOPs per batch"),
            CellColumn(column=Column(name="FLOP/s", quantity="flops_per_s"), read=_flops_per_s),
            metric_column("peak_bytes", "peak memory"),
            metric_column("conv_s", "convolutions"),
            *rate_columns(of.cells),
            own_column(),
            status_column(),
        ),
        footnotes=(_SPEED_TEXT, *reason_footnotes(of.cells, _label(results)), *weight_footnotes(of.cells)),
    )


def _label(results: Results) -> Callable[[CellRecord], str]:
    return lambda cell: f"{cell.axes.get('device')}, {_dtype(results, cell)}"


def _dtype(results: Results, cell: CellRecord) -> str:
    """The format as it was asked for; the model's own is named where it is known."""
    asked = cell.axes.get("dtype")
    own = dtype_of(results.record.plan.model, None)
    if asked is not None:
        return str(asked)
    return f"own ({short_dtype(own)})" if own else "own"


def _format_of(results: Results, cell: CellRecord) -> str | None:
    """The format by its one name; None where it is a model's own that is not known."""
    asked = cell.axes.get("dtype")
    if asked is None:
        return dtype_of(results.record.plan.model, None)
    return DTYPES.get(str(asked), str(asked))


def _speed_column(results: Results, of: CellsOfTest) -> Callable[[CellRecord], Cell]:
    others = [axis for axis, _ in of.test.axes if axis not in _KNOWN]

    def place_of(cell: CellRecord) -> Sequence[object]:
        return _format_of(results, cell), *(cell.axes.get(axis) for axis in others)

    on_cpu = {place_of(cell): cell for cell in reversed(of.cells) if cell.axes.get("device") == "cpu"}

    def speed(cell: CellRecord) -> Cell:
        processor = on_cpu.get(place_of(cell))
        return None if processor is None else ratio_cell(processor, cell, _LATENCY)

    return speed


def _flops_per_s(cell: CellRecord) -> Cell:
    """FLOPs over latency, as uncertain as the latency: FLOPs are counted."""
    flops, latency = cell.metrics.get("flops"), metric_cell(cell, _LATENCY)
    if flops is None or not isinstance(latency, Amount) or not latency.value:
        return None
    low, high = (flops / end if end else None for end in (latency.high, latency.low))
    return Amount(value=flops / latency.value, low=low, high=high)
