"""The memory of one step, and who owned the bytes at its peak."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class PeakOwner:
    """Bytes that the calls from one place had allocated and that were alive at the step's peak.

    Attributes:
        call_path: paths of the open calls when the bytes were allocated, outermost first; empty under no layer.
        phase: in which they were allocated.
        size_bytes: alive at the peak.
    """

    call_path: tuple[str, ...]
    phase: str
    size_bytes: int

    @property
    def path(self) -> str | None:
        """The layer that owns the bytes; None for work under no layer."""
        return self.call_path[-1] if self.call_path else None


@dataclass(frozen=True, slots=True, kw_only=True)
class MemorySummary:
    """The memory of one step.

    Attributes:
        baseline_bytes: alive before the step: parameters, buffers and inputs.
        step_peak_bytes: the most that the step had alive beyond the baseline.
        device: whose memory it is.
        owners: who had allocated the bytes alive at the peak, the largest first, down to the last byte that a tensor
            held; together with ``unowned_bytes`` they are ``step_peak_bytes``.
        unowned_bytes: bytes at the peak that no tensor held, such as a library's workspace on a device.
    """

    baseline_bytes: int
    step_peak_bytes: int
    device: str
    owners: tuple[PeakOwner, ...] = ()
    unowned_bytes: int = 0

    @property
    def peak_bytes(self) -> int:
        """The most bytes alive at once: baseline and the step's peak."""
        return self.baseline_bytes + self.step_peak_bytes
