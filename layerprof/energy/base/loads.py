"""What runs in a window: something that keeps the device at work for as long as is asked."""

from __future__ import annotations

from typing import Protocol


class Load(Protocol):
    """Work that can be repeated, every call the same.

    Contract: after ``launch(a); launch(b); settle()`` the device has done the work of ``a + b`` calls, and between the
    first launch and the end of ``settle`` it was never waiting for the host because of a launch that came late.
    """

    def launch(self, calls: int) -> None:
        """Starts so many calls; returns when those of the launch before are done, so that the queue stays short."""
        ...

    def settle(self) -> None:
        """Waits until all that was launched is done."""
        ...
