"""Plain text for terminals and logs, laid out by rich; names are never read as its markup."""

from __future__ import annotations

import io
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass

from rich import box
from rich.console import Console
from rich.table import Table as RichTable
from rich.text import Text

from layerprof.records import FlopReport, Profile, SweepRecord
from layerprof.report.base import MOST_CELLS, Record, TextRow, TextTable, brief_tables, flop_tables, to_text
from layerprof.views import Table, sweep_table

_WIDEST = 10_000  # characters; no table comes near, so nothing is wrapped where no width was asked for
_LEAST_FLEXIBLE = 12  # characters that a column of words keeps, however narrow the console is
_LOG_WIDTH = 120  # characters; headings of tables that would be wider take several lines
_GAP = 2  # characters between columns: the box's blank and the padding
_BOX = box.Box("    \n    \n ── \n    \n ── \n    \n    \n    \n")  # rules below the heading and above closing rows
_STYLES = {"closing": "bold", "problem": "bold red"}


@dataclass(frozen=True, slots=True, kw_only=True)
class TextRenderer:
    """Renders to a str without colours or other terminal codes.

    Attributes:
        width: characters a line; longer cells are wrapped. None: as wide as the tables need.
        max_depth: of the layer tree; None shows all of it.
    """

    width: int | None = None
    max_depth: int | None = None

    def profile(self, record: Profile) -> str:
        """The summary, the stages and the tree."""
        return self._laid_out(brief_tables(record, max_depth=self.max_depth))

    def sweep(self, record: SweepRecord) -> str:
        """The plan's table with its first cells; its CSV has all."""
        return self._laid_out((sweep_table(record, most_rows=MOST_CELLS),))

    def flop_report(self, record: FlopReport) -> str:
        """Totals, layers and ops."""
        return self._laid_out(flop_tables(record))

    def _laid_out(self, tables: Sequence[Table]) -> str:
        stream = io.StringIO()
        _print_tables(
            Console(file=stream, width=self.width or _WIDEST, color_system=None, legacy_windows=False), tables
        )
        return "\n".join(line.rstrip() for line in stream.getvalue().splitlines()) + "\n"


def print_record(record: Record, console: Console, *, max_depth: int | None = None) -> None:
    """Prints to the console at its own width, in bold and colour where it can.

    Args:
        record: a profile, a sweep or a FLOP report.
        console: of rich; the caller's, so that the library itself never prints.
        max_depth: of a profile's layer tree; None shows all of it.
    """
    if isinstance(record, Profile):
        _print_tables(console, brief_tables(record, max_depth=max_depth))
    elif isinstance(record, SweepRecord):
        _print_tables(console, (sweep_table(record, most_rows=MOST_CELLS),))
    else:
        _print_tables(console, flop_tables(record))


def _print_tables(console: Console, tables: Sequence[Table]) -> None:
    for place, table in enumerate(map(to_text, tables)):
        if place:
            console.print()
        console.print(Text(table.title, style="bold"))
        headings = [_heading(table, place) for place in range(len(table.names))]
        if _least_width(table, headings) > min(console.width, _LOG_WIDTH):
            headings = [_folded_heading(table, place) for place in range(len(table.names))]
        laid_out, least_width = _rich_table(table, headings), _least_width(table, headings)
        if least_width > console.width:  # then lines run over: a number without its last digits would be a lie
            laid_out.width = least_width
        console.print(laid_out, crop=False, no_wrap=True, overflow="ignore")
        for footnote in table.footnotes:
            console.print(Text(footnote, style="italic"))


def _heading(table: TextTable, place: int) -> list[str]:
    """The lines above a column: its name, and its unit where it has one."""
    name, unit = table.names[place], table.units[place]
    return [name, f"({unit})"] if unit else [name]


def _folded_heading(table: TextTable, place: int) -> list[str]:
    """The lines above a column with its name broken at blanks, so that it is hardly wider than what is below."""
    name, *unit = _heading(table, place)
    widest = max([_widest_cell(table, place), *map(len, [*name.split(), *unit])])
    return [*textwrap.wrap(name, widest, break_long_words=False, break_on_hyphens=False), *unit]


def _widest_cell(table: TextTable, place: int) -> int:
    return max((_rich_cells(row)[place].cell_len for row in table.rows), default=0)


def _rich_table(table: TextTable, headings: Sequence[Sequence[str]]) -> RichTable:
    laid_out = RichTable(box=_BOX, pad_edge=False, show_edge=False, padding=(0, 1, 0, 0))
    is_tree = _is_tree(table)
    for place, lines in enumerate(headings):
        laid_out.add_column(
            Text("\n".join(lines)),
            justify=table.aligns[place],
            no_wrap=_is_fixed(table, place),
            overflow="ellipsis" if is_tree else "fold",
        )
    for row, following in zip(table.rows, (*table.rows[1:], None), strict=True):
        is_last_of_body = following is not None and following.role == "closing" and row.role != "closing"
        laid_out.add_row(*_rich_cells(row), style=_STYLES.get(row.role), end_section=is_last_of_body)
    return laid_out


def _is_tree(table: TextTable) -> bool:
    return any(row.depth for row in table.rows)


def _is_fixed(table: TextTable, place: int) -> bool:
    """Whether the column keeps its width: numbers do, and the names that they belong to."""
    return table.aligns[place] == "right" or (place == 0 and "right" in table.aligns)


def _least_width(table: TextTable, headings: Sequence[Sequence[str]]) -> int:
    widths = []
    for place, lines in enumerate(headings):
        heading = max(map(len, lines), default=0)
        widest = max(heading, _widest_cell(table, place))
        widths.append(widest if _is_fixed(table, place) else min(widest, max(heading, _LEAST_FLEXIBLE)))
    return sum(widths) + _GAP * (len(widths) - 1)


def _rich_cells(row: TextRow) -> list[Text]:
    """The cells as `Text`, which rich never parses for markup or emoji codes."""
    first, *others = (cell.text for cell in row.cells)
    return [Text("  " * row.depth + first), *map(Text, others)]
