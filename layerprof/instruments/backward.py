"""Backward work in the time pass: whose it is at every moment, by one mark for each stretch of forward work.

    forward:     enter a · nodes 0 1 · enter b · node 2 · leave b · nodes 3 4 · leave a
    backward:    node 4 [after leave b] · 3 · node 2 [after enter b] · node 1 [after enter a] · 0 · [ended]

Autograd numbers its nodes as the forward makes them, and its engine evaluates the ready node with the highest number
first. A node's successors all have higher numbers, so the engine goes strictly backwards through what was recorded: the
nodes made between two boundaries of calls are evaluated in one stretch. A hook on the highest node of each stretch
therefore marks when the engine comes to it, however the graph branches; gradient accumulators, which have no place in
that order, run right after the node that feeds them.

The graph is walked once an outermost call has returned. The walk is the instrument's own time: it stands between
marks that cut it out of the step.

Limits: work of a loss outside of every layer is under no layer, and until the engine reaches the model it is in the
phase before. Where several devices' engine threads work at once, their stretches are one after the other in the record.
A run of the engine that raises does not say when it ended: what follows is the last stretch's until the next call.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch.autograd.graph import Node
from torch.utils.hooks import RemovableHandle

from layerprof.attribute import BACKWARD, BACKWARD_ENDED, PAUSE, RESUME
from layerprof.clock import Clock
from layerprof.instruments.base import UNNUMBERED_NODE, engine_task, next_node_number, tensors_in


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
    """

    def __init__(self, clock: Clock) -> None:
        self._now_ns = clock.now_ns
        self._buffer: list[int] = []
        self._depth = 0
        self._positions: list[int] = []  # of each boundary's event in the buffer
        self._numbers: list[int] = []  # of the next node at each boundary
        self._marked: set[int] = set()  # boundaries whose stretch has its hook
        self._handles: list[RemovableHandle] = []
        self._runs: list[_Run] = []  # of the engine, each inside the one before (reentrant checkpointing)
        self.runs = 0

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
        self._marked = set()
        self._runs = []
        self.runs = 0

    def entered(self) -> None:
        """A call began; its event is the buffer's last."""
        if self._runs and engine_task() == -1:
            self._runs.clear()  # one that raised never said that it was done
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
        """Puts a hook on the highest node of every stretch that leads to ``output`` and has none yet."""
        highest: dict[int, tuple[int, Node]] = {}
        for node in _graph_of(output):
            number = node._sequence_nr()
            if number >= UNNUMBERED_NODE:
                continue
            boundary = bisect_right(self._numbers, number) - 1
            if boundary >= 0 and number >= highest.get(boundary, (-1, node))[0]:
                highest[boundary] = (number, node)
        for boundary, (_, node) in highest.items():
            if boundary not in self._marked:
                self._marked.add(boundary)
                self._handles.append(self._hooked(node, self._positions[boundary]))

    def _hooked(self, node: Node, position: int) -> RemovableHandle:
        buffer, now_ns, code = self._buffer, self._now_ns, BACKWARD + position

        def reached(gradients: object) -> None:
            task = engine_task()
            if not self._runs or self._runs[-1].task != task:
                self._begin_run(task)
            self._runs[-1].code = code
            buffer.append(code)
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


def _graph_of(output: object) -> Iterator[Node]:
    """Every node of the backward graphs of the tensors in ``output``, each once."""
    waiting = [tensor.grad_fn for tensor in tensors_in(output) if tensor.grad_fn is not None]
    seen = set(waiting)
    while waiting:
        node = waiting.pop()
        yield node
        for above, _ in node.next_functions:
            if above is not None and above not in seen:
                seen.add(above)
                waiting.append(above)
