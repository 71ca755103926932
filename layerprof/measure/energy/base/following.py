"""Follows the calls of chosen units through one step: which, in which phase, with what.

Units do not lie inside one another, yet one may call another, or itself; the outermost call counts. Calls on other
threads are left out, for their time is not the step's; those that autograd's engine makes are not, for the step's
thread waits for them. Work of the engine begins when the gradient of a unit's output is there.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from typing import TYPE_CHECKING, Protocol

import torch
from torch import nn
from torch.utils.hooks import RemovableHandle

from layerprof.instruments import Site
from layerprof.instruments.base import engine_task, tensors_in

if TYPE_CHECKING:
    from layerprof.measure.base import Target
    from layerprof.measure.phases import Phases
    from layerprof.measure.runner import StepRunner

_PreHook = Callable[[nn.Module, tuple[object, ...], dict[str, object]], None]
_PostHook = Callable[[nn.Module, tuple[object, ...], object], None]


class CallListener(Protocol):
    """Told of a step's phases and of the outermost calls of units; phases are by the instruments' numbers."""

    def began(self, phase: int) -> None:
        """A phase begins; the first one is the step's own beginning."""
        ...

    def entered(self, layer: int, phase: int, args: tuple[object, ...], kwargs: Mapping[str, object]) -> None:
        """A unit is called; what is done last in here is closest to its work."""
        ...

    def left(self, layer: int, phase: int, output: object) -> None:
        """It returned ``output``, or raised; what is done first in here is closest to its work."""
        ...


class StepFollower:
    """Runs steps and tells a listener of the units' calls.

    Args:
        target: the model, resolved.
        units: indices of layers; those that hooks cannot reach are not followed.
        phases: the account of phases.
        listener: that is told.

    Attributes:
        elsewhere: units that were called on other threads.
    """

    def __init__(self, target: Target, units: Sequence[int], phases: Phases, listener: CallListener) -> None:
        chosen = frozenset(units)
        self._sites = [site for site in target.timed if site.index in chosen]
        self._phases = phases
        self._listener = listener
        self._open: list[int] = []  # units that were called and have not returned
        self._phase = 0
        self._phase_of_open = 0
        self._thread = threading.get_ident()
        self._engine_runs = 0
        self._handles: list[RemovableHandle] = []
        self.elsewhere: set[int] = set()

    def run(self, runner: StepRunner) -> None:
        """One step; no hook is left on anything afterwards, also when it raises."""
        with self.installed(self._sites), self._phases.marked(self):  # a phase begins before the call that begins it
            runner.run(self)
            self._phases.ran_backward(self._engine_runs)

    @contextmanager
    def installed(self, sites: Sequence[Site]) -> Iterator[None]:
        """The block in which the sites' calls are followed."""
        with ExitStack() as stack:
            stack.callback(self._forget_backward)
            for site in sites:
                enter, leave = self._enter(site.index), self._leave(site.index)
                before = site.module.register_forward_pre_hook(enter, prepend=True, with_kwargs=True)
                stack.callback(before.remove)
                stack.callback(site.module.register_forward_hook(leave, always_call=True).remove)
            yield

    def call(self, index: int) -> AbstractContextManager[None]:
        """The root's call, where no hook is on it: it is no unit then."""
        return nullcontext()

    def begin(self) -> None:
        """A step begins on this thread."""
        self._open.clear()
        self._thread = threading.get_ident()
        self._engine_runs = 0
        self.phase(0)

    def phase(self, index: int) -> None:
        """Phase ``index`` begins."""
        self._phase = index
        self._listener.began(index)

    def _enter(self, index: int) -> _PreHook:
        def enter(module: nn.Module, args: tuple[object, ...], kwargs: dict[str, object]) -> None:
            if self._is_elsewhere(index):
                return
            self._open.append(index)
            if len(self._open) == 1:
                backward = self._phases.backward
                is_recomputed = backward is not None and engine_task() != -1
                self._phase_of_open = backward if backward is not None and is_recomputed else self._phase
                self._listener.entered(index, self._phase_of_open, args, kwargs)

        return enter

    def _leave(self, index: int) -> _PostHook:
        def leave(module: nn.Module, args: tuple[object, ...], output: object) -> None:
            if self._is_elsewhere(index) or index not in self._open:
                return
            while self._open.pop() != index:  # what was interrupted inside of it never returned
                pass
            if not self._open:
                self._listener.left(index, self._phase_of_open, output)
                self._await_backward(output)

        return leave

    def _is_elsewhere(self, index: int) -> bool:
        if threading.get_ident() == self._thread or engine_task() != -1:
            return False
        self.elsewhere.add(index)
        return True

    def _await_backward(self, output: object) -> None:
        if self._phases.backward is None or not torch.is_grad_enabled():
            return
        tensors = (tensor for tensor in tensors_in(output) if tensor.requires_grad)
        self._handles.extend(tensor.register_hook(self._came_back) for tensor in tensors)

    def _came_back(self, gradient: torch.Tensor) -> None:
        backward = self._phases.backward
        if backward is not None and self._phase != backward:
            self._engine_runs += 1
            self.phase(backward)

    def _forget_backward(self) -> None:
        for handle in self._handles:
            handle.remove()
        self._handles.clear()
