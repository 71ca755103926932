"""The test ``batch``: how latency, joules and memory follow the batch size."""

from __future__ import annotations

from layerprof.views.base import Table
from layerprof.views.sweeps.base import (
    CellsOfTest,
    Results,
    axis_column,
    cells_table,
    energy_column,
    fixed_footnotes,
    label_of,
    metric_column,
    other_columns,
    rate_columns,
    reason_footnotes,
    result_column,
    status_column,
    weakness_footnotes,
    weight_footnotes,
)

_AXIS = "batch_size"


def published_batch(results: Results, of: CellsOfTest) -> Table:
    """As published: latency of a batch and joules of a sample, by batch size."""
    return cells_table(
        results,
        of,
        title="Batch size, as published",
        columns=(
            axis_column(_AXIS),
            *other_columns(of, (_AXIS,)),
            result_column("latency_s", "latency (per batch)"),
            result_column("energy_j_per_sample", "energy (per sample)"),
        ),
        footnotes=(*fixed_footnotes(of), *weakness_footnotes(of.cells, label_of(of))),
    )


def full_batch(results: Results, of: CellsOfTest) -> Table:
    """Everything that was measured; the published FLOPs are those of the last batch, which may be a smaller one."""
    return cells_table(
        results,
        of,
        title="Batch size, in full",
        columns=(
            axis_column(_AXIS),
            *other_columns(of, (_AXIS,)),
            metric_column("latency_s", "latency per batch"),
            metric_column("latency_per_sample_s", "latency per sample"),
            energy_column(),
            metric_column("flops", "FLOPs per batch"),
            metric_column("flops_per_sample", "FLOPs per sample"),
            metric_column("flops_last_batch", "FLOPs of last batch"),
            metric_column("last_batch_samples", "samples in it", quantity="integer"),
            metric_column("peak_bytes", "peak memory"),
            metric_column("conv_s", "convolutions"),
            *rate_columns(of.cells),
            status_column(),
        ),
        footnotes=(*reason_footnotes(of.cells, label_of(of)), *weight_footnotes(of.cells)),
    )
