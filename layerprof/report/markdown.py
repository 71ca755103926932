"""GitHub-flavoured Markdown: a heading and a pipe table for each view.

Everything that Markdown or the HTML inside it would act on is escaped in every cell, since names are not trusted: pipes
and brackets, emphasis, code, links that are recognised without brackets, and entities.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from layerprof.records import FlopReport, Profile, SweepRecord
from layerprof.report.base import MOST_CELLS, TextRow, TextTable, flop_tables, full_tables, inert, to_text
from layerprof.views import Table, sweep_tables

_INDENT = "&nbsp;&nbsp;"  # plain spaces at the start of a cell are dropped
_HTML = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;"})
_SPECIAL = re.compile(r"([\\`*|~#\[\]$]|(?<![^\W_])_|_(?![^\W_])|:(?=//)|(?<=www)\.)", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class MarkdownRenderer:
    """Renders to Markdown.

    Attributes:
        max_depth: of the layer tree; None shows all of it.
    """

    max_depth: int | None = None

    def profile(self, record: Profile) -> str:
        """All views of a profile, the whole before the parts."""
        return _document(f"Profile of {record.spec.model}", full_tables(record, max_depth=self.max_depth))

    def sweep(self, record: SweepRecord) -> str:
        """The plan's tables with their first cells; its CSV has all."""
        return _document(f"Sweep of {record.plan.model}", sweep_tables(record, most_rows=MOST_CELLS))

    def flop_report(self, record: FlopReport) -> str:
        """Totals, layers and ops."""
        return _document("FLOP count", flop_tables(record))


def escaped(text: str) -> str:
    """The inert text with everything that Markdown acts on escaped."""
    return _SPECIAL.sub(r"\\\1", text.translate(_HTML))


def _document(title: str, tables: Sequence[Table]) -> str:
    sections = [_section(to_text(table)) for table in tables]
    return "\n\n".join([f"# {escaped(inert(title))}", *sections]) + "\n"


def _section(table: TextTable) -> str:
    lines = [
        f"## {escaped(table.title)}",
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
