"""Columns of an ops pass written by hand: ops, ranges, launches and kernels at times that a test chooses."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from layerprof.attribute.base import IntArray
from layerprof.attribute.base.ops import (
    KERNEL,
    Boundaries,
    DeviceEvents,
    HostEvents,
    Launches,
    OpEvents,
    RangeEvents,
)

STEP_THREAD = 1
ENGINE_THREAD = 2
OTHER_THREAD = 3

Shapes = tuple[tuple[int, ...], ...]


@dataclass
class OpColumns:
    """Collects events, to be given in order of their start; each is known by its position."""

    steps: tuple[tuple[int, int], ...] = ((0, 1000),)
    ops: list[tuple[str, Shapes, int, int, int, int, bool]] = field(default_factory=list)
    ranges: list[tuple[int, int, int, int]] = field(default_factory=list)
    marks: list[tuple[int, int, int]] = field(default_factory=list)
    launches: list[tuple[int, int, int]] = field(default_factory=list)
    kernels: list[tuple[str, int, int, int, int, int, int]] = field(default_factory=list)
    boundaries: list[tuple[int, int, int]] = field(default_factory=list)

    def op(self, name: str, start_ns: int, end_ns: int, *, thread: int = STEP_THREAD, shapes: Shapes = ()) -> OpColumns:
        self.ops.append((name, shapes, start_ns, end_ns, thread, -1, False))
        return self

    def node(self, start_ns: int, end_ns: int, *, sequence: int = -1, thread: int = STEP_THREAD) -> OpColumns:
        self.ops.append(("autograd::engine::evaluate_function: Node", (), start_ns, end_ns, thread, sequence, True))
        return self

    def range(self, layer: int, start_ns: int, end_ns: int, *, thread: int = STEP_THREAD) -> OpColumns:
        self.ranges.append((layer, start_ns, end_ns, thread))
        return self

    def mark(self, phase: int, at_ns: int, *, step: int = 0) -> OpColumns:
        self.marks.append((step, phase, at_ns))
        return self

    def launch(self, correlation: int, at_ns: int, *, thread: int = STEP_THREAD) -> OpColumns:
        self.launches.append((correlation, at_ns, thread))
        return self

    def kernel(
        self, correlation: int, start_ns: int, end_ns: int, *, name: str = "gemm", stream: int = 7, linked: int = 0
    ) -> OpColumns:
        return self.activity(KERNEL, correlation, (start_ns, end_ns), name=name, stream=stream, linked=linked)

    def activity(
        self, kind: int, correlation: int, span_ns: tuple[int, int], *, name: str, stream: int = 7, linked: int = 0
    ) -> OpColumns:
        self.kernels.append((name, kind, *span_ns, stream, correlation, linked))
        return self

    def boundary(self, code: int, sequence: int, *, step: int = 0) -> OpColumns:
        self.boundaries.append((step, code, sequence))
        return self

    def events(self, *, has_device: bool | None = None) -> OpEvents:
        strings = sorted({row[0] for row in self.ops} | {row[0] for row in self.kernels})
        shapes = sorted({row[1] for row in self.ops})
        ops = [(strings.index(name), shapes.index(shape), *rest) for name, shape, *rest in self.ops]
        kernels = [(strings.index(name), *rest) for name, *rest in self.kernels]
        marks, launches, boundaries = (_columns(rows, 3) for rows in (self.marks, self.launches, self.boundaries))
        steps = _columns(self.steps, 2)
        return OpEvents(
            strings=tuple(strings),
            shapes=tuple(shapes),
            step_start_ns=steps[0],
            step_end_ns=steps[1],
            step_thread=np.full(len(self.steps), STEP_THREAD),
            host=_host(_columns(ops, 7)),
            ranges=_ranges(_columns(self.ranges, 4)),
            phase_step=marks[0],
            phase=marks[1],
            phase_start_ns=marks[2],
            launches=Launches(correlation=launches[0], start_ns=launches[1], thread=launches[2]),
            device=_device(_columns(kernels, 7)),
            boundaries=Boundaries(step=boundaries[0], code=boundaries[1], sequence=boundaries[2]),
            has_device=bool(self.kernels) if has_device is None else has_device,
        )


def op_correlation(position: IntArray) -> IntArray:
    """The number by which activities are linked to the op at a position."""
    return position + 10_000


def range_correlation(position: IntArray) -> IntArray:
    """The number by which activities are linked to the range at a position."""
    return position + 20_000


def _host(columns: IntArray) -> HostEvents:
    name, shapes, start_ns, end_ns, thread, sequence, is_engine = columns
    return HostEvents(
        name=name,
        shapes=shapes,
        start_ns=start_ns,
        end_ns=end_ns,
        thread=thread,
        correlation=op_correlation(np.arange(name.size)),
        sequence=sequence,
        is_engine=is_engine.astype(np.bool_),
    )


def _ranges(columns: IntArray) -> RangeEvents:
    layer, start_ns, end_ns, thread = columns
    correlation = range_correlation(np.arange(layer.size))
    return RangeEvents(layer=layer, start_ns=start_ns, end_ns=end_ns, thread=thread, correlation=correlation)


def _device(columns: IntArray) -> DeviceEvents:
    name, kind, start_ns, end_ns, stream, correlation, linked = columns
    return DeviceEvents(
        name=name,
        kind=kind,
        start_ns=start_ns,
        end_ns=end_ns,
        device=np.zeros_like(name),
        stream=stream,
        correlation=correlation,
        linked=linked,
    )


def _columns(rows: object, width: int) -> IntArray:
    return np.asarray(rows, dtype=np.int64).reshape(-1, width).T.copy()
