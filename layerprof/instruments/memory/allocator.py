"""The meter of CUDA devices: the caching allocator's own bookkeeping."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext

import torch

from layerprof.instruments.memory.base import MeterReading


class CudaMeter:
    """The CUDA caching allocator's counts: of the blocks it gave out, not of what it reserved for them.

    A block is what was asked for, rounded up to 512 bytes.

    Limits: it restarts the allocator's peak, so a peak the caller was tracking starts anew.
    """

    def __init__(self, device: torch.device) -> None:
        self._device = device

    def running(self) -> AbstractContextManager[object]:
        """Nothing to start: the allocator always counts."""
        return nullcontext()

    def read(self) -> MeterReading:
        """The allocator's counts now."""
        # Nested, as the allocator gives them: flattening and sorting every count costs more than the rest of a reading.
        counts = torch.cuda.memory_stats_as_nested_dict(self._device)["allocated_bytes"]["all"]
        return MeterReading(
            live_bytes=counts["current"], allocated_bytes=counts["allocated"], peak_bytes=counts["peak"]
        )

    def restart_peak(self) -> None:
        """Has the allocator's peak start anew."""
        torch.cuda.reset_peak_memory_stats(self._device)
