"""The tables of a FLOP count without a run: totals, by stage, phase and format, by family of layers, by op."""

from __future__ import annotations

from collections.abc import Mapping

from layerprof.records import FlopReport, family_of
from layerprof.views.base import Amount, Column, Row, Table

_DENSE = "a multiply-add counts as two; causal attention is dense"
_CAUSAL = "causal attention as the triangle it needs"
_TRAFFIC = "least traffic: distinct inputs, weights and outputs of each op"
_INTENSITY = "FLOPs for each byte of the least traffic"


def flop_totals_table(report: FlopReport) -> Table:
    """The counts of the whole step."""
    size, intensity = report.bytes_moved, report.intensity
    unknown = "; ".join(note.text for note in report.notes if note.quantity == "bytes_moved")
    rows = (
        ("FLOPs", Amount(value=report.total, quantity="flops"), _DENSE),
        ("causal FLOPs", Amount(value=report.causal_total, quantity="flops"), _CAUSAL),
        ("MACs", Amount(value=report.macs, quantity="macs"), "multiply-adds: half of the FLOPs"),
        ("bytes moved", None if size is None else Amount(value=size, quantity="bytes"), unknown or _TRAFFIC),
        ("intensity", None if intensity is None else Amount(value=intensity, quantity="flops_per_byte"), _INTENSITY),
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


def flop_parts_table(report: FlopReport) -> Table:
    """The step cut three ways: by stage, by phase and by format; a way that cuts it into one part is left out."""
    ways = (
        ("stage", {**report.by_stage, **_beyond(report)}),
        ("phase", report.by_phase),
        ("format", report.by_dtype),
    )
    rows = [
        Row(cells=(way if not place else "", name, flops, flops / 2, _share(flops, report.total)))
        for way, parts in ways
        if len(parts) > 1 or way == "format"
        for place, (name, flops) in enumerate(parts.items())
    ]
    return Table(
        title="By stage, phase and format",
        columns=(
            Column(name="by", align="left"),
            Column(name="part", align="left"),
            Column(name="FLOPs", quantity="flops"),
            Column(name="MACs", quantity="macs"),
            Column(name="share", quantity="share"),
        ),
        rows=tuple(rows),
        footnotes=("format: that the products are computed in.",) if report.by_dtype else (),
    )


def _beyond(report: FlopReport) -> Mapping[str, int]:
    """What is under no layer and so in no stage, where there is any."""
    beyond = report.total - sum(report.by_stage.values())
    return {"(unattributed)": beyond} if report.by_stage and beyond else {}


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
