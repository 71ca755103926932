"""A sweep's figures in plain text, one block a cell, as the published report lists its own.

    TextVQA, device cuda, batch size 4, image size 224, sequence length 200, optimization sdpa, dtype fp16
      WER 3.753 (prompt echoed)   latency 0.04363 s   energy 2.935 J/sample   FLOPs 3.15 TFLOP (last batch of 4)
      latency 95 % [0.04312, 0.04421] s   0.01091 s/sample   FLOPs of a batch 3.15 TFLOP   peak 7.41 GiB

The first line of figures is what the published report prints, in its order, its units and its way of counting: errors
of prompt and answer together, FLOPs of the last batch. Where those are missing it says what stands there instead. Below
it is what the published report lacks.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import cast

from layerprof import units
from layerprof.errors import InputError
from layerprof.records import AxisValue, CellRecord, Comparison, FlopReport, Profile, SweepRecord
from layerprof.report.base import TidyRow, inert, tidy_rows
from layerprof.views import figure_words, quantity_of, weaknesses_of

_NOT_A_SWEEP = "the format raw is for sweeps; of a {kind} use text, markdown, html or csv"
_GAP = "   "
_DIGITS = 4  # significant, as of the published figures in its tables
_NOT_IN_FORCE = "not_in_force"
_NAMED = {  # settings that the published report names, in its order
    "device": "device",
    "batch_size": "batch size",
    "image_size": "image size",
    "seq_len": "sequence length",
    "optimization": "optimization",
}
_OTHERS = ("resized_to", "text_tokens", "total_tokens", "new_tokens", "dtype", "weights", "source")


@dataclass(frozen=True, slots=True, kw_only=True)
class RawRenderer:
    """Renders a sweep to blocks of plain text."""

    def profile(self, record: Profile) -> str:
        """Nothing: a profile has no cells.

        Raises:
            InputError: always.
        """
        raise InputError(_NOT_A_SWEEP.format(kind="profile"))

    def sweep(self, record: SweepRecord) -> str:
        """A block a cell, in the plan's order, then the figures beside published ones where there are any."""
        blocks = [_block(row) for row in tidy_rows(record)]
        if record.analysis is not None and record.analysis.comparisons:
            heading = inert(f"Beside the published figures of {record.analysis.published or 'another report'}")
            blocks.append("\n".join([heading, *map(_compared, record.analysis.comparisons)]))
        return "\n\n".join(blocks) + "\n"

    def flop_report(self, record: FlopReport) -> str:
        """Nothing: a FLOP report has no cells.

        Raises:
            InputError: always.
        """
        raise InputError(_NOT_A_SWEEP.format(kind="FLOP report"))


def _block(row: TidyRow) -> str:
    lines = [_heading(row.axes), *(f"  {line}" for line in _lines(row))]
    return "\n".join(map(inert, lines))


def _heading(axes: Mapping[str, AxisValue]) -> str:
    named = [f"{word} {axes[name]}" for name, word in _NAMED.items() if axes.get(name) is not None]
    others = [f"{name.replace('_', ' ')} {axes[name]}" for name in _OTHERS if axes.get(name) is not None]
    known = {"dataset", *_NAMED, *_OTHERS}
    if not named:  # of a model that brings its own inputs
        others += [f"{name} {value}" for name, value in axes.items() if name not in known and value is not None]
    dataset = axes.get("dataset")
    return ", ".join([*([str(dataset)] if dataset is not None else []), *named, *others])


def _lines(row: TidyRow) -> Iterator[str]:
    cell = row.cell
    if cell.status != "done":
        kind = "" if cell.failure is None else f" ({cell.failure.kind}): {cell.failure.text}"
        yield f"{cell.status}{kind}"
    has_numbers = any(value is not None for value in row.metrics.values())
    if has_numbers and not _is_of_something_else(cell):
        for parts in (each(row.metrics) for each in (_published, _of_time, _errors, _own)):
            if said := _GAP.join(parts):
                yield said
        if marks := weaknesses_of(cell):
            yield f"weak: {', '.join(marks)}"


def _is_of_something_else(cell: CellRecord) -> bool:
    """Whether what was asked for is not what ran, so that its numbers are not to be had under its name."""
    return cell.failure is not None and cell.failure.kind == _NOT_IN_FORCE


def _published(metrics: Mapping[str, float | int | None]) -> Iterator[str]:
    """The published report's four figures; a dash for what was not measured."""
    echoed = metrics.get("wer_echo")
    if echoed is not None:
        yield f"WER {_number(echoed)} (prompt echoed)"
    else:
        alone = metrics.get("wer")
        yield f"WER {_number(alone)}{'' if alone is None else ' (new tokens only)'}"
    yield f"latency {_number(metrics.get('latency_s'))} s"
    yield f"energy {_number(metrics.get('energy_j_per_sample'))} J/sample"
    last, samples = metrics.get("flops_last_batch"), metrics.get("last_batch_samples")
    if last is None:
        whole = metrics.get("flops")
        yield f"FLOPs {units.with_unit(whole, 'flops')}{'' if whole is None else ' (mean of full batches)'}"
    else:
        yield f"FLOPs {units.with_unit(last, 'flops')} (last batch{'' if samples is None else f' of {samples}'})"


def _of_time(metrics: Mapping[str, float | int | None]) -> Iterator[str]:
    if (ends := _ends(metrics, "latency_low_s", "latency_high_s")) is not None:
        yield f"latency 95 %{ends} s"
    if (per_sample := metrics.get("latency_per_sample_s")) is not None:
        yield f"{_number(per_sample)} s/sample"
    if (flops := metrics.get("flops")) is not None:
        yield f"FLOPs of a full batch {units.with_unit(flops, 'flops')}"
    if (step_j := metrics.get("energy_j")) is not None:
        yield f"energy of the step {_number(step_j)}{_ends(metrics, 'energy_low_j', 'energy_high_j') or ''} J"
    if (peak := metrics.get("peak_bytes")) is not None:
        yield f"peak {units.with_unit(peak, 'bytes')}"


def _ends(metrics: Mapping[str, float | int | None], low: str, high: str) -> str | None:
    ends = metrics.get(low), metrics.get(high)
    return None if None in ends else f" [{', '.join(map(_number, ends))}]"


def _errors(metrics: Mapping[str, float | int | None]) -> Iterator[str]:
    return _of_scores(
        metrics, {"wer": "WER of new tokens only", "wer_echo": "prompt echoed", "wer_min": "best reference"}
    )


def _own(metrics: Mapping[str, float | int | None]) -> Iterator[str]:
    return _of_scores(metrics, {"accuracy": "own metric", "exact_match": "exact match"})


def _of_scores(metrics: Mapping[str, float | int | None], names: Mapping[str, str]) -> Iterator[str]:
    for name, words in names.items():
        value = metrics.get(name)
        if value is not None:
            low, high = (metrics.get(f"{name}_{end}") for end in ("low", "high"))
            ends = "" if low is None or high is None else f" [{_scored(name, low)}, {_scored(name, high)}]"
            yield f"{words} {_scored(name, value)}{ends}"


def _scored(name: str, value: float) -> str:
    return units.percent(value, 1.0) if quantity_of(name) == "share" else _number(value)


def _number(value: float | None) -> str:
    return units.MISSING if value is None else units.significant(value, digits=_DIGITS)


def _compared(comparison: Comparison) -> str:
    ours, published = (_with_unit(value, comparison.quantity) for value in (comparison.ours, comparison.published))
    remark = f"; {comparison.remark}" if comparison.remark else ""
    of = f"{comparison.test}, {comparison.row}, {figure_words(comparison.quantity)}"
    return inert(f"  {of}: ours {ours}, published {published}, ratio {_number(comparison.ratio)}{remark}")


def _with_unit(value: float | None, name: str) -> str:
    quantity = quantity_of(name)
    if quantity in (None, "share", "integer"):
        return units.MISSING if value is None else _scored(name, value)
    return units.with_unit(value, cast("units.Quantity", quantity), digits=_DIGITS)
