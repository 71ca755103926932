"""The ops pass: a few steps in one session of torch's profiler, between bare steps to compare them with.

looked at ── bare ── session: sacrificed, recorded, recorded ── bare

The step that is looked at tells on which threads the model works. Where that is the step's alone, the session is of
that thread and has the allocations too; torch tells none in a session of all threads.

The first step of a session is thrown away: CUPTI loses or garbles a session's first kernels, and what is done only
once falls into it. The hooks are those of the time pass, so the ranges are of the same calls.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import torch

from layerprof.attribute import OpEvents, OpsPass, placed_ops
from layerprof.errors import MeasurementError
from layerprof.instruments import OpsSession, RangeRecorder, is_profiling, read_columns
from layerprof.machine import settle
from layerprof.measure.base import Target
from layerprof.records import Note

if TYPE_CHECKING:
    from layerprof.measure.phases import Phases
    from layerprof.measure.runner import StepRunner
    from layerprof.measure.sampling import PowerSampler

_NO_ALLOCATIONS = (
    "the traces show no allocations: the steps were recorded on all threads, since torch worked on several during a "
    "step or the loop is one's own, and there torch's profiler tells none (pytorch#166121)"
)
RECORDED = 2  # steps in the columns; with the sacrificed one a session has three


class OpsRecording:
    """One session and what it brought.

    Args:
        target: the model, resolved.
        phases: the account of phases.
        sampler: reads the device's power meanwhile, where there is a counter that was asked for.
    """

    def __init__(self, target: Target, phases: Phases, sampler: PowerSampler | None = None) -> None:
        self._target = target
        self._sampler = sampler
        self._phases = phases
        self._has_device = target.has_kernels
        self._session = OpsSession(has_device=self._has_device)
        self._has_allocations = False
        self._events: OpEvents | None = None
        self._pairs_ns: tuple[tuple[int, int], ...] = ()
        self._recorder = RangeRecorder(follow_backward=phases.backward is not None)

    def run(self, runner: StepRunner) -> None:
        """Runs the steps of a measurement of ours, and reads them."""
        is_alone = self._is_on_one_thread(runner)
        bare_ns = [_duration(runner.run())]
        recorded_ns = self._record(runner, has_memory=is_alone)
        if is_alone and self._recorder.threads > 1:  # the model began to work on others after it was looked at
            recorded_ns = self._record(runner, has_memory=False)
        bare_ns.append(_duration(runner.run()))
        self._read()
        self._pairs_ns = tuple(zip(bare_ns, recorded_ns[1:], strict=True))

    def _record(self, runner: StepRunner, *, has_memory: bool) -> list[int]:
        """One session of steps; gives what each took."""
        self._has_allocations = has_memory
        self._session = OpsSession(has_device=self._has_device, has_memory=has_memory)
        self._recorder = RangeRecorder(follow_backward=self._phases.backward is not None)
        recorded_ns: list[int] = []
        with self._session.running(), self._recorder.installed(self._target.timed), self._sampling():
            for _ in range(1 + RECORDED):
                with self._phases.marked(self._recorder), self._until_end():
                    recorded_ns.append(_duration(runner.run(self._recorder)))
        return recorded_ns

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

    def notes(self) -> Iterator[Note]:
        """Why the timeline has no allocations, where it has none."""
        if not self._has_allocations:
            yield Note(code="memory_on_threads", quantity="timeline", scope="step", text=_NO_ALLOCATIONS)

    def _sampling(self) -> AbstractContextManager[None]:
        return self._sampler.running() if self._sampler else nullcontext()

    def _is_on_one_thread(self, runner: StepRunner) -> bool:
        """Whether a step's ops are all on its own thread, or the engine's while that waits; one step finds out."""
        session, recorder = OpsSession(has_device=False), RangeRecorder()
        with session.running(), recorder.step():
            runner.run()
        events = read_columns(session.take_events(), has_device=False, sacrificed=0)
        return bool(placed_ops(events).is_own.all())

    @contextmanager
    def _until_end(self) -> Iterator[None]:
        """The runner begins the step; whatever happens in it, it ends here."""
        try:
            yield
        finally:
            self._recorder.end()

    def _read(self) -> None:
        roots = self._session.roots() if self._has_allocations else ()
        self._events = read_columns(
            self._session.take_events(),
            roots=roots,
            has_device=self._has_device,
            boundaries=self._recorder.boundaries(first=1),
        )
        if self._sampler is not None:
            self._events = self._sampler.added_to(self._events)
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
