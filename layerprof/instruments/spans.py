"""The time pass's instrument: two numbers appended on entry and two on leaving, nothing else.

    enter ─ append(index) ─ append(now) ─▶ … the layer … ─▶ now ─ append(~index) ─ append(now) ─ leave

The clock is read last on entry and first on leaving, so a hook's own cost falls on the caller's self time, not on the
layer's. Each thread writes its own flat buffer; matching enters with leaves is left to `layerprof.attribute`. Marks
(phases, backward work) stand between the calls in the buffer of the step's thread.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Protocol

import numpy as np
from torch import nn

from layerprof.attribute import PHASE, StepEvents, ThreadEvents
from layerprof.clock import Clock
from layerprof.instruments.base import PostHook, PreHook, Site, engine_task, hooked


class BoundaryFollower(Protocol):
    """Told of every boundary of a call; it may write marks into the buffer of the step's thread."""

    def begin(self, buffer: list[int]) -> None:
        """A step begins, whose thread writes into ``buffer``."""
        ...

    def entered(self, *, is_elsewhere: bool = False) -> None:
        """A call began; its event is the buffer's last, unless it is on another thread than the step's."""
        ...

    def left(self, output: object) -> None:
        """A call returned ``output``; its event is the buffer's last."""
        ...


class SpanRecorder:
    """Records when each layer is entered and left, on every thread, one step at a time.

    Args:
        clock: where the time comes from.
        follower: told of the boundaries of calls on the step's thread, for backward work.
    """

    def __init__(self, clock: Clock, follower: BoundaryFollower | None = None) -> None:
        self._now_ns = clock.now_ns
        self._follower = follower
        self._buffers: list[tuple[threading.Thread, list[int]]] = []
        self._local = threading.local()
        self._step_buffer: list[int] = []
        self._step_thread = threading.get_ident()

    @contextmanager
    def installed(self, sites: Sequence[Site]) -> Iterator[None]:
        """Has the sites' calls recorded inside the block."""
        enter, leave = (self._enter, self._leave) if self._follower is None else self._followed(self._follower)
        with hooked(sites, enter=enter, leave=leave):
            yield

    @contextmanager
    def call(self, index: int) -> Iterator[None]:
        """Records a call of layer ``index`` that goes through no hook, such as a method of the root."""
        buffer = self._buffer()
        buffer += (index, self._now_ns())
        try:
            yield
        finally:
            now = self._now_ns()
            buffer += (~index, now)

    def begin(self) -> None:
        """Forgets all events: a step begins on this thread."""
        self._buffers = [(thread, buffer) for thread, buffer in self._buffers if thread.is_alive()]
        for _, buffer in self._buffers:
            buffer.clear()
        self._step_buffer = self._buffer()
        self._step_thread = threading.get_ident()
        if self._follower is not None:
            self._follower.begin(self._step_buffer)

    def phase(self, index: int) -> None:
        """Phase ``index`` begins on the step's thread."""
        self._step_buffer += (PHASE + index, self._now_ns())

    def events(self, *, start_ns: int, end_ns: int) -> StepEvents:
        """The events since `begin`, of a step that ran on this thread from ``start_ns`` to ``end_ns``."""
        here = threading.current_thread()
        by_step_thread_first = sorted(self._buffers, key=lambda entry: entry[0] is not here)
        return StepEvents(
            start_ns=start_ns,
            end_ns=end_ns,
            threads=tuple(
                _thread_events(buffer, is_step_thread=thread is here)
                for thread, buffer in by_step_thread_first
                if buffer
            ),
        )

    def _buffer(self) -> list[int]:
        try:
            buffer: list[int] = self._local.buffer
        except AttributeError:
            if self._follower is not None and engine_task() != -1:
                self._local.buffer = self._step_buffer  # the engine's own thread, for which the step's thread waits
                return self._step_buffer
            buffer = self._local.buffer = []
            # By thread object: a number may be given to a new thread as soon as its old bearer is gone.
            self._buffers.append((threading.current_thread(), buffer))
        return buffer

    def _enter(self, index: int) -> PreHook:
        local, new_buffer, now_ns = self._local, self._buffer, self._now_ns

        def enter(module: nn.Module, args: tuple[object, ...]) -> None:
            try:
                buffer = local.buffer
            except AttributeError:  # the first call on this thread
                buffer = new_buffer()
            buffer.append(index)
            buffer.append(now_ns())

        return enter

    def _leave(self, index: int) -> PostHook:
        local, new_buffer, now_ns, code = self._local, self._buffer, self._now_ns, ~index

        def leave(module: nn.Module, args: tuple[object, ...], output: object) -> None:
            now = now_ns()
            try:
                buffer = local.buffer
            except AttributeError:  # entered elsewhere: an event without a partner, which attribution mends
                buffer = new_buffer()
            buffer.append(code)
            buffer.append(now)

        return leave

    def _followed(self, follower: BoundaryFollower) -> tuple[Callable[[int], PreHook], Callable[[int], PostHook]]:
        """The same hooks, which tell the follower of the boundaries on the step's thread."""

        def entering(index: int) -> PreHook:
            record = self._enter(index)

            def enter(module: nn.Module, args: tuple[object, ...]) -> None:
                record(module, args)
                if threading.get_ident() == self._step_thread:
                    follower.entered()
                elif engine_task() == -1:
                    follower.entered(is_elsewhere=True)

            return enter

        def leaving(index: int) -> PostHook:
            record = self._leave(index)

            def leave(module: nn.Module, args: tuple[object, ...], output: object) -> None:
                record(module, args, output)
                if threading.get_ident() == self._step_thread:
                    follower.left(output)

            return leave

        return entering, leaving


def _thread_events(buffer: Sequence[int], *, is_step_thread: bool) -> ThreadEvents:
    events = np.asarray(buffer[: len(buffer) // 2 * 2], dtype=np.int64).reshape(-1, 2)
    return ThreadEvents(is_step_thread=is_step_thread, codes=events[:, 0], times_ns=events[:, 1])
