"""What the formats and plots share: text of tables, which tables are shown, the colours of stages, room for labels."""

from layerprof.report.base.base import (
    Record,
    Renderer,
    TextCell,
    TextRow,
    TextTable,
    render_with,
    to_text,
)
from layerprof.report.base.glyphs import without_glyph_warnings
from layerprof.report.base.labels import Box, Placed, boxes_on_line, placed_labels
from layerprof.report.base.palette import OTHER_COLOUR, STAGE_COLOURS
from layerprof.report.base.sweeps import COLUMNS_TO_SPARE, with_analysis
from layerprof.report.base.tables import (
    MOST_CELLS,
    MOST_HTML_CELLS,
    brief_tables,
    evidence_tables,
    flop_tables,
    full_tables,
    opening_tables,
)
from layerprof.report.base.tidy import TidyRow, tidy_rows
from layerprof.texts import inert

__all__ = [
    "COLUMNS_TO_SPARE",
    "MOST_CELLS",
    "MOST_HTML_CELLS",
    "OTHER_COLOUR",
    "STAGE_COLOURS",
    "Box",
    "Placed",
    "Record",
    "Renderer",
    "TextCell",
    "TextRow",
    "TextTable",
    "TidyRow",
    "boxes_on_line",
    "brief_tables",
    "evidence_tables",
    "flop_tables",
    "full_tables",
    "inert",
    "opening_tables",
    "placed_labels",
    "render_with",
    "tidy_rows",
    "to_text",
    "with_analysis",
    "without_glyph_warnings",
]
