"""From the flat event buffers of the hooks to spans: which enter belongs to which leave, and who called whom.

A clean buffer is matched without a Python loop: events of one nesting level alternate enter, leave, enter, leave. A
buffer with an event missing (Ctrl-C skips post-hooks; a raising global pre-hook fires a post-hook without its
pre-hook) is walked with a stack: a leave closes its own latest entry and all that stand above it, or is ignored.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from layerprof.attribute.base import NO_PARENT, IntArray, Spans, StepEvents, ThreadEvents

_Columns = tuple[IntArray, IntArray, IntArray, IntArray]  # layer, parent, start_ns, end_ns; in order of entry


def spans_of(steps: Sequence[StepEvents]) -> Spans:
    """The calls in all steps, as columns.

    A call that was still open at the end of its step (a generator, another thread's) ends with the step.
    """
    parts: list[_Columns] = []
    step_index: list[IntArray] = []
    concurrent: list[IntArray] = []
    repairs, offset = 0, 0
    for number, step in enumerate(steps):
        for thread in step.threads:
            (layer, parent, start, end), repaired = _match(thread, step.end_ns)
            parts.append((layer, np.where(parent == NO_PARENT, NO_PARENT, parent + offset), start, end))
            step_index.append(np.full(layer.size, number))
            concurrent.append(np.full(layer.size, int(not thread.is_step_thread)))
            repairs += repaired
            offset += layer.size
    layer, parent, start, end = (_joined([part[column] for part in parts]) for column in range(4))
    return Spans(
        layer=layer,
        parent=parent,
        start_ns=start,
        end_ns=end,
        step=_joined(step_index),
        is_concurrent=_joined(concurrent).astype(np.bool_),
        repairs=repairs,
    )


def _joined(columns: Sequence[IntArray]) -> IntArray:
    return np.concatenate(columns) if columns else np.empty(0, dtype=np.int64)


def _match(thread: ThreadEvents, end_ns: int) -> tuple[_Columns, int]:
    """The spans of one thread and how many events had no partner."""
    columns = _match_clean(thread.codes, thread.times_ns)
    return (columns, 0) if columns is not None else _match_by_stack(thread.codes, thread.times_ns, end_ns)


def _match_clean(codes: IntArray, times_ns: IntArray) -> _Columns | None:
    """Spans of a buffer in which every enter has its leave; None where that does not hold."""
    is_enter = codes >= 0
    after = np.cumsum(np.where(is_enter, 1, -1))
    if codes.size == 0:
        return codes, codes, times_ns, times_ns
    if after[-1] != 0 or after.min() < 0:
        return None
    level = np.where(is_enter, after, after + 1)
    by_level = np.argsort(level, kind="stable")  # within a level events keep their order: enter, leave, enter, leave
    enters, leaves = by_level[0::2], by_level[1::2]
    if not (is_enter[enters].all() and np.array_equal(codes[enters], ~codes[leaves])):
        return None
    entry_order = np.argsort(enters, kind="stable")
    enters, leaves = enters[entry_order], leaves[entry_order]
    return codes[enters], _parents(level[enters]), times_ns[enters], times_ns[leaves]


def _parents(level: IntArray) -> IntArray:
    """For spans in order of entry, the index of the latest span one level up; -1 on the first level."""
    parent = np.full(level.size, NO_PARENT, dtype=np.int64)
    positions = np.arange(level.size)
    for depth in range(2, int(level.max(initial=1)) + 1):
        here, above = positions[level == depth], positions[level == depth - 1]
        parent[here] = above[np.searchsorted(above, here) - 1]
    return parent


def _match_by_stack(codes: IntArray, times_ns: IntArray, end_ns: int) -> tuple[_Columns, int]:
    """Spans of a buffer with events missing: abandoned entries end where their caller does, or with the step."""
    layer: list[int] = []
    parent: list[int] = []
    start: list[int] = []
    end: list[int] = []
    stack: list[int] = []  # indices of open spans
    repairs = 0
    for code, time_ns in zip(codes.tolist(), times_ns.tolist(), strict=True):
        if code >= 0:
            parent.append(stack[-1] if stack else NO_PARENT)
            stack.append(len(layer))
            layer.append(code)
            start.append(time_ns)
            end.append(end_ns)
            continue
        closed = _pop_to(stack, layer, ~code)
        repairs += abs(len(closed) - 1)
        for span in closed:
            end[span] = time_ns
    columns = tuple(np.asarray(column, dtype=np.int64) for column in (layer, parent, start, end))
    return (columns[0], columns[1], columns[2], columns[3]), repairs + len(stack)


def _pop_to(stack: list[int], layer: Sequence[int], wanted: int) -> list[int]:
    """Takes the latest open span of layer ``wanted`` and all above it off the stack; takes nothing if there is none."""
    for place in range(len(stack) - 1, -1, -1):
        if layer[stack[place]] == wanted:
            closed = stack[place:]
            del stack[place:]
            return closed
    return []
