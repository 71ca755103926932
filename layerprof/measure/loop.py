"""A loop of the caller's own: each of its steps is dealt to one of the passes, in turn."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from layerprof.clock import Clock
from layerprof.machine import settle
from layerprof.measure.base import Target, TimedStep, TimingLog

if TYPE_CHECKING:
    from layerprof.measure.phases import Phases


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
