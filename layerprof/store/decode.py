"""Plain data in the newest form, which `layerprof.store.base` describes, to records; every type is checked.

What is wrong with the data comes as a ValueError or TypeError that names the fields on the way to it. Nothing is made
larger than the data says: how many rows there are is told by a column that has them all.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import MISSING, Field, fields
from itertools import chain, islice, repeat
from typing import Any

from layerprof.records import CallNode, Distribution, FrozenMapping, Quantities
from layerprof.store.base import CLASSES, QUANTITIES, TOP_LEVEL, Data, Form, class_of, form_of, forms_of

_COUNT, _NAME, _FLAG = form_of(int), form_of(str), form_of(bool)

Columns = dict[str, list[object]]


def from_content(content: Mapping[str, Data]) -> object:
    """The record in the envelope of a file.

    Raises:
        ValueError: when the parts do not make a record.
        TypeError: likewise, when fields are missing.
    """
    encoded = dict(_object(content.get("record")))
    name = encoded.pop("is", None)
    if not isinstance(name, str) or name not in CLASSES:
        raise ValueError(f"unknown record {name!r}")
    if name not in TOP_LEVEL:
        raise ValueError(f"it holds a {name}, not one of {', '.join(TOP_LEVEL)}")
    return _Decoder(content.get("samples")).record(encoded, CLASSES[name])


def rows_from_data(encoded: Mapping[str, Data], record: type) -> list[Any]:
    """The rows that `layerprof.store.encode.rows_to_data` gave.

    Raises:
        ValueError, TypeError: when they are no rows of the class.
    """
    return _Decoder([]).table(encoded, record)


class _Decoder:
    """Decodes the parts of one record, whose distributions are those of the file's samples."""

    def __init__(self, samples: Data) -> None:
        self._distributions = _distributions(_list(samples))

    def record(self, encoded: Mapping[str, Data], record: type) -> object:
        """A record from its fields."""
        values: dict[str, object] = {}
        name, forms = "", _forms_in(encoded, record)
        try:  # one for all fields: entering a context for each takes as long as decoding it
            for name, form in forms:
                values[name] = self.value(encoded[name], form)
        except (ValueError, TypeError) as error:
            raise _misplaced(name, record, error) from error
        return record(**values)

    def value(self, data: Data, form: Form) -> object:
        """One value of a form."""
        if data is None and form.may_be_none:
            return None
        return _OF_VALUE[form.shape](self, data, form)

    def values(self, data: list[Data], form: Form) -> list[object]:
        """Several values of one form."""
        if form.shape == "plain":
            return _plain(data, form)
        if form.shape == "samples":
            return self.picked(data, form)
        return [self.value(item, form) for item in data]

    def picked(self, positions: list[Data], form: Form) -> list[object]:
        """The distributions at the positions, None where there is none."""
        if not form.may_be_none or None not in positions:
            return _picked(self._distributions, positions)
        picked = iter(_picked(self._distributions, [at for at in positions if at is not None]))
        return [None if at is None else next(picked) for at in positions]

    def mapping(self, data: Data, form: Form) -> FrozenMapping[object]:
        """A mapping of values of one form."""
        encoded = _object(data)
        values = self.values(list(encoded.values()), form.inner[0])
        return FrozenMapping(dict(zip(encoded, values, strict=True)))

    def tree(self, encoded: Mapping[str, Data]) -> CallNode:
        """The top node of a call tree; the called are given to their callers once all are made."""
        callers = _plain(_list(encoded.get("caller")), _COUNT)
        columns = self._columns({name: column for name, column in encoded.items() if name != "caller"}, CallNode)
        count = _count_of(columns)
        if not count or len(callers) != count or callers[0] != -1:
            raise ValueError("a call tree without its top")
        nodes: list[CallNode] = _made(CallNode, columns, count)
        children: list[list[CallNode]] = [[] for _ in nodes]
        for position, caller in enumerate(callers[1:], start=1):
            if not isinstance(caller, int) or not 0 <= caller < position:
                raise ValueError("a call before its caller")
            children[caller].append(nodes[position])
        _set_field(nodes, "children", map(tuple, children))
        return nodes[0]

    def table(self, encoded: Mapping[str, Data], record: type) -> list[object]:
        """The rows of a table, all of one class; an empty one has no columns."""
        if not encoded:
            return []
        columns = self._columns(encoded, record)
        return _made(record, columns, _count_of(columns))

    def _columns(self, encoded: Mapping[str, Data], record: type) -> Columns:
        """The columns of a table, all of the first one's length."""
        columns: Columns = {}
        count = None
        for name, form in _forms_in(encoded, record):
            with _place(name, record):
                if form.shape == "phases":
                    columns[name] = self._phases(_object(encoded[name]), columns, count)
                else:
                    columns[name] = self._column(encoded[name], form, count)
                count = len(columns[name])
        if next(iter(columns), None) != next(iter(forms_of(record))):
            raise ValueError(f"a table of {record.__name__} without its first column")
        return columns

    def _column(self, data: Data, form: Form, count: int | None) -> list[object]:
        """The values of one field of all rows; `count` is None where the column tells how many there are."""
        if form.shape == "table":
            column = self._tables(_object(data), form, count)
        elif not isinstance(data, dict):
            column = self.values(_list(data), form)
        elif "all" in data and count is not None:
            column = [self.value(data["all"], form)] * count
        else:
            values = self.values(_list(data.get("values")), form)
            column = _picked(values, _list(data.get("at")))
        if count is not None and len(column) != count:
            raise ValueError(f"{len(column)} values for {count} rows")
        return column

    def _tables(self, encoded: Mapping[str, Data], form: Form, count: int | None) -> list[object]:
        counts = self._column(encoded.get("counts"), _COUNT, count)
        return list(_dealt(self.table(_object(encoded.get("rows")), class_of(form)), counts))

    def _phases(self, encoded: Mapping[str, Data], layers: Columns, count: int | None) -> list[object]:
        """The phases of all layers; one without a row of its own holds what its layer's row holds."""
        counts = self._column(encoded.get("counts"), _COUNT, count)
        names = self._column(encoded.get("names"), _NAME, None)
        owns = self._column(encoded.get("own"), _FLAG, len(names))
        others = self.table(_object(encoded.get("rows")), Quantities)
        if len(others) != owns.count(False):
            raise ValueError(f"{len(others)} rows for {owns.count(False)} phases")
        owns_by_layer = list(_dealt(owns, counts))
        own_rows = [row for row, flags in enumerate(owns_by_layer) for is_own in flags if is_own]
        shared = {name: [column[row] for row in own_rows] for name, column in layers.items() if name in QUANTITIES}
        mine, theirs = iter(_made(Quantities, shared, len(own_rows))), iter(others)
        return [
            FrozenMapping(
                dict(zip(map(str, phases), [next(mine if is_own else theirs) for is_own in flags], strict=True))
            )
            for phases, flags in zip(_dealt(names, counts), owns_by_layer, strict=True)
        ]


# Not in the decoder, which would then refer to itself: thousands of files a second leave no garbage to be looked for.
_OF_VALUE: Mapping[str, Callable[[_Decoder, Any, Form], object]] = {
    "plain": lambda decoder, data, form: _plain([data], form)[0],
    "samples": lambda decoder, data, form: decoder.picked([data], form)[0],
    "record": lambda decoder, data, form: decoder.record(_object(data), class_of(form)),
    "table": lambda decoder, data, form: tuple(decoder.table(_object(data), class_of(form))),
    "tree": lambda decoder, data, form: decoder.tree(_object(data)),
    "mapping": lambda decoder, data, form: decoder.mapping(data, form),
    "items": lambda decoder, data, form: tuple(decoder.values(_list(data), form.inner[0])),
    "fixed": lambda decoder, data, form: tuple(
        decoder.value(item, inner) for item, inner in zip(_list(data), form.inner, strict=True)
    ),
}


def _made(record: type, columns: Mapping[str, Iterable[object]], count: int) -> list[Any]:
    """So many records from columns of their fields, which have been checked.

    Setting the slots takes a quarter of the time of the constructor, which for a frozen class is a call for each field
    of each record.
    """
    made: list[Any] = list(map(object.__new__, repeat(record, count)))
    for field in fields(record):
        values = columns.get(field.name)
        _set_field(made, field.name, repeat(_default_of(field, record)) if values is None else values)
    if hasattr(record, "__post_init__"):
        for one in made:
            one.__post_init__()
    return made


def _set_field(records: Sequence[object], name: str, values: Iterable[object]) -> None:
    """Sets one field of records that nobody has seen yet."""
    if records:
        set_slot = getattr(type(records[0]), name).__set__
        deque(map(set_slot, records, values), maxlen=0)


def _default_of(field: Field[Any], record: type) -> object:
    if field.default_factory is not MISSING:
        return field.default_factory()
    if field.default is MISSING:
        raise ValueError(f"a {record.__name__} needs {field.name!r}")
    return field.default


def _dealt(values: Sequence[object], counts: Sequence[object]) -> Iterator[tuple[object, ...]]:
    """The values in groups of so many each."""
    sizes = [count for count in counts if isinstance(count, int) and count >= 0]
    if len(sizes) != len(counts) or sum(sizes) != len(values):
        raise ValueError(f"{len(values)} values are not what their counts say")
    rest = iter(values)
    return (tuple(islice(rest, size)) for size in sizes)


def _picked(values: Sequence[object], positions: Sequence[Data]) -> list[object]:
    """The values at the positions."""
    if not set(map(type, positions)) <= {int}:
        raise ValueError("a position that is no whole number")
    at: Sequence[int] = positions  # type: ignore[assignment]  # as was just checked
    if at and not 0 <= min(at) <= max(at) < len(values):
        raise ValueError("a position that is beyond its values")
    return list(map(values.__getitem__, at))


def _distributions(data: list[Data]) -> list[Distribution]:
    lists = list(map(_list, data))
    for other in set(map(type, chain.from_iterable(lists))) - {int, float}:
        value = next(value for value in chain.from_iterable(lists) if type(value) is other)
        raise ValueError(f"samples: {value!r} is no number")
    return _made(Distribution, {"samples": map(tuple, lists)}, len(lists))


def _plain(data: list[Data], form: Form) -> list[object]:
    """The same values, once it is sure that they are of the types that the form has."""
    types = set(map(type, data))
    for other in types - form.plain:
        raise ValueError(f"is a {other.__name__}")
    if float in types and not all(math.isfinite(value) for value in data if isinstance(value, float)):
        raise ValueError("is not finite")
    return data  # type: ignore[return-value]  # an object is more than what data may be


def _forms_in(encoded: Mapping[str, Data], record: type) -> Iterator[tuple[str, Form]]:
    """The fields that there are, in the order of the class."""
    forms = forms_of(record)
    for name in encoded.keys() - forms.keys():
        raise ValueError(f"a {record.__name__} has no {name!r}")
    return ((name, form) for name, form in forms.items() if name in encoded)


@contextmanager
def _place(name: str, record: type) -> Iterator[None]:
    """Says in what it is that something is wrong."""
    try:
        yield
    except (ValueError, TypeError) as error:
        raise _misplaced(name, record, error) from error


def _misplaced(name: str, record: type, error: Exception) -> ValueError:
    return ValueError(f"{name} of a {record.__name__}: {error}")


def _count_of(columns: Columns) -> int:
    return len(next(iter(columns.values())))


def _object(data: Data) -> dict[str, Data]:
    if not isinstance(data, dict):
        raise ValueError(f"is a {type(data).__name__}, not an object")
    return data


def _list(data: Data) -> list[Data]:
    if not isinstance(data, list):
        raise ValueError(f"is a {type(data).__name__}, not a list")
    return data
