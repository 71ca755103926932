"""A session's events as a table: one getter mapped over them at a time, and the steps that they belong to.

torch's own parsing makes an object with some forty attributes of every event. Here each column is filled by one getter
mapped over the events, without a Python frame an event; what an event is follows from its distinct names and types.
"""

from __future__ import annotations

import marshal
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import repeat
from typing import TYPE_CHECKING, Protocol

import numpy as np

from layerprof.attribute.base.ops import KERNEL, MEMCPY, MEMSET, PHASE_PREFIX, RANGE_PREFIX, STEP_PREFIX

if TYPE_CHECKING:
    from layerprof.attribute import BoolArray, IntArray

    Reader = Callable[[Sequence["KinetoEvent"]], Iterable[int]]

NONE = -1
HOST = ("cpu_op", "user_annotation")
ANNOTATION = ("user_annotation",)
RUNTIME = ("cuda_runtime", "cuda_driver")
DEVICE = {"kernel": KERNEL, "gpu_memcpy": MEMCPY, "gpu_memset": MEMSET}
MEMORY = ("cpu_instant_event",)

_MEMORY_NAMES = ("[memory]", "[OutOfMemory]")
_AT_A_TIME = 512  # events; 128 to 4096 are equally fast, all at once is slower
_MARSHAL_VERSION = 2  # the last without references: equal lists have equal bytes
_RUNTIME_NAME = re.compile(r"(cuda|cu|hip)[A-Z]")
# Kineto's records about itself and about waiting, which take none of the device's time.
_NO_ACTIVITY = re.compile(
    r"Activity Buffer|Buffer Flush|Command Buffer|Instrumentation|Lazy Function|Resource|Runtime Triggered|UVM|"
    r"(Event|Stream|Context) (Sync|Wait)"
)


class KinetoEvent(Protocol):
    """What is read of torch's ``_KinetoEvent``; where torch has it, ``activity_type`` too."""

    def name(self) -> str: ...  # noqa: D102
    def start_ns(self) -> int: ...  # noqa: D102
    def end_ns(self) -> int: ...  # noqa: D102
    def shapes(self) -> list[list[int]]: ...  # noqa: D102
    def sequence_nr(self) -> int: ...  # noqa: D102
    def start_thread_id(self) -> int: ...  # noqa: D102
    def fwd_thread_id(self) -> int: ...  # noqa: D102
    def device_index(self) -> int: ...  # noqa: D102
    def device_resource_id(self) -> int: ...  # noqa: D102
    def correlation_id(self) -> int: ...  # noqa: D102
    def linked_correlation_id(self) -> int: ...  # noqa: D102
    def is_user_annotation(self) -> bool: ...  # noqa: D102
    def device_type(self) -> object: ...  # noqa: D102


class Numbers(dict[object, int]):
    """Numbers its keys as they come."""

    def __missing__(self, key: object) -> int:
        number = self[key] = len(self)
        return number


class Table:
    """Events with their names, types and starts, by start."""

    def __init__(self, events: Sequence[KinetoEvent]) -> None:
        names, types = Numbers(), Numbers()
        kind = type(events[0])
        type_of = getattr(kind, "activity_type", None) or _type_by_name
        self.start_ns, self.name, self.type = read(
            events,
            lambda some: map(kind.start_ns, some),
            lambda some: map(names.__getitem__, map(kind.name, some)),
            lambda some: map(types.__getitem__, map(type_of, some)),
        )
        self.events = events
        if (self.start_ns[1:] < self.start_ns[:-1]).any():
            order = np.argsort(self.start_ns, kind="stable")
            self.events = [events[place] for place in order.tolist()]
            self.start_ns, self.name, self.type = (one[order] for one in (self.start_ns, self.name, self.type))
        self.names = [str(name) for name in names]
        self.types = [str(one) for one in types]
        self._own = [_own_name(name) for name in self.names]

    def is_type(self, types: Sequence[str]) -> BoolArray:
        """Whether each event is of one of these types."""
        return np.asarray([one in types for one in self.types], dtype=np.bool_)[self.type]

    def is_own(self, prefix: str) -> BoolArray:
        """Whether each event is a range of the recorder of this sort."""
        return np.asarray([found == prefix for found, _ in self._own], dtype=np.bool_)[self.name]

    def own_number(self, name: IntArray) -> IntArray:
        """The number in the recorder's names."""
        return np.asarray([number for _, number in self._own], dtype=np.int64)[name]

    def where(self, is_wanted: BoolArray) -> Selection:
        """Some of the events."""
        return Selection(self, is_wanted)


class Selection:
    """Some events of a table, of which columns can be read."""

    def __init__(self, table: Table, is_wanted: BoolArray) -> None:
        self._table = table
        self._is_wanted = is_wanted
        self._events = list(map(table.events.__getitem__, np.flatnonzero(is_wanted).tolist()))
        self.name = table.name[is_wanted]
        self.type = table.type[is_wanted]
        self.start_ns = table.start_ns[is_wanted]

    def columns(self, *getters: str, shapes: Numbers | None = None) -> list[IntArray]:
        """What each getter returns for each event, and then the numbers of its shapes.

        Shapes are told apart by their bytes, since lists cannot be keys.
        """
        kind = type(self._table.events[0])
        readers: list[Reader] = [partial(map, getattr(kind, getter)) for getter in getters]
        if shapes is not None:
            numbered = shapes.__getitem__
            readers.append(
                lambda some: map(numbered, map(marshal.dumps, map(kind.shapes, some), repeat(_MARSHAL_VERSION)))
            )
        return read(self._events, *readers)

    def own_number(self) -> IntArray:
        """The number in the recorder's names."""
        return self._table.own_number(self.name)

    def is_named(self, pattern: re.Pattern[str]) -> BoolArray:
        """Whether each event's name has the pattern in it."""
        return np.asarray([bool(pattern.search(name)) for name in self._table.names], dtype=np.bool_)[self.name]

    def among(self, is_wanted: BoolArray) -> Selection:
        """Some of these events."""
        wanted = np.zeros_like(self._is_wanted)
        wanted[np.flatnonzero(self._is_wanted)[is_wanted]] = True
        return Selection(self._table, wanted)

    def is_type(self, types: Sequence[str]) -> BoolArray:
        """Whether each event is of one of these types."""
        return self._table.is_type(types)[self._is_wanted]

    def kinds(self) -> IntArray:
        """Kernel, copy or fill, of each device activity."""
        return np.asarray([DEVICE.get(one, NONE) for one in self._table.types], dtype=np.int64)[self.type]


@dataclass(frozen=True, slots=True)
class Steps:
    """The recorded steps: (steps,) each."""

    start_ns: IntArray
    end_ns: IntArray
    thread: IntArray
    torch_thread: IntArray  # by torch's own count, which backward nodes refer to

    def of(self, time_ns: IntArray) -> IntArray:
        """The step that begins last before each time, or -1."""
        return np.searchsorted(self.start_ns, time_ns, side="right") - 1

    def holds(self, time_ns: IntArray) -> BoolArray:
        """Whether each time is within one of the steps."""
        step = self.of(time_ns)
        return (step >= 0) & (time_ns <= self.end_ns[np.maximum(step, 0)])


def read(events: Sequence[KinetoEvent], *readers: Reader) -> list[IntArray]:
    """A column from each reader; some events at a time, so that they are still in the cache for the next reader."""
    columns = [np.empty(len(events), dtype=np.int64) for _ in readers]
    for first in range(0, len(events), _AT_A_TIME):
        some = events[first : first + _AT_A_TIME]
        for column, reader in zip(columns, readers, strict=True):
            column[first : first + len(some)] = np.fromiter(reader(some), np.int64, len(some))
    return columns


def _type_by_name(event: KinetoEvent) -> str:
    """The type of an event before torch 2.12, which does not tell it."""
    name = event.name()
    if name in _MEMORY_NAMES:
        return MEMORY[0]
    if str(event.device_type()).endswith("CPU"):
        if event.is_user_annotation():
            return "user_annotation"
        return "cuda_runtime" if _RUNTIME_NAME.match(name) else "overhead" if _NO_ACTIVITY.match(name) else "cpu_op"
    if event.is_user_annotation() or _NO_ACTIVITY.match(name):
        return "gpu_user_annotation"
    return "gpu_memcpy" if name.startswith("Memcpy") else "gpu_memset" if name.startswith("Memset") else "kernel"


def _own_name(name: str) -> tuple[str, int]:
    """Which sort of the recorder's ranges a name is of, and its number; ("", -1) for any other."""
    for prefix in (STEP_PREFIX, PHASE_PREFIX, RANGE_PREFIX):
        if name.startswith(prefix) and name[len(prefix) :].isdigit():
            return prefix, int(name[len(prefix) :])
    return "", NONE


def as_shapes(key: object) -> tuple[tuple[int, ...], ...]:
    """The input shapes that a number stands for."""
    assert isinstance(key, bytes)
    return tuple(tuple(shape) for shape in marshal.loads(key))
