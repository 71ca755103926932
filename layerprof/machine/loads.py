"""Steady work for a device, so that its counter can be tried: matrix products, and copies, which draw other power.

launch(250) ── 250 products queued, event a ── waits for nothing
launch(250) ── 250 products queued, event b ── waits for a: the queue stays short, and the device never idles
settle()    ── waits for all
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Protocol

import torch

# On a GPU a call is far longer than its launch, so that the device never waits for the host; on a CPU it is a few
# milliseconds at most, so that a counter's ticks can be watched between calls.
_WIDTH = {"cuda": 4096, "cpu": 512}
_COPIED_BYTES = {"cuda": 2**28, "cpu": 2**24}
_DTYPE = {"cuda": torch.float16, "cpu": torch.float32}
_SEED = 0


class Event(Protocol):
    """A mark in a device's queue."""

    def record(self) -> None:
        """Puts it behind all that was launched."""
        ...

    def synchronize(self) -> None:
        """Waits until the device has come to it."""
        ...


class RepeatedLoad:
    """One piece of work, over and over; it is a ``Load`` of the energy room.

    Args:
        work: launches it.
        device: that it runs on.
        make_event: a new mark in the device's queue; None is CUDA's own on a CUDA device, and none on another, where
            work is done when it returns.
    """

    def __init__(
        self, work: Callable[[], object], device: torch.device, *, make_event: Callable[[], Event] | None = None
    ) -> None:
        is_queued = device.type == "cuda"
        self._work, self._device = work, device
        self._make_event = torch.cuda.Event if make_event is None and is_queued else make_event
        self._last: Event | None = None

    def launch(self, calls: int) -> None:  # noqa: D102 - as `Load`
        with self._chosen():
            for _ in range(calls):
                self._work()
            if self._make_event is None:
                return
            event = self._make_event()
            event.record()
        before, self._last = self._last, event
        if before is not None:
            before.synchronize()

    def settle(self) -> None:  # noqa: D102 - as `Load`
        last, self._last = self._last, None
        if last is not None:
            last.synchronize()

    def _chosen(self) -> AbstractContextManager[object]:
        """CUDA's events are recorded on the current device's stream."""
        return torch.cuda.device(self._device) if self._device.type == "cuda" else nullcontext()


class ProductLoad(RepeatedLoad):
    """Products of two square matrices of random numbers.

    Args:
        device: that they are multiplied on.
        width: of the matrices; None is one that keeps the device busy.
        make_event: as of `RepeatedLoad`.
    """

    def __init__(
        self,
        device: torch.device,
        *,
        width: int | None = None,
        make_event: Callable[[], Event] | None = None,
    ) -> None:
        size = width or _WIDTH.get(device.type, _WIDTH["cpu"])
        left, right = (_random(device, (size, size), seed=_SEED + place) for place in range(2))
        product = torch.empty_like(left)
        super().__init__(lambda: torch.mm(left, right, out=product), device, make_event=make_event)


class CopyLoad(RepeatedLoad):
    """Copies of a buffer of random numbers.

    Args:
        device: whose memory.
        copied_bytes: of the buffer; None is more than most caches hold.
        make_event: as of `RepeatedLoad`.
    """

    def __init__(
        self,
        device: torch.device,
        *,
        copied_bytes: int | None = None,
        make_event: Callable[[], Event] | None = None,
    ) -> None:
        size = copied_bytes or _COPIED_BYTES.get(device.type, _COPIED_BYTES["cpu"])
        source = _random(device, (size // _dtype(device).itemsize,), seed=_SEED)
        copy = torch.empty_like(source)
        super().__init__(lambda: copy.copy_(source), device, make_event=make_event)


def _random(device: torch.device, shape: tuple[int, ...], *, seed: int) -> torch.Tensor:
    """Different numbers, as power depends on them; no random state but its own is touched."""
    generator = torch.Generator(device=device).manual_seed(seed)
    return torch.rand(shape, generator=generator, device=device, dtype=_dtype(device))


def _dtype(device: torch.device) -> torch.dtype:
    return _DTYPE.get(device.type, _DTYPE["cpu"])
