"""One number for a distribution of which rows have to add up: the mean over the middle half of the steps.

Medians of parts do not add up to the median of the whole. Means over the same steps do, and leaving out the fastest and
the slowest quarter of the steps keeps them as steady as a median.
"""

from __future__ import annotations

import statistics

from layerprof.records.base import Distribution


def middle_steps(whole: Distribution | None) -> tuple[int, ...]:
    """The steps left when the fastest and the slowest quarter are put aside; all of fewer than four."""
    if whole is None:
        return ()
    by_duration = sorted(range(whole.n), key=lambda step: whole.samples[step])
    aside = whole.n // 4
    return tuple(sorted(by_duration[aside : whole.n - aside]))


def typical(value: Distribution, steps: tuple[int, ...]) -> float:
    """The mean over the given steps; over all where none are given or they are of another pass."""
    chosen = steps if steps and steps[-1] < value.n else range(value.n)
    return statistics.fmean([value.samples[step] for step in chosen])
