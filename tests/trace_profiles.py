"""Profiles with timelines written by hand, for the tests of traces, viewers and boards.

steps    |------------------ 0 ------------------|   |------------------ 1 ------------------|
ranges     |-- "" [ encoder [ fc1 ][ act ] ][ head ] --|
ops              [ linear [ addmm ] ] ...
stream 7              |== gemm ==|== gemm ==|          two of which overlap on the device profile
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias, TypeVar, cast

import numpy as np
from numpy.typing import NDArray
from report_records import Leaf, profile_of, steady

from layerprof.records import Energy, FrozenMapping, LayerProfile, OpProfile, PhaseProfile, Profile, Timeline
from layerprof.records.timeline import Columns
from layerprof.traces import trace_json

BEGAN_NS = 1_790_857_026_123_456_789  # odd on purpose: no float64 holds it
STEP_NS = 1_000_000
STEP_GAP_NS = 100_000
STEP_THREAD = 4242
ENGINE_THREAD = 4243
MATRIX_FLOPS = 2 * 4 * 8 * 8  # of one call of addmm
MATRIX_SHAPES = ((8,), (4, 8), (8, 8))
INPUT_SHAPES = ((4, 8),)
KERNEL, MEMCPY, MEMSET = range(3)

Shapes = tuple[tuple[int, ...], ...]
Row = tuple[int, ...]
Event: TypeAlias = dict[str, Any]
Trace: TypeAlias = dict[str, Any]
Value = TypeVar("Value")

_COLUMNS = {
    "steps": ("start_ns", "end_ns", "thread"),
    "phases": ("phase", "step", "start_ns", "end_ns"),
    "ranges": ("layer", "phase", "step", "thread", "parent", "start_ns", "end_ns"),
    "ops": ("name", "shapes", "step", "thread", "range", "parent", "phase", "annotation", "start_ns", "end_ns"),
    "kernels": (
        *("name", "kind", "step", "device", "stream", "op", "range", "phase", "start_ns", "end_ns"),
        *("launch_ns", "launch_end_ns", "launch_thread", "launch_name", "correlation"),
    ),
    "allocations": ("time_ns", "thread", "device", "address", "bytes", "allocated_bytes", "reserved_bytes"),
}
_NEW_TABLES = ("phases", "allocations")
_NEW_COLUMNS = {"ops": ("annotation",), "kernels": ("launch_end_ns", "launch_thread", "launch_name", "correlation")}


@dataclass(kw_only=True)
class TimelineRows:
    """Collects rows; times are nanoseconds after `BEGAN_NS`, and each row is known by its position in its table.

    Attributes:
        step: that the next rows are in.
        shift_ns: that is added to the times of the next rows.
    """

    step: int = 0
    shift_ns: int = BEGAN_NS
    strings: list[str] = field(default_factory=list)
    shapes: list[Shapes] = field(default_factory=list)
    rows: dict[str, list[Row]] = field(default_factory=lambda: {name: [] for name in _COLUMNS})
    counters: list[tuple[int, int, float]] = field(default_factory=list)

    def begin_step(self, start_ns: int, end_ns: int, *, thread: int = STEP_THREAD) -> None:
        """A step; what follows is told in nanoseconds after its start."""
        self.step = len(self.rows["steps"])
        self.shift_ns = BEGAN_NS + start_ns
        self.rows["steps"].append((self.shift_ns, BEGAN_NS + end_ns, thread))

    def phase(self, phase: int, start_ns: int, end_ns: int) -> int:
        return self._add("phases", (phase, self.step, start_ns + self.shift_ns, end_ns + self.shift_ns))

    def range(
        self, layer: int, start_ns: int, end_ns: int, *, parent: int = -1, phase: int = 0, thread: int = STEP_THREAD
    ) -> int:
        times = (start_ns + self.shift_ns, end_ns + self.shift_ns)
        return self._add("ranges", (layer, phase, self.step, thread, parent, *times))

    def op(  # noqa: PLR0913  # a value a column
        self,
        name: str,
        span_ns: tuple[int, int],
        *,
        around: int = -1,
        parent: int = -1,
        shapes: Shapes = (),
        phase: int = 0,
        thread: int = STEP_THREAD,
        is_annotation: bool = False,
    ) -> int:
        times = (span_ns[0] + self.shift_ns, span_ns[1] + self.shift_ns)
        names = (self._place(self.strings, name), self._place(self.shapes, shapes))
        return self._add("ops", (*names, self.step, thread, around, parent, phase, int(is_annotation), *times))

    def kernel(  # noqa: PLR0913  # a value a column
        self,
        name: str,
        span_ns: tuple[int, int],
        *,
        op: int = -1,
        around: int = -1,
        launch_ns: tuple[int, int] = (-1, -1),
        launch_name: str = "cudaLaunchKernel",
        correlation: int = -1,
        kind: int = KERNEL,
        place: tuple[int, int] = (0, 7),
        phase: int = 0,
        thread: int = STEP_THREAD,
    ) -> int:
        times = (span_ns[0] + self.shift_ns, span_ns[1] + self.shift_ns)
        launch: Row = (-1, -1, -1, -1, -1)
        if launch_ns[0] >= 0:
            launch_name_at = self._place(self.strings, launch_name)
            launch = (launch_ns[0] + self.shift_ns, launch_ns[1] + self.shift_ns, thread, launch_name_at, correlation)
        where = (self._place(self.strings, name), kind, self.step, *place, op, around, phase)
        return self._add("kernels", (*where, *times, *launch))

    def allocation(  # noqa: PLR0913  # a value a column
        self,
        at_ns: int,
        taken_bytes: int,
        *,
        address: int = 4096,
        allocated_bytes: int,
        reserved_bytes: int = 0,
        device: int = -1,
        thread: int = STEP_THREAD,
    ) -> int:
        row = (at_ns + self.shift_ns, thread, device, address, taken_bytes, allocated_bytes, reserved_bytes)
        return self._add("allocations", row)

    def counter(self, name: str, at_ns: int, value: float) -> None:
        self.counters.append((self._place(self.strings, name), at_ns + self.shift_ns, value))

    def timeline(self) -> Timeline:
        """All that was collected, as columns."""
        tables = {name: _columns(_COLUMNS[name], rows) for name, rows in self.rows.items()}
        names, times, values = zip(*self.counters, strict=True) if self.counters else ((), (), ())
        arrays: dict[str, NDArray[np.int64] | NDArray[np.float64]] = {
            "name": np.asarray(names, dtype=np.int64),
            "time_ns": np.asarray(times, dtype=np.int64),
            "value": np.asarray(values, dtype=np.float64),
        }
        return Timeline(
            strings=tuple(self.strings), shapes=tuple(self.shapes), counters=FrozenMapping(arrays), **tables
        )

    def _add(self, table: str, row: Row) -> int:
        self.rows[table].append(row)
        return len(self.rows[table]) - 1

    @staticmethod
    def _place(known: list[Value], value: Value) -> int:
        if value not in known:
            known.append(value)
        return known.index(value)


def _columns(names: Sequence[str], rows: Sequence[Row]) -> Columns:
    table = np.asarray(rows, dtype=np.int64).reshape(len(rows), len(names))
    return FrozenMapping({name: table[:, at].copy() for at, name in enumerate(names)})


NET, ENCODER, FC1, ACT, HEAD = range(5)
PATHS = ("", "encoder", "encoder.fc1", "encoder.act", "head")
TYPES = ("Net", "Sequential", "Linear", "ReLU", "Linear")
_CALLS = {  # layer -> parent, start, end in a step of STEP_NS
    NET: (-1, 10_000, 800_000),
    ENCODER: (NET, 20_000, 500_000),
    FC1: (ENCODER, 30_000, 250_000),
    ACT: (ENCODER, 260_000, 490_000),
    HEAD: (NET, 510_000, 790_000),
}
_MATRIX_OPS = {FC1: ((35_001, 245_000), (40_002, 240_000)), HEAD: ((515_000, 785_000), (520_000, 780_000))}
_RELU_NS = (265_000, 485_000)


def cpu_profile(*, steps: int = 2) -> Profile:
    """Two steps of a small net on the CPU with everything that a timeline of the host may hold."""
    rows = TimelineRows()
    for step in range(steps):
        began_ns = step * (STEP_NS + STEP_GAP_NS)
        rows.begin_step(began_ns, began_ns + STEP_NS)
        rows.phase(0, 0, STEP_NS)
        _forward(rows)
        rows.op("my range", (5_000, 805_000), is_annotation=True)
        _host_memory(rows)
    rows.counter("power of the package (W)", 100_000, 41.5)
    rows.counter("power of the package (W)", 900_000, 43.0)
    return _profile(rows.timeline(), phases=("forward",))


def cuda_profile(*, steps: int = 2) -> Profile:
    """Two training steps with two streams, kernels that overlap on one of them, and backward work on its own thread.

    Device work of a step, in microseconds after its start: addmm of fc1 100-300 on stream 7, relu 290-400 there too (it
    began before the one before it ended), a copy 150-350 on stream 8, addmm of head 600-700, mm of fc1's backward
    860-900, a fill under no op 905-910, and a kernel whose launch was not recorded 920-930.
    """
    rows = TimelineRows()
    for step in range(steps):
        began_ns = step * (STEP_NS + STEP_GAP_NS)
        rows.begin_step(began_ns, began_ns + STEP_NS)
        rows.phase(0, 0, 810_000)
        rows.phase(1, 810_000, STEP_NS)
        first_range, ops = _forward(rows)
        correlation = 100 * (step + 1)
        _forward_kernels(rows, ops, first_range, correlation)
        _backward(rows, around=first_range + FC1, correlation=correlation + 50)
        _device_memory(rows)
    rows.counter("power of GPU 0 (W)", 100_000, 310.0)
    rows.counter("power of GPU 0 (W)", 900_000, 330.0)
    return _profile(rows.timeline(), phases=("forward", "backward"))


def without_new_tables(timeline: Timeline) -> Timeline:
    """The timeline as layerprof 0.1.0 stored it first: without some tables and columns."""
    older: dict[str, Columns] = {name: FrozenMapping({}) for name in _NEW_TABLES}
    for name, columns in _NEW_COLUMNS.items():
        table = getattr(timeline, name)
        older[name] = FrozenMapping({column: table[column] for column in table if column not in columns})
    return replace(timeline, **older)  # type: ignore[arg-type]  # columns only


def _forward(rows: TimelineRows) -> tuple[int, dict[int, int]]:
    """The calls of the layers and their ops; returns the first call's position, and the innermost op of each layer."""
    first = len(rows.rows["ranges"])
    for layer, (parent, start_ns, end_ns) in _CALLS.items():
        rows.range(layer, start_ns, end_ns, parent=parent if parent < 0 else first + parent)
    innermost = {}
    for layer, (outer_ns, inner_ns) in _MATRIX_OPS.items():
        outer = rows.op("aten::linear", outer_ns, around=first + layer, shapes=((4, 8), (8, 8), (8,)))
        innermost[layer] = rows.op("aten::addmm", inner_ns, around=first + layer, parent=outer, shapes=MATRIX_SHAPES)
    innermost[ACT] = rows.op("aten::relu", _RELU_NS, around=first + ACT, shapes=INPUT_SHAPES)
    return first, innermost


def _forward_kernels(rows: TimelineRows, ops: dict[int, int], first: int, correlation: int) -> None:
    work = (
        (FC1, "gemm_fc1", (100_000, 300_000), (50_000, 60_000)),
        (ACT, "relu_kernel", (290_000, 400_000), (270_000, 275_000)),
        (HEAD, "gemm_head", (600_000, 700_000), (530_000, 540_000)),
    )
    for number, (layer, name, span_ns, launch_ns) in enumerate(work):
        rows.kernel(
            name, span_ns, op=ops[layer], around=first + layer, launch_ns=launch_ns, correlation=correlation + number
        )
    rows.kernel(
        "Memcpy HtoD (Pageable -> Device)",
        (150_000, 350_000),
        op=ops[FC1],
        around=first + FC1,
        launch_ns=(70_000, 80_000),
        launch_name="cudaMemcpyAsync",
        correlation=correlation + 10,
        kind=MEMCPY,
        place=(0, 8),
    )


def _backward(rows: TimelineRows, *, around: int, correlation: int) -> None:
    node = "autograd::engine::evaluate_function: AddmmBackward0"
    outer = rows.op(node, (820_000, 900_000), around=around, phase=1, thread=ENGINE_THREAD)
    inner = rows.op(
        "aten::mm",
        (830_000, 880_000),
        around=around,
        parent=outer,
        shapes=((8, 4), (4, 8)),
        phase=1,
        thread=ENGINE_THREAD,
    )
    rows.kernel(
        "gemm_backward",
        (860_000, 900_000),
        op=inner,
        around=around,
        launch_ns=(840_000, 850_000),
        correlation=correlation,
        phase=1,
        thread=ENGINE_THREAD,
    )
    fill_ns = (905_000, 910_000)
    launch_ns = (902_000, 903_000)
    rows.kernel(
        "Memset (Device)",
        fill_ns,
        launch_ns=launch_ns,
        launch_name="cudaMemsetAsync",
        correlation=correlation + 1,
        kind=MEMSET,
        phase=1,
    )
    rows.kernel("unknown_kernel", (920_000, 930_000), phase=1)


def _host_memory(rows: TimelineRows) -> None:
    rows.allocation(45_000, 1024, address=4096, allocated_bytes=1024)
    rows.allocation(270_000, 2048, address=8192, allocated_bytes=3072)
    rows.allocation(480_000, -1024, address=4096, allocated_bytes=2048)
    rows.allocation(786_000, -2048, address=8192, allocated_bytes=0)


def _device_memory(rows: TimelineRows) -> None:
    for device, total in ((0, 2**20), (-1, 0)):
        rows.allocation(45_000, 4096, address=2**40, allocated_bytes=4096, reserved_bytes=total, device=device)
        rows.allocation(786_000, -4096, address=2**40, allocated_bytes=0, reserved_bytes=total, device=device)


def _profile(timeline: Timeline, *, phases: Sequence[str]) -> Profile:
    leaves = [Leaf(path=path, type_name=name, self_s=1e-4) for path, name in zip(PATHS, TYPES, strict=True)]
    bare = profile_of(leaves)
    ops = {
        FC1: (_op("aten::linear", ((4, 8), (8, 8), (8,)), 0), _op("aten::addmm", MATRIX_SHAPES, MATRIX_FLOPS)),
        ACT: (_op("aten::relu", INPUT_SHAPES, None),),
        HEAD: (_op("aten::linear", ((4, 8), (8, 8), (8,)), 0), _op("aten::addmm", MATRIX_SHAPES, MATRIX_FLOPS)),
    }
    layers = tuple(_with_work(layer, ops.get(at, ())) for at, layer in enumerate(bare.layers))
    parts = tuple(PhaseProfile(name=name, steps=1, total_s=steady(1e-3)) for name in phases)
    return replace(bare, layers=layers, phases=parts, unattributed_flops=0, timeline=timeline)


def _op(name: str, shapes: Shapes, flops: int | None) -> OpProfile:
    return OpProfile(name=name, shapes=shapes, calls=1, self_s=steady(1e-4), device_s=None, flops=flops)


def _with_work(layer: LayerProfile, ops: tuple[OpProfile, ...]) -> LayerProfile:
    flops = {PATHS[FC1]: 1, PATHS[HEAD]: 1, PATHS[ENCODER]: 1, PATHS[NET]: 2}.get(layer.path, 0) * MATRIX_FLOPS
    own = {PATHS[FC1]: 1, PATHS[HEAD]: 1}.get(layer.path, 0) * MATRIX_FLOPS
    has_energy = layer.path == PATHS[FC1]
    energy = Energy(
        total_j=0.002,
        kind="replayed",
        source="nvml_energy",
        ci95_j=None,
        window_s=1.0,
        resolution_s=0.1,
        power_w=250.0,
    )
    return replace(
        layer,
        ops=ops,
        flops=flops,
        self_flops=own,
        bytes_moved=2 * flops,
        energy=energy if has_energy else None,
        self_energy=energy if has_energy else None,
    )


def written(profile: Profile, *, for_plugin: bool = False) -> Trace:
    """What the trace of a profile holds."""
    return cast("Trace", json.loads(gzip.decompress(trace_json(profile, for_plugin=for_plugin))))


def events_of(trace: Trace, phase: str, **wanted: object) -> list[Event]:
    """The events of a phase, such as ``X``, that have certain values, in the order of the file."""
    found = [event for event in trace["traceEvents"] if event["ph"] == phase]
    return [event for event in found if all(event.get(key) == value for key, value in wanted.items())]


def overlaps_in(trace: Trace) -> list[tuple[Event, Event]]:
    """Pairs of slices of one track that neither nest nor follow one another, by sums of float64 as readers make them.

    The file's own order has to be that of time, callers before the called.
    """
    tracks: dict[tuple[int, int], list[Event]] = {}
    for event in events_of(trace, "X"):
        tracks.setdefault((event["pid"], event["tid"]), []).append(event)
    found = []
    for events in tracks.values():
        open_ones: list[Event] = []
        last_ts = float("-inf")
        for event in events:
            while open_ones and _end(open_ones[-1]) <= event["ts"]:
                open_ones.pop()
            if (open_ones and _end(event) > _end(open_ones[-1])) or event["ts"] < last_ts:
                found.append((open_ones[-1] if open_ones else event, event))
            open_ones.append(event)
            last_ts = event["ts"]
    return found


def _end(event: Event) -> float:
    return float(event["ts"] + event["dur"])
