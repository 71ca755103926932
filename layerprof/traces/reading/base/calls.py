"""The steps of a trace, the calls of layers in them, and the engine's work."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from layerprof.attribute.base.intervals import NONE

if TYPE_CHECKING:
    from layerprof.attribute import BoolArray, Boundaries, IntArray
    from layerprof.records import LayerInfo


def _no_ints() -> IntArray:
    return np.empty(0, dtype=np.int64)


@dataclass(frozen=True, slots=True, kw_only=True)
class Steps:
    """The recorded steps: (steps,) each.

    Attributes:
        start_ns, end_ns, thread: of each; they do not overlap.
        is_whole: whether there was no mark of a step, so that the whole trace is one.
    """

    start_ns: IntArray
    end_ns: IntArray
    thread: IntArray
    is_whole: bool = False

    @property
    def is_on_host(self) -> bool:
        """Whether they ran on a thread; where the trace holds work of devices alone, their times are no host's."""
        return bool((self.thread != NONE).all())

    def of(self, time_ns: IntArray) -> IntArray:
        """The step that begins last before each time, or -1."""
        return np.searchsorted(self.start_ns, time_ns, side="right") - 1

    def holds(self, time_ns: IntArray) -> BoolArray:
        """Whether each time is within one of the steps."""
        step = self.of(time_ns)
        return (step >= 0) & (time_ns <= self.end_ns[np.maximum(step, 0)])


@dataclass(frozen=True, slots=True, kw_only=True)
class ThreadCalls:
    """Enters and leaves on one thread in one step, in order.

    Attributes:
        step, thread: which.
        codes: a layer's position on entry, its complement on leaving.  (events,)
        times_ns: of each.  (events,)
    """

    step: int
    thread: int
    codes: IntArray
    times_ns: IntArray


@dataclass(frozen=True, slots=True, kw_only=True)
class Calls:
    """Calls of layers.

    Attributes:
        layers: root first; parents before their children.
        layer, start_ns, end_ns, thread: of each call, by start.  (calls,)
        number: of each in a trace that layerprof wrote; empty in others.  (calls,)
        threads: the same, as enters and leaves.
        mended: calls that reached past what they lie in, or into the call after them, and were cut off there.
        is_root_alone: whether the trace has no calls of modules, so that each step counts as one of the root.
    """

    layers: tuple[LayerInfo, ...]
    layer: IntArray
    start_ns: IntArray
    end_ns: IntArray
    thread: IntArray
    threads: tuple[ThreadCalls, ...]
    number: IntArray = field(default_factory=_no_ints)
    mended: int = 0
    is_root_alone: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class PhaseMarks:
    """Phases and their beginnings; those of the engine's work are not among them, since attribution finds them.

    Attributes:
        names: of the phases.
        step, phase, start_ns: of each mark, by start.  (marks,)
    """

    names: tuple[str, ...]
    step: IntArray = field(default_factory=_no_ints)
    phase: IntArray = field(default_factory=_no_ints)
    start_ns: IntArray = field(default_factory=_no_ints)


@dataclass(frozen=True, slots=True, kw_only=True)
class NestedCalls:
    """Calls within the steps, that nest.

    Attributes:
        frame: the position in the frames of each call, in the order of entering.  (calls,)
        caller: position among these calls of the one around each, or -1.  (calls,)
        start_ns, end_ns, thread: of each.  (calls,)
        threads: enters and leaves, whose codes are positions among these calls.
        mended: how many were cut off.
    """

    frame: IntArray
    caller: IntArray
    start_ns: IntArray
    end_ns: IntArray
    thread: IntArray
    threads: tuple[ThreadCalls, ...]
    mended: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Backward:
    """The engine's work, and the phases of the steps.

    Attributes:
        marks: of the phases.
        boundaries: autograd's numbers at the enters and leaves of the step's thread, by which work finds its layer.
        sequence: the number of each node that the engine evaluates, -2 of one made on another thread than the step's,
            -1 of all other ops.  (ops,)
        nodes: positions among the ops of those nodes that lie in no other one.
    """

    marks: PhaseMarks
    boundaries: Boundaries
    sequence: IntArray
    nodes: IntArray
