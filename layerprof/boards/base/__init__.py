"""What profiles and sweeps share: values and event files, names, tables as text, layouts, and a run's folder."""

from layerprof.boards.base.base import (
    EVENT_FILE,
    Point,
    RunKind,
    digest_of,
    file_name,
    label,
    picture,
    scalars,
    text,
    unique_names,
)
from layerprof.boards.base.charts import Charts, layout
from layerprof.boards.base.content import Content
from layerprof.boards.base.events import event_file
from layerprof.boards.base.leftovers import (
    REPORT,
    is_exported,
    remove_earlier_profile,
    remove_earlier_sweep,
    remove_other_cells,
    require_no_links,
)
from layerprof.boards.base.places import Run, announce_runs, write_run
from layerprof.boards.base.tables import MOST_ROWS, escaped, table_texts

__all__ = [
    "EVENT_FILE",
    "MOST_ROWS",
    "REPORT",
    "Charts",
    "Content",
    "Point",
    "Run",
    "RunKind",
    "announce_runs",
    "digest_of",
    "escaped",
    "event_file",
    "file_name",
    "is_exported",
    "label",
    "layout",
    "picture",
    "remove_earlier_profile",
    "remove_earlier_sweep",
    "remove_other_cells",
    "require_no_links",
    "scalars",
    "table_texts",
    "text",
    "unique_names",
    "write_run",
]
