"""A memory meter whose counts are set by hand."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext

from layerprof.instruments import MeterReading


class FakeMeter:
    """Counts what it is told was allocated and freed; the peak follows as a real allocator's does.

    Args:
        live_bytes: alive at the start.
    """

    def __init__(self, live_bytes: int = 0) -> None:
        self._live_bytes = live_bytes
        self._allocated_bytes = 0
        self._peak_bytes = live_bytes

    def allocate(self, size_bytes: int) -> None:
        """Has so many bytes come alive."""
        self._live_bytes += size_bytes
        self._allocated_bytes += size_bytes
        self._peak_bytes = max(self._peak_bytes, self._live_bytes)

    def free(self, size_bytes: int) -> None:
        """Has so many bytes die.

        Raises:
            ValueError: when fewer are alive.
        """
        if size_bytes > self._live_bytes:
            raise ValueError(f"{size_bytes} bytes cannot be freed: {self._live_bytes} are alive")
        self._live_bytes -= size_bytes

    def running(self) -> AbstractContextManager[object]:
        """Nothing to start: the hand that sets it always counts."""
        return nullcontext()

    def read(self) -> MeterReading:
        """The counts now."""
        return MeterReading(self._live_bytes, self._allocated_bytes, self._peak_bytes)

    def restart_peak(self) -> None:
        """Has the peak start anew from the live bytes."""
        self._peak_bytes = self._live_bytes
