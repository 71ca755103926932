"""What the parts of scoring share: texts made comparable, numbers as ratios of sums, and resampling."""

from layerprof.quality.base.resampling import CONFIDENCE, FEWEST_CLUSTERS, expanded_interval, resampled_totals
from layerprof.quality.base.terms import METRICS, Clustered, clustered, term_of
from layerprof.quality.base.texts import NORMALISER, normalised

__all__ = [
    "CONFIDENCE",
    "FEWEST_CLUSTERS",
    "METRICS",
    "NORMALISER",
    "Clustered",
    "clustered",
    "expanded_interval",
    "normalised",
    "resampled_totals",
    "term_of",
]
