"""Statistics of repeated measurements: medians, their intervals, warm-up plateaus, stop rules, ratios.

All of it is rank-based: run times have a hard floor and a long tail, so means and standard deviations describe them
badly. Samples are plain sequences of numbers in any unit; nothing here knows what was measured.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence

MIN_SAMPLES_FOR_INTERVAL = 6  # below it no pair of order statistics covers the median with 95 % (2 * 0.5**5 = 6.25 %)

_PLATEAU_WINDOW = 3  # steps; a median of three ignores one outlier
_PLATEAU_GAIN = 0.03  # a window that is at most this much faster than the one before it ends the warm-up


def median_interval(samples: Sequence[float], *, confidence: float = 0.95) -> tuple[float, float] | None:
    """The distribution-free interval of the median: a pair of order statistics.

    The number of samples below the true median is Binomial(n, 1/2), so ``[x_(k+1), x_(n-k)]`` covers it with
    probability ``1 - 2 P(B <= k)``; k is the largest for which that is at least ``confidence``.

    Returns:
        (low, high), or None below 6 samples, where no pair reaches 95 %.

    Source:
        H. A. David, H. N. Nagaraja, Order Statistics, 3rd ed. (2003), section 7.1.
    """
    n = len(samples)
    k = _interval_rank(n, 1.0 - confidence)
    if k is None:
        return None
    ordered = sorted(samples)
    return ordered[k], ordered[n - 1 - k]


def _interval_rank(n: int, miss: float) -> int | None:
    """The largest k with ``2 P(Binomial(n, 1/2) <= k) <= miss``, or None where not even k = 0 does."""
    tail, found = 0.0, None
    for k in range(n // 2):
        tail += math.exp(math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1) - n * math.log(2.0))
        if 2.0 * tail > miss:
            break
        found = k
    return found


def interquartile_range(samples: Sequence[float]) -> float:
    """The distance between the quartiles (linear interpolation, ends included); 0 for a single sample."""
    if len(samples) < 2:
        return 0.0
    first, _, third = statistics.quantiles(samples, n=4, method="inclusive")
    return third - first


def relative_half_width(samples: Sequence[float]) -> float | None:
    """Half the width of the median's 95 % interval, as a fraction of the median; None below 6 samples or at 0."""
    interval = median_interval(samples)
    middle = statistics.median(samples) if samples else 0.0
    if interval is None or middle <= 0:
        return None
    return (interval[1] - interval[0]) / 2.0 / middle


def is_plateau(samples: Sequence[float]) -> bool:
    """Whether warm-up is over: the last three steps are hardly faster than the three before them.

    Source:
        The rule of a flat window follows G. Barrett et al., Virtual Machine Warmup Blows Hot and Cold (2017), in
        its simplest form; the window and the 3 % were chosen so that a cached second step alone does not end it.
    """
    if len(samples) < 2 * _PLATEAU_WINDOW:
        return False
    latest = statistics.median(samples[-_PLATEAU_WINDOW:])
    before = statistics.median(samples[-2 * _PLATEAU_WINDOW : -_PLATEAU_WINDOW])
    return latest >= (1.0 - _PLATEAU_GAIN) * before


def paired_ratio(numerator: Sequence[float], denominator: Sequence[float]) -> tuple[float, tuple[float, float] | None]:
    """The median of the pairwise ratios, with its 95 % interval (None below 6 pairs).

    Pairs are neighbours in time, so slow drift cancels in each of them.

    Raises:
        ValueError: where there is no pair, or a denominator is not positive.
    """
    if not numerator or not denominator:
        raise ValueError("a paired ratio needs at least one pair")
    if min(denominator) <= 0:
        raise ValueError("a paired ratio needs positive denominators")
    ratios = [above / below for above, below in zip(numerator, denominator, strict=False)]
    return statistics.median(ratios), median_interval(ratios)
