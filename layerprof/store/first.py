"""Plain data in the first form, schema 1, to records; `layerprof.store.base` describes it.

Nothing writes it any more. What is wrong with the data comes as one of Python's own errors.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Mapping
from types import UnionType
from typing import Literal, Union, get_args, get_origin

from layerprof.records import Distribution, FrozenMapping
from layerprof.store.base import CLASSES, QUANTITIES, TOP_LEVEL, Data, hints_of

_MOST_SAMPLES = 1_000_000  # a run of equal samples is written as its length, which may be anything


def from_content(content: Mapping[str, Data]) -> object:
    """The record in the envelope of a file.

    Raises:
        ValueError, TypeError, KeyError, AttributeError, RecursionError: when the parts do not make a record.
    """
    record = _decoded(content.get("record"))
    if type(record).__name__ not in TOP_LEVEL:
        raise ValueError(f"it holds a {type(record).__name__}, not one of {', '.join(TOP_LEVEL)}")
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
    if not isinstance(name, str) or name not in CLASSES:
        raise ValueError(f"unknown record {name!r}")
    values = {field: _decoded(value) for field, value in data.items() if field != "is"}
    phase = values.get("by_phase")
    if isinstance(phase, str):
        own = {key: values[key] for key in QUANTITIES if key in values}
        values["by_phase"] = FrozenMapping({phase: _made("Quantities", own)})
    return _made(name, values)


def _made(name: str, values: Mapping[str, object]) -> object:
    allowed = _field_types(name)
    for field, value in values.items():
        if field in allowed and not _is_of(value, allowed[field]):
            raise ValueError(f"{field} of a {name} is a {type(value).__name__}")
    record: object = CLASSES[name](**values)
    return record


@functools.cache
def _field_types(name: str) -> Mapping[str, tuple[type, ...]]:
    """What each field of a record may hold, by the outermost type: containers are checked where they are decoded."""
    return {field: tuple(_outer_types(hint)) for field, hint in hints_of(CLASSES[name]).items()}


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
        count = int(_number(data["n"]))
        if count > _MOST_SAMPLES:
            raise ValueError(f"a distribution of {count} samples; there are never more than {_MOST_SAMPLES}")
        return Distribution(samples=(_number(data["value"]),) * count)
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
