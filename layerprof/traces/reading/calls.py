"""From the module events of a trace to calls of layers that nest.

    Net     |------------------|                 by the trace's own ids a is called from Net, and b too
    a          |-------|.....                    a reaches into b, as slices of with_stack do: it is cut off there
    b                  |----|

Which call lies in which is told by the trace's own ids where it has them, else by time.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from layerprof.traces.reading.base import NONE, UNLINKED, Frames, NestedCalls, Steps, ThreadCalls

if TYPE_CHECKING:
    from layerprof.attribute import IntArray


def nested_calls(frames: Frames, steps: Steps) -> NestedCalls:
    """The calls that begin within a step, cut off where they reach past what is around them."""
    within = np.flatnonzero(steps.holds(frames.start_ns))
    step = steps.of(frames.start_ns[within])
    order = np.lexsort((frames.order[within], frames.start_ns[within], frames.thread[within], step))
    walk = _Walk(frames)
    threads = []
    for first, end in _groups(step[order], frames.thread[within][order]):
        places = within[order[first:end]]
        number = int(step[order[first]])
        codes, times = walk.thread(places.tolist(), until_ns=int(steps.end_ns[number]))
        threads.append(ThreadCalls(step=number, thread=int(frames.thread[places[0]]), codes=codes, times_ns=times))
    columns = (_ints(column) for column in (walk.frame, walk.caller, walk.start_ns, walk.end_ns))
    frame, caller, start_ns, end_ns = columns
    return NestedCalls(
        frame=frame,
        caller=caller,
        start_ns=start_ns,
        end_ns=end_ns,
        thread=frames.thread[frame],
        threads=tuple(threads),
        mended=walk.mended,
    )


@dataclass(slots=True)
class _Walk:
    """Goes through the calls of one thread after the other with a stack of those that are open."""

    frames: Frames
    frame: list[int] = field(default_factory=list)
    caller: list[int] = field(default_factory=list)
    start_ns: list[int] = field(default_factory=list)
    end_ns: list[int] = field(default_factory=list)
    mended: int = 0
    _open: list[int] = field(default_factory=list)
    _codes: list[int] = field(default_factory=list)
    _times: list[int] = field(default_factory=list)

    def thread(self, places: Sequence[int], *, until_ns: int) -> tuple[IntArray, IntArray]:
        """The codes and times of the calls at these places in the frames, which are by start."""
        self._open, self._codes, self._times = [], [], []
        starts, ends = self.frames.start_ns[places].tolist(), self.frames.end_ns[places].tolist()
        callers = self.frames.caller[places].tolist()
        for place, start_ns, end_ns, caller in zip(places, starts, ends, callers, strict=True):
            self._leave_before(start_ns, caller)
            self._enter(place, start_ns, min(end_ns, until_ns))
        self._leave_before(until_ns, NONE)
        return _ints(self._codes), _ints(self._times)

    def _enter(self, place: int, start_ns: int, end_ns: int) -> None:
        around = self._open[-1] if self._open else NONE
        if around != NONE and end_ns > self.end_ns[around]:
            self.mended += 1
            end_ns = self.end_ns[around]
        self._open.append(len(self.frame))
        self._codes.append(len(self.frame))
        self._times.append(start_ns)
        self.frame.append(place)
        self.caller.append(around)
        self.start_ns.append(start_ns)
        self.end_ns.append(max(start_ns, end_ns))

    def _leave_before(self, start_ns: int, caller: int) -> None:
        """Leaves what has ended, or by the ids is not around the call that begins.

        Ids lead to a caller only while it is open: recomputation calls layers whose callers ended long ago.
        """
        while self._open and self._is_over(self._open[-1], start_ns):
            self._leave()
        is_told = caller != UNLINKED and (caller == NONE or any(self.frame[call] == caller for call in self._open))
        while self._open:
            call = self._open[-1]
            if self.frame[call] == caller if is_told else self.end_ns[call] > start_ns:
                return
            if self.end_ns[call] > start_ns:
                self.mended += 1
                self.end_ns[call] = start_ns
            self._leave()

    def _is_over(self, call: int, time_ns: int) -> bool:
        """Whether a call has ended; one without a length may be around what begins with it."""
        return self.end_ns[call] <= time_ns and self.start_ns[call] < time_ns

    def _leave(self) -> None:
        call = self._open.pop()
        self._codes.append(~call)
        self._times.append(self.end_ns[call])


def _groups(*keys: IntArray) -> Iterator[tuple[int, int]]:
    """Where each run of equal keys begins and ends."""
    if not keys[0].size:
        return
    changes = np.zeros(keys[0].size, dtype=np.bool_)
    changes[0] = True
    for key in keys:
        changes[1:] |= key[1:] != key[:-1]
    firsts = np.flatnonzero(changes).tolist()
    yield from zip(firsts, [*firsts[1:], keys[0].size], strict=True)


def _ints(values: Sequence[int]) -> IntArray:
    return np.asarray(values, dtype=np.int64)
