"""What the views share: inert tables, measured columns with their closing rows, and the folded tree of layers."""

from layerprof.views.base.base import Amount, Cell, Column, ColumnQuantity, Row, Table
from layerprof.views.base.folding import ROOT_LABEL, Forest, Group, forest_of, groups_of, layers_below
from layerprof.views.base.metrics import (
    DECODE,
    Closing,
    Measured,
    Metric,
    closing_rows,
    family_of,
    layer_metrics,
    likeness_of,
    measured,
    middle_steps,
    missing_footnotes,
    time_footnotes,
    typical,
)

__all__ = [
    "DECODE",
    "ROOT_LABEL",
    "Amount",
    "Cell",
    "Closing",
    "Column",
    "ColumnQuantity",
    "Forest",
    "Group",
    "Measured",
    "Metric",
    "Row",
    "Table",
    "closing_rows",
    "family_of",
    "forest_of",
    "groups_of",
    "layer_metrics",
    "layers_below",
    "likeness_of",
    "measured",
    "middle_steps",
    "missing_footnotes",
    "time_footnotes",
    "typical",
]
