"""What the files of this package share: pools of joules and portions of them, and the layers of each phase."""

from layerprof.attribute.energy.base.joules import Meter, Pool, Portion, Portions, by_time, step_pool, together, whole
from layerprof.attribute.energy.base.phases import (
    OUTSIDE,
    UNTOLD,
    PhasePools,
    PhaseTree,
    Shares,
    Times,
    uses_host_times,
)

__all__ = [
    "OUTSIDE",
    "UNTOLD",
    "Meter",
    "PhasePools",
    "PhaseTree",
    "Pool",
    "Portion",
    "Portions",
    "Shares",
    "Times",
    "by_time",
    "step_pool",
    "together",
    "uses_host_times",
    "whole",
]
