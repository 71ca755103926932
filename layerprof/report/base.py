"""What the formats share: the renderer's protocol, and tables of raw values turned into inert text.

Every column is turned into text at once and in one place, so all formats print the same digits in the same unit. Names
come from models and data sets and are not trusted: characters that could move a cursor, reorder a line or break one are
shown as escapes here; what is special to one format is escaped there.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol, cast

from layerprof import units
from layerprof.errors import InputError
from layerprof.records import FlopReport, Profile, SweepRecord
from layerprof.views import (
    Amount,
    Cell,
    Column,
    ColumnQuantity,
    Row,
    Table,
    checks_table,
    families_table,
    flop_layers_table,
    flop_ops_table,
    flop_totals_table,
    narrowed,
    notes_table,
    op_names_table,
    peak_owners_table,
    phase_contrast_table,
    phase_layers_table,
    phases_table,
    stages_table,
    summary_table,
    top_ops_table,
    top_table,
    tree_table,
    uncounted_table,
)

Record = Profile | SweepRecord | FlopReport

_BRIEF_PHASE_LAYERS, _BRIEF_OPS, _BRIEF_OWNERS = 15, 8, 5  # rows: a terminal's table is read without scrolling
_BRIEF_WIDTHS = {"op": 24, "shapes": 20, "layer": 36, "called from": 36}  # characters, for lines of 120
_FULL_OPS = 30  # rows; the HTML report has all ops below it
_UNSAFE_CATEGORIES = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})  # controls, bidi and zero-width, line separators


class Renderer(Protocol):
    """One format: a record in, its text out; the same record gives the same text."""

    def profile(self, record: Profile) -> str:
        """The text of a profile."""
        ...

    def sweep(self, record: SweepRecord) -> str:
        """The text of a sweep."""
        ...

    def flop_report(self, record: FlopReport) -> str:
        """The text of a FLOP count."""
        ...


def render_with(renderer: Renderer, record: Record) -> str:
    """The record's text by the method that fits its kind.

    Raises:
        InputError: where it is no record that can be rendered.
    """
    if isinstance(record, Profile):
        return renderer.profile(record)
    if isinstance(record, SweepRecord):
        return renderer.sweep(record)
    if isinstance(record, FlopReport):
        return renderer.flop_report(record)
    raise InputError(f"cannot render a {type(record).__name__}; give a Profile, a SweepRecord or a FlopReport")


def brief_tables(profile: Profile, *, max_depth: int | None = None) -> tuple[Table, ...]:
    """What a terminal shows: the tree comes last, so that its closing rows are what is seen first."""
    failed = [check for check in profile.checks if not check.ok]
    return _filled(
        summary_table(profile),
        checks_table(failed),
        uncounted_table(profile.uncounted),
        narrowed(peak_owners_table(profile, count=_BRIEF_OWNERS), widths=_BRIEF_WIDTHS),
        _brief_ops(profile),
        top_table(profile),
        stages_table(profile),
        phases_table(profile),
        _brief_phase_layers(profile, max_depth=max_depth),
        tree_table(profile, max_depth=max_depth),
    )


def _brief_phase_layers(profile: Profile, *, max_depth: int | None) -> Table:
    """The two phases to compare, else all of them: the tree says the same of phases that share no layer."""
    contrast = phase_contrast_table(profile, max_depth=max_depth, most_rows=_BRIEF_PHASE_LAYERS)
    if contrast.rows:
        return contrast
    return phase_layers_table(profile, max_depth=max_depth, most_rows=_BRIEF_PHASE_LAYERS)


def _brief_ops(profile: Profile) -> Table:
    """The top ops by the one time that ranks them; a family's name tells that it is of several layers."""
    table = top_ops_table(profile, count=_BRIEF_OPS)
    has_device = any(column.name == "device time" for column in table.columns)
    return narrowed(table, widths=_BRIEF_WIDTHS, without=("layers", *(("self time",) if has_device else ())))


def full_tables(profile: Profile, *, max_depth: int | None = None) -> tuple[Table, ...]:
    """What a document shows: everything, from the whole to the parts."""
    return _filled(
        *opening_tables(profile, max_depth=max_depth),
        tree_table(profile, max_depth=max_depth),
        families_table(profile),
        *evidence_tables(profile),
    )


def opening_tables(profile: Profile, *, max_depth: int | None = None) -> tuple[Table, ...]:
    """What stands before the tree in a document."""
    return _filled(
        summary_table(profile),
        phases_table(profile),
        stages_table(profile),
        top_table(profile),
        phase_contrast_table(profile, max_depth=max_depth),
        phase_layers_table(profile, max_depth=max_depth),
        top_ops_table(profile, count=_FULL_OPS),
        op_names_table(profile, count=_FULL_OPS),
        peak_owners_table(profile),
    )


def evidence_tables(profile: Profile) -> tuple[Table, ...]:
    """What the numbers rest on: the checks, the uncounted ops and the notes."""
    return _filled(checks_table(profile.checks), uncounted_table(profile.uncounted), notes_table(profile.notes))


def flop_tables(report: FlopReport) -> tuple[Table, ...]:
    """A FLOP count from the whole to the parts."""
    layers, ops = flop_layers_table(report), flop_ops_table(report)
    return _filled(flop_totals_table(report), layers, ops, uncounted_table(report.uncounted))


def _filled(*tables: Table) -> tuple[Table, ...]:
    return tuple(table for table in tables if table.rows)


@dataclass(frozen=True, slots=True, kw_only=True)
class TextCell:
    """A cell's text, and for a share also its fraction, from which a bar can be drawn."""

    text: str
    fraction: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TextRow:
    """A row's texts; depth and role are those of the view's row."""

    cells: tuple[TextCell, ...]
    depth: int
    role: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TextTable:
    """A table whose every cell is inert text: one line, no control characters.

    Attributes:
        title: one line.
        names, units: of the columns; a unit is "" where there is none.
        aligns: the side that a column's cells stand on.
        rows, footnotes: as the view has them.
    """

    title: str
    names: tuple[str, ...]
    units: tuple[str, ...]
    aligns: tuple[Literal["left", "right"], ...]
    rows: tuple[TextRow, ...]
    footnotes: tuple[str, ...]

    @property
    def headers(self) -> tuple[str, ...]:
        """The columns' names with their units, such as ``self (ms)``."""
        return tuple(f"{name} ({unit})" if unit else name for name, unit in zip(self.names, self.units, strict=True))


def to_text(table: Table) -> TextTable:
    """The table as text, each column in one unit, which its heading names."""
    scales = [_scale(column, [row.cells[place] for row in table.rows]) for place, column in enumerate(table.columns)]
    return TextTable(
        title=inert(table.title),
        names=tuple(inert(column.name) for column in table.columns),
        units=tuple(scale.label if scale is not None else "" for scale in scales),
        aligns=tuple(column.align for column in table.columns),
        rows=tuple(_text_row(row, table.columns, scales) for row in table.rows),
        footnotes=tuple(inert(footnote) for footnote in table.footnotes),
    )


def inert(text: str) -> str:
    """The text on one line: control, format and separator characters become visible escapes of their code points."""
    return "".join(_escaped(character) for character in text)


def _escaped(character: str) -> str:
    if unicodedata.category(character) not in _UNSAFE_CATEGORIES:
        return character
    return character.encode("unicode_escape").decode("ascii")


def _scale(column: Column, cells: Sequence[Cell]) -> units.Scale | None:
    if column.quantity in (None, "share", "integer"):
        return None
    numbers = [_plain_number(cell) for cell in cells]
    return units.scale_for(numbers, cast(units.Quantity, column.quantity), least=units.COLUMN_LEAST)


def _plain_number(cell: Cell) -> float | None:
    if isinstance(cell, Amount):
        return cell.value
    return None if isinstance(cell, str) else cell


def _text_row(row: Row, columns: Sequence[Column], scales: Sequence[units.Scale | None]) -> TextRow:
    cells = (
        TextCell(text=_cell_text(cell, column.quantity, scale), fraction=_fraction(cell, column.quantity))
        for cell, column, scale in zip(row.cells, columns, scales, strict=True)
    )
    return TextRow(cells=tuple(cells), depth=row.depth, role=row.role)


def _fraction(cell: Cell, quantity: ColumnQuantity) -> float | None:
    return cell if quantity == "share" and isinstance(cell, float) and 0.0 <= cell <= 1.0 else None


def _cell_text(cell: Cell, quantity: ColumnQuantity, scale: units.Scale | None) -> str:
    if cell is None:
        return units.MISSING
    if isinstance(cell, str):
        return inert(cell)
    if not isinstance(cell, Amount):
        return _number_text(cell, quantity, scale)
    return _amount_text(cell, quantity, scale)


def _amount_text(amount: Amount, quantity: ColumnQuantity, scale: units.Scale | None) -> str:
    own = amount.quantity or quantity
    if amount.quantity not in (None, "share", "integer"):
        scale = units.scale_for([amount.value], cast(units.Quantity, amount.quantity))
    text = _number_text(amount.value, own, scale)
    if amount.low is not None and amount.high is not None:
        text += f" [{_number_text(amount.low, own, scale)}, {_number_text(amount.high, own, scale)}]"
    is_alone = amount.quantity is not None and scale is not None and scale.label
    return f"{text} {scale.label}" if is_alone and scale is not None else text


def _number_text(number: float, quantity: ColumnQuantity, scale: units.Scale | None) -> str:
    if scale is not None and not (isinstance(number, int) and scale.divisor == 1.0):
        return scale.text(number)
    if quantity == "share":
        return units.percent(number, 1.0)
    return f"{number:,.0f}" if quantity == "integer" or isinstance(number, int) else units.significant(number)
