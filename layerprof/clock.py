"""Where time comes from: one method, so that a test can hold the clock in its hand."""

from __future__ import annotations

import time
from typing import Protocol, runtime_checkable


class Clock(Protocol):
    """A monotonic clock.

    Contract: ``now_ns()`` never decreases, and the difference of two readings is the time between them.
    """

    def now_ns(self) -> int:
        """Nanoseconds since an arbitrary origin."""
        ...


@runtime_checkable
class PacedClock(Protocol):
    """A clock that can also be waited on.

    Contract: ``sleep_s(seconds)`` returns when ``now_ns()`` has grown by at least that much.
    """

    def now_ns(self) -> int:
        """Nanoseconds since an arbitrary origin."""
        ...

    def sleep_s(self, seconds: float) -> None:
        """Waits."""
        ...


class SystemClock:
    """The process's performance counter; its resolution is tens of nanoseconds."""

    now_ns = staticmethod(time.perf_counter_ns)
    sleep_s = staticmethod(time.sleep)
