"""A trace's events as columns."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from layerprof.attribute import BoolArray, IntArray

NONE = -1  # no thread, no caller, no sequence number
UNLINKED = -2  # the id of what nothing can be linked to; linked is what has this or a greater one
NS_PER_US = 1000
ANNOTATION = "user_annotation"  # the category of ranges of the user's own

UNKNOWN = "unknown"  # what a trace does not tell of a text that has to be there

Json = Any  # what a JSON parser returns
Content = Mapping[str, Json]
Event = dict[str, Json]


def no_ints() -> IntArray:
    """A column without rows."""
    return np.empty(0, dtype=np.int64)


def no_bools() -> BoolArray:
    """A column without rows."""
    return np.empty(0, dtype=np.bool_)


@dataclass(frozen=True, slots=True, kw_only=True)
class Slices:
    """Events with a length, by start: (slices,) each.

    Attributes:
        name: position in the strings.
        start_ns, end_ns, thread: of each.
    """

    name: IntArray = field(default_factory=no_ints)
    start_ns: IntArray = field(default_factory=no_ints)
    end_ns: IntArray = field(default_factory=no_ints)
    thread: IntArray = field(default_factory=no_ints)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ops(Slices):
    """Ops, and the engine's and the user's ranges.

    Attributes:
        shapes: position in the table of shapes.
        external: the id by which launches and activities name the op; -2 for none.
        sequence: autograd's number, -1 for none.
        made_on: torch's own number of the thread that a node was made on; 0 for what is no node.
        is_annotation: whether it is a range of the user's own.
        is_engine: whether it is the engine evaluating a node.
        call: of a node in a trace that layerprof wrote, the number of the call whose backward work it is; else -1.
    """

    shapes: IntArray = field(default_factory=no_ints)
    external: IntArray = field(default_factory=no_ints)
    sequence: IntArray = field(default_factory=no_ints)
    made_on: IntArray = field(default_factory=no_ints)
    is_annotation: BoolArray = field(default_factory=no_bools)
    is_engine: BoolArray = field(default_factory=no_bools)
    call: IntArray = field(default_factory=no_ints)


@dataclass(frozen=True, slots=True, kw_only=True)
class Frames(Slices):
    """Calls of modules.

    Attributes:
        layer: in a trace that layerprof wrote, the layer's position; else the module's number.
        number: in a trace that layerprof wrote, the call's; else -1.
        caller: position of the call of a module around each by the trace's own ids, -1 for none; -2 where the trace
            does not tell.
        order: the trace's own id, by which calls that begin together are told apart.
    """

    layer: IntArray = field(default_factory=no_ints)
    number: IntArray = field(default_factory=no_ints)
    caller: IntArray = field(default_factory=no_ints)
    order: IntArray = field(default_factory=no_ints)


@dataclass(frozen=True, slots=True, kw_only=True)
class Runtime(Slices):
    """Calls of the device's runtime.

    Attributes:
        correlation: the runtime's id of the call.
        external: of the op that it was made in, or -2.
    """

    correlation: IntArray = field(default_factory=no_ints)
    external: IntArray = field(default_factory=no_ints)


@dataclass(frozen=True, slots=True, kw_only=True)
class Activities(Slices):
    """Kernels, copies and fills; ``thread`` is of no use here.

    Attributes:
        kind: 0 kernel, 1 memcpy, 2 memset.
        device, stream: of each.
        correlation: of the call that launched it.
        external: of the op that it is linked to, or -2.
    """

    kind: IntArray = field(default_factory=no_ints)
    device: IntArray = field(default_factory=no_ints)
    stream: IntArray = field(default_factory=no_ints)
    correlation: IntArray = field(default_factory=no_ints)
    external: IntArray = field(default_factory=no_ints)


@dataclass(frozen=True, slots=True, kw_only=True)
class Memory:
    """Memory that was taken and given back, by time: (allocations,) each."""

    time_ns: IntArray = field(default_factory=no_ints)
    thread: IntArray = field(default_factory=no_ints)
    device: IntArray = field(default_factory=no_ints)
    address: IntArray = field(default_factory=no_ints)
    bytes: IntArray = field(default_factory=no_ints)
    allocated_bytes: IntArray = field(default_factory=no_ints)
    reserved_bytes: IntArray = field(default_factory=no_ints)


@dataclass(frozen=True, slots=True, kw_only=True)
class Events:
    """All events of a trace that attribution can use.

    Attributes:
        strings: names by position.
        shapes: input shapes by position.
        ops, frames, runtime, activities, memory: the tables.
        phases: of a trace that layerprof wrote; the names are those of phases.
        left_out: how many events of these kinds have no name, time or length that can be believed.
    """

    strings: tuple[str, ...]
    shapes: tuple[tuple[tuple[int, ...], ...], ...]
    ops: Ops
    frames: Frames
    runtime: Runtime
    activities: Activities
    memory: Memory
    phases: Slices
    left_out: int
