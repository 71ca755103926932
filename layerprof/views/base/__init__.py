"""What the views share: inert tables, their measured columns and closing rows, the roofline, the tree of layers."""

from layerprof.views.base.base import Amount, Cell, Column, ColumnQuantity, Measured, Reading, Row, Table
from layerprof.views.base.ceilings import ceilings_of, ceilings_words
from layerprof.views.base.folding import ROOT_LABEL, Forest, Group, forest_of, groups_of, layers_below
from layerprof.views.base.metrics import (
    DECODE,
    Closing,
    Metric,
    closing_rows,
    layer_metrics,
    likeness_of,
    measured,
    missing_footnotes,
    time_footnotes,
)
from layerprof.views.base.roof import ABOVE, RoofReading, above_footnotes, roof_readings

__all__ = [
    "ABOVE",
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
    "Reading",
    "RoofReading",
    "Row",
    "Table",
    "above_footnotes",
    "ceilings_of",
    "ceilings_words",
    "closing_rows",
    "forest_of",
    "groups_of",
    "layer_metrics",
    "layers_below",
    "likeness_of",
    "measured",
    "missing_footnotes",
    "roof_readings",
    "time_footnotes",
]
