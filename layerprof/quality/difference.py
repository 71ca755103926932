"""Whether two runs answered the same questions differently, and by how much a metric moved.

Both runs are resampled together, cluster by cluster, so what makes a question hard for both cancels.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from layerprof.errors import InputError
from layerprof.quality.base import FEWEST_CLUSTERS, METRICS, expanded_interval, resampled_totals, term_of
from layerprof.records import QualityRecord, SampleScore

_NOTHING = 1e-12  # of a rate: what floating point makes of equal ones

Row = tuple[float, float, float, float]  # above and below the line before, above and below it after


@dataclass(frozen=True, slots=True, kw_only=True)
class PairedDifference:
    """One metric of two runs over the same samples.

    Attributes:
        name: of the metric, as in a run's metrics.
        before, after: its values over the samples that count in both runs.
        low, high: of the difference's 95 % interval; None with fewer than 8 clusters, of which a resampled one says too
            much, or where resampling cannot tell, since both runs scored every cluster alike.
        n: samples that count in both.
        changed_answers: of all samples, those whose text differs at all.
        samples: all of them.
    """

    name: str
    before: float
    after: float
    low: float | None
    high: float | None
    n: int
    changed_answers: int
    samples: int

    @property
    def difference(self) -> float:
        """After minus before."""
        return self.after - self.before

    @property
    def is_clear(self) -> bool:
        """Whether the interval is on one side of 0."""
        return self.low is not None and self.high is not None and (self.low > 0.0 or self.high < 0.0)


def compare(before: QualityRecord, after: QualityRecord, name: str) -> PairedDifference | None:
    """How a metric moved from one run to another; None where the two cannot be paired.

    They can where they are of the same samples, in whatever order, with the same normaliser and, for the data set's
    own metric, the same one, and where at least one sample counts in both.

    Args:
        before: the run to compare with.
        after: the other one.
        name: of a metric, such as ``wer``.

    Raises:
        InputError: for a name that is no metric of answers.
    """
    if name not in METRICS:
        raise InputError(f"there is no metric of answers {name!r}; there are {', '.join(METRICS)}")
    pairs = _pairs(before, after)
    rows = _rows(name, pairs)
    if not rows or (name == "accuracy" and before.metric != after.metric):
        return None
    sums = [tuple(map(math.fsum, zip(*rows[cluster], strict=True))) for cluster in sorted(rows)]
    totals = [math.fsum(column) for column in zip(*sums, strict=True)]
    low, high = _interval(sums) or (None, None)
    return PairedDifference(
        name=name,
        before=totals[0] / totals[1],
        after=totals[2] / totals[3],
        low=low,
        high=high,
        n=sum(map(len, rows.values())),
        changed_answers=sum(one.answer.text != other.answer.text for one, other in pairs),
        samples=len(pairs),
    )


def _pairs(before: QualityRecord, after: QualityRecord) -> list[tuple[SampleScore, SampleScore]]:
    """Scores of the same sample side by side; empty where the two records are not of the same samples."""
    one, other = ({score.answer.sample: score for score in record.samples} for record in (before, after))
    is_same = before.samples_sha256 == after.samples_sha256 and before.normaliser == after.normaliser
    if not is_same or one.keys() != other.keys():
        return []
    return [(score, other[sample]) for sample, score in one.items()]


def _rows(name: str, pairs: Sequence[tuple[SampleScore, SampleScore]]) -> dict[str, list[Row]]:
    """What each pair adds above and below the line, by cluster; without those that do not count in both."""
    rows: dict[str, list[Row]] = {}
    for one, other in pairs:
        first, second = term_of(name, one), term_of(name, other)
        if first is not None and second is not None:
            rows.setdefault(one.cluster, []).append((*first, *second))
    return rows


def _interval(sums: Sequence[Sequence[float]]) -> tuple[float, float] | None:
    if len(sums) < FEWEST_CLUSTERS:
        return None
    import numpy as np

    totals = resampled_totals(sums)
    differences = totals[:, 2] / totals[:, 3] - totals[:, 0] / totals[:, 1]
    if float(np.ptp(differences)) < _NOTHING:
        return None
    return expanded_interval(differences, clusters=len(sums))
