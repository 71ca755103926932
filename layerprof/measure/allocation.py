"""The memory pass: one step under a memory meter, the allocator's on CUDA, a storage-following one elsewhere."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch

from layerprof.attribute import MemoryPass
from layerprof.instruments import CallPaths, CudaMeter, MemoryMeter, MemoryRecorder, StorageMeter
from layerprof.machine import device_name
from layerprof.measure.base import Target, eager
from layerprof.records import MemorySummary


class MemoryStep:
    """Follows the bytes of one step by call path.

    Args:
        target: the model, resolved.
        inputs: tensors that exist before the step, beside the model's own.
    """

    def __init__(self, target: Target, inputs: Sequence[torch.Tensor] = ()) -> None:
        model = target.tree.modules[0]
        self._target = target
        self.meter, self._baseline_bytes = _meter(target.device, [*model.parameters(), *model.buffers(), *inputs])
        self._recorder = MemoryRecorder(self.meter)
        self.paths = _StepPaths(self._recorder)

    @contextmanager
    def installed(self) -> Iterator[None]:
        """The block around the step: hooks on, compiled code eager."""
        with eager(), self.paths.installed(self._target.counted):
            yield

    def result(self) -> MemoryPass:
        """What the step brought."""
        values = {
            "allocated_bytes": self._recorder.allocated_bytes,
            "output_bytes": self._recorder.output_bytes,
            "peak_bytes": self._recorder.peak_bytes,
        }
        summary = MemorySummary(
            baseline_bytes=self._baseline_bytes,
            step_peak_bytes=self._recorder.step_peak_bytes(),
            device=device_name(self._target.device),
        )
        return MemoryPass(graph=self.paths.graph(values), summary=summary, unseen=self._target.unseen_counted)


class _StepPaths(CallPaths):
    """Call paths whose recorder opens a frame for the step itself."""

    def __init__(self, recorder: MemoryRecorder) -> None:
        super().__init__(recorder)
        self._recorder = recorder

    def begin(self) -> None:
        super().begin()
        self._recorder.begin()


def _meter(device: torch.device, known: Sequence[torch.Tensor]) -> tuple[MemoryMeter, int]:
    """The meter for ``device``, and the bytes that were alive before the step."""
    if device.type == "cuda":
        cuda = CudaMeter(device)
        return cuda, cuda.read().live_bytes
    storages = StorageMeter(known)
    return storages, storages.baseline_bytes
