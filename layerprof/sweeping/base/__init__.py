"""What all of sweeping shares: cells with their settings, what cannot be measured, and what engine and executors say.

``workload``, ``metrics`` and ``numbers`` are imported by their own names: they load torch, which a plan does not need.
"""

from layerprof.sweeping.base.cells import (
    IDENTITY,
    PlannedCell,
    Settings,
    cell_from_json,
    cell_of,
    cell_to_json,
    one_name,
    require_names,
    settings_of,
    source_of,
)
from layerprof.sweeping.base.jobs import Beat, EnvironmentKey, Event, Executor, Explains, Finished, Job, Limits, Slot
from layerprof.sweeping.base.nesting import CELL_VARIABLE, require_not_in_cell
from layerprof.sweeping.base.validity import reason_to_skip, require_known

__all__ = [
    "CELL_VARIABLE",
    "IDENTITY",
    "Beat",
    "EnvironmentKey",
    "Event",
    "Executor",
    "Explains",
    "Finished",
    "Job",
    "Limits",
    "PlannedCell",
    "Settings",
    "Slot",
    "cell_from_json",
    "cell_of",
    "cell_to_json",
    "one_name",
    "reason_to_skip",
    "require_known",
    "require_names",
    "require_not_in_cell",
    "settings_of",
    "source_of",
]
