"""The call path at any moment, while the model runs: for instruments that must know it at every op.

The time pass writes events and sorts them out afterwards; counting FLOPs and following memory need the innermost call
when an op is dispatched. So this keeps, for each thread, a stack of open calls, and numbers the call paths as they
first appear. What an op does is then added to the number of the path it ran under.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from torch import nn

from layerprof.attribute import CallGraph
from layerprof.instruments.base import PostHook, PreHook, Site, hooked

NO_PATH = -1  # under no layer


class CallListener(Protocol):
    """Told of every call as it begins and ends."""

    def entered(self) -> None:
        """A call began on this thread."""
        ...

    def left(self, path: int, output: object) -> None:
        """The innermost call of this thread, of call path ``path``, returned ``output`` (None when it raised)."""
        ...


@dataclass(slots=True)
class _Open:
    """An open call: its layer and the number of its call path."""

    index: int
    path: int
    ending: AbstractContextManager[object] | None = None


class CallPaths:
    """Numbers call paths and knows the current one of each thread.

    Args:
        listener: told of calls on the step's thread; calls on other threads are numbered but not told.
        elsewhere: what to enter around the outermost calls on other threads, such as a dispatch mode, which torch
            does not carry over to them.
    """

    def __init__(
        self,
        listener: CallListener | None = None,
        *,
        elsewhere: Callable[[], AbstractContextManager[object]] | None = None,
    ) -> None:
        self._listener = listener
        self._elsewhere = elsewhere
        self._stacks: dict[int, list[_Open]] = {}
        self._numbers: dict[tuple[int, int, bool], int] = {}
        self._calls: list[int] = []
        self._step_thread = threading.get_ident()
        self._lock = threading.Lock()

    @contextmanager
    def installed(self, sites: Sequence[Site]) -> Iterator[None]:
        """Has the sites' calls followed inside the block."""
        with hooked(sites, enter=self._enter, leave=self._leave):
            yield

    @contextmanager
    def call(self, index: int) -> Iterator[None]:
        """Follows a call of layer ``index`` that goes through no hook, such as a method of the root."""
        self._push(index)
        try:
            yield
        finally:
            self._pop(index, None)

    def begin(self) -> None:
        """A step begins on this thread: no call is open."""
        self._step_thread = threading.get_ident()
        self._stacks.clear()

    def current(self) -> int:
        """The number of the innermost call path of this thread, or -1 under no layer."""
        stack = self._stacks.get(threading.get_ident())
        return stack[-1].path if stack else NO_PATH

    def layer_of(self, path: int) -> int:
        """The layer that call path ``path`` ends in."""
        return list(self._numbers)[path][1]

    def graph(self, values: Mapping[str, Mapping[int, int]]) -> CallGraph:
        """The call graph of the step, with ``calls`` and the given values by call path, each (nodes, 1)."""
        keys = list(self._numbers)
        columns = {"calls": dict(enumerate(self._calls)), **values}
        return CallGraph(
            parent=np.asarray([key[0] for key in keys], dtype=np.int64),
            layer=np.asarray([key[1] for key in keys], dtype=np.int64),
            is_concurrent=np.asarray([key[2] for key in keys], dtype=np.bool_),
            values={
                name: np.asarray([[by_path.get(path, 0)] for path in range(len(keys))], dtype=np.int64).reshape(-1, 1)
                for name, by_path in columns.items()
            },
        )

    def _enter(self, index: int) -> PreHook:
        def enter(module: nn.Module, args: tuple[object, ...]) -> None:
            self._push(index)

        return enter

    def _leave(self, index: int) -> PostHook:
        def leave(module: nn.Module, args: tuple[object, ...], output: object) -> None:
            self._pop(index, output)

        return leave

    def _push(self, index: int) -> None:
        thread = threading.get_ident()
        stack = self._stacks.setdefault(thread, [])
        is_concurrent = thread != self._step_thread
        key = (stack[-1].path if stack else NO_PATH, index, is_concurrent)
        with self._lock:
            path = self._numbers.setdefault(key, len(self._numbers))
            if path == len(self._calls):
                self._calls.append(0)
            self._calls[path] += 1
        ending = self._elsewhere() if self._elsewhere and is_concurrent and not stack else None
        if ending is not None:
            ending.__enter__()
        stack.append(_Open(index=index, path=path, ending=ending))
        if self._listener is not None and not is_concurrent:
            self._listener.entered()

    def _pop(self, index: int, output: object) -> None:
        """Closes the latest open call of layer ``index`` and what was left open above it; ignores a stray leave."""
        thread = threading.get_ident()
        stack = self._stacks.get(thread, [])
        if not any(call.index == index for call in stack):
            return
        while stack:
            call = stack.pop()
            is_own = call.index == index
            if call.ending is not None:
                call.ending.__exit__(None, None, None)
            if self._listener is not None and thread == self._step_thread:
                self._listener.left(call.path, output if is_own else None)
            if is_own:
                return
