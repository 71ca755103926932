"""What the files of this room share: cells with their settings, outcomes, and the model and batches of a cell.

``workload`` is imported by its own name, since it loads torch and a plan does not need it.
"""

from layerprof.sweeping.base.cells import PlannedCell, Settings, cell_from_json, cell_to_json, settings_of
from layerprof.sweeping.base.outcomes import Outcome, read_outcome, write_outcome

__all__ = [
    "Outcome",
    "PlannedCell",
    "Settings",
    "cell_from_json",
    "cell_to_json",
    "read_outcome",
    "settings_of",
    "write_outcome",
]
