"""Where in the call tree each op and each device activity belongs, as columns beside the events' own."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from layerprof.attribute.base.events import BoolArray, IntArray
    from layerprof.attribute.base.graph import CallPathTable
    from layerprof.attribute.base.intervals import Nest


def _no_ints() -> IntArray:
    return np.empty(0, dtype=np.int64)


@dataclass(frozen=True, slots=True, kw_only=True)
class PhaseMarks:
    """When which phase began, over all steps.

    Attributes:
        start_ns: ascending.  (marks,)
        phase: from then on.  (marks,)
    """

    start_ns: IntArray
    phase: IntArray


@dataclass(frozen=True, slots=True, kw_only=True)
class HostPlaces:
    """Ranges and ops, placed.

    Attributes:
        table: the call paths.
        range_parent: the calling range, or -1; of a recomputation's outermost call, the range that called its layer
            forward.  (ranges,)
        range_path, range_phase, range_step: of each.  (ranges,)
        op_range: the innermost range around each op, or the call whose backward work it is, or -1.  (ops,)
        op_path: the call path, or -1.  (ops,)
        op_phase, op_step: of each.  (ops,)
        op_parent: the innermost op around each, or -1.  (ops,)
        op_self_ns: without the ops and ranges in it.  (ops,)
        is_own: whether the op ran on the step's thread, or in the engine while that waited.  (ops,)
        nest: of ranges and then ops.
        range_around, op_around: the innermost range and op at or around each interval of the nest, or -1.
        marks: of the phases.
    """

    table: CallPathTable
    range_parent: IntArray
    range_path: IntArray
    range_phase: IntArray
    range_step: IntArray
    op_range: IntArray
    op_path: IntArray
    op_phase: IntArray
    op_step: IntArray
    op_parent: IntArray
    op_self_ns: IntArray
    is_own: BoolArray
    nest: Nest
    range_around: IntArray
    op_around: IntArray
    marks: PhaseMarks


@dataclass(frozen=True, slots=True, kw_only=True)
class DevicePlaces:
    """Device activities, placed.

    Attributes:
        op: the op that launched each, or -1.  (activities,)
        range: the range that it was launched in, or whose backward work it is, or -1.  (activities,)
        path: the call path, or -1.  (activities,)
        phase, step: of each.  (activities,)
        launch: position in the launches of each one's, or -1 where none was recorded.  (activities,)
        launch_ns: when it was launched, or -1 likewise.  (activities,)
        orphans: activities with neither a launch nor an op that they are linked to.
        idle_launches: launches from which no activity came.
        early: activities that seem to have begun before they were launched.
    """

    op: IntArray = field(default_factory=_no_ints)
    range: IntArray = field(default_factory=_no_ints)
    path: IntArray = field(default_factory=_no_ints)
    phase: IntArray = field(default_factory=_no_ints)
    step: IntArray = field(default_factory=_no_ints)
    launch: IntArray = field(default_factory=_no_ints)
    launch_ns: IntArray = field(default_factory=_no_ints)
    orphans: int = 0
    idle_launches: int = 0
    early: int = 0


def phase_at(marks: PhaseMarks, time_ns: IntArray) -> IntArray:
    """The phase in force at each time."""
    at = np.searchsorted(marks.start_ns, time_ns, side="right") - 1
    return marks.phase[np.maximum(at, 0)]


def step_at(step_start_ns: IntArray, time_ns: IntArray) -> IntArray:
    """The step that each time falls in or after; before the first one it is the first."""
    return np.maximum(np.searchsorted(step_start_ns, time_ns, side="right") - 1, 0)
