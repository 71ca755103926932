"""The ops pass's hooks: each call of a layer is a range in a torch.profiler session, named by the layer's number.

    layerprof::step 1 ── layerprof::0 ── layerprof::3 ── aten::linear ── …      (layerprof::phase 2: a mark, no length)

The ranges are torch's lightest: unlike ``torch.profiler.record_function`` they pass no dispatcher, so no dispatch mode
sees them. A thread's open ranges stand on a stack of its own, and none stays open beyond its step, so that the session
stays nested also where hooks are skipped (Ctrl-C) or fire without their partner (a global pre-hook that raises).
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from layerprof.attribute import Boundaries
from layerprof.attribute.base.ops import PHASE_PREFIX, RANGE_PREFIX, STEP_PREFIX
from layerprof.instruments.base import PostHook, PreHook, Site, hooked, next_node_number

_Range = torch._C._profiler._RecordFunctionFast
_Stack = list[tuple[int, "_Range"]]  # open ranges: the layer and the range


@dataclass(slots=True)
class _Thread:
    """What a thread has open, and on the step's thread the log of its boundaries."""

    stack: _Stack
    log: list[int] | None


class RangeRecorder:
    """Writes a range for each call of a layer into the torch.profiler session that is open, on every thread.

    Args:
        follow_backward: whether to log autograd's sequence number at each boundary, by which backward nodes find the
            calls that made them.

    Attributes:
        threads: on how many threads calls were met so far, that of the steps included.
    """

    def __init__(self, *, follow_backward: bool = False) -> None:
        self.threads = 0
        self._follow_backward = follow_backward
        self._local = threading.local()
        self._step: _Range | None = None
        self._logs: list[list[int]] = []  # of each step: code, sequence number, code, sequence number, …

    @contextmanager
    def installed(self, sites: Sequence[Site]) -> Iterator[None]:
        """Has the sites' calls written inside the block."""
        with hooked(sites, enter=self._enter, leave=self._leave):
            yield

    @contextmanager
    def step(self) -> Iterator[None]:
        """A step runs on this thread inside the block: `begin` and `end`."""
        self.begin()
        try:
            yield
        finally:
            self.end()

    def begin(self) -> None:
        """A step begins on this thread, with nothing open; one that has not ended ends here."""
        self.end()
        thread = self._thread()
        _close_down_to(thread, 0)
        self._logs.append([])
        thread.log = self._logs[-1] if self._follow_backward else None
        self._step = _Range(f"{STEP_PREFIX}{len(self._logs) - 1}")
        self._step.__enter__()

    def end(self) -> None:
        """The step that began on this thread ends, and with it all calls that it left open."""
        if self._step is None:
            return
        thread = self._thread()
        _close_down_to(thread, 0)
        self._step.__exit__(None, None, None)
        self._step = thread.log = None

    def phase(self, index: int) -> None:
        """Phase ``index`` begins."""
        with _Range(f"{PHASE_PREFIX}{index}"):
            pass

    @contextmanager
    def call(self, index: int) -> Iterator[None]:
        """Writes a call of layer ``index`` that goes through no hook, such as a method of the root."""
        enter, leave = self._enter(index), self._leave(index)
        module = nn.Identity()
        enter(module, ())
        try:
            yield
        finally:
            leave(module, (), None)

    def boundaries(self, *, first: int = 0) -> Boundaries:
        """What was logged in the steps from number ``first`` on; they are numbered from 0 again."""
        logs = [np.asarray(log, dtype=np.int64).reshape(-1, 2) for log in self._logs[first:]]
        if not logs:
            return Boundaries()
        columns = np.concatenate(logs)
        step = np.repeat(np.arange(len(logs)), [log.shape[0] for log in logs])
        return Boundaries(step=step, code=columns[:, 0], sequence=columns[:, 1])

    def _thread(self) -> _Thread:
        try:
            thread: _Thread = self._local.thread
        except AttributeError:
            thread = self._local.thread = _Thread(stack=[], log=None)
            self.threads += 1
        return thread

    def _enter(self, index: int) -> PreHook:
        local, new_thread, name, new_range = self._local, self._thread, f"{RANGE_PREFIX}{index}", _Range

        def enter(module: nn.Module, args: tuple[object, ...]) -> None:
            try:
                thread = local.thread
            except AttributeError:  # the first call on this thread
                thread = new_thread()
            if thread.log is not None:
                thread.log += (index, next_node_number())
            opened = new_range(name)
            opened.__enter__()
            thread.stack.append((index, opened))

        return enter

    def _leave(self, index: int) -> PostHook:
        new_thread, local = self._thread, self._local

        def leave(module: nn.Module, args: tuple[object, ...], output: object) -> None:
            try:
                thread = local.thread
            except AttributeError:  # entered elsewhere: there is nothing to close
                thread = new_thread()
            stack = thread.stack
            if stack and stack[-1][0] == index:
                stack.pop()[1].__exit__(None, None, None)
                if thread.log is not None:
                    thread.log += (~index, next_node_number())
                return
            for place in range(len(stack) - 1, -1, -1):
                if stack[place][0] == index:
                    _close_down_to(thread, place)
                    return

        return leave


def _close_down_to(thread: _Thread, place: int) -> None:
    """Closes the innermost open ranges, until ``place`` are left."""
    while len(thread.stack) > place:
        index, opened = thread.stack.pop()
        opened.__exit__(None, None, None)
        if thread.log is not None:
            thread.log += (~index, next_node_number())
