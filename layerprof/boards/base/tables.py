"""Tables as Markdown for TensorBoard's text page, long ones in several pieces.

The page turns text into HTML by Python-Markdown, whose backslash escapes differ from GitHub's: there a backslash before
``~`` or ``$`` would be shown. What Markdown or HTML would act on is therefore written as entities, which both take.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from layerprof.boards.base.base import Point, label, text
from layerprof.report.base import TextRow, TextTable, inert, to_text
from layerprof.views import Table

MOST_ROWS = 200  # of a piece: a browser is slow with more, and nobody reads them

_SPECIAL = re.compile(r"[&<>\"\\`*\[\]|~$#!]|(?<![^\W_])_|_(?![^\W_])|:(?=//)")
_INDENT = "&nbsp;&nbsp;"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Piece:
    """Some rows of a table, and which they are in words; "" for all."""

    table: TextTable
    which: str


def escaped(words: str) -> str:
    """The text, which becomes inert, with everything that Markdown or HTML acts on as an entity."""
    return _SPECIAL.sub(lambda found: f"&#{ord(found[0])};", inert(words))


def table_texts(prefix: str, tables: Iterable[Table]) -> Iterator[Point]:
    """The tables as texts in their order, which their tags tell: ``<prefix>/01 <title>``.

    A table of more than `MOST_ROWS` rows is split where a component begins, and the piece's tag names its first.
    """
    for place, table in enumerate(tables, start=1):
        tag = f"{prefix}/{place:02d} {label(table.title)}"
        for piece in _pieces(to_text(table)):
            yield text(f"{tag}{piece.which}", _markdown(piece.table))


def _pieces(table: TextTable) -> Iterator[_Piece]:
    if len(table.rows) <= MOST_ROWS:
        yield _Piece(table=table, which="")
        return
    starts = _starts(table.rows)
    for number, (start, end) in enumerate(zip(starts, [*starts[1:], len(table.rows)], strict=True), start=1):
        rows = table.rows[start:end]
        footnotes = table.footnotes if end == len(table.rows) else ()
        first = label(rows[0].cells[0].text) or "first rows"
        yield _Piece(table=replace(table, rows=rows, footnotes=footnotes), which=f" {number:02d} from {first}")


def _starts(rows: Sequence[TextRow]) -> list[int]:
    """Where the pieces begin: at the row that is least indented, of those far enough behind the last beginning."""
    starts = [0]
    while len(rows) - starts[-1] > MOST_ROWS:
        window = range(starts[-1] + MOST_ROWS // 2, starts[-1] + MOST_ROWS + 1)
        starts.append(min(window, key=lambda place: (rows[place].depth, -place)))
    return starts


def _markdown(table: TextTable) -> str:
    lines = [
        f"### {escaped(table.title)}",
        "",
        _line([escaped(header) for header in table.headers]),
        _line(["---:" if align == "right" else ":---" for align in table.aligns]),
        *(_line(_cells(row)) for row in table.rows),
    ]
    footnotes = [line for footnote in table.footnotes for line in ("", escaped(footnote))]
    return "\n".join([*lines, *footnotes])


def _cells(row: TextRow) -> list[str]:
    mark = "**" if row.role != "body" else ""
    texts = [f"{mark}{escaped(cell.text)}{mark}" if cell.text else "" for cell in row.cells]
    return [_INDENT * row.depth + texts[0], *texts[1:]]


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
