"""Records to plain data and back: what the files hold, independent of where they lie.

Format history (the ``schema`` of the envelope):
    1  first form: ``{"format": "layerprof", "schema": 1, "record": {"is": <class>, <field>: <value>, ...}}``.
       A tuple is a list; a mapping is ``{"is": "map", "items": [[name, value], ...]}``; a distribution is the list of
       its samples under "samples", or one "value" and "n" where all are equal; a layer's ``by_phase`` is the phase's
       name alone where its one phase holds just what the row holds.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Mapping
from dataclasses import fields, is_dataclass
from types import UnionType
from typing import Literal, Union, get_args, get_origin, get_type_hints

from layerprof import records
from layerprof.errors import RecordError
from layerprof.records import SCHEMA, Distribution, FrozenMapping, LayerProfile, Quantities

FORMAT = "layerprof"
TOP_LEVEL = ("Profile", "SweepRecord", "CellRecord", "FlopReport")  # what a file may hold

_NOT_STORED = {"timeline", "folder"}  # kept beside the record, or known from where it lies
_CLASSES: Mapping[str, type] = {
    name: value for name, value in vars(records).items() if isinstance(value, type) and is_dataclass(value)
}
_QUANTITIES = tuple(field.name for field in fields(Quantities))

Data = None | bool | int | float | str | list["Data"] | dict[str, "Data"]


def to_data(record: object) -> dict[str, Data]:
    """The whole file of a record, as data that JSON can hold."""
    return {"format": FORMAT, "schema": SCHEMA, "record": _encoded(record)}


def _encoded(value: object) -> Data:
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, Distribution):
        return _encoded_samples(value)
    if isinstance(value, FrozenMapping):
        return {"is": "map", "items": [[name, _encoded(item)] for name, item in value.items()]}
    if isinstance(value, tuple):
        return [_encoded(item) for item in value]
    if type(value).__name__ in _CLASSES:
        return {"is": type(value).__name__, **_encoded_fields(value)}
    raise TypeError(f"a record holds no {type(value).__name__}")


def _encoded_samples(distribution: Distribution) -> Data:
    samples = distribution.samples
    if len(samples) > 1 and samples.count(samples[0]) == len(samples):
        return {"is": "Distribution", "value": samples[0], "n": len(samples)}
    return {"is": "Distribution", "samples": list(samples)}


def _encoded_fields(record: object) -> dict[str, Data]:
    encoded: dict[str, Data] = {}
    for field in fields(record):  # type: ignore[arg-type]  # every class in _CLASSES is a dataclass
        if field.name in _NOT_STORED:
            continue
        value = getattr(record, field.name)
        if field.name == "by_phase" and isinstance(record, LayerProfile) and _is_only_phase(record):
            encoded["by_phase"] = next(iter(record.by_phase))
        else:
            encoded[field.name] = _encoded(value)
    return encoded


def _is_only_phase(layer: LayerProfile) -> bool:
    return len(layer.by_phase) == 1 and next(iter(layer.by_phase.values())) == _own_quantities(layer)


def _own_quantities(layer: LayerProfile) -> Quantities:
    return Quantities(**{name: getattr(layer, name) for name in _QUANTITIES})


def from_data(data: object, *, source: str) -> object:
    """The record that a file holds.

    Args:
        data: the parsed file.
        source: how error messages name the file.

    Raises:
        RecordError: when it is not ours, of a newer layerprof, or its parts do not make a record.
    """
    if not isinstance(data, dict) or data.get("format") != FORMAT:
        raise RecordError(f"{source} is not a layerprof record; give a .json file that layerprof saved")
    schema = data.get("schema")
    if not isinstance(schema, int) or isinstance(schema, bool) or schema < 1:
        raise RecordError(f"{source} is damaged: its schema is {schema!r}, which is no version")
    if schema > SCHEMA:
        raise RecordError(f"{source} has schema {schema}, newer than this layerprof's {SCHEMA}; upgrade layerprof")
    try:
        record = _decoded(data.get("record"))
    except (TypeError, ValueError, KeyError, AttributeError, RecursionError) as error:
        raise RecordError(f"{source} is damaged: {error}") from error
    if type(record).__name__ not in TOP_LEVEL:
        raise RecordError(f"{source} is damaged: it holds a {type(record).__name__}, not one of {', '.join(TOP_LEVEL)}")
    return record


def _decoded(data: Data) -> object:
    if isinstance(data, list):
        return tuple(_decoded(item) for item in data)
    if not isinstance(data, dict):
        return data
    name = data.get("is")
    decode = _DECODERS.get(str(name))
    if decode is not None:
        return decode(data)
    if not isinstance(name, str) or name not in _CLASSES:
        raise ValueError(f"unknown record {name!r}")
    values = {field: _decoded(value) for field, value in data.items() if field != "is"}
    phase = values.get("by_phase")
    if isinstance(phase, str):
        values["by_phase"] = FrozenMapping({phase: _made("Quantities", {key: values[key] for key in _QUANTITIES})})
    return _made(name, values)


def _made(name: str, values: Mapping[str, object]) -> object:
    allowed = _field_types(name)
    for field, value in values.items():
        if field in allowed and not _is_of(value, allowed[field]):
            raise ValueError(f"{field} of a {name} is a {type(value).__name__}")
    record: object = _CLASSES[name](**values)
    return record


@functools.cache
def _field_types(name: str) -> Mapping[str, tuple[type, ...]]:
    """What each field of a record may hold, by the outermost type: containers are checked where they are decoded."""
    hints = get_type_hints(_CLASSES[name], localns=vars(records))
    return {field: tuple(_outer_types(hint)) for field, hint in hints.items()}


def _outer_types(hint: object) -> Iterator[type]:
    origin = get_origin(hint)
    if origin in (Union, UnionType):
        for option in get_args(hint):
            yield from _outer_types(option)
    elif origin is Literal:
        yield from {type(value) for value in get_args(hint)}
    else:
        outer = origin or hint
        yield outer if isinstance(outer, type) else object
        if outer is float:
            yield int  # a whole number is a number


def _is_of(value: object, allowed: tuple[type, ...]) -> bool:
    return isinstance(value, allowed) and (not isinstance(value, bool) or bool in allowed)


def _decoded_samples(data: dict[str, Data]) -> Distribution:
    if "value" in data:
        return Distribution(samples=(_number(data["value"]),) * int(_number(data["n"])))
    samples = data["samples"]
    if not isinstance(samples, list):
        raise ValueError("a distribution's samples are no list")
    return Distribution(samples=tuple(map(_number, samples)))


def _decoded_map(data: dict[str, Data]) -> FrozenMapping[object]:
    items = data["items"]
    if not isinstance(items, list):
        raise ValueError("a mapping's items are no list")
    return FrozenMapping(tuple(map(_pair, items)))


def _pair(item: Data) -> tuple[str, object]:
    if not isinstance(item, list) or len(item) != 2 or not isinstance(item[0], str):
        raise ValueError(f"{item!r} is no pair of a name and a value")
    return item[0], _decoded(item[1])


def _number(value: Data) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError(f"{value!r} is no number")
    return value


_DECODERS: Mapping[str, Callable[[dict[str, Data]], object]] = {"Distribution": _decoded_samples, "map": _decoded_map}
