"""What the time pass writes, and the spans and pieces that attribution cuts it into.

    buffer of a thread:   enter 0 · enter 3 · leave 3 · [phase 1] · leave 0 · [backward after 2] · [backward after 0] ·
                          [backward ended]
    spans:                calls, from their enter to their leave
    pieces:               the time between one event and the next: each belongs to one call, or to none, and one phase

Times are integer nanoseconds until they enter a record, so that sums close exactly. numpy only; no torch.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]

NOBODY = -1  # no caller, no call, no layer

# Codes of a thread's events. Below the first mark they are calls: a layer's index on entry, its complement on leaving.
FIRST_MARK = 1 << 29
PAUSE = FIRST_MARK  # the instrument works for itself from here on: the time belongs to nobody and not to the step
RESUME = FIRST_MARK + 1
BACKWARD_ENDED = FIRST_MARK + 2  # the work of the autograd engine is over
BACKWARD_OF_NOBODY = FIRST_MARK + 3  # from here on the engine works on what nobody can be told to have recorded
PHASE = FIRST_MARK + 16  # + the phase's index: it begins
BACKWARD = 1 << 40  # + an event's position: from here on the engine works on what was recorded right after that event

MAX_PHASES = BACKWARD - PHASE


@dataclass(frozen=True, slots=True, kw_only=True)
class ThreadEvents:
    """What was written on one thread during one step, in order.

    Attributes:
        is_step_thread: whether it is the thread that ran the step. Marks stand on that thread alone, also those of
            backward work that the engine does on a thread of its own while the step's thread waits.
        codes: a layer's index on entry, its complement (``~index``) on leaving, or a mark.  (events,)
        times_ns: of each event.  (events,)
    """

    is_step_thread: bool
    codes: IntArray
    times_ns: IntArray


@dataclass(frozen=True, slots=True, kw_only=True)
class StepEvents:
    """One step of the time pass: its own range, and the events of every thread inside it."""

    start_ns: int
    end_ns: int
    threads: tuple[ThreadEvents, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Spans:
    """Calls of layers in several steps, callers before the called within a thread.

    Attributes:
        layer: index of the layer.  (spans,)
        parent: index of the calling span on the same thread, or -1. For a call out of the autograd engine
            (recomputation) it is the span that made the same call forward.  (spans,)
        start_ns, end_ns: of the call.  (spans,)
        step: which step it belongs to.  (spans,)
        phase: in which it began.  (spans,)
        is_concurrent: whether it ran on another thread than the step's.  (spans,)
        repairs: enter or leave events without a partner.
    """

    layer: IntArray
    parent: IntArray
    start_ns: IntArray
    end_ns: IntArray
    step: IntArray
    phase: IntArray
    is_concurrent: BoolArray
    repairs: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Pieces:
    """The time of all steps, cut at every event.

    Attributes:
        span: the innermost call that the time belongs to, or -1 for none on the step's thread.  (pieces,)
        phase, step: in which it lies.  (pieces,)
        duration_ns: of the piece.  (pieces,)
        step_ns: each step's length without pauses, measured without regard to pieces.  (steps,)
    """

    span: IntArray
    phase: IntArray
    step: IntArray
    duration_ns: IntArray
    step_ns: IntArray
