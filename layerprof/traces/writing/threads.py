"""The host's threads: modules, ops, the user's ranges, steps, launches and memory, as torch's exporter writes them.

A call of a layer becomes the event of a Python function that TensorBoard's plugin takes for a module's; its name is the
layer's path, so the Module view shows paths. In the plugin's copy a launch made in no op has a stand-in for one around
it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from layerprof.attribute.base.intervals import taken
from layerprof.attribute.base.ops import ENGINE_PREFIX
from layerprof.attribute.oprows import NO_OP
from layerprof.traces.base import (
    CALL_ARGUMENT,
    HOST_PID,
    LAUNCH_CATEGORIES,
    LAYER_ARGUMENT,
    MEMORY_NAME,
    MODULE_CATEGORY,
    MODULE_PREFIX,
    PLUGIN_LAUNCH_CATEGORY,
    STAND_IN_ARGUMENT,
    STEP_PREFIX,
)
from layerprof.traces.writing.base import (
    LAUNCH,
    NAMELESS,
    NONE,
    OP,
    RANGE,
    STEP,
    Batch,
    Event,
    IntArray,
    Scene,
    batched,
    process_named,
    track_named,
)

Maker: TypeAlias = Callable[[int], Event]

_CPU, _CUDA = 0, 1  # device types as torch numbers them
_RUNTIME, _DRIVER = LAUNCH_CATEGORIES
_DRIVER_PREFIX = "cu"
_RUNTIME_PREFIX = "cuda"
_STAND_IN = LAUNCH + 1  # a kind of span that is in no table


def thread_events(scene: Scene) -> Iterator[Batch]:
    """Names of the threads, then their spans in the order of time, outer ones first, then their memory."""
    yield _named(scene)
    host = scene.host
    makers: dict[int, Maker] = {
        **{STEP: _step, RANGE: _module_maker(scene), OP: _op_maker(scene)},
        **{LAUNCH: _launch_maker(scene), _STAND_IN: _stand_in_maker(scene)},
    }
    kind, place = _with_stand_ins(scene)
    begins_us, lasts_us = scene.clock.spans(host.start_ns[place], host.end_ns[place])
    yield from batched(
        partial(_span, makers), kind, host.row[place], _tids(scene, host.thread[place]), begins_us, lasts_us
    )
    yield from _memory(scene)
    if scene.for_plugin:
        yield from _steps_of_device(scene)


def places_of(scene: Scene) -> tuple[list[int], list[int | None]]:
    """The Python id of each call of a layer, and that of the call around it, or None.

    The plugin lists a module once for every id. In its copy all calls of a layer from one place share theirs, so that a
    layer is listed once for each place that it is called from, and not once for each call. There what autograd's engine
    recomputes has its place too; elsewhere a call that had ended before is around none.
    """
    ranges = scene.tables.ranges
    layer, parent = ranges["layer"].tolist(), ranges["parent"].tolist()
    own = list(range(1, len(layer) + 1))
    if scene.for_plugin:
        known: dict[tuple[int, int], int] = {}
        for row in np.lexsort((-ranges["end_ns"], ranges["start_ns"])).tolist():  # callers before the called
            place = (0 if parent[row] == NONE else own[parent[row]], layer[row])
            own[row] = known.setdefault(place, len(known) + 1)
    else:
        parent = np.where(_is_over(scene), NONE, ranges["parent"]).tolist()
    return own, [None if one == NONE else own[one] for one in parent]


def _is_over(scene: Scene) -> NDArray[np.bool_]:
    """Whether the caller of each call ended before that began; one without a length may begin with it."""
    start_ns, parent = scene.tables.ranges["start_ns"], scene.tables.ranges["parent"]
    has_ended = taken(scene.host.range_end_ns, parent) <= start_ns
    return np.asarray((parent != NONE) & has_ended & (taken(start_ns, parent) < start_ns), dtype=np.bool_)


def _named(scene: Scene) -> Batch:
    stepping = set(scene.tables.steps["thread"].tolist())
    events = process_named(HOST_PID, "host", order=10)
    ordered = sorted(scene.host.tids.items(), key=lambda pair: (pair[0] not in stepping, pair))
    for order, (thread, tid) in enumerate(ordered):
        name = f"thread {thread} (steps)" if thread in stepping else f"thread {thread}"
        events += track_named(HOST_PID, tid, name, order=order)
    return events


def _tids(scene: Scene, thread: IntArray) -> IntArray:
    known, place = np.unique(thread, return_inverse=True)
    return np.asarray([scene.host.tids[one] for one in known.tolist()], dtype=np.int64)[place]


def _with_stand_ins(scene: Scene) -> tuple[IntArray, IntArray]:
    """The kind of each span to be written and its place among the host's, with each stand-in before its launch."""
    host = scene.host
    launches = np.flatnonzero(host.kind == LAUNCH)
    led = launches[scene.launch_ops.stands_in[host.row[launches]] > 0]
    place = np.insert(np.arange(host.kind.size), led, led)
    kind = host.kind[place]
    kind[led + np.arange(led.size)] = _STAND_IN
    return kind, place


def _span(makers: Mapping[int, Maker], kind: int, row: int, tid: int, begins_us: float, lasts_us: float) -> Event:
    event = makers[kind](row)
    event["ph"], event["pid"], event["tid"], event["ts"], event["dur"] = "X", HOST_PID, tid, begins_us, lasts_us
    return event


def _step(row: int) -> Event:
    return {"cat": "user_annotation", "name": f"{STEP_PREFIX}{row}"}


def _steps_of_device(scene: Scene) -> Iterator[Batch]:
    """Steps on no thread, where nothing of the host was recorded: by devices alone the plugin finds no step."""
    steps = scene.tables.steps
    rows = np.flatnonzero(steps["thread"] == NONE)
    times_us = scene.clock.spans(steps["start_ns"][rows], steps["end_ns"][rows])

    def step(row: int, begins_us: float, lasts_us: float) -> Event:
        place = {"ph": "X", "pid": HOST_PID, "tid": 0, "ts": begins_us, "dur": lasts_us}
        return _step(row) | place | {"args": {STAND_IN_ARGUMENT: True}}

    return batched(step, rows, *times_us)


def _module_maker(scene: Scene) -> Maker:
    names = [MODULE_PREFIX + name for name in scene.layer_names]
    layer = scene.tables.ranges["layer"].tolist()
    own, parent = places_of(scene)

    def module(row: int) -> Event:
        at = layer[row]
        arguments = {"Python id": own[row], "Python parent id": parent[row], "Python module id": at}
        if scene.for_plugin:  # which adds up all calls of a name and a module's id, wherever they are listed
            arguments |= {"Python module id": own[row], LAYER_ARGUMENT: at, CALL_ARGUMENT: row + 1}
        return {"cat": MODULE_CATEGORY, "name": names[at], "args": arguments}

    return module


def _op_maker(scene: Scene) -> Maker:
    ops, names = scene.tables.ops, scene.names
    name, shapes, is_range = (ops[column].tolist() for column in ("name", "shapes", "annotation"))
    dims = [list(map(list, inputs)) for inputs in scene.tables.shapes]
    layer, calls = scene.tables.ranges["layer"], _calls_of_nodes(scene)

    def op(row: int) -> Event:
        called = names[name[row]] if name[row] != NONE else NAMELESS
        if is_range[row] == 1:
            return {"cat": "user_annotation", "name": called, "args": {"External id": row + 1}}
        arguments: Event = {"External id": row + 1}
        if shapes[row] != NONE:
            arguments["Input Dims"] = dims[shapes[row]]
        if row in calls:
            arguments |= {LAYER_ARGUMENT: int(layer[calls[row]]), CALL_ARGUMENT: calls[row] + 1}
        return {"cat": "cpu_op", "name": called, "args": arguments}

    return op


def _calls_of_nodes(scene: Scene) -> dict[int, int]:
    """The call of each op that is the engine's evaluating a node made in it: nesting does not tell it."""
    ops = scene.tables.ops
    is_engine = np.asarray([name.startswith(ENGINE_PREFIX) for name in scene.names], dtype=np.bool_)
    rows = np.flatnonzero((ops["range"] != NONE) & (ops["name"] != NONE))
    rows = rows[is_engine[ops["name"][rows]]] if is_engine.size else rows[:0]
    return dict(zip(rows.tolist(), ops["range"][rows].tolist(), strict=True))


def _launch_maker(scene: Scene) -> Maker:
    called, correlation = _names_of_launches(scene), scene.launches.correlation.tolist()
    external = scene.launch_ops.external.tolist()

    def launch(row: int) -> Event:
        arguments = {"External id": external[row], "correlation": correlation[row]}
        return {"cat": _launch_category(scene, called[row]), "name": called[row], "args": arguments}

    return launch


def _stand_in_maker(scene: Scene) -> Maker:
    called, external = _names_of_launches(scene), scene.launch_ops.stands_in.tolist()

    def stand_in(row: int) -> Event:
        arguments = {"External id": external[row], STAND_IN_ARGUMENT: True}
        return {"cat": "cpu_op", "name": f"{NO_OP} {called[row]}", "args": arguments}

    return stand_in


def _names_of_launches(scene: Scene) -> list[str]:
    return [scene.names[name] if name != NONE else "launch" for name in scene.launches.name.tolist()]


def _launch_category(scene: Scene, name: str) -> str:
    if scene.for_plugin:
        return PLUGIN_LAUNCH_CATEGORY
    return _DRIVER if name.startswith(_DRIVER_PREFIX) and not name.startswith(_RUNTIME_PREFIX) else _RUNTIME


def _memory(scene: Scene) -> Iterator[Batch]:
    """What was taken and given back, at its moment."""
    table = scene.tables.allocations
    tid = _tids(scene, table["thread"])
    moments_us = scene.clock.at(table["time_ns"])
    columns = (table[name] for name in ("device", "address", "bytes", "allocated_bytes", "reserved_bytes"))
    return batched(_allocation, tid, moments_us, *columns)


def _allocation(tid: int, at_us: float, device: int, address: int, taken: int, allocated: int, reserved: int) -> Event:  # noqa: PLR0913  # one value a column
    arguments = {
        "Total Reserved": reserved,
        "Total Allocated": allocated,
        "Bytes": taken,
        "Device Id": device,
        "Device Type": _CPU if device < 0 else _CUDA,
        "Addr": address,
    }
    place = {"pid": HOST_PID, "tid": tid, "ts": at_us}
    return {"ph": "i", "s": "t", "cat": "cpu_instant_event", "name": MEMORY_NAME, **place, "args": arguments}
