"""Rows of a data set as a source gives them: where they came from, their pictures, and values taken with care.

A source says which columns it has before the first row, so that one of another shape is refused with its columns
named. What stands in a column is looked at row by row, since a file may hold anything.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from layerprof.errors import InputError

_SHOWN_COLUMNS = 20  # of a table that has the wrong ones
_SHOWN_LETTERS = 60  # of a value that is of the wrong type


Tells = Callable[[int, int], None]
"""Is called again and again while samples are frozen, with how many there are and how many there are to be."""


def nothing_told(done: int, total: int) -> None:
    """Where nobody listens."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """Where rows came from.

    Attributes:
        source: id on the hub, a folder, a file, or a package with its version.
        config, split, revision: of the hub, as resolved; of files, the split that their names tell. None where there is
            none, or it was not told.
    """

    source: str
    config: str | None = None
    split: str | None = None
    revision: str | None = None

    @property
    def text(self) -> str:
        """In words, such as ``lmms-lab/textvqa, split validation, revision 5a1c…``."""
        parts = {"configuration": self.config, "split": self.split, "revision": self.revision}
        return ", ".join([self.source, *(f"{name} {part}" for name, part in parts.items() if part is not None)])


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """Rows that can be gone through once.

    Attributes:
        columns: that each row has.
        rows: in the order of the source; read when they are asked for.
        origin: of the rows.
    """

    columns: tuple[str, ...]
    rows: Iterable[Mapping[str, object]]
    origin: Origin


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One row, of which the values are asked for by column and kind.

    Attributes:
        values: by column.
        number: in its source, from 0.
        dataset: name of the data set.
    """

    values: Mapping[str, object]
    number: int
    dataset: str

    @property
    def label(self) -> str:
        """What an error calls it."""
        return f"row {self.number} of {self.dataset}"

    def text(self, column: str) -> str:
        """A text without the space around it; "" where there is none.

        Raises:
            InputError: when it is something else.
        """
        value = self.values.get(column)
        if value is None:
            return ""
        if not isinstance(value, str):
            raise self._unlike(column, "a text")
        return value.strip()

    def texts(self, column: str) -> tuple[str, ...]:
        """Texts without the space around them, in their order; none where there is no value.

        Raises:
            InputError: when it is something else.
        """
        value = self.values.get(column)
        if value is None:
            return ()
        if not isinstance(value, list | tuple) or not all(isinstance(each, str) for each in value):
            raise self._unlike(column, "a list of texts")
        return tuple(each.strip() for each in value)

    def number_in(self, column: str) -> int | None:
        """A whole number; None where there is none.

        Raises:
            InputError: when it is something else.
        """
        value = self.values.get(column)
        if value is not None and (isinstance(value, bool) or not isinstance(value, int)):
            raise self._unlike(column, "a whole number")
        return value

    def identity(self, column: str) -> str:
        """What a column that tells rows apart holds: a number, or a text that is not empty.

        Raises:
            InputError: when it is something else.
        """
        value = self.values.get(column)
        if isinstance(value, bool) or not isinstance(value, int | str) or not str(value).strip():
            raise self._unlike(column, "a number or a text that is not empty")
        return str(value).strip()

    def _unlike(self, column: str, kind: str) -> InputError:
        found = repr(self.values.get(column))[:_SHOWN_LETTERS]
        return InputError(f"the column {column!r} of {self.label} is {kind}; found {found}; correct the row")


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """A picture as a local file.

    Attributes:
        path: of the file.
        sha256: of its bytes.
    """

    path: str
    sha256: str


def require_columns(table: Table, needed: Iterable[str], *, dataset: str) -> None:
    """Returns where the table has all columns that the data set is read from.

    Raises:
        InputError: naming those that are missing and those that are there.
    """
    missing = [name for name in needed if name not in table.columns]
    if missing:
        found = ", ".join(map(repr, table.columns[:_SHOWN_COLUMNS])) or "none"
        rest = len(table.columns) - _SHOWN_COLUMNS
        more = f" and {rest} more" if rest > 0 else ""
        raise InputError(
            f"{table.origin.text} is not {dataset}: the columns {', '.join(map(repr, missing))} are missing; found "
            f"{found}{more}; give a folder or file with the columns of the published data set"
        )
