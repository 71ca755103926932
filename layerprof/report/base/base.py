"""What the formats share: the renderer's protocol, and tables of raw values turned into inert text.

Every column is turned into text at once and in one place, so all formats print the same digits in the same unit. Names
come from models and data sets and are not trusted: characters that could move a cursor, reorder a line or break one are
shown as escapes here; what is special to one format is escaped there.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol, cast

from layerprof import units
from layerprof.errors import InputError
from layerprof.records import FlopReport, Profile, SweepRecord
from layerprof.texts import inert
from layerprof.views import Amount, Cell, Column, ColumnQuantity, Row, Table

Record = Profile | SweepRecord | FlopReport

_MOST_LOPSIDED = 2.0  # times, of the longer arm of an interval over the shorter, up to which ± stands for both
_PERCENT = " %"  # which an interval's ends do without, as they do without a unit


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


def _scale(column: Column, cells: Sequence[Cell]) -> units.Scale | None:
    if column.quantity in (None, "share", "integer"):
        return None
    numbers = [_plain_number(cell) for cell in cells]
    has_errors = any(isinstance(cell, Amount) and cell.form != "interval" for cell in cells)
    least = 1.0 if has_errors else units.COLUMN_LEAST  # no zeros in the place of digits that an error does not support
    return units.scale_for(numbers, cast(units.Quantity, column.quantity), least=least)


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
    has_ends = amount.form == "interval" or (amount.form == "plus_minus" and _is_lopsided(amount))
    text = _number_text(amount.value, own, scale) if has_ends else _measured_text(amount, own, scale)
    if has_ends and amount.low is not None and amount.high is not None:
        ends = (_number_text(end, own, scale).removesuffix(_PERCENT) for end in (amount.low, amount.high))
        text += f" [{', '.join(ends)}]"
    is_alone = amount.quantity is not None and scale is not None and scale.label
    return f"{text} {scale.label}" if is_alone and scale is not None else text


def _is_lopsided(amount: Amount) -> bool:
    """Whether one arm of its interval is so much longer than the other that half of the whole misstates both."""
    if amount.low is None or amount.high is None:
        return False
    arms = abs(amount.value - amount.low), abs(amount.high - amount.value)
    return max(arms) > _MOST_LOPSIDED * min(arms)


def _measured_text(amount: Amount, quantity: ColumnQuantity, scale: units.Scale | None) -> str:
    """The amount with the digits that its interval supports."""
    shows_error = amount.form == "plus_minus"
    if quantity == "share":
        in_percent = units.Scale(divisor=0.01, label="%")
        return f"{in_percent.supported(amount.value, amount.half_width, shows_error=shows_error)} %"
    plain = scale or units.Scale(divisor=1.0, label="")
    return plain.supported(amount.value, amount.half_width, shows_error=shows_error)


def _number_text(number: float, quantity: ColumnQuantity, scale: units.Scale | None) -> str:
    if scale is not None and not (isinstance(number, int) and scale.divisor == 1.0):
        return scale.text(number)
    if quantity == "share":
        return units.percent(number, 1.0)
    return f"{number:,.0f}" if quantity == "integer" or isinstance(number, int) else units.significant(number)
