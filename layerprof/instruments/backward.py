"""Backward work in the time pass: whose it is at every moment, by one mark for each stretch of forward work.

    forward:     enter a · nodes 0 1 · enter b · node 2 · leave b · nodes 3 4 · leave a
    backward:    node 4 [after leave b] · 3 · node 2 [after enter b] · node 1 [after enter a] · 0 · [ended]

Autograd numbers its nodes as the forward makes them, and its engine evaluates the ready node with the highest number
first. A node's successors all have higher numbers, so the engine goes strictly backwards through what was recorded: the
nodes made between two boundaries of calls are evaluated in one stretch, however the graph branches. The first node of a
stretch that the engine evaluates is one whose gradient comes from outside of it: from a later stretch, or from the loss
by an output. A hook on each of these marks when the engine comes to the stretch, whichever outputs the loss uses.
Gradient accumulators, which have no place in that order, run right after the node that feeds them.

The graph is walked once an outermost call has returned. The walk is the instrument's own time: it stands between
marks that cut it out of the step.

Limits: numbers are counted by thread. In a step in which layers ran on other threads with gradients nobody can tell
whose backward work is whose, so all of it is under no layer. Work of a loss outside of every layer is under no layer
too, and until the engine reaches the model it is in the phase before. Where several devices' engine threads work at
once, their stretches are one after the other in the record. A run of the engine that raises does not say when it
ended: what follows is the last stretch's until the next call.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass

import torch
from torch.autograd.graph import Node
from torch.utils.hooks import RemovableHandle

from layerprof.attribute import BACKWARD, BACKWARD_ENDED, BACKWARD_OF_NOBODY, PAUSE, RESUME
from layerprof.clock import Clock
from layerprof.instruments.base import UNNUMBERED_NODE, engine_task, next_node_number, tensors_in

_OUTSIDE = -1  # made before the step's first call, or of no stretch


@dataclass(slots=True)
class _Run:
    """A run of the engine: its number, and the latest mark that was set in it."""

    task: int
    code: int = BACKWARD_ENDED


class BackwardFollower:
    """Marks backward work in the buffer of the step's thread.

    Args:
        clock: where the time comes from.

    Attributes:
        runs: how often the engine ran over the model's graph in this step.
        is_by_threads: whether layers ran on other threads with gradients, so that backward work is nobody's.
    """

    def __init__(self, clock: Clock) -> None:
        self._now_ns = clock.now_ns
        self._buffer: list[int] = []
        self._depth = 0
        self._positions: list[int] = []  # of each boundary's event in the buffer
        self._numbers: list[int] = []  # of the next node at each boundary
        self._walked: set[int] = set()  # numbers of nodes that were walked
        self._marked: set[int] = set()  # numbers of nodes that have a hook
        self._handles: list[RemovableHandle] = []
        self._runs: list[_Run] = []  # of the engine, each inside the one before (reentrant checkpointing)
        self.runs = 0
        self.is_by_threads = False

    def begin(self, buffer: list[int]) -> None:
        """A step begins, whose thread writes into ``buffer``."""
        self.end()
        self._buffer = buffer

    def end(self) -> None:
        """The step is over: no hook of it is left on any node, and a hook that still fires writes nowhere."""
        for handle in self._handles:
            handle.remove()
        self._handles = []
        self._buffer = []
        self._depth = 0
        self._positions = []
        self._numbers = []
        self._walked = set()
        self._marked = set()
        self._runs = []
        self.runs = 0
        self.is_by_threads = False

    def entered(self, *, is_elsewhere: bool = False) -> None:
        """A call began; its event is the buffer's last, unless it is on another thread than the step's."""
        if is_elsewhere:
            self.is_by_threads = self.is_by_threads or torch.is_grad_enabled()
            return
        if self._runs and engine_task() == -1:  # a run that raised never said that it was done: it was before this call
            self._runs.clear()
            now_ns = self._buffer[-1]
            self._buffer[-2:-2] = (BACKWARD_ENDED, now_ns)
        self._depth += 1
        self._boundary()

    def left(self, output: object) -> None:
        """A call returned ``output``; its event is the buffer's last."""
        self._boundary()
        self._depth = max(self._depth - 1, 0)
        if self._depth == 0 and torch.is_grad_enabled():
            self._buffer += (PAUSE, self._now_ns())
            self._hook_stretches(output)
            self._buffer += (RESUME, self._now_ns())

    def _boundary(self) -> None:
        self._positions.append(len(self._buffer) // 2 - 1)
        self._numbers.append(next_node_number())

    def _hook_stretches(self, output: object) -> None:
        """Puts a hook on every node by which the engine may come into a stretch, where it has none yet.

        Each node is walked once in a step, so a step of many outermost calls is walked once in all.
        """
        waiting: list[Node] = []
        for tensor in tensors_in(output):
            if tensor.grad_fn is not None:
                self._come_to(tensor.grad_fn, _OUTSIDE, waiting)
        while waiting:
            node = waiting.pop()
            stretch = self._stretch_of(node._sequence_nr())
            for above, _ in node.next_functions:
                if above is not None:
                    self._come_to(above, stretch, waiting)

    def _come_to(self, node: Node, from_stretch: int, waiting: list[Node]) -> None:
        """Looks at an edge into ``node``: it gets a hook where the edge comes from another stretch."""
        number = node._sequence_nr()
        if number >= UNNUMBERED_NODE:
            return
        stretch = self._stretch_of(number)
        if stretch != from_stretch and stretch != _OUTSIDE and number not in self._marked:
            self._marked.add(number)
            self._handles.append(self._hooked(node, self._positions[stretch]))
        if number not in self._walked:
            self._walked.add(number)
            waiting.append(node)

    def _stretch_of(self, number: int) -> int:
        """The boundary right after which the node of that number was made."""
        return bisect_right(self._numbers, number) - 1

    def _hooked(self, node: Node, position: int) -> RemovableHandle:
        buffer, now_ns, code = self._buffer, self._now_ns, BACKWARD + position

        def reached(gradients: object) -> None:
            task = engine_task()
            if not self._runs or self._runs[-1].task != task:
                self._begin_run(task)
            self._runs[-1].code = BACKWARD_OF_NOBODY if self.is_by_threads else code
            buffer.append(self._runs[-1].code)
            buffer.append(now_ns())

        return node.register_prehook(reached)

    def _begin_run(self, task: int) -> None:
        """The engine has reached the model and will say when it is done.

        A run inside a run is part of it; when it is done, the one around it goes on in the stretch it was in.
        """
        around = self._runs[-1] if self._runs else None
        self.runs += around is None
        self._runs.append(_Run(task))
        buffer, now_ns, runs = self._buffer, self._now_ns, self._runs

        def ended() -> None:
            while runs and runs.pop().task != task:  # those that raised never said that they were done
                pass
            buffer.append(BACKWARD_ENDED if around is None else around.code)
            buffer.append(now_ns())

        torch.autograd.Variable._execution_engine.queue_callback(ended)
