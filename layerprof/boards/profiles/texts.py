"""A profile's tables as texts, and which layer stands behind an index."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache

from layerprof.boards.base import Point, table_texts
from layerprof.records import Profile
from layerprof.report.base import full_tables
from layerprof.views import (
    Column,
    Row,
    Table,
    checks_table,
    energy_table,
    notes_table,
    phases_table,
    stages_table,
    summary_table,
    top_table,
    uncounted_table,
)

_ROOT = "(the model)"
_MOST_KEPT = 8  # models of one sweep whose layers are kept as text
_OF_A_CELL = (
    summary_table,
    phases_table,
    stages_table,
    energy_table,
    top_table,
    lambda profile: checks_table(profile.checks),
    lambda profile: uncounted_table(profile.uncounted),
    lambda profile: notes_table(profile.notes),
)

_Names = tuple[tuple[str, str, str, str], ...]  # path, class, kind and stage of each layer


def profile_texts(profile: Profile, *, is_brief: bool) -> Iterator[Point]:
    """The tables of the report, from the whole to the parts, and the layers by index.

    Args:
        profile: of one model.
        is_brief: leaves out the tables with a row for each layer or op, families, owners of the peak and the roofline,
            which take six times as long as all others; the report of the profile has them.
    """
    tables = [make(profile) for make in _OF_A_CELL] if is_brief else full_tables(profile)
    yield from table_texts("tables", [table for table in tables if table.rows])
    yield from _layers_by_index(tuple((each.path, each.type_name, each.kind, each.stage) for each in profile.layers))


@lru_cache(maxsize=_MOST_KEPT)
def _layers_by_index(names: _Names) -> tuple[Point, ...]:
    columns = (
        Column(name="index", quantity="integer"),
        *(Column(name=name, align="left") for name in ("layer", "class", "kind", "stage")),
    )
    rows = tuple(Row(cells=(place, path or _ROOT, *others)) for place, (path, *others) in enumerate(names))
    footnote = "The index is the x-axis of the scalars 'layers/…'."
    return tuple(
        table_texts("layers", [Table(title="layers by index", columns=columns, rows=rows, footnotes=(footnote,))])
    )
