"""Plain text for terminals and logs, laid out by rich; names are never read as its markup."""

from __future__ import annotations

import io
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass, replace

from rich import box
from rich.console import Console
from rich.table import Table as RichTable
from rich.text import Text

from layerprof.records import FlopReport, Profile, SweepRecord
from layerprof.report.base import (
    COLUMNS_TO_SPARE,
    MOST_CELLS,
    Record,
    TextRow,
    TextTable,
    brief_tables,
    flop_tables,
    to_text,
    with_analysis,
)
from layerprof.views import Amount, Cell, Table, narrowed, sweep_tables

_WIDEST = 10_000  # characters; no table comes near, so nothing is wrapped where no width was asked for
_LEAST_FLEXIBLE = 12  # characters that a column of words keeps, however narrow the console is
_READABLE_WORDS = 24  # characters that it should have rather than columns that other formats have too
_LOG_WIDTH = 120  # characters; headings of tables that would be wider take several lines
_ERRORS = "intervals"  # what a footnote calls them
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
        """The plan's tables with their first cells; its CSV has all."""
        return self._laid_out(_brief_sweep(record))

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
    record = with_analysis(record)
    if isinstance(record, Profile):
        _print_tables(console, brief_tables(record, max_depth=max_depth))
    elif isinstance(record, SweepRecord):
        _print_tables(console, _brief_sweep(record))
    else:
        _print_tables(console, flop_tables(record))


def _brief_sweep(record: SweepRecord) -> tuple[Table, ...]:
    """The tables of a sweep; those of a test do without columns until a log has room for them."""
    tables = sweep_tables(record, most_rows=MOST_CELLS, is_brief=True)
    return tuple(map(_with_room, tables)) if record.plan.tests else tables


def _with_room(table: Table) -> Table:
    """The table as a log's width asks for: without columns that other formats have too, then without errors."""
    spares = [name for name in (*_empty_columns(table), *COLUMNS_TO_SPARE) if name in _names(table)]
    left_out: list[str] = []
    shown = table
    while spares and _folded_width(shown) > _LOG_WIDTH:
        left_out.append(spares.pop(0))
        shown = narrowed(table, widths={}, without=left_out)
    if _folded_width(shown) > _LOG_WIDTH and (bare := _without_errors(shown)) != shown:
        shown, left_out = bare, [*left_out, _ERRORS]
    if not left_out:
        return table
    footnote = f"Without {'; '.join(dict.fromkeys(left_out))}, which the Markdown and the page have."
    return replace(shown, footnotes=(*shown.footnotes, footnote))


def _without_errors(table: Table) -> Table:
    """The table with numbers alone where their errors stand beside them."""
    rows = (replace(row, cells=tuple(map(_without_error, row.cells))) for row in table.rows)
    return replace(table, rows=tuple(rows))


def _without_error(cell: Cell) -> Cell:
    if not isinstance(cell, Amount) or cell.form != "plus_minus":
        return cell
    return replace(cell, low=None, high=None, form="interval")


def _names(table: Table) -> list[str]:
    return [column.name for column in table.columns]


def _empty_columns(table: Table) -> list[str]:
    """Columns of which nothing was measured; those of words are none."""
    places = [place for place, column in enumerate(table.columns) if column.quantity is not None]
    is_empty = [all(row.cells[place] in (None, "") for row in table.rows) for place in places]
    return [table.columns[place].name for place, empty in zip(places, is_empty, strict=True) if empty]


def _folded_width(table: Table) -> int:
    text = to_text(table)
    headings = [_folded_heading(text, place) for place in range(len(text.names))]
    return _least_width(text, headings, words=_READABLE_WORDS)


def _print_tables(console: Console, tables: Sequence[Table]) -> None:
    for place, table in enumerate(map(to_text, tables)):
        if place:
            console.print()
        console.print(Text(table.title, style="bold"))
        headings = [_heading(table, place) for place in range(len(table.names))]
        if _least_width(table, headings, words=_READABLE_WORDS) > min(console.width, _LOG_WIDTH):
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


def _least_width(table: TextTable, headings: Sequence[Sequence[str]], *, words: int = _LEAST_FLEXIBLE) -> int:
    widths = []
    for place, lines in enumerate(headings):
        heading = max(map(len, lines), default=0)
        widest = max(heading, _widest_cell(table, place))
        widths.append(widest if _is_fixed(table, place) else min(widest, max(heading, words)))
    return sum(widths) + _GAP * (len(widths) - 1)


def _rich_cells(row: TextRow) -> list[Text]:
    """The cells as `Text`, which rich never parses for markup or emoji codes."""
    first, *others = (cell.text for cell in row.cells)
    return [Text("  " * row.depth + first), *map(Text, others)]
