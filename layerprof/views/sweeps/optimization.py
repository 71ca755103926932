"""The test ``optimization``: each way to compute against the baseline, and whether it was what ran."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

from layerprof.records import CellRecord, EvidenceRecord, SeenOp, TruthRecord
from layerprof.views.base import AmountForm, Cell, Column, Table
from layerprof.views.sweeps.base import (
    IN_PART,
    PUBLISHED_FLOPS,
    CellColumn,
    CellsOfTest,
    Results,
    axis_column,
    cells_table,
    energy_column,
    fixed_footnotes,
    in_force_word,
    label_of,
    lost_footnotes,
    metric_cell,
    metric_column,
    other_columns,
    rate_columns,
    ratio_cell,
    reason_footnotes,
    result_column,
    status_column,
    weakness_footnotes,
    weight_footnotes,
)

BASELINE = "sdpa"

_AXIS = "optimization"
_ENERGY = "energy_j_per_sample"
_UNUSABLE = frozenset({"unsupported", "unavailable"})
_NOTHING_OF_GENERATE = "generate ran 0 compiled graphs"
_NO_DEVICE = "no such device here"
_OP_NOISE = ("aten::", "scaled_dot_product_")
_RATIO_TEXT = (
    f"%: of the figure of {BASELINE}, whose interval and the row's own are taken as independent of each other."
)
_NO_BASELINE = f"%: there is no row of {BASELINE} to compare with."


def published_optimization(results: Results, of: CellsOfTest) -> Table:
    """As published: latency, FLOPs and joules, each also in percent of the baseline's."""
    baseline = _baselines(of)
    latency = result_column("latency_s", "latency")
    return cells_table(
        results,
        of,
        title="Optimization, as published",
        columns=(
            axis_column(_AXIS),
            *other_columns(of, (_AXIS,)),
            CellColumn(column=latency.column, read=lambda cell: _unusable(cell) or latency.read(cell)),
            _ratio_column("latency_s", "% of latency", baseline, form="plus_minus"),
            metric_column("flops", "FLOPs"),
            _ratio_column("flops", "% of FLOPs", baseline),
            energy_column(),
            _ratio_column(_ENERGY, "% of energy", baseline, form="plus_minus"),
        ),
        footnotes=(
            *fixed_footnotes(of),
            PUBLISHED_FLOPS,
            _RATIO_TEXT if _has_baseline(of) else _NO_BASELINE,
            *weakness_footnotes(of.cells, label_of(of)),
        ),
    )


def full_optimization(results: Results, of: CellsOfTest) -> Table:
    """Everything that was measured, with what was in force; a row that was not in force has its reason alone."""
    baseline = _baselines(of)
    return cells_table(
        results,
        of,
        title="Optimization, in full",
        columns=(
            axis_column(_AXIS),
            *other_columns(of, (_AXIS,)),
            metric_column("latency_s", "latency"),
            _ratio_column("latency_s", "% of latency", baseline),
            metric_column("flops", "FLOPs"),
            _ratio_column("flops", "% of FLOPs", baseline),
            energy_column(),
            _ratio_column(_ENERGY, "% of energy", baseline),
            *rate_columns(of.cells),
            CellColumn(column=Column(name="answers changed"), read=_changed_column(results, baseline)),
            metric_column("graphs", "graphs", quantity="integer"),
            metric_column("recompiles", "recompiles", quantity="integer"),
            metric_column("generate_graphs", "graphs in generate", quantity="integer"),
            metric_column("compile_s", "compile time"),
            _text_column("in force", lambda cell: in_force_word(cell, _truth_of(results, cell))),
            _text_column("attention seen", lambda cell: _attention_seen(results.evidence.get(cell.id))),
            status_column(),
        ),
        footnotes=(
            _RATIO_TEXT if _has_baseline(of) else _NO_BASELINE,
            *reason_footnotes(of.cells, label_of(of)),
            *_part_footnotes(results, of),
            *lost_footnotes(results),
            *weight_footnotes(of.cells),
        ),
    )


def _text_column(name: str, read: Callable[[CellRecord], Cell]) -> CellColumn:
    return CellColumn(column=Column(name=name, align="left"), read=read)


def _unusable(cell: CellRecord) -> str | None:
    """The published report's words for what the model or the library refuses, with the kind.

    What is not available and was begun nowhere lacks its device, whatever the optimisation.
    """
    if cell.failure is None or cell.failure.kind not in _UNUSABLE:
        return None
    if cell.failure.kind == "unavailable" and not cell.environment:
        return _NO_DEVICE
    return f"can't be used ({cell.failure.kind})"


def _baselines(of: CellsOfTest) -> Callable[[CellRecord], CellRecord | None]:
    """For a cell that of the baseline which differs from it in nothing else that the test varies."""
    others = [axis for axis, _ in of.test.axes if axis != _AXIS]

    def place_of(cell: CellRecord) -> tuple[object, ...]:
        return tuple(cell.axes.get(axis) for axis in others)

    known = {place_of(cell): cell for cell in of.cells if cell.axes.get(_AXIS) == BASELINE}
    return lambda cell: known.get(place_of(cell))


def _has_baseline(of: CellsOfTest) -> bool:
    return any(cell.axes.get(_AXIS) == BASELINE and cell.metrics for cell in of.cells)


def _ratio_column(
    name: str,
    heading: str,
    baseline: Callable[[CellRecord], CellRecord | None],
    *,
    form: AmountForm = "interval",
) -> CellColumn:
    def read(cell: CellRecord) -> Cell:
        other = baseline(cell)
        return None if other is None else ratio_cell(cell, other, name, form=form)

    return CellColumn(column=Column(name=heading, quantity="share"), read=read)


def _changed_column(
    results: Results, baseline: Callable[[CellRecord], CellRecord | None]
) -> Callable[[CellRecord], Cell]:
    def read(cell: CellRecord) -> Cell:
        other = baseline(cell)
        before = None if other is None else _answers(results.evidence.get(other.id))
        after = _answers(results.evidence.get(cell.id)) if metric_cell(cell, "latency_s") is not None else None
        if before is None or after is None or before.keys() != after.keys():
            return None
        changed = sum(1 for sample, text in after.items() if before[sample] != text)
        return f"{changed:,} of {len(after):,}"

    return read


def _answers(evidence: EvidenceRecord | None) -> Mapping[str, str] | None:
    """What was said to each sample; None where nothing was asked."""
    if evidence is None or evidence.quality is None or not evidence.quality.samples:
        return None
    return {score.answer.sample: score.answer.text for score in evidence.quality.samples}


def _truth_of(results: Results, cell: CellRecord) -> TruthRecord | None:
    evidence = results.evidence.get(cell.id)
    return None if evidence is None else evidence.truth


def _part_footnotes(results: Results, of: CellsOfTest) -> Iterator[str]:
    """Where an optimisation was in force and where not."""
    label = label_of(of)
    for cell in of.cells:
        truth = _truth_of(results, cell)
        if in_force_word(cell, truth) == IN_PART:
            reasons = "; ".join(truth.reasons) if truth is not None else _NOTHING_OF_GENERATE
            yield f"{label(cell)}, {IN_PART}: {reasons.removesuffix('.')}."


def _attention_seen(evidence: EvidenceRecord | None) -> Cell:
    """The ops by part, parts with the same ones together."""
    if evidence is None or evidence.truth is None or not evidence.truth.attention_ops:
        return None
    by_part: dict[str, list[str]] = {}
    for op in evidence.truth.attention_ops:
        by_part.setdefault(op.part or "somewhere", []).append(_short_name(op))
    alike: dict[str, list[str]] = {}
    for part, ops in by_part.items():
        alike.setdefault(" + ".join(dict.fromkeys(ops)), []).append(part)
    return "; ".join(f"{_parts_in_words(parts, by_part)}: {ops}" for ops, parts in alike.items())


def _parts_in_words(parts: Sequence[str], by_part: Mapping[str, object]) -> str:
    return "all parts" if len(parts) == len(by_part) > 1 else ", ".join(parts)


def _short_name(op: SeenOp) -> str:
    name = op.name
    for noise in _OP_NOISE:
        name = name.replace(noise, "", 1)
    return name.strip("_")
