"""What the numbers say, how they stand beside the published ones, and what is odd about those."""

from __future__ import annotations

from collections import Counter

from layerprof.records import AnalysisRecord, Comparison
from layerprof.views.base import Amount, Cell, Column, Row, Table
from layerprof.views.sweeps.base import ECHOED, quantity_of

_WORDS = {
    "latency_s": "latency",
    "energy_j_per_sample": "energy per sample",
    "flops_last_batch": "FLOPs of last batch",
    "wer": "WER",
    "wer_echo": ECHOED,
    "latency_ratio": "latency ratio",
    "energy_per_sample_ratio": "energy per sample, ratio",
    "flops_per_sample_ratio": "FLOPs per sample, ratio",
    "wer_echo_ratio": f"{ECHOED}, ratio",
}
_SEVERAL = "several"
_MOST_OF_TEST = 6  # findings: a terminal shows the most useful ones, which come first


def findings_table(analysis: AnalysisRecord, *, is_brief: bool = False) -> Table:
    """One sentence a row, in the order of the analysis: by test, the most useful first.

    Args:
        analysis: of a sweep.
        is_brief: whether the first of each test are enough; a footnote says how many more there are.
    """
    seen: Counter[str] = Counter()
    shown = []
    for finding in analysis.findings:
        seen[finding.test] += 1
        if not is_brief or seen[finding.test] <= _MOST_OF_TEST:
            shown.append(finding)
    return Table(
        title="Findings",
        columns=(Column(name="test", align="left"), Column(name="finding", align="left")),
        rows=tuple(Row(cells=(finding.test, finding.text)) for finding in shown),
        footnotes=_hidden(len(analysis.findings) - len(shown)),
    )


def comparison_table(analysis: AnalysisRecord, *, is_brief: bool = False) -> Table:
    """Our figures beside the published ones, each in its own unit.

    Args:
        analysis: of a sweep.
        is_brief: whether figures that have a ratio are enough; a footnote says how many more there are.
    """
    by = f" of {analysis.published}" if analysis.published else ""
    shown = [each for each in analysis.comparisons if not is_brief or each.ratio is not None]
    return Table(
        title=f"Beside the published figures{by}",
        columns=(
            *(Column(name=name, align="left") for name in ("test", "row", "figure")),
            *(Column(name=name, quantity="ratio") for name in ("ours", "published", "ours/published")),
            Column(name="remark", align="left"),
        ),
        rows=tuple(_compared(comparison) for comparison in shown),
        footnotes=_hidden(len(analysis.comparisons) - len(shown), ", without a ratio"),
    )


def _hidden(count: int, what: str = "") -> tuple[str, ...]:
    return (f"… {count:,} more{what}, which the Markdown and the page have.",) if count else ()


def oddities_table(analysis: AnalysisRecord) -> Table:
    """What a reader should know of the published figures before comparing with them."""
    return Table(
        title="What is odd about the published figures",
        columns=(Column(name="test", align="left"), Column(name="what and why", align="left")),
        rows=tuple(Row(cells=(oddity.test or _SEVERAL, oddity.text)) for oddity in analysis.oddities),
    )


def _compared(comparison: Comparison) -> Row:
    return Row(
        cells=(
            comparison.test,
            comparison.row,
            figure_words(comparison.quantity),
            _figure(comparison.ours, comparison.quantity),
            _figure(comparison.published, comparison.quantity),
            comparison.ratio,
            comparison.remark,
        )
    )


def figure_words(name: str) -> str:
    """What a compared figure is called; the name itself where it has no other."""
    return _WORDS.get(name, name)


def _figure(value: float | None, name: str) -> Cell:
    return None if value is None else Amount(value=value, quantity=quantity_of(name))
