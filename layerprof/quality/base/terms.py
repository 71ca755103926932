"""Every number of answers' quality as one ratio of sums over samples, so that one way of resampling serves all.

wer            errors / words of the first reference
wer_min        errors / words of the reference with the lowest rate
wer_macro      the samples' own rates / 1
wer_echo       errors of prompt and answer together / words of the first reference
accuracy       by the data set's own rule / 1
exact_match    0 or 1 / 1
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from layerprof.records import SampleScore

METRICS = ("wer", "wer_min", "wer_macro", "wer_echo", "accuracy", "exact_match")

Term = tuple[float, float]  # what a sample adds above the line, and below it


@dataclass(frozen=True, slots=True, kw_only=True)
class Clustered:
    """One metric's sums by cluster, over the samples that count for it.

    Attributes:
        names: of the clusters, sorted, so that the samples' order decides nothing.
        above: sums above the line, one a cluster.
        below: likewise, below the line; each above 0.
        n: samples.
    """

    names: tuple[str, ...]
    above: tuple[float, ...]
    below: tuple[float, ...]
    n: int

    @property
    def value(self) -> float | None:
        """The ratio over all samples; None where none counts."""
        return math.fsum(self.above) / math.fsum(self.below) if self.n else None


def term_of(metric: str, score: SampleScore) -> Term | None:
    """What one sample adds to a metric; None where it does not count for it.

    Args:
        metric: one of `METRICS`.
        score: of the sample.
    """
    if metric == "wer_min":
        return _rate(score.least_errors, score.least_words)
    if metric == "accuracy":
        return _rate(score.accuracy, 1)
    if metric == "exact_match":
        return _rate(score.is_exact, 1)
    errors = score.echo_errors if metric == "wer_echo" else score.errors
    rate = _rate(errors, score.reference_words)
    return _rate(rate[0] / rate[1], 1) if metric == "wer_macro" and rate else rate


def clustered(metric: str, scores: Sequence[SampleScore]) -> Clustered:
    """A metric's sums by cluster."""
    terms: dict[str, list[Term]] = {}
    for score in scores:
        term = term_of(metric, score)
        if term is not None:
            terms.setdefault(score.cluster, []).append(term)
    names = tuple(sorted(terms))
    return Clustered(
        names=names,
        above=tuple(math.fsum(above for above, _ in terms[name]) for name in names),
        below=tuple(math.fsum(below for _, below in terms[name]) for name in names),
        n=sum(len(each) for each in terms.values()),
    )


def _rate(above: float | None, below: int | None) -> Term | None:
    return (float(above), float(below)) if above is not None and below else None
