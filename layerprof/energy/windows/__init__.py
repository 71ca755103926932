"""Windows: joules of one load that runs steadily, with a bound of what the counter's tick does to them."""

from layerprof.energy.windows.base import calibrate
from layerprof.energy.windows.figures import call_j_of, call_s_of, flags_of, power_of, quantisation_rel_of
from layerprof.energy.windows.meter import WindowMeter
from layerprof.energy.windows.plans import plan_windows

__all__ = [
    "WindowMeter",
    "calibrate",
    "call_j_of",
    "call_s_of",
    "flags_of",
    "plan_windows",
    "power_of",
    "quantisation_rel_of",
]
