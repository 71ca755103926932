"""Records to plain data in the newest form, which `layerprof.store.base` describes.

Rows go by column: a field's name and what all rows share are written once, and types are looked at by the column.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import chain
from operator import attrgetter
from types import NoneType

from layerprof.records import SCHEMA, CallNode, Distribution, LayerProfile, Quantities
from layerprof.store.base import CLASSES, FORMAT, QUANTITIES, TOP_LEVEL, Data, Form, class_of, form_of, forms_of

_PLAIN = frozenset({NoneType, bool, int, float, str})
_COUNT, _NAME, _FLAG = form_of(int), form_of(str), form_of(bool)

_quantities_of = attrgetter(*QUANTITIES)


def to_data(record: object, *, timeline: str | None = None) -> dict[str, Data]:
    """The whole file of a record, as data that JSON can hold.

    Args:
        record: of one of the classes in `TOP_LEVEL`.
        timeline: the digest of the file that lies beside it, or None.

    Raises:
        TypeError: when something in it is no part of a record.
        ValueError: when a number in it is not finite.
    """
    name = type(record).__name__
    if name not in TOP_LEVEL:
        raise TypeError(f"a file holds no {name}, which is none of {', '.join(TOP_LEVEL)}")
    encoder = _Encoder()
    encoded = {"is": name, **encoder.record(record, CLASSES[name])}
    samples: list[Data] = [list(samples) for samples in encoder.samples]
    return {"format": FORMAT, "schema": SCHEMA, "timeline": timeline, "samples": samples, "record": encoded}


def rows_to_data(rows: Sequence[object], record: type) -> dict[str, Data]:
    """Rows of one class by column, as a cache may keep them; a distribution in them cannot be kept so.

    Raises:
        TypeError: when one of them is of another class, or holds a distribution.
        ValueError: when a number in them is not finite.
    """
    encoder = _Encoder()
    columns = encoder.table(rows, record)
    if encoder.samples:
        raise TypeError("rows with distributions are stored in a record")
    return columns


class _Encoder:
    """Encodes the parts of one record, and gathers the samples of its distributions."""

    def __init__(self) -> None:
        self.samples: dict[tuple[float, ...], int] = {}
        self._of_value: Mapping[str, Callable[[object, Form], Data]] = {
            "plain": lambda value, form: _plain([value])[0],
            "samples": lambda value, form: self._position(value),
            "record": lambda value, form: self.record(value, class_of(form)),
            "table": lambda value, form: self.table(_tuple(value), class_of(form)),
            "tree": lambda value, form: self._tree(value),
            "mapping": self._mapping,
            "items": lambda value, form: [self._value(item, form.inner[0]) for item in _tuple(value)],
            "fixed": lambda value, form: [
                self._value(item, inner) for item, inner in zip(_tuple(value), form.inner, strict=True)
            ],
        }
        self._of_column: Mapping[str, Callable[[list[object], Form], Data]] = {
            "plain": self._plains,
            "table": self._tables,
            "phases": self._phases,
            "items": self._repeating,
            "fixed": self._repeating,
        }

    def record(self, record: object, expected: type) -> dict[str, Data]:
        """The fields of one record."""
        _require_all([record], expected)
        return {name: self._value(getattr(record, name), form) for name, form in forms_of(expected).items()}

    def _value(self, value: object, form: Form) -> Data:
        return None if value is None else self._of_value[form.shape](value, form)

    def _values(self, values: list[object], form: Form) -> list[Data]:
        return _plain(values) if form.shape == "plain" else [self._value(value, form) for value in values]

    def _position(self, value: object) -> int:
        if type(value) is not Distribution:
            raise _misplaced(value)
        return self.samples.setdefault(value.samples, len(self.samples))

    def _mapping(self, value: object, form: Form) -> Data:
        if not isinstance(value, Mapping):
            raise _misplaced(value)
        return {name: self._value(item, form.inner[0]) for name, item in value.items()}

    def _tree(self, top: object) -> Data:
        """The nodes, callers before the called, each with its caller's position: no depth is too deep for a list."""
        nodes: list[object] = []
        callers: list[Data] = []
        stack = [(top, -1)]
        while stack:
            node, caller = stack.pop()
            if not isinstance(node, CallNode):
                raise _misplaced(node)
            stack.extend((child, len(nodes)) for child in reversed(node.children))
            nodes.append(node)
            callers.append(caller)
        columns = self.table(nodes, CallNode, without="children")
        return {**columns, "caller": callers}

    def table(self, rows: Sequence[object], expected: type, *, without: str = "") -> dict[str, Data]:
        """Rows of one class, by column; an empty table has none."""
        _require_all(rows, expected)
        columns: dict[str, Data] = {}
        for name, form in forms_of(expected).items():
            if rows and name != without:
                values = list(rows if form.shape == "phases" else map(attrgetter(name), rows))
                columns[name] = self._column(values, form, tells_count=not columns)
        return columns

    def _column(self, values: list[object], form: Form, *, tells_count: bool = False) -> Data:
        """The values of one field of all rows; the column that tells how many rows there are is always in full."""
        if len(values) > 1 and not tells_count and _are_same(values, form):
            return {"all": self._value(values[0], form)}
        encode = self._of_column.get(form.shape, self._values)
        return encode(values, form)

    def _plains(self, values: list[object], form: Form) -> Data:
        return self._repeating(values, form) if str in form.plain else _plain(values)

    def _repeating(self, values: list[object], form: Form) -> Data:
        """The values, each written once where that is shorter."""
        if not form.is_exact:
            return self._values(values, form)
        positions: dict[object, int] = {}
        at: list[Data] = [positions.setdefault(value, len(positions)) for value in values]
        if 2 * len(positions) > len(values):
            return self._values(values, form)
        return {"values": self._values(list(positions), form), "at": at}

    def _tables(self, values: list[object], form: Form) -> Data:
        tables = [_tuple(value) for value in values]
        rows = self.table(list(chain.from_iterable(tables)), class_of(form))
        return {"counts": self._column(list(map(len, tables)), _COUNT), "rows": rows}

    def _phases(self, layers: list[object], _: Form) -> Data:
        """The phases of all layers; one that holds just what its layer's row holds is not written again."""
        counts: list[object] = []
        names: list[object] = []
        owns: list[object] = []
        others: list[object] = []
        for layer in layers:
            assert isinstance(layer, LayerProfile)  # the one class with phases
            quantities = _quantities_of(layer)
            counts.append(len(layer.by_phase))
            names.extend(layer.by_phase)
            for phase in layer.by_phase.values():
                owns.append(_quantities_of(phase) == quantities)
                if not owns[-1]:
                    others.append(phase)
        return {
            "counts": self._column(counts, _COUNT),
            "names": self._column(names, _NAME, tells_count=True),
            "own": self._column(owns, _FLAG),
            "rows": self.table(others, Quantities),
        }


def _are_same(values: list[object], form: Form) -> bool:
    return (values[0] is None or form.is_exact) and values.count(values[0]) == len(values)


def _plain(values: list[object]) -> list[Data]:
    """The same values, once it is sure that JSON can hold them."""
    types = set(map(type, values))
    for other in types - _PLAIN:
        if not issubclass(other, int | float | str):
            raise TypeError(f"a record holds no {other.__name__}")
    if not types <= {NoneType, bool, int, str} and not all(map(_is_finite, values)):
        raise ValueError("a record holds finite numbers only: others are not JSON compliant")
    return values  # type: ignore[return-value]  # as was just checked


def _is_finite(value: object) -> bool:
    return not isinstance(value, float) or math.isfinite(value)


def _require_all(values: Iterable[object], expected: type) -> None:
    for other in set(map(type, values)) - {expected}:
        raise TypeError(f"a record holds no {other.__name__} there")


def _tuple(value: object) -> tuple[object, ...]:
    if not isinstance(value, tuple):
        raise _misplaced(value)
    return value


def _misplaced(value: object) -> TypeError:
    return TypeError(f"a record holds no {type(value).__name__} there")
