"""What a stored record is made of: the form of each field, from its type alone, and the history of the forms.

Format history (the ``schema`` of the envelope):
    1  every record by itself: ``{"format": "layerprof", "schema": 1, "record": {"is": <class>, <field>: <value>}}``.
       A tuple is a list; a mapping is ``{"is": "map", "items": [[name, value], ...]}``; a distribution is the list of
       its samples under "samples", or one "value" and "n" where all are equal; a layer's ``by_phase`` is the phase's
       name alone where its one phase holds just what the row holds. Still read, by ``store/first.py``.
    2  rows by column, and each distribution once:
       ``{"format": "layerprof", "schema": 2, "timeline": <digest> | null, "samples": [[...], ...],
       "record": {"is": <class>, <field>: <value>, ...}}``. Beside "record" stands ``"wide": true`` where a number or a
       text in it is beyond what the fast parser takes. A value is stored by its field's type:

       - a Distribution is its position in "samples", where equal ones stand once;
       - another record is ``{<field>: <value>, ...}``, a tuple a list, a FrozenMapping an object;
       - a tuple of records is a table, ``{<field>: <column>, ...}``, whose first column has a value for each row; an
         empty one has no columns;
       - a call tree is a table of its nodes, callers before the called, with "caller" for "children": the position of
         each one's caller, -1 for the top.

       A column is a list of values, or ``{"all": value}``, or ``{"values": [...], "at": [positions in values]}``. A
       column of tables is ``{"counts": <column>, "rows": <table of all>}``; one of phases has "names" beside them, and
       "own", true for a phase that holds just what its layer's row holds and so has no row.
    3  as 2, with more fields: least traffic, launches, FLOPs by format, the place under the roofline of stages and
       phases, and ceilings. A field that a file does not have is None in the record.
    4  as 3, with more fields: the energy of the step and of the time under no layer, and of each energy its power,
       idle part, errors and flags.
    5  as 4, with the runs of a sweep's cells, one record each, and what a cell, a plan and a sweep know of them.
    6  as 5, with the tests of a plan, and a record of the evidence behind a run: what was in force, and its answers.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields, is_dataclass
from types import NoneType, UnionType
from typing import Literal, Union, get_args, get_origin, get_type_hints

from layerprof import records
from layerprof.records import CallNode, Distribution, FrozenMapping, Quantities

FORMAT = "layerprof"
TOP_LEVEL = (
    "Profile",
    "SweepRecord",
    "CellRecord",
    "RunRecord",
    "FlopReport",
    "EvidenceRecord",
)  # what a file may hold

NOT_STORED = {"timeline", "folder"}  # kept beside the record, or known from where it lies
CLASSES: Mapping[str, type] = {
    name: value
    for name, value in vars(records).items()
    if isinstance(value, type) and is_dataclass(value) and name != "Timeline"
}
QUANTITIES = tuple(field.name for field in fields(Quantities))

Data = None | bool | int | float | str | list["Data"] | dict[str, "Data"]
Shape = Literal["plain", "samples", "record", "table", "tree", "phases", "mapping", "items", "fixed"]

_PLAIN = (bool, int, float, str)


@dataclass(frozen=True, slots=True, kw_only=True)
class Form:
    """How the values of one type are stored.

    Attributes:
        shape: what sort of value it is; "items" is a tuple of any length, "fixed" one of a length that the type says.
        plain: the plain types it may have, or NoneType alone where it may be None.
        inner: the forms of what a tuple or a mapping holds.
        record: the class of a record or of a table's rows.
        is_exact: whether values that are equal are also the same, so that one may stand for all: 1, 1.0 and True are
            equal, and so are 0.0 and -0.0.
    """

    shape: Shape
    plain: frozenset[type] = frozenset()
    inner: tuple[Form, ...] = ()
    record: type | None = None
    is_exact: bool = False

    @property
    def may_be_none(self) -> bool:
        """Whether None is a value of it."""
        return NoneType in self.plain


def class_of(form: Form) -> type:
    """The class of a record or of a table's rows."""
    assert form.record is not None  # every form of these shapes has one
    return form.record


def hints_of(record: type) -> Mapping[str, object]:
    """The type of each field of a record's class."""
    return get_type_hints(record, localns=vars(records))


@functools.cache
def forms_of(record: type) -> Mapping[str, Form]:
    """The form of each stored field, in the order of the fields."""
    hints = hints_of(record)
    return {field.name: form_of(hints[field.name]) for field in fields(record) if field.name not in NOT_STORED}


def form_of(hint: object) -> Form:
    """The form of a field's type: plain types and at most one other, or None."""
    options = tuple(_options(hint))
    plain = frozenset(option for option in options if option is NoneType or option in _PLAIN)
    others = [option for option in options if option not in plain]
    if not others:
        return Form(shape="plain", plain=plain, is_exact=len(plain - {NoneType}) == 1 and float not in plain)
    return _compound(others[0], plain)


def _compound(hint: object, plain: frozenset[type]) -> Form:
    origin, inside = get_origin(hint), get_args(hint)
    if origin is tuple:
        return _tuple_form(inside, plain)
    if origin is FrozenMapping:
        shape: Shape = "phases" if inside[0] is Quantities else "mapping"
        return Form(shape=shape, plain=plain, inner=(form_of(inside[0]),))
    if hint is Distribution:
        return Form(shape="samples", plain=plain)
    if isinstance(hint, type) and is_dataclass(hint):
        return Form(shape="tree" if hint is CallNode else "record", plain=plain, record=hint)
    raise TypeError(f"a record holds no {hint}")


def _tuple_form(inside: tuple[object, ...], plain: frozenset[type]) -> Form:
    first = inside[0]
    has_any_length = inside[-1] is Ellipsis
    if has_any_length and isinstance(first, type) and is_dataclass(first):
        return Form(shape="table", plain=plain, record=first)
    inner = tuple(form_of(hint) for hint in inside if hint is not Ellipsis)
    is_exact = all(form.is_exact for form in inner)
    return Form(shape="items" if has_any_length else "fixed", plain=plain, inner=inner, is_exact=is_exact)


def _options(hint: object) -> Iterator[object]:
    """What a union is made of; words are text, and a whole number is a number."""
    origin = get_origin(hint)
    if origin in (Union, UnionType):
        for option in get_args(hint):
            yield from _options(option)
    elif origin is Literal:
        yield from {type(value) for value in get_args(hint)}
    else:
        yield hint
        if hint is float:
            yield int
