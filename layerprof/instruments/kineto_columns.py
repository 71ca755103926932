"""From a profiler session's events to columns, one getter at a time.

torch's own parsing makes an object with some forty attributes of every event. Here each column is filled by one getter
mapped over the events, without a Python frame an event; what an event is follows from its distinct names and types.
"""

from __future__ import annotations

import gc
import marshal
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import repeat
from typing import TYPE_CHECKING, Protocol

import numpy as np

from layerprof.attribute.base.ops import (
    ENGINE_PREFIX,
    FOREIGN_NODE,
    KERNEL,
    MEMCPY,
    MEMSET,
    PHASE_PREFIX,
    RANGE_PREFIX,
    STEP_PREFIX,
    Boundaries,
    DeviceEvents,
    HostEvents,
    Launches,
    OpEvents,
    RangeEvents,
)
from layerprof.errors import MeasurementError

if TYPE_CHECKING:
    from layerprof.attribute import BoolArray, IntArray

_Reader = Callable[[Sequence["KinetoEvent"]], Iterable[int]]

_NONE = -1
_AT_A_TIME = 512  # events; 128 to 4096 are equally fast, all at once is slower
_MARSHAL_VERSION = 2  # the last without references: equal lists have equal bytes
_HOST = ("cpu_op", "user_annotation")
_RUNTIME = ("cuda_runtime", "cuda_driver")
_DEVICE = {"kernel": KERNEL, "gpu_memcpy": MEMCPY, "gpu_memset": MEMSET}
_RUNTIME_NAME = re.compile(r"(cuda|cu|hip)[A-Z]")
_LAUNCH_NAME = re.compile(r"Launch\w*Kernel|GraphLaunch|Mem(cpy|set)\w*Async")
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


def read_columns(
    events: Sequence[KinetoEvent],
    *,
    has_device: bool,
    boundaries: Boundaries | None = None,
    sacrificed: int = 1,
) -> OpEvents:
    """The columns of the steps from number ``sacrificed`` on.

    Args:
        events: all of a session.
        has_device: whether there have to be kernels among them.
        boundaries: what the recorder logged in the steps that are kept.
        sacrificed: how many steps at the start are left out.

    Raises:
        MeasurementError: when there is no step, or no kernel although a device was asked for.
    """
    if not events:
        raise MeasurementError(
            "the ops pass asked torch's profiler for its steps and found no event at all; if the step uses a profiler "
            "of its own, leave 'ops' out of passes"
        )
    with _without_gc():
        table = _Table(events)
        steps = _steps(table, sacrificed)
        is_host = table.is_type(_HOST) & steps.holds(table.start_ns)
        is_range, is_phase = is_host & table.is_own(RANGE_PREFIX), is_host & table.is_own(PHASE_PREFIX)
        shapes = _Numbers()
        host = _host(table.where(is_host & ~is_range & ~is_phase & ~table.is_own(STEP_PREFIX)), shapes, steps)
        ranges = _ranges(table.where(is_range))
        launches, device = _device_side(table, steps, host) if has_device else (Launches(), DeviceEvents())
        marks = table.where(is_phase)
        return OpEvents(
            strings=tuple(table.names),
            shapes=tuple(_as_shapes(key) for key in shapes),
            step_start_ns=steps.start_ns,
            step_end_ns=steps.end_ns,
            step_thread=steps.thread,
            host=host,
            ranges=ranges,
            phase_step=steps.of(marks.start_ns),
            phase=marks.own_number(),
            phase_start_ns=marks.start_ns,
            launches=launches,
            device=device,
            boundaries=boundaries or Boundaries(),
            has_device=has_device,
        )


class _Numbers(dict[object, int]):
    """Numbers its keys as they come."""

    def __missing__(self, key: object) -> int:
        number = self[key] = len(self)
        return number


class _Table:
    """Events with their names, types and starts, by start."""

    def __init__(self, events: Sequence[KinetoEvent]) -> None:
        names, types = _Numbers(), _Numbers()
        kind = type(events[0])
        type_of = getattr(kind, "activity_type", None) or _type_by_name
        self.start_ns, self.name, self.type = _read(
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

    def where(self, is_wanted: BoolArray) -> _Selection:
        """Some of the events."""
        return _Selection(self, is_wanted)


class _Selection:
    """Some events of a table, of which columns can be read."""

    def __init__(self, table: _Table, is_wanted: BoolArray) -> None:
        self._table = table
        self._is_wanted = is_wanted
        self._events = list(map(table.events.__getitem__, np.flatnonzero(is_wanted).tolist()))
        self.name = table.name[is_wanted]
        self.type = table.type[is_wanted]
        self.start_ns = table.start_ns[is_wanted]

    def columns(self, *getters: str, shapes: _Numbers | None = None) -> list[IntArray]:
        """What each getter returns for each event, and then the numbers of its shapes.

        Shapes are told apart by their bytes, since lists cannot be keys.
        """
        kind = type(self._table.events[0])
        readers: list[_Reader] = [partial(map, getattr(kind, getter)) for getter in getters]
        if shapes is not None:
            numbered = shapes.__getitem__
            readers.append(
                lambda some: map(numbered, map(marshal.dumps, map(kind.shapes, some), repeat(_MARSHAL_VERSION)))
            )
        return _read(self._events, *readers)

    def own_number(self) -> IntArray:
        """The number in the recorder's names."""
        return self._table.own_number(self.name)

    def is_named(self, pattern: re.Pattern[str]) -> BoolArray:
        """Whether each event's name has the pattern in it."""
        return np.asarray([bool(pattern.search(name)) for name in self._table.names], dtype=np.bool_)[self.name]

    def among(self, is_wanted: BoolArray) -> _Selection:
        """Some of these events."""
        wanted = np.zeros_like(self._is_wanted)
        wanted[np.flatnonzero(self._is_wanted)[is_wanted]] = True
        return _Selection(self._table, wanted)

    def kinds(self) -> IntArray:
        """Kernel, copy or fill, of each device activity."""
        return np.asarray([_DEVICE.get(one, _NONE) for one in self._table.types], dtype=np.int64)[self.type]


@dataclass(frozen=True, slots=True)
class _Steps:
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


def _steps(table: _Table, sacrificed: int) -> _Steps:
    found = table.where(table.is_type(_HOST) & table.is_own(STEP_PREFIX))
    kept = found.among(found.own_number() >= sacrificed)
    if not kept.start_ns.size:
        raise MeasurementError(
            f"the ops pass leaves out {sacrificed} steps of {found.start_ns.size} that it found, so that none is left; "
            "run more steps inside the session"
        )
    return _Steps(kept.start_ns, *kept.columns("end_ns", "device_resource_id", "start_thread_id"))


def _host(ops: _Selection, shapes: _Numbers, steps: _Steps) -> HostEvents:
    is_engine = ops.is_named(re.compile("^" + re.escape(ENGINE_PREFIX)))
    nodes = ops.among(is_engine)
    number, made_on = nodes.columns("sequence_nr", "fwd_thread_id")
    is_foreign = (number >= 0) & (made_on != steps.torch_thread[steps.of(nodes.start_ns)])
    sequence = np.full(ops.name.size, _NONE, dtype=np.int64)
    sequence[is_engine] = np.where(is_foreign, FOREIGN_NODE, number)
    # The thread is the system's number: launches have that too, but not torch's own count.
    end_ns, thread, correlation, shape = ops.columns("end_ns", "device_resource_id", "correlation_id", shapes=shapes)
    return HostEvents(
        name=ops.name,
        shapes=shape,
        start_ns=ops.start_ns,
        end_ns=end_ns,
        thread=thread,
        correlation=correlation,
        sequence=sequence,
        is_engine=is_engine,
    )


def _ranges(ranges: _Selection) -> RangeEvents:
    end_ns, thread, correlation = ranges.columns("end_ns", "device_resource_id", "correlation_id")
    return RangeEvents(
        layer=ranges.own_number(), start_ns=ranges.start_ns, end_ns=end_ns, thread=thread, correlation=correlation
    )


def _device_side(table: _Table, steps: _Steps, host: HostEvents) -> tuple[Launches, DeviceEvents]:
    """The launches in the recorded steps, and the activities that came of them or of nothing that was recorded."""
    calls = table.where(table.is_type(_RUNTIME))
    (called,) = calls.columns("correlation_id")
    activities = table.where(table.is_type(tuple(_DEVICE)))
    (started_by,) = activities.columns("correlation_id")
    is_inside = steps.holds(calls.start_ns)
    is_launch = is_inside & (calls.is_named(_LAUNCH_NAME) | np.isin(called, started_by))
    within = (activities.start_ns >= steps.start_ns[0]) & (activities.start_ns <= steps.end_ns[-1])
    is_kept = np.isin(started_by, called[is_launch]) | (within & ~np.isin(started_by, called))
    launches, activities = calls.among(is_launch), activities.among(is_kept)
    if not activities.name.size:
        raise MeasurementError(
            f"the ops pass asked for the kernels of {steps.start_ns.size} steps and found zero kernels; another "
            "profiler may hold the device, or the model is not on it: try in a fresh process, or leave 'ops' out"
        )
    end_ns, device, stream, linked = activities.columns(
        "end_ns", "device_index", "device_resource_id", "linked_correlation_id"
    )
    return (
        Launches(correlation=called[is_launch], start_ns=launches.start_ns, thread=_threads(launches, host)),
        DeviceEvents(
            name=activities.name,
            kind=activities.kinds(),
            start_ns=activities.start_ns,
            end_ns=end_ns,
            device=device,
            stream=stream,
            correlation=started_by[is_kept],
            linked=linked,
        ),
    )


def _threads(launches: _Selection, host: HostEvents) -> IntArray:
    """The thread of each launch; where that is one that ran no op, the thread of the op that it is linked to.

    CUPTI has thread numbers of its own kind, which Kineto translates for the threads that it has met.
    """
    thread, linked = launches.columns("device_resource_id", "linked_correlation_id")
    if not host.correlation.size:
        return thread
    by_correlation = np.argsort(host.correlation, kind="stable")
    ordered = host.correlation[by_correlation]
    place = np.minimum(np.searchsorted(ordered, linked), ordered.size - 1)
    is_met = np.isin(thread, host.thread) | (ordered[place] != linked)
    return np.where(is_met, thread, host.thread[by_correlation[place]])


def _read(events: Sequence[KinetoEvent], *readers: _Reader) -> list[IntArray]:
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
    return "", _NONE


def _as_shapes(key: object) -> tuple[tuple[int, ...], ...]:
    assert isinstance(key, bytes)
    return tuple(tuple(shape) for shape in marshal.loads(key))


@contextmanager
def _without_gc() -> Iterator[None]:
    """Millions of short-lived lists would have the collector walk all objects of the process again and again."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()
