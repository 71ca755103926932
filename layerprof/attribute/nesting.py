"""From the flat event buffers of the hooks to spans and pieces: who called whom, and whose every nanosecond is.

A clean buffer is matched without a Python loop: events of one nesting level alternate enter, leave, enter, leave. A
buffer with an event missing (Ctrl-C skips post-hooks; a raising global pre-hook fires a post-hook without its
pre-hook) is walked with a stack: a leave closes its own latest entry and all that stand above it, or is ignored.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from layerprof.attribute.base import (
    BACKWARD,
    BACKWARD_ENDED,
    BACKWARD_OF_NOBODY,
    FIRST_MARK,
    NOBODY,
    PAUSE,
    PHASE,
    RESUME,
    BoolArray,
    IntArray,
    Pieces,
    Spans,
    StepEvents,
    ThreadEvents,
    latest_forward_callers,
)

_Int = np.int64


@dataclass(frozen=True, slots=True)
class _Matched:
    """The calls of one thread in order of entry, and the innermost one open right after each event."""

    layer: IntArray
    parent: IntArray
    start: IntArray  # position of the entering event
    end: IntArray  # position of the leaving event; one past the last where the call was still open
    owner: IntArray  # (events,)
    repairs: int


@dataclass(frozen=True, slots=True)
class _Marks:
    """What is in force right after each event: (events,) each."""

    phase: IntArray
    base: IntArray  # position of the event whose recorded work the engine is on, or -1
    engine_since: IntArray  # position of the mark with which the engine's run began, or -1 where it does not run
    is_paused: BoolArray


@dataclass(frozen=True, slots=True)
class _Part:
    """One thread of one step, cut up."""

    spans: tuple[IntArray, ...]  # layer, parent, start_ns, end_ns, phase
    pieces: tuple[IntArray, ...]  # span, phase, duration_ns
    paused_ns: int
    repairs: int


def cut(
    steps: Sequence[StepEvents], *, phase_of: Sequence[int] = (0,), backward: int | None = None
) -> tuple[Spans, Pieces]:
    """The calls in all steps, and all of their time in pieces, as columns.

    A call that was still open at the end of its step (a generator, another thread's) ends with the step.

    Args:
        steps: in order.
        phase_of: what the numbers of phase marks mean.
        backward: the phase of the engine's work; None where there is none. With it a step begins in the first
            phase, without it in the one whose mark comes first.
    """
    parts: list[tuple[int, bool, int, _Part]] = []  # step, is it the step's thread, spans before it, the part
    offset = 0
    for number, step in enumerate(steps):
        for thread, marks in _with_marks(step, np.asarray(phase_of, dtype=_Int), backward):
            part = _part(thread, marks, step)
            parts.append((number, thread.is_step_thread, offset, part))
            offset += part.spans[0].size
    spans = _spans(parts)
    return spans, _pieces(parts, steps)


def _spans(parts: Sequence[tuple[int, bool, int, _Part]]) -> Spans:
    columns = [_joined([part.spans[column] for *_, part in parts]) for column in range(5)]
    sizes = [part.spans[0].size for *_, part in parts]
    offsets = np.repeat(np.asarray([offset for _, _, offset, _ in parts], dtype=_Int), sizes)
    return Spans(
        layer=columns[0],
        parent=np.where(columns[1] == NOBODY, NOBODY, columns[1] + offsets),
        start_ns=columns[2],
        end_ns=columns[3],
        step=np.repeat(np.asarray([number for number, *_ in parts], dtype=_Int), sizes),
        phase=columns[4],
        is_concurrent=np.repeat(np.asarray([not is_own for _, is_own, *_ in parts], dtype=np.bool_), sizes),
        repairs=sum(part.repairs for *_, part in parts),
    )


def _pieces(parts: Sequence[tuple[int, bool, int, _Part]], steps: Sequence[StepEvents]) -> Pieces:
    columns = [_joined([part.pieces[column] for *_, part in parts]) for column in range(3)]
    sizes = [part.pieces[0].size for *_, part in parts]
    offsets = np.repeat(np.asarray([offset for _, _, offset, _ in parts], dtype=_Int), sizes)
    step_ns = np.asarray([step.end_ns - step.start_ns for step in steps], dtype=_Int)
    for number, _, _, part in parts:
        step_ns[number] -= part.paused_ns
    return Pieces(
        span=np.where(columns[0] == NOBODY, NOBODY, columns[0] + offsets),
        phase=columns[1],
        step=np.repeat(np.asarray([number for number, *_ in parts], dtype=_Int), sizes),
        duration_ns=columns[2],
        step_ns=step_ns,
    )


def _joined(columns: Sequence[IntArray]) -> IntArray:
    return np.concatenate(columns) if columns else np.empty(0, dtype=_Int)


def _with_marks(step: StepEvents, phase_of: IntArray, backward: int | None) -> list[tuple[ThreadEvents, _Marks]]:
    """The threads of a step with what is in force on them; a step in which nobody called anything has one, empty."""
    empty = ThreadEvents(is_step_thread=True, codes=np.empty(0, dtype=_Int), times_ns=np.empty(0, dtype=_Int))
    own = next((thread for thread in step.threads if thread.is_step_thread), empty)
    marks = _marks(own.codes, phase_of, backward)
    others = [thread for thread in step.threads if thread is not own]
    return [(own, marks), *((thread, _elsewhere(thread, own, marks)) for thread in others)]


def _marks(codes: IntArray, phase_of: IntArray, backward: int | None) -> _Marks:
    """Marks carried forward to the events that follow them."""
    is_phase = (codes >= PHASE) & (codes < BACKWARD)
    is_known = codes >= BACKWARD
    is_engine = is_known | (codes == BACKWARD_OF_NOBODY)
    changes = is_phase | is_engine
    if not changes.any() and not (codes >= FIRST_MARK).any():
        nobody = np.full(codes.size, NOBODY)
        return _Marks(np.full(codes.size, phase_of[0]), nobody, nobody, np.zeros(codes.size, dtype=np.bool_))
    phase = np.zeros(codes.size, dtype=_Int)
    phase[is_phase] = phase_of[codes[is_phase] - PHASE]
    phase[is_engine] = backward or 0
    base = np.where(is_known, codes - BACKWARD, NOBODY)
    ends = is_phase | (codes == BACKWARD_ENDED)
    begins_pause = codes == PAUSE
    paused = _carried(begins_pause, begins_pause | (codes == RESUME), before=False)
    first_phase = int(phase[is_phase][0]) if backward is None and is_phase.any() else int(phase_of[0])
    return _Marks(
        phase=_carried(phase, changes, before=first_phase),
        base=_carried(base, ends | is_engine, before=NOBODY),
        engine_since=_engine_since(is_engine, ends),
        is_paused=paused.astype(np.bool_),
    )


def _engine_since(is_engine: BoolArray, ends: BoolArray) -> IntArray:
    """The first mark of the engine since its last run ended, at each event; -1 where no run has begun since."""
    at = np.arange(is_engine.size)
    is_running = _carried(is_engine, is_engine | ends, before=0).astype(np.bool_)
    begins = is_running & ~np.append(False, is_running[:-1])
    return np.where(is_running, _carried(at, begins, before=NOBODY), NOBODY)


def _carried(values: IntArray | BoolArray, is_set: BoolArray, *, before: int) -> IntArray:
    """Each value where it is set, and the last one set everywhere after it."""
    latest = np.maximum.accumulate(np.where(is_set, np.arange(values.size), NOBODY))
    return np.where(latest == NOBODY, before, values[latest])


def _elsewhere(thread: ThreadEvents, own: ThreadEvents, marks: _Marks) -> _Marks:
    """On another thread it is the phase that it is on the step's thread at that time."""
    size = thread.codes.size
    nobody, running = np.full(size, NOBODY), np.zeros(size, dtype=np.bool_)
    if not marks.phase.size:
        return _Marks(np.zeros(size, dtype=_Int), nobody, nobody, running)
    at = np.searchsorted(own.times_ns, thread.times_ns, side="right") - 1
    return _Marks(marks.phase[np.maximum(at, 0)], nobody, nobody, running)


def _part(thread: ThreadEvents, marks: _Marks, step: StepEvents) -> _Part:
    is_call = thread.codes < FIRST_MARK
    matched = _matched(thread.codes, is_call)
    owner = _with_engine(matched, marks)
    times = np.clip(thread.times_ns, step.start_ns, step.end_ns)
    after = np.append(times[1:], step.end_ns) - times if times.size else times
    keep = ~marks.is_paused if thread.is_step_thread else owner != NOBODY
    first = _until_first_event(times, marks, step) if thread.is_step_thread else np.empty((3, 0), dtype=_Int)
    ends = np.append(times, step.end_ns)
    return _Part(
        spans=(
            matched.layer,
            _forward_callers(matched, marks),
            times[matched.start],
            ends[matched.end],
            marks.phase[matched.start],
        ),
        pieces=tuple(
            np.append(column[keep], values) for column, values in zip((owner, marks.phase, after), first, strict=True)
        ),
        paused_ns=int(after[marks.is_paused].sum()) if thread.is_step_thread else 0,
        repairs=matched.repairs,
    )


def _until_first_event(times: IntArray, marks: _Marks, step: StepEvents) -> IntArray:
    """The piece before the first event: nobody's, in the phase that comes first: (3, 1)."""
    first_ns = int(times[0]) if times.size else step.end_ns
    phase = int(marks.phase[0]) if times.size else 0
    return np.asarray([[NOBODY], [phase], [first_ns - step.start_ns]], dtype=_Int)


def _with_engine(matched: _Matched, marks: _Marks) -> IntArray:
    """Who the time after each event belongs to: while the engine runs, the call whose backward work it is.

    A call that the engine itself makes (recomputation) is the innermost one as ever; one that was open when the engine
    began waits for it.
    """
    is_running = marks.engine_since != NOBODY
    if not is_running.any():
        return matched.owner
    began = np.append(matched.start, NOBODY)[matched.owner]  # -1 where no call is open
    base = np.where(marks.base == NOBODY, NOBODY, matched.owner[marks.base])
    return np.where(is_running & (began < marks.engine_since), base, matched.owner)


def _forward_callers(matched: _Matched, marks: _Marks) -> IntArray:
    """Each call's caller; for calls out of the engine (recomputation) that of the same layer's latest forward call."""
    since = marks.engine_since[matched.start]
    began = np.append(matched.start, NOBODY)[matched.parent]  # -1 where there is no caller
    is_recomputed = (since != NOBODY) & (began < since)
    return latest_forward_callers(matched.layer, matched.parent, is_recomputed)


def _matched(codes: IntArray, is_call: BoolArray) -> _Matched:
    """The calls among the events; marks between them belong to the innermost call open there."""
    positions = np.flatnonzero(is_call)
    calls = codes if positions.size == codes.size else codes[positions]
    found = _match_clean(calls) or _match_by_stack(calls)
    if positions.size == codes.size:
        return found
    latest = np.cumsum(is_call) - 1
    owner = np.full(codes.size, NOBODY)
    if calls.size:
        owner = np.where(latest < 0, NOBODY, found.owner[np.maximum(latest, 0)])
    ends = np.append(positions, codes.size)
    return _Matched(found.layer, found.parent, positions[found.start], ends[found.end], owner, found.repairs)


def _match_clean(codes: IntArray) -> _Matched | None:
    """The calls of a buffer in which every enter has its leave; None where that does not hold."""
    if codes.size == 0:
        return _Matched(codes, codes, codes, codes, codes, 0)
    is_enter = codes >= 0
    level = np.cumsum(np.where(is_enter, 1, -1))
    if level[-1] != 0 or level.min() < 0:
        return None
    level[~is_enter] += 1
    by_level = np.argsort(level, kind="stable")  # within a level events keep their order: enter, leave, enter, leave
    enters, leaves = by_level[0::2], by_level[1::2]
    if not (is_enter[enters].all() and np.array_equal(codes[enters], ~codes[leaves])):
        return None
    entry_order = np.argsort(enters, kind="stable")
    enters, leaves = enters[entry_order], leaves[entry_order]
    parent = _parents(level[enters])
    owner = np.empty(codes.size, dtype=_Int)
    owner[enters] = np.arange(enters.size)
    owner[leaves] = parent
    return _Matched(codes[enters], parent, enters, leaves, owner, 0)


def _parents(level: IntArray) -> IntArray:
    """For spans in order of entry, the index of the latest span one level up; -1 on the first level."""
    parent = np.full(level.size, NOBODY, dtype=_Int)
    by_level = np.argsort(level, kind="stable")
    starts = np.searchsorted(level[by_level], np.arange(1, int(level.max(initial=1)) + 2))
    for depth in range(1, starts.size - 1):
        here, above = by_level[starts[depth] : starts[depth + 1]], by_level[starts[depth - 1] : starts[depth]]
        parent[here] = above[np.searchsorted(above, here) - 1]
    return parent


def _match_by_stack(codes: IntArray) -> _Matched:
    """The calls of a buffer with events missing: abandoned ones end where their caller does, or with the step."""
    layer: list[int] = []
    parent: list[int] = []
    start: list[int] = []
    end: list[int] = []
    owner: list[int] = []
    stack: list[int] = []  # indices of open calls
    repairs = 0
    for position, code in enumerate(codes.tolist()):
        if code >= 0:
            parent.append(stack[-1] if stack else NOBODY)
            stack.append(len(layer))
            layer.append(code)
            start.append(position)
            end.append(codes.size)
        else:
            closed = _pop_to(stack, layer, ~code)
            repairs += abs(len(closed) - 1)
            for span in closed:
                end[span] = position
        owner.append(stack[-1] if stack else NOBODY)
    columns = [np.asarray(column, dtype=_Int) for column in (layer, parent, start, end, owner)]
    return _Matched(columns[0], columns[1], columns[2], columns[3], columns[4], repairs + len(stack))


def _pop_to(stack: list[int], layer: Sequence[int], wanted: int) -> list[int]:
    """Takes the latest open span of layer ``wanted`` and all above it off the stack; takes nothing if there is none."""
    for place in range(len(stack) - 1, -1, -1):
        if layer[stack[place]] == wanted:
            closed = stack[place:]
            del stack[place:]
            return closed
    return []
