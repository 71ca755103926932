"""One step, bare or under an instrument: inputs made ready outside the window, the device settled at both ends."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING

from layerprof.clock import Clock
from layerprof.machine import settle
from layerprof.measure.base import Call, Instrument, Target, bound_step

if TYPE_CHECKING:
    from layerprof.measure.feed import InputFeed


class StepRunner:
    """Runs the step that a `Call` describes.

    Args:
        call: what to run.
        target: the model, resolved.
        clock: where time comes from.
        feed: deals the inputs of each step.
    """

    def __init__(self, call: Call, target: Target, clock: Clock, feed: InputFeed) -> None:
        self._call = call
        self._target = target
        self._now_ns = clock.now_ns
        self._feed = feed

    def deal(self) -> object:
        """Inputs for one step, copied where steps change them, as `run` makes them before its window; nothing runs."""
        return self._feed.next()

    def run(
        self, instrument: Instrument | None = None, *, around: AbstractContextManager[object] | None = None
    ) -> tuple[int, int]:
        """One step; gives when it began and ended, in the clock's nanoseconds.

        Args:
            instrument: told that the step begins, and of the root's call where no hook is.
            around: entered around the model's own work only, such as a dispatch mode.
        """
        step = bound_step(self._call, self._feed.next())
        settle(self._target.device)
        if instrument is not None:
            instrument.begin()
        with around or nullcontext():
            start_ns = self._now_ns()
            with self._bracket(instrument):
                step()
            settle(self._target.device)
            end_ns = self._now_ns()
        return start_ns, end_ns

    def _bracket(self, instrument: Instrument | None) -> AbstractContextManager[object]:
        if instrument is None or not self._target.root_is_step:
            return nullcontext()
        return instrument.call(0)
