"""What all of qualification shares: the bench that a counter is tried on, and what was found out."""

from layerprof.energy.qualification.base.bench import Activity, Bench, Setting, Span
from layerprof.energy.qualification.base.found import DRIFT_REL, RATES_HZ, READS, Found, Movement, Rest, Steady, Tick

__all__ = [
    "DRIFT_REL",
    "RATES_HZ",
    "READS",
    "Activity",
    "Bench",
    "Found",
    "Movement",
    "Rest",
    "Setting",
    "Span",
    "Steady",
    "Tick",
]
