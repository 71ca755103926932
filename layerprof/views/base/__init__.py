"""What the views share: inert tables, their columns and closing rows, joules, the roofline, the tree of layers."""

from layerprof.views.base.base import (
    DECODE,
    Amount,
    AmountForm,
    Cell,
    Column,
    ColumnQuantity,
    Measured,
    Reading,
    Row,
    Table,
    joules_of,
)
from layerprof.views.base.ceilings import ceilings_of, ceilings_words
from layerprof.views.base.energy import EnergyReading, energy_footnotes, energy_readings
from layerprof.views.base.energylines import TIMES_ONLY, VERDICT_WORDS, closure_amount, energy_lines, step_power
from layerprof.views.base.folding import ROOT_LABEL, Forest, Group, forest_of, groups_of, layers_below
from layerprof.views.base.metrics import (
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
    "TIMES_ONLY",
    "VERDICT_WORDS",
    "Amount",
    "AmountForm",
    "Cell",
    "Closing",
    "Column",
    "ColumnQuantity",
    "EnergyReading",
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
    "closure_amount",
    "energy_footnotes",
    "energy_lines",
    "energy_readings",
    "forest_of",
    "groups_of",
    "joules_of",
    "layer_metrics",
    "layers_below",
    "likeness_of",
    "measured",
    "missing_footnotes",
    "roof_readings",
    "step_power",
    "time_footnotes",
]
