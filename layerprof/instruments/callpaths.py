"""The call path at any moment, while the model runs: for instruments that must know it at every op.

The time pass writes events and sorts them out afterwards; counting FLOPs and following memory need the innermost call
when an op is dispatched. So this keeps, for each thread, a stack of open calls, and numbers the call paths and the
places (a call path in a phase) as they first appear. What an op does is then added to the number of its place.

    forward:    enter · node 0 · enter · node 1 · node 2 · leave · node 3 · leave      numbers of autograd's nodes
    backward:   an op inside the engine belongs to the call that was innermost when its node was made
"""

from __future__ import annotations

import threading
from bisect import bisect_right
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from torch import nn

from layerprof.attribute import CallGraph, CallPathTable, IntArray, graph_of_places, nodes_of_places
from layerprof.instruments.base import (
    UNNUMBERED_NODE,
    PostHook,
    PreHook,
    Site,
    autograd_node_number,
    engine_task,
    hooked,
    next_node_number,
)

NO_PATH = -1  # under no layer


class CallListener(Protocol):
    """Told of every call as it begins and ends."""

    def entered(self) -> None:
        """A call began on this thread."""
        ...

    def left(self, place: int, output: object) -> None:
        """The innermost call of this thread, begun at ``place``, returned ``output`` (None when it raised)."""
        ...


@dataclass(slots=True)
class _Open:
    """An open call: its layer, the number of its call path and of the place where it began, and on whose thread."""

    index: int
    path: int
    place: int
    is_concurrent: bool
    is_in_engine: bool
    is_bracket: bool
    ending: AbstractContextManager[object] | None = None


class CallPaths:
    """Numbers call paths and places, and knows the current place of each thread.

    Under no layer the place is ``-1 - phase``.

    Args:
        listener: told of calls on the step's thread; calls on other threads are numbered but not told.
        elsewhere: what to enter around the outermost calls on other threads, such as a dispatch mode, which torch
            does not carry over to them.
        backward: the phase of work inside the autograd engine; None where no gradients are computed.

    Attributes:
        is_by_threads: whether layers ran on other threads with gradients, so that backward work is nobody's.
    """

    def __init__(
        self,
        listener: CallListener | None = None,
        *,
        elsewhere: Callable[[], AbstractContextManager[object]] | None = None,
        backward: int | None = None,
    ) -> None:
        self._listener = listener
        self._elsewhere = elsewhere
        self._backward = backward
        self._phase = 0
        self._stacks: dict[int, list[_Open]] = {}
        self._paths: dict[tuple[int, int, bool], int] = {}
        self._places: dict[tuple[int, int], int] = {}
        self._layer_and_phase: list[tuple[int, int]] = []  # of each place
        self._layers: list[int] = []  # of each path
        self._calls: dict[int, int] = {}
        self._step_thread = threading.get_ident()
        self._lock = threading.Lock()
        self._node_numbers: list[int] = []  # at every boundary of the step's thread, and the path open after it
        self._paths_after: list[int] = []
        self._latest_engine_path = NO_PATH
        self._engine_tasks: set[int] = set()
        self.is_by_threads = False
        self._forward_caller: dict[int, int] = {}  # of a layer: the path that it was last called from forward

    @contextmanager
    def installed(self, sites: Sequence[Site]) -> Iterator[None]:
        """Has the sites' calls followed inside the block."""
        with hooked(sites, enter=self._enter, leave=self._leave):
            yield

    @contextmanager
    def call(self, index: int) -> Iterator[None]:
        """Follows a call of layer ``index`` that goes through no hook, such as a method of the root."""
        self._push(index, is_bracket=True)
        try:
            yield
        finally:
            self._pop(index, None)

    def begin(self) -> None:
        """A step begins on this thread: no call is open, and no phase has begun."""
        self._step_thread = threading.get_ident()
        self._stacks.clear()
        self._phase = 0
        self._node_numbers.clear()
        self._paths_after.clear()
        self._latest_engine_path = NO_PATH
        self._engine_tasks.clear()
        self.is_by_threads = False

    @property
    def engine_runs(self) -> int:
        """How often autograd's engine ran in this step, as far as anybody asked for places in it."""
        return len(self._engine_tasks)

    def phase(self, index: int) -> None:
        """Phase ``index`` begins."""
        self._phase = index

    def current(self) -> int:
        """The place of the innermost call of this thread; ``-1 - phase`` under no layer."""
        stack = self._stacks.get(threading.get_ident())
        node = autograd_node_number() if self._backward is not None else None
        # A layer that wants gradients inside its own call does its own work; a method that trains is no layer's call.
        asks_itself = stack and not (stack[-1].is_in_engine or stack[-1].is_bracket)
        if node is None or asks_itself:
            return self._place(stack[-1].path if stack else NO_PATH, self._phase)
        assert self._backward is not None
        self._engine_tasks.add(engine_task())
        path = stack[-1].path if stack and stack[-1].is_in_engine else self._made_by(node)
        return self._place(path, self._backward)

    def layer_of(self, place: int) -> int:
        """The layer of the call that ``place`` stands for; -1 under no layer."""
        return NO_PATH if place < 0 else self._layer_and_phase[place][0]

    def phase_of(self, place: int) -> int:
        """The phase of ``place``."""
        return -1 - place if place < 0 else self._layer_and_phase[place][1]

    def graph(
        self,
        values: Mapping[str, Mapping[int, int]],
        *,
        phase_of: Sequence[int] = (0,),
        of_the_highest: Collection[str] = (),
    ) -> CallGraph:
        """The call graph of the step, with ``calls`` and the given values by place, each (nodes, 1).

        Args:
            values: name -> place -> amount; places under no layer are left out.
            phase_of: what the instrument's phase numbers are in the trace.
            of_the_highest: values of which the highest counts where phases become one.
        """
        cells = self._cells(phase_of)
        columns = {"calls": self._calls, **values}
        amounts = {name: _column(by_place.get(at, 0) for at in range(cells.size)) for name, by_place in columns.items()}
        return graph_of_places(self._table(), cells, amounts, phases=max(phase_of) + 1, of_the_highest=of_the_highest)

    def nodes(self, *, phase_of: Sequence[int] = (0,)) -> IntArray:
        """The node of each place in the graph of the step: (places,)."""
        return nodes_of_places(self._table(), self._cells(phase_of), phases=max(phase_of) + 1)

    def _table(self) -> CallPathTable:
        keys = list(self._paths)
        return CallPathTable(
            parent=_column(key[0] for key in keys),
            layer=_column(key[1] for key in keys),
            is_concurrent=np.asarray([key[2] for key in keys], dtype=np.bool_),
        )

    def _cells(self, phase_of: Sequence[int]) -> IntArray:
        phases = max(phase_of) + 1
        return _column(path * phases + phase_of[phase] for path, phase in self._places)

    def _place(self, path: int, phase: int) -> int:
        if path == NO_PATH:
            return NO_PATH - phase
        key = (path, phase)
        place = self._places.get(key)
        if place is None:
            with self._lock:
                place = self._places.setdefault(key, len(self._places))
                if place == len(self._layer_and_phase):
                    self._layer_and_phase.append((self._layers[path], phase))
        return place

    def _made_by(self, node: int) -> int:
        """The call path under which autograd's node of that number was made; for one without a number, the latest.

        Numbers are counted by thread: where layers ran on others with gradients, nobody can tell.
        """
        if self.is_by_threads:
            return NO_PATH
        if node < UNNUMBERED_NODE:
            boundary = bisect_right(self._node_numbers, node) - 1
            self._latest_engine_path = self._paths_after[boundary] if boundary >= 0 else NO_PATH
        return self._latest_engine_path

    def _enter(self, index: int) -> PreHook:
        def enter(module: nn.Module, args: tuple[object, ...]) -> None:
            self._push(index)

        return enter

    def _leave(self, index: int) -> PostHook:
        def leave(module: nn.Module, args: tuple[object, ...], output: object) -> None:
            self._pop(index, output)

        return leave

    def _push(self, index: int, *, is_bracket: bool = False) -> None:
        thread = threading.get_ident()
        stack = self._stacks.setdefault(thread, [])
        is_in_engine = self._backward is not None and autograd_node_number() is not None
        is_concurrent = thread != self._step_thread and not is_in_engine  # the step's thread waits for the engine
        caller = stack[-1].path if stack else NO_PATH
        if is_in_engine and not (stack and stack[-1].is_in_engine):
            caller = self._forward_caller.get(index, NO_PATH)
        path = self._path((caller, index, is_concurrent))
        place = self._place(path, self._backward if is_in_engine and self._backward is not None else self._phase)
        if not is_in_engine:
            self._forward_caller[index] = caller
        if is_concurrent and self._backward is not None and torch.is_grad_enabled():
            self.is_by_threads = True
        with self._lock:
            self._calls[place] = self._calls.get(place, 0) + 1
        ending = self._elsewhere() if self._elsewhere and is_concurrent and not stack else None
        if ending is not None:
            ending.__enter__()
        stack.append(
            _Open(
                index=index,
                path=path,
                place=place,
                is_concurrent=is_concurrent,
                is_in_engine=is_in_engine,
                is_bracket=is_bracket,
                ending=ending,
            )
        )
        self._log_boundary(thread, path)
        if self._listener is not None and not is_concurrent:
            self._listener.entered()

    def _path(self, key: tuple[int, int, bool]) -> int:
        with self._lock:
            path = self._paths.setdefault(key, len(self._paths))
            if path == len(self._layers):
                self._layers.append(key[1])
        return path

    def _log_boundary(self, thread: int, path: int) -> None:
        """Keeps which call is open from the next node of autograd on."""
        if self._backward is not None and thread == self._step_thread:
            self._node_numbers.append(next_node_number())
            self._paths_after.append(path)

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
            if self._listener is not None and not call.is_concurrent:
                self._listener.left(call.place, output if is_own else None)
            if is_own:
                break
        self._log_boundary(thread, stack[-1].path if stack else NO_PATH)


def _column(numbers: Iterable[int]) -> IntArray:
    return np.fromiter(numbers, dtype=np.int64)
