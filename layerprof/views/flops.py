"""The tables of a FLOP count without a run: totals, by family of layers, by op."""

from __future__ import annotations

from layerprof.records import FlopReport
from layerprof.views.base import Amount, Column, Row, Table, family_of

_DENSE = "a multiply-add counts as two; causal attention is dense"
_CAUSAL = "causal attention as the triangle it needs"


def flop_totals_table(report: FlopReport) -> Table:
    """The counts of the whole step."""
    rows = (
        ("FLOPs", Amount(value=report.total, quantity="flops"), _DENSE),
        ("causal FLOPs", Amount(value=report.causal_total, quantity="flops"), _CAUSAL),
        ("MACs", Amount(value=report.macs, quantity="macs"), "half of the FLOPs"),
        ("uncounted ops", len(report.uncounted), "in no table of formulas; listed below where there are any"),
    )
    return Table(
        title="FLOPs of one step",
        columns=(
            Column(name="quantity", align="left"),
            Column(name="value"),
            Column(name="remark", align="left"),
        ),
        rows=tuple(Row(cells=row) for row in rows),
    )


def flop_layers_table(report: FlopReport) -> Table:
    """One row a family of layers in definition order, called layers included."""
    families: dict[str, list[tuple[str, int]]] = {}
    for path, flops in report.by_layer.items():
        families.setdefault(family_of(path), []).append((path, flops))
    return Table(
        title="By layer",
        columns=(
            Column(name="layer", align="left"),
            Column(name="layers", quantity="integer"),
            Column(name="FLOPs", quantity="flops"),
            Column(name="share", quantity="share"),
        ),
        rows=tuple(_family_row(family, members, report.total) for family, members in families.items()),
        footnotes=("Layers that differ only by index are one row; a row includes the layers called from it.",),
    )


def _family_row(family: str, members: list[tuple[str, int]], whole: int) -> Row:
    name = family if len(members) > 1 else members[0][0]
    flops = sum(flops for _, flops in members)
    return Row(cells=(name or "(model)", len(members), flops, _share(flops, whole)))


def flop_ops_table(report: FlopReport) -> Table:
    """One row an op, the largest first, closed by the step."""
    ranked = sorted(report.by_op.items(), key=lambda pair: -pair[1])
    rows = [Row(cells=(op, flops, _share(flops, report.total))) for op, flops in ranked]
    closing = Row(cells=("step", report.total, _share(report.total, report.total)), role="closing")
    return Table(
        title="By op",
        columns=(
            Column(name="op", align="left"),
            Column(name="FLOPs", quantity="flops"),
            Column(name="share", quantity="share"),
        ),
        rows=(*rows, closing),
    )


def _share(part: int, whole: int) -> float | None:
    return part / whole if whole else None
