"""Where time comes from: one method, so that a test can hold the clock in its hand."""

from __future__ import annotations

import time
from typing import Protocol


class Clock(Protocol):
    """A monotonic clock.

    Contract: ``now_ns()`` never decreases, and the difference of two readings is the time between them.
    """

    def now_ns(self) -> int:
        """Nanoseconds since an arbitrary origin."""
        ...


class SystemClock:
    """The process's performance counter; its resolution is tens of nanoseconds."""

    now_ns = staticmethod(time.perf_counter_ns)
