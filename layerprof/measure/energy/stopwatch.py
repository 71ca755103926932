"""Moments of the work itself: the host's clock on a CPU, events in the stream on CUDA.

On CUDA the host is done long before the device, and waiting for it at every layer would change what is measured. An
event is reached by the device when the work before it is done; the times between events are read once all is settled.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, cast

import torch

from layerprof.clock import Clock


class Stopwatch(Protocol):
    """Marks moments.

    Contract: after the device was settled, ``seconds(mark(), mark())`` is the time that the device's work between the
    two marks took, waits for the host among it.
    """

    def mark(self) -> object:
        """The moment at which all that was launched until now is done."""
        ...

    def seconds(self, first: object, second: object) -> float:
        """The time between two marks; the device was settled after the second."""
        ...


class HostStopwatch:
    """Marks by the host's clock.

    Args:
        clock: where time comes from.
    """

    def __init__(self, clock: Clock) -> None:
        self._now_ns = clock.now_ns

    def mark(self) -> object:  # noqa: D102 - as `Stopwatch`
        return self._now_ns()

    def seconds(self, first: object, second: object) -> float:  # noqa: D102 - as `Stopwatch`
        if not isinstance(first, int) or not isinstance(second, int):
            raise TypeError("these are no marks of this stopwatch")
        return (second - first) / 1e9


class TimedEvent(Protocol):
    """An event in a stream of work, as `torch.cuda.Event`."""

    def record(self) -> None:
        """Puts it behind what was launched on the current stream until now."""
        ...

    def elapsed_time(self, end_event: TimedEvent) -> float:
        """Milliseconds from it to another."""
        ...


def _new_event() -> TimedEvent:
    return cast("TimedEvent", torch.cuda.Event(enable_timing=True))


class DeviceStopwatch:
    """Marks by events on the current stream.

    Args:
        new_event: makes an event.
    """

    def __init__(self, new_event: Callable[[], TimedEvent] = _new_event) -> None:
        self._new_event = new_event

    def mark(self) -> object:  # noqa: D102 - as `Stopwatch`
        event = self._new_event()
        event.record()
        return event

    def seconds(self, first: object, second: object) -> float:  # noqa: D102 - as `Stopwatch`
        milliseconds: float = first.elapsed_time(second)  # type: ignore[attr-defined]  # marks are events here
        return milliseconds / 1e3


def stopwatch_of(device: torch.device, clock: Clock) -> Stopwatch:
    """The stopwatch for a device's work.

    Args:
        device: the model's.
        clock: the host's, for devices that a launch returns from when its work is done.
    """
    return DeviceStopwatch() if device.type == "cuda" else HostStopwatch(clock)
