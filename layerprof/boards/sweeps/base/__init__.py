"""What the parts of a sweep's export share: its groups of cells, its metrics, and values of axes."""

from layerprof.boards.sweeps.base.base import Setting, is_number, value_text
from layerprof.boards.sweeps.base.groups import Group, groups_of, run_names
from layerprof.boards.sweeps.base.metrics import metric_names, metric_tag, metric_title
from layerprof.boards.sweeps.base.steps import steps_of

__all__ = [
    "Group",
    "Setting",
    "groups_of",
    "is_number",
    "metric_names",
    "metric_tag",
    "metric_title",
    "run_names",
    "steps_of",
    "value_text",
]
