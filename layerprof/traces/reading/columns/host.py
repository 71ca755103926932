"""Columns of what happened on the host's threads: ops, calls of modules, launches, memory."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from layerprof.attribute.base.ops import ENGINE_PREFIX
from layerprof.traces.base import CALL_ARGUMENT, LAYER_ARGUMENT, MODULE_PREFIX
from layerprof.traces.reading.base import ANNOTATION, NONE, UNLINKED, Event, Frames, Json, Memory, Ops, Runtime
from layerprof.traces.reading.columns.base import Numbers, Reader, argument, column, flags, is_int

if TYPE_CHECKING:
    from layerprof.attribute import BoolArray, IntArray

_Shapes = tuple[tuple[int, ...], ...]

_NO_TENSOR = ()


def ops_of(events: Sequence[Event], reader: Reader, shapes: Numbers) -> Ops:
    """Ops, and the ranges of the engine and the user."""
    return Ops(
        **reader.slices(events),
        shapes=_shapes(events, shapes),
        external=argument(events, "External id", "external id", otherwise=UNLINKED),
        sequence=argument(events, "Sequence number", otherwise=NONE),
        made_on=argument(events, "Fwd thread id", otherwise=0),
        is_annotation=flags(events, lambda event: event["cat"] == ANNOTATION),
        is_engine=flags(events, lambda event: event["name"].startswith(ENGINE_PREFIX)),
        call=argument(events, CALL_ARGUMENT, otherwise=NONE),
    )


def frames_of(events: Sequence[Event], reader: Reader) -> Frames:
    """The calls of modules among the calls of Python functions, and which of them lies in which."""
    is_module = flags(events, _is_module)
    modules = [event for event, is_one in zip(events, is_module.tolist(), strict=True) if is_one]
    order = argument(events, "Python id", otherwise=NONE)
    return Frames(
        **reader.slices(modules),
        layer=argument(modules, LAYER_ARGUMENT, "Python module id", otherwise=NONE),
        number=argument(modules, CALL_ARGUMENT, "Python id", otherwise=NONE),
        caller=_callers(order, argument(events, "Python parent id", otherwise=NONE), is_module),
        order=order[is_module],
    )


def _is_module(event: Event) -> bool:
    return bool(event["name"].startswith(MODULE_PREFIX)) and type(event["args"].get("Python module id")) is int


def _callers(order: IntArray, parent: IntArray, is_module: BoolArray) -> IntArray:
    """Which call of a module is around each one, by the ids of all frames; -2 where those are not to be believed."""
    by_id = np.argsort(order, kind="stable")
    ordered = order[by_id]
    if not order.size or ordered[0] < 0 or (ordered[1:] == ordered[:-1]).any() or (parent >= order).any():
        return np.full(int(np.count_nonzero(is_module)), UNLINKED, dtype=np.int64)
    at = np.minimum(np.searchsorted(ordered, parent), ordered.size - 1)
    above = np.where(ordered[at] == parent, by_id[at], NONE)
    caller = above[is_module]
    # A parent's id is less than its own, so this comes to an end.
    while (is_between := (caller != NONE) & ~is_module[caller]).any():
        caller[is_between] = above[caller[is_between]]
    position = np.cumsum(is_module) - 1
    return np.where(caller == NONE, NONE, position[caller])


def runtime_of(events: Sequence[Event], reader: Reader) -> Runtime:
    """Calls of the runtime."""
    return Runtime(
        **reader.slices(events),
        correlation=argument(events, "correlation", otherwise=UNLINKED),
        external=argument(events, "External id", "external id", otherwise=UNLINKED),
    )


def memory_of(events: Sequence[Event], reader: Reader) -> Memory:
    """What was taken and given back."""
    device = argument(events, "Device Id", otherwise=NONE)
    return Memory(
        time_ns=reader.times(events),
        thread=reader.thread(events),
        device=np.where(argument(events, "Device Type", otherwise=0) == 0, NONE, device),
        address=argument(events, "Addr", otherwise=0),
        bytes=argument(events, "Bytes", otherwise=0),
        allocated_bytes=argument(events, "Total Allocated", otherwise=0),
        reserved_bytes=argument(events, "Total Reserved", otherwise=0),
    )


def _shapes(events: Sequence[Event], shapes: Numbers) -> IntArray:
    """The position of each op's input shapes; what is alike in the file is looked at once."""
    known: dict[str, int] = {}

    def numbered(dims: Json) -> int:
        if not dims:
            return 0
        key = repr(dims)
        if key not in known:
            known[key] = shapes[_shape_of(dims)]
        return known[key]

    return column(numbered(event["args"].get("Input Dims")) for event in events)


def _shape_of(dims: Json) -> _Shapes:
    """Shapes of tensors; an input that is none, or a list of tensors, has the shape ``()``, as in live attribution."""
    if not isinstance(dims, list):
        return _NO_TENSOR
    return tuple(tuple(dim) if isinstance(dim, list) and all(map(is_int, dim)) else () for dim in dims)
