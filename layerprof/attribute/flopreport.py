"""The report of a flops pass alone, without times."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from layerprof.attribute.base import Extent, FlopsPass, Phase, columns_of, dtype_value
from layerprof.records import FlopReport, FrozenMapping, LayerInfo, Note


def flop_report(counted: FlopsPass, layers: Sequence[LayerInfo], phases: Sequence[Phase] = ()) -> FlopReport:
    """The report of a flops pass alone: every layer with the FLOPs of its outermost calls, all phases together."""
    extent = Extent(phases=counted.by_phase["flops"].size, layers=len(layers))
    columns = columns_of(counted.graph, extent)
    totals_by_layer = columns.total["flops"][:, :, 0].sum(axis=0)
    by_stage: dict[str, int] = {}
    for info, flops in zip(layers, columns.own["flops"][:, :, 0].sum(axis=0).tolist(), strict=True):
        by_stage[info.stage] = by_stage.get(info.stage, 0) + flops
    by_phase, whole = counted.by_phase, {dtype: counted.by_phase[dtype_value(dtype)] for dtype in counted.dtypes}
    return FlopReport(
        total=counted.step_flops,
        by_layer=FrozenMapping({info.path: int(flops) for info, flops in zip(layers, totals_by_layer, strict=True)}),
        by_op=FrozenMapping(counted.by_op),
        uncounted=counted.uncounted,
        causal_total=counted.step_causal_flops,
        by_stage=FrozenMapping(by_stage),
        by_phase=FrozenMapping({phase.name: int(by_phase["flops"][at]) for at, phase in enumerate(phases)}),
        by_dtype=FrozenMapping({dtype: int(flops.sum()) for dtype, flops in whole.items()}),
        bytes_moved=None if counted.unsized else counted.step_bytes_moved,
        notes=tuple(_notes(counted)),
    )


def _notes(counted: FlopsPass) -> Iterator[Note]:
    if counted.unsized:
        text = f"what is moved by {', '.join(counted.unsized)} is not known without a real run"
        yield Note(code="unsized_op", quantity="bytes_moved", scope="step", text=text)
