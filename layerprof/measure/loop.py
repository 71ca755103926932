"""A loop of the caller's own: each of its steps is dealt to one of the passes, in turn."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import torch
from torch import nn
from torch.utils._pytree import tree_leaves

from layerprof.clock import Clock
from layerprof.machine import settle
from layerprof.measure.base import Target, TimedStep, TimingLog

if TYPE_CHECKING:
    from layerprof.measure.phases import Phases


class InputShapes:
    """The shapes that the model is called with, in the steps that were watched.

    Args:
        model: as it is called.
    """

    def __init__(self, model: nn.Module) -> None:
        self._model = model
        self._calls: list[str] = []
        self._steps: set[tuple[str, ...]] = set()

    @contextmanager
    def watched(self) -> Iterator[None]:
        """The block of a step; one that raises is not kept."""
        self._calls = []
        if isinstance(self._model, torch.jit.ScriptModule):  # takes no hooks
            yield
            return
        hook = self._model.register_forward_pre_hook(self._note, with_kwargs=True)
        try:
            yield
        finally:
            hook.remove()
        self._steps.add(tuple(self._calls))

    @property
    def differ(self) -> bool:
        """Whether two steps had different ones."""
        return len(self._steps) > 1

    def _note(self, module: nn.Module, args: tuple[object, ...], kwargs: dict[str, object]) -> None:
        tensors = (leaf for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, torch.Tensor))
        self._calls.append(
            " ".join(str(tensor.numel() if tensor.is_nested else list(tensor.shape)) for tensor in tensors)
        )


class LoopSteps:
    """The bare and the timed steps of somebody else's loop.

    Args:
        target: the model, resolved.
        clock: where time comes from.
        phases: the account of phases.
        log: where finished steps go.
    """

    def __init__(self, target: Target, clock: Clock, phases: Phases, log: TimingLog) -> None:
        self._target = target
        self._now_ns = clock.now_ns
        self._timed = TimedStep(target, clock, phases)
        self._log = log

    @contextmanager
    def bare(self) -> Iterator[None]:
        """The block of a step without instruments; one that raises is not kept."""
        settle(self._target.device)
        start_ns = self._now_ns()
        yield
        settle(self._target.device)
        self._log.bare_ns.append(self._now_ns() - start_ns)

    @contextmanager
    def time(self) -> Iterator[None]:
        """The block of a step under the span recorder; one that raises is not kept."""
        with self._timed.installed() as recorder:
            settle(self._target.device)
            recorder.begin()
            start_ns = self._now_ns()
            yield
            settle(self._target.device)
            end_ns = self._now_ns()
        self._log.steps.append(recorder.events(start_ns=start_ns, end_ns=end_ns))
