"""Pure functions from records to tables: which rows and columns a reader gets to see, before any text is made."""

from layerprof.views.base import Amount, Cell, Column, ColumnQuantity, Row, Table, ceilings_of
from layerprof.views.checks import checks_table, notes_table, uncounted_table
from layerprof.views.energy import energy_counter_table, energy_table
from layerprof.views.families import families_table
from layerprof.views.flat import LAYER_COLUMNS, FlatColumn, Scalar, layer_columns
from layerprof.views.flops import flop_layers_table, flop_ops_table, flop_parts_table, flop_totals_table
from layerprof.views.narrow import narrowed
from layerprof.views.ops import layer_ops_tables, op_names_table, top_ops_table
from layerprof.views.peak import peak_owners_table
from layerprof.views.phase_layers import phase_contrast_table, phase_layers_table
from layerprof.views.phases import phases_table
from layerprof.views.points import RooflinePoint, has_roofline, roofline_points
from layerprof.views.roofline import roofline_table
from layerprof.views.stages import stages_table
from layerprof.views.summary import row_of_step, summary_table
from layerprof.views.sweeps import figure_words, quantity_of, sweep_table, sweep_tables, weaknesses_of
from layerprof.views.top import top_table
from layerprof.views.tree import tree_table

__all__ = [
    "LAYER_COLUMNS",
    "Amount",
    "Cell",
    "Column",
    "ColumnQuantity",
    "FlatColumn",
    "RooflinePoint",
    "Row",
    "Scalar",
    "Table",
    "ceilings_of",
    "checks_table",
    "energy_counter_table",
    "energy_table",
    "families_table",
    "figure_words",
    "flop_layers_table",
    "flop_ops_table",
    "flop_parts_table",
    "flop_totals_table",
    "has_roofline",
    "layer_columns",
    "layer_ops_tables",
    "narrowed",
    "notes_table",
    "op_names_table",
    "peak_owners_table",
    "phase_contrast_table",
    "phase_layers_table",
    "phases_table",
    "quantity_of",
    "roofline_points",
    "roofline_table",
    "row_of_step",
    "stages_table",
    "summary_table",
    "sweep_table",
    "sweep_tables",
    "top_ops_table",
    "top_table",
    "tree_table",
    "uncounted_table",
    "weaknesses_of",
]
