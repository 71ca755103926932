"""The memory pass: one step under a memory meter, the allocator's on CUDA, and a log of storages that says whose."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

import numpy as np
import torch

from layerprof.attribute import IntArray, MemoryPass
from layerprof.instruments import CallPaths, CudaMeter, MemoryRecorder, RecordedMemory, StorageMeter
from layerprof.machine import device_name
from layerprof.measure.base import Target, eager
from layerprof.records import MemorySummary

if TYPE_CHECKING:
    from layerprof.measure.phases import Phases


class MemoryStep:
    """Follows the bytes of one step by call path and phase.

    Args:
        target: the model, resolved.
        phases: the account of phases.
        inputs: tensors that exist before the step, beside the model's own.
    """

    def __init__(self, target: Target, phases: Phases, inputs: Sequence[torch.Tensor] = ()) -> None:
        model = target.tree.modules[0]
        self._target = target
        self._phases = phases
        known = [*model.parameters(), *model.buffers(), *inputs]
        self.storages = StorageMeter(known, lambda: self.paths.current(), device=target.device)
        meter = CudaMeter(target.device) if target.device.type == "cuda" else self.storages
        self._baseline_bytes = meter.read().live_bytes if meter is not self.storages else self.storages.baseline_bytes
        self._recorder = MemoryRecorder(meter, self.storages.log)
        self._recorded: RecordedMemory | None = None
        self.paths: CallPaths = _StepPaths(self._recorder, self.storages, phases.backward)

    @contextmanager
    def installed(self) -> Iterator[None]:
        """The block around the step: hooks on, compiled code eager."""
        with eager(), self.paths.installed(self._target.counted), self._phases.marked(self.paths):
            yield
            self._phases.ran_backward(self.paths.engine_runs, is_by_threads=self.paths.is_by_threads)
        self._recorded = self._recorder.result()

    def result(self) -> MemoryPass:
        """What the step brought.

        Raises:
            AssertionError: before the step has ended.
        """
        assert self._recorded is not None
        recorded, phase_of = self._recorded, self._phases.phase_of()
        summary = MemorySummary(
            baseline_bytes=self._baseline_bytes,
            step_peak_bytes=recorded.step_peak_bytes,
            device=device_name(self._target.device),
            unowned_bytes=recorded.unowned_bytes,
        )
        return MemoryPass(
            graph=self.paths.graph(recorded.by_place(), phase_of=phase_of, of_the_highest=("peak_bytes",)),
            summary=summary,
            unattributed_allocated_bytes=_by_phase(recorded.unattributed_allocated_bytes, phase_of),
            unattributed_at_peak_bytes=_by_phase(recorded.unattributed_at_peak_bytes, phase_of),
            unseen=self._target.unseen_counted,
        )


def _by_phase(amounts: Mapping[int, int], phase_of: Sequence[int]) -> IntArray:
    sums = np.zeros(max(phase_of) + 1, dtype=np.int64)
    for phase, amount in amounts.items():
        sums[phase_of[phase]] += amount
    return sums


class _StepPaths(CallPaths):
    """Call paths whose recorder opens a frame for the step itself."""

    def __init__(self, recorder: MemoryRecorder, storages: StorageMeter, backward: int | None) -> None:
        super().__init__(recorder, elsewhere=lambda: storages, backward=backward)
        self._recorder = recorder

    def begin(self) -> None:
        super().begin()
        self._recorder.begin()
