"""What comparing shares: the published figures as records, and which of our cells stands beside which of theirs."""

from layerprof.analysis.published.base.base import (
    REFERENCE_WORDS,
    REFERENCES,
    SAMPLES,
    PublishedCell,
    PublishedFigures,
    PublishedTest,
    parsed_flops,
    published_figures,
)
from layerprof.analysis.published.base.counterparts import TIMED, Pairing, differences, joined, kind_of, pairings

__all__ = [
    "REFERENCES",
    "REFERENCE_WORDS",
    "SAMPLES",
    "TIMED",
    "Pairing",
    "PublishedCell",
    "PublishedFigures",
    "PublishedTest",
    "differences",
    "joined",
    "kind_of",
    "pairings",
    "parsed_flops",
    "published_figures",
]
