"""Inert tables of raw values: what a report turns into text.

A `Table` holds numbers, not text: a report turns a whole column into text at once, so that its rows share one scale and
all formats agree. A cell that was not measured is None; a cell that makes no sense in its row is "".
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from layerprof.records import Energy, OpProfile, Quantities
from layerprof.units import Quantity

DECODE = "decode"  # the phase whose runs are tokens

ColumnQuantity = Quantity | Literal["share", "integer"] | None
AmountForm = Literal["interval", "plus_minus", "digits"]
Role = Literal["body", "closing", "problem"]
Measured = Quantities | OpProfile


@dataclass(frozen=True, slots=True, kw_only=True)
class Amount:
    """A number with its interval, or with a unit of its own.

    Attributes:
        value: in the base unit of its quantity.
        low, high: the ends of its 95 % interval, or None.
        quantity: where it differs from its column's, as in a list of unlike numbers.
        form: how it is written: with the ends of its interval, as ``7.4 ± 0.1``, or by itself as ``7.4``. In the last
            two it has the digits that its interval supports, two where it has none. An interval with one arm more than
            twice as long as the other is written with its ends, not with ±.
    """

    value: float
    low: float | None = None
    high: float | None = None
    quantity: ColumnQuantity = None
    form: AmountForm = "interval"

    @property
    def half_width(self) -> float | None:
        """Half of the width of its interval."""
        return None if self.low is None or self.high is None else (self.high - self.low) / 2.0


Cell = str | int | float | Amount | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """A table's column.

    Attributes:
        name: of what it holds, without the unit.
        quantity: decides the unit; ``share`` is a fraction shown in percent, ``integer`` is never scaled, None is text.
        align: the side its cells stand on.
    """

    name: str
    quantity: ColumnQuantity = None
    align: Literal["left", "right"] = "right"


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A table's row.

    Attributes:
        cells: one for each column.
        depth: how far the first cell is indented.
        role: ``closing`` rows sum up the body; ``problem`` rows are what went wrong.
    """

    cells: tuple[Cell, ...]
    depth: int = 0
    role: Role = "body"


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """A titled table of raw values.

    Attributes:
        title: one line.
        columns, rows: of equal width.
        footnotes: sentences below it, such as why a column is missing.
        test: of a sweep's plan that it is of; "" for any other table.

    Raises:
        ValueError: when a row has more or fewer cells than there are columns.
    """

    title: str
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    footnotes: tuple[str, ...] = ()
    test: str = ""

    def __post_init__(self) -> None:
        if any(len(row.cells) != len(self.columns) for row in self.rows):
            raise ValueError(f"a row of the table {self.title!r} does not have {len(self.columns)} cells")


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading(ABC):
    """How a column of a table is read off the records that share a row.

    Attributes:
        column: its heading.
        attribute: of the records it reads.
        explained_by: what a footnote calls it, then the names by which notes speak of it.
    """

    column: Column
    attribute: str
    explained_by: tuple[str, ...] = ()

    @abstractmethod
    def over(self, records: Sequence[Measured]) -> Cell:
        """The cell of one row made of ``records``; None as soon as one of them was not measured."""

    @property
    def adds_up(self) -> bool:
        """Whether its rows and the unattributed part make up the step."""
        return False

    def closing_cells(self) -> tuple[Cell, Cell, Cell]:
        """What lies on other threads, what is under no layer, and the step; "" where that makes no sense."""
        return "", "", ""


def joules_of(energies: Sequence[Energy], *, form: AmountForm = "plus_minus") -> Amount:
    """The sum of some joules; without an interval as soon as one has none."""
    total_j = sum(energy.total_j for energy in energies)
    widths = [energy.half_width_j for energy in energies]
    known = [width for width in widths if width is not None]
    if len(known) < len(widths):
        return Amount(value=total_j, form=form)
    return Amount(value=total_j, low=total_j - sum(known), high=total_j + sum(known), form=form)
