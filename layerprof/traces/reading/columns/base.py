"""What all columns of one file are read with.

Times in a file are microseconds as floats, after the file's base where it has one. They come back to the nanosecond:
whole microseconds and fractions are turned into integers apart from one another.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, TypeGuard

import numpy as np

from layerprof.traces.reading.base import NS_PER_US, Content, Event, Json

if TYPE_CHECKING:
    from layerprof.attribute import BoolArray, IntArray

_LATEST_NS = 4_000_000_000_000_000_000  # a base; with times of as much after it the sum is still an int64
_INT_LIMIT = 1 << 62


class Numbers(dict[Json, int]):
    """Numbers its keys as they come."""

    def __missing__(self, key: Json) -> int:
        number = self[key] = len(self)
        return number


class Threads(dict[tuple[Json, Json], int]):
    """A number for each (process, thread): the thread's own where that is free."""

    def __missing__(self, key: tuple[Json, Json]) -> int:
        own = key[1] if type(key[1]) is int and 0 <= key[1] < _INT_LIMIT else -2
        taken = self.values()
        number = own if own >= 0 and own not in taken else min((*taken, -1)) - 1
        self[key] = number
        return number


class Reader:
    """What all columns of one file are read with."""

    def __init__(self, *, base_ns: int, texts: Numbers, threads: Threads) -> None:
        self._base_ns = base_ns
        self._texts = texts
        self._threads = threads

    def slices(self, events: Sequence[Event]) -> dict[str, IntArray]:
        """The columns that all slices have."""
        start_ns = self.times(events)
        return {
            "name": column(self._texts[event["name"]] for event in events),
            "start_ns": start_ns,
            "end_ns": start_ns + _whole_ns(np.asarray([event["dur"] for event in events], dtype=np.float64)),
            "thread": self.thread(events),
        }

    def times(self, events: Sequence[Event]) -> IntArray:
        """When each began, since 1970 where the file tells."""
        return _whole_ns(np.asarray([event["ts"] for event in events], dtype=np.float64)) + self._base_ns

    def thread(self, events: Sequence[Event]) -> IntArray:
        """The number of each one's thread."""
        return column(self._threads[_hashable(event.get("pid")), _hashable(event.get("tid"))] for event in events)


def base_ns_of(content: Content) -> int:
    """What the times of a file are counted from; 0 where it does not tell."""
    base = content.get("baseTimeNanoseconds")
    return base if type(base) is int and 0 <= base < _LATEST_NS else 0


def _whole_ns(times_us: np.ndarray[tuple[int], np.dtype[np.float64]]) -> IntArray:
    """Nanoseconds of microseconds: float64 tells those apart for 101 days (2**43), but not their product with 1000."""
    whole = np.floor(times_us)
    return whole.astype(np.int64) * NS_PER_US + np.rint((times_us - whole) * NS_PER_US).astype(np.int64)


def argument(events: Sequence[Event], *names: str, otherwise: int) -> IntArray:
    """A number of each event's arguments, under the first of these names that it has."""
    arguments = [event["args"] for event in events]
    values: Iterable[Json] = [one.get(names[0]) for one in arguments]
    for name in names[1:]:
        values = [one.get(name) if value is None else value for value, one in zip(values, arguments, strict=True)]
    return column(value if is_int(value) else otherwise for value in values)


def is_int(value: Json) -> TypeGuard[int]:
    """Whether it is a whole number that columns can hold."""
    return type(value) is int and -_INT_LIMIT < value < _INT_LIMIT


def column(values: Iterable[int]) -> IntArray:
    """Numbers as a column."""
    return np.fromiter(values, dtype=np.int64)


def flags(events: Iterable[Event], is_so: Callable[[Event], bool]) -> BoolArray:
    """Whether something is so of each event, as a column."""
    return np.fromiter(map(is_so, events), dtype=np.bool_)


def _hashable(value: Json) -> Json:
    return value if type(value) in (int, str) else repr(value)
