"""What taking windows is made of: a load that is kept running, readings with their moments, two ways to take one."""

from layerprof.energy.windows.base.base import LEAST_TICKS, Probe, Run, Taken
from layerprof.energy.windows.base.calibration import calibrate
from layerprof.energy.windows.base.edges import between_edges
from layerprof.energy.windows.base.ticks import between_ticks

__all__ = [
    "LEAST_TICKS",
    "Probe",
    "Run",
    "Taken",
    "between_edges",
    "between_ticks",
    "calibrate",
]
