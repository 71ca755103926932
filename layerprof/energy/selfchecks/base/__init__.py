"""What all self-checks share: what one says, what it works with, and loads that are made of other loads."""

from layerprof.energy.selfchecks.base.bench import Bench, Meter
from layerprof.energy.selfchecks.base.checks import MARGIN, Leeway, SelfCheck, compared, not_made
from layerprof.energy.selfchecks.base.lines import Line, fitted
from layerprof.energy.selfchecks.base.loads import Alternating, Paused, Shuffled, Waiting, Watched

__all__ = [
    "MARGIN",
    "Alternating",
    "Bench",
    "Leeway",
    "Line",
    "Meter",
    "Paused",
    "SelfCheck",
    "Shuffled",
    "Waiting",
    "Watched",
    "compared",
    "fitted",
    "not_made",
]
