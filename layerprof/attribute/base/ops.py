"""The ops pass as columns: what a torch.profiler session recorded, read once and sorted out afterwards.

    host:     step ── range of a layer's call ── op ── op ── launch(correlation 7)
                                                              ╎
    device:                                            kernel (correlation 7) on a stream

All tables share one clock, the profiler's. Strings and shapes are kept once and referred to by position.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from layerprof.attribute.base.events import BoolArray, IntArray

KERNEL, MEMCPY, MEMSET = 0, 1, 2
HOST_MEMORY = -1  # the device of an allocation in the host's memory
FOREIGN_NODE = -2  # the sequence number of an engine node that was made on another thread than the step's

# What the recorder calls its ranges, each followed by a number, and what torch calls the engine's.
RANGE_PREFIX = "layerprof::"
STEP_PREFIX = "layerprof::step "
PHASE_PREFIX = "layerprof::phase "
ENGINE_PREFIX = "autograd::engine::evaluate_function: "


def _no_ints() -> IntArray:
    return np.empty(0, dtype=np.int64)


def _no_bools() -> BoolArray:
    return np.empty(0, dtype=np.bool_)


def _no_numbers() -> NDArray[np.float64]:
    return np.empty(0, dtype=np.float64)


@dataclass(frozen=True, slots=True, kw_only=True)
class HostEvents:
    """Ops, and the engine's and the user's own ranges, of all threads, by start.

    Attributes:
        name: position in the strings.  (ops,)
        shapes: position in the table of shapes.  (ops,)
        start_ns, end_ns, thread: of each.  (ops,)
        correlation: the op's own id, which device activities name as the op they are linked to.  (ops,)
        sequence: of an engine node: autograd's number of the forward node; -1 for none and for all other ops, -2 for
            a node that was made on another thread than the step's, where numbers of its own are counted.  (ops,)
        is_engine: whether it is the engine evaluating a node of the backward graph.  (ops,)
        is_annotation: whether it is a range of the user's own, and no op; empty where there is none.  (ops,)
    """

    name: IntArray
    shapes: IntArray
    start_ns: IntArray
    end_ns: IntArray
    thread: IntArray
    correlation: IntArray
    sequence: IntArray
    is_engine: BoolArray
    is_annotation: BoolArray = field(default_factory=_no_bools)


@dataclass(frozen=True, slots=True, kw_only=True)
class RangeEvents:
    """Calls of layers, as the hooks' ranges, by start.

    Attributes:
        layer, start_ns, end_ns, thread: of each.  (ranges,)
        correlation: the range's own id, which device activities name that were launched in it outside of any op.
            (ranges,)
    """

    layer: IntArray
    start_ns: IntArray
    end_ns: IntArray
    thread: IntArray
    correlation: IntArray


@dataclass(frozen=True, slots=True, kw_only=True)
class Launches:
    """Calls of the device's runtime that start an activity.

    Attributes:
        correlation: the runtime's id, which the activity has too.  (launches,)
        start_ns, thread: of the call.  (launches,)
        end_ns, name: of the call, and its name's position in the strings; empty where they are not known.  (launches,)
    """

    correlation: IntArray = field(default_factory=_no_ints)
    start_ns: IntArray = field(default_factory=_no_ints)
    thread: IntArray = field(default_factory=_no_ints)
    end_ns: IntArray = field(default_factory=_no_ints)
    name: IntArray = field(default_factory=_no_ints)


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceEvents:
    """Kernels, copies and fills.

    Attributes:
        name: position in the strings.  (activities,)
        kind: 0 kernel, 1 memcpy, 2 memset.  (activities,)
        start_ns, end_ns, device, stream: of each.  (activities,)
        correlation: of the runtime call that launched it.  (activities,)
        linked: correlation of the innermost op at its launch, or 0.  (activities,)
    """

    name: IntArray = field(default_factory=_no_ints)
    kind: IntArray = field(default_factory=_no_ints)
    start_ns: IntArray = field(default_factory=_no_ints)
    end_ns: IntArray = field(default_factory=_no_ints)
    device: IntArray = field(default_factory=_no_ints)
    stream: IntArray = field(default_factory=_no_ints)
    correlation: IntArray = field(default_factory=_no_ints)
    linked: IntArray = field(default_factory=_no_ints)


@dataclass(frozen=True, slots=True, kw_only=True)
class Boundaries:
    """Autograd's sequence number at every enter and leave of the step's thread, in order, of all recorded steps.

    A node of the backward graph with number s was made right after the last boundary whose number is at most s.

    Attributes:
        step: which step.  (boundaries,)
        code: a layer's index on entry, its complement on leaving.  (boundaries,)
        sequence: the number that the next node was going to get.  (boundaries,)
    """

    step: IntArray = field(default_factory=_no_ints)
    code: IntArray = field(default_factory=_no_ints)
    sequence: IntArray = field(default_factory=_no_ints)


@dataclass(frozen=True, slots=True, kw_only=True)
class Allocations:
    """Memory that was taken and given back, by time.

    Attributes:
        time_ns, thread: of each; the thread is -1 where it is not known.  (allocations,)
        device: index of the device whose memory it is, -1 for the host's.  (allocations,)
        address: where; the same number takes and gives back one piece.  (allocations,)
        bytes: taken, or below 0 where they were given back.  (allocations,)
        allocated_bytes, reserved_bytes: what the device's allocator held afterwards; of the host since the session
            began.  (allocations,)
    """

    time_ns: IntArray = field(default_factory=_no_ints)
    thread: IntArray = field(default_factory=_no_ints)
    device: IntArray = field(default_factory=_no_ints)
    address: IntArray = field(default_factory=_no_ints)
    bytes: IntArray = field(default_factory=_no_ints)
    allocated_bytes: IntArray = field(default_factory=_no_ints)
    reserved_bytes: IntArray = field(default_factory=_no_ints)


@dataclass(frozen=True, slots=True, kw_only=True)
class Samples:
    """What was read of the machine while the steps ran, by time.

    Attributes:
        name: of the quantity with its unit, by its position in the strings.  (samples,)
        time_ns, value: of each reading.  (samples,)
    """

    name: IntArray = field(default_factory=_no_ints)
    time_ns: IntArray = field(default_factory=_no_ints)
    value: NDArray[np.float64] = field(default_factory=_no_numbers)


@dataclass(frozen=True, slots=True, kw_only=True)
class OpEvents:
    """Everything of the recorded steps.

    Attributes:
        strings: names by position.
        shapes: input shapes by position.
        step_start_ns, step_end_ns, step_thread: of each recorded step.  (steps,)
        phase_step, phase, phase_start_ns: marks: which step, which phase, when it began.  (marks,)
        host, ranges, launches, device, boundaries, allocations, samples: the tables.
        has_device: whether device activities were asked for.
    """

    strings: tuple[str, ...]
    shapes: tuple[tuple[tuple[int, ...], ...], ...]
    step_start_ns: IntArray
    step_end_ns: IntArray
    step_thread: IntArray
    host: HostEvents
    ranges: RangeEvents
    phase_step: IntArray = field(default_factory=_no_ints)
    phase: IntArray = field(default_factory=_no_ints)
    phase_start_ns: IntArray = field(default_factory=_no_ints)
    launches: Launches = field(default_factory=Launches)
    device: DeviceEvents = field(default_factory=DeviceEvents)
    boundaries: Boundaries = field(default_factory=Boundaries)
    allocations: Allocations = field(default_factory=Allocations)
    samples: Samples = field(default_factory=Samples)
    has_device: bool = False
