"""The numbers made of samples' scores, each with its interval, and notes on those that have none.

scores ─▶ sums by cluster, one `Clustered` a metric ─▶ value
                          └─▶ resampled, those over the same clusters together ─▶ interval
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from itertools import chain

from layerprof.quality.base import (
    CONFIDENCE,
    FEWEST_CLUSTERS,
    Clustered,
    clustered,
    expanded_interval,
    resampled_totals,
)
from layerprof.records import Estimate95, Note, SampleScore

Interval = tuple[float, float]

_TEXT_OF = {
    "nothing_to_score": "no sample has anything to score against",
    "one_cluster": "all samples are about one picture, and resampling needs several; score samples of more pictures",
    "few_clusters": (
        f"the samples are of fewer than {FEWEST_CLUSTERS} pictures, with which a resampled interval holds the truth "
        "less often than it says; score samples of more pictures"
    ),
    "no_interval": "all pictures agree, so resampling cannot tell by how much others would differ; score more samples",
    "exact_interval": "all pictures agree, so the interval is the binomial's exact one, each picture being a trial",
}
_EQUAL = 1e-12  # relative, of ratios that only floating point tells apart
_WITHIN_UNIT = ("accuracy", "exact_match")  # each sample's own is from 0 to 1


def estimates_of(metrics: Sequence[str], scores: Sequence[SampleScore]) -> tuple[Estimate95, ...]:
    """One estimate a metric, in the order asked for, with the 95 % interval of the bootstrap over clusters.

    Where all clusters agree, resampling tells nothing. Then a mean of outcomes from 0 to 1 that are all 0, or all 1,
    has the exact binomial interval of that many clusters, and any other number has none. Nor does resampling tell
    enough with fewer than `FEWEST_CLUSTERS` of them.

    Args:
        metrics: names, as in a run's metrics.
        scores: of all samples, in any order.

    Source:
        C. J. Clopper, E. S. Pearson, Biometrika 26 (1934), for no success in n trials: ``(0, 1 - 0.025 ** (1 / n))``.
    """
    of_metric = {metric: clustered(metric, scores) for metric in metrics}
    intervals = _resampled({name: each for name, each in of_metric.items() if _can_be_resampled(each)})
    return tuple(
        _estimate(metric, sums, intervals.get(metric) or _without_resampling(metric, sums))
        for metric, sums in of_metric.items()
    )


def notes_on_estimates(metrics: Sequence[str], scores: Sequence[SampleScore]) -> tuple[Note, ...]:
    """Why some of the estimates have no value, no interval, or one that is not resampled; one note a reason."""
    why = {metric: _weakness(metric, clustered(metric, scores)) for metric in metrics}
    of_code = {code: [metric for metric in metrics if why[metric] == code] for code in _TEXT_OF}
    return tuple(
        Note(code=code, quantity=", ".join(weak), scope="*", text=_TEXT_OF[code])
        for code, weak in of_code.items()
        if weak
    )


def _weakness(metric: str, sums: Clustered) -> str:
    """The code of the note that the estimate needs; "" for none."""
    if not sums.n:
        return "nothing_to_score"
    if len(sums.names) < 2:
        return "one_cluster"
    if _without_resampling(metric, sums):
        return "exact_interval"
    if len(sums.names) < FEWEST_CLUSTERS:
        return "few_clusters"
    return "no_interval" if _is_agreed(sums) else ""


def _estimate(metric: str, sums: Clustered, interval: Interval | None) -> Estimate95:
    low, high = interval or (None, None)
    return Estimate95(name=metric, value=sums.value, low=low, high=high, n=sums.n)


def _is_agreed(sums: Clustered) -> bool:
    """Whether every cluster has the same ratio, of at least two clusters."""
    ratios = [above / below for above, below in zip(sums.above, sums.below, strict=True)]
    return len(ratios) > 1 and all(math.isclose(ratio, ratios[0], rel_tol=_EQUAL) for ratio in ratios)


def _can_be_resampled(sums: Clustered) -> bool:
    return len(sums.names) >= FEWEST_CLUSTERS and not _is_agreed(sums)


def _without_resampling(metric: str, sums: Clustered) -> Interval | None:
    """The exact interval of outcomes that are all 0 or all 1; None for anything else.

    It holds for a mean of outcomes between 0 and 1 as well, which is never further from 0 than the share of those that
    are above 0.
    """
    if metric not in _WITHIN_UNIT or not _is_agreed(sums) or sums.value not in (0.0, 1.0):
        return None
    reach = 1.0 - ((1.0 - CONFIDENCE) / 2.0) ** (1.0 / len(sums.names))
    return (0.0, reach) if sums.value == 0.0 else (1.0 - reach, 1.0)


def _resampled(of_metric: dict[str, Clustered]) -> dict[str, Interval]:
    """Intervals by metric; those over the same clusters share their draws, which is most of the work."""
    groups: dict[tuple[str, ...], list[str]] = {}
    for metric, sums in of_metric.items():
        groups.setdefault(sums.names, []).append(metric)
    return dict(chain.from_iterable(_together(len(names), of_metric, group) for names, group in groups.items()))


def _together(count: int, of_metric: dict[str, Clustered], group: Sequence[str]) -> Iterable[tuple[str, Interval]]:
    columns = [column for metric in group for column in (of_metric[metric].above, of_metric[metric].below)]
    totals = resampled_totals(list(zip(*columns, strict=True)))
    for place, metric in enumerate(group):
        ratios = totals[:, 2 * place] / totals[:, 2 * place + 1]
        yield metric, expanded_interval(ratios, clusters=count)
