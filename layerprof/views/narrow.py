"""Tables made narrow enough for a terminal: long words shortened, columns left out that a document has room for."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace

from layerprof.views.base import Cell, Row, Table

_GAP = "…"


def narrowed(table: Table, *, widths: Mapping[str, int], without: Collection[str] = ()) -> Table:
    """The table with at most so many characters in the named columns, and without the columns of other names.

    Of a path the first part and the last ones are kept, such as ``language_model…self_attn.k_proj``.
    """
    places = [place for place, column in enumerate(table.columns) if column.name not in without]
    most = [widths.get(table.columns[place].name) for place in places]
    return replace(
        table,
        columns=tuple(table.columns[place] for place in places),
        rows=tuple(_row(row, places, most) for row in table.rows),
    )


def _row(row: Row, places: list[int], most: list[int | None]) -> Row:
    pairs = zip((row.cells[place] for place in places), most, strict=True)
    return replace(row, cells=tuple(_cell(cell, width) for cell, width in pairs))


def _cell(cell: Cell, width: int | None) -> Cell:
    if width is None or not isinstance(cell, str) or len(cell) <= width:
        return cell
    first, *parts = cell.split(".")
    kept = ""
    while parts and len(first) + len(_GAP) + len(longer := ".".join(filter(None, (parts[-1], kept)))) <= width:
        kept = longer
        parts.pop()
    return f"{first}{_GAP}{kept}" if kept else f"{cell[: width - len(_GAP)]}{_GAP}"
