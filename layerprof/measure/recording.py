"""The ops pass: a few steps in one session of torch's profiler, between bare steps to compare them with.

bare ── session: sacrificed, recorded, recorded ── bare

The first step of a session is thrown away: CUPTI loses or garbles a session's first kernels, and what is done only
once falls into it. The hooks are those of the time pass, so the ranges are of the same calls.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import torch

from layerprof.attribute import OpEvents, OpsPass
from layerprof.errors import MeasurementError
from layerprof.instruments import OpsSession, RangeRecorder, is_profiling, read_columns
from layerprof.machine import settle
from layerprof.measure.base import Target

if TYPE_CHECKING:
    from layerprof.measure.phases import Phases
    from layerprof.measure.runner import StepRunner

RECORDED = 2  # steps in the columns; with the sacrificed one a session has three


class OpsRecording:
    """One session and what it brought.

    Args:
        target: the model, resolved.
        phases: the account of phases.
    """

    def __init__(self, target: Target, phases: Phases) -> None:
        self._target = target
        self._phases = phases
        self._has_device = target.has_kernels
        self._session = OpsSession(has_device=self._has_device)
        self._events: OpEvents | None = None
        self._pairs_ns: tuple[tuple[int, int], ...] = ()
        self._recorder = RangeRecorder(follow_backward=phases.backward is not None)

    def run(self, runner: StepRunner) -> None:
        """Runs the steps of a measurement of ours, and reads them."""
        bare_ns = [_duration(runner.run())]
        recorded_ns: list[int] = []
        with self._session.running(), self._recorder.installed(self._target.timed):
            for _ in range(1 + RECORDED):
                with self._phases.marked(self._recorder), self._until_end():
                    recorded_ns.append(_duration(runner.run(self._recorder)))
        bare_ns.append(_duration(runner.run()))
        self._read()
        self._pairs_ns = tuple(zip(bare_ns, recorded_ns[1:], strict=True))

    @contextmanager
    def block(self) -> Iterator[None]:
        """The block of one step of somebody else's loop; a step of our own is sacrificed before it."""
        with self._session.running(), self._recorder.installed(self._target.timed):
            with self._recorder.step():
                torch.ones(1, device=self._target.device).add_(1)
                settle(self._target.device)
            with self._phases.marked(self._recorder), self._recorder.step():
                yield
                settle(self._target.device)
        self._read()

    def result(self) -> OpsPass:
        """What the steps brought.

        Raises:
            AssertionError: before they have ended.
        """
        assert self._events is not None
        phase_of = np.asarray(self._phases.phase_of(), dtype=np.int64)
        events = replace(self._events, phase=phase_of[self._events.phase])
        return OpsPass(events=events, pairs_ns=self._pairs_ns, unseen=self._target.unseen_timed)

    @contextmanager
    def _until_end(self) -> Iterator[None]:
        """The runner begins the step; whatever happens in it, it ends here."""
        try:
            yield
        finally:
            self._recorder.end()

    def _read(self) -> None:
        self._events = read_columns(
            self._session.take_events(),
            has_device=self._has_device,
            boundaries=self._recorder.boundaries(first=1),
        )
        if self._phases.backward is not None and self._events.host.is_engine.any():
            self._phases.has_backward()


def require_no_profiler() -> None:
    """Returns where no profiler runs in this process.

    Raises:
        MeasurementError: when one does: a process can have one only.
    """
    if is_profiling():
        raise MeasurementError(
            "the ops pass was asked for and a torch profiler is running already, of which a process can have one only; "
            "stop it before this call, or leave 'ops' out of passes"
        )


def _duration(window_ns: tuple[int, int]) -> int:
    return window_ns[1] - window_ns[0]
