"""What calls needed, by place: from the log of storages, and from a meter that is read where calls begin and end.

The peak of a call is taken above where the call began:

enter: baseline = live, peak starts anew      leave: peak of the call = highest live - baseline; the caller's
                                                     peak is at least that high
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch

from layerprof.instruments.base import tensors_in
from layerprof.instruments.memory.base import MemoryMeter, MeterReading, StorageLog


@dataclass(slots=True)
class _Frame:
    """An open call: where memory stood when it began, and how high it has been since."""

    live_bytes: int
    unlogged_bytes: int
    peak_bytes: int
    inner_unlogged_bytes: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedMemory:
    """The memory of one step, by place; places without bytes may be left out.

    The bytes at the peak, with layers and without, and ``unowned_bytes`` sum to ``step_peak_bytes``.

    Attributes:
        allocated_bytes: place -> allocated there by the calls themselves.
        output_bytes: place -> in what the calls returned.
        peak_bytes: place -> the highest of its calls, beyond what was alive when the call began.
        at_peak_bytes: place -> allocated there and alive at the step's peak.
        unattributed_allocated_bytes: phase -> allocated under no layer.
        unattributed_at_peak_bytes: phase -> allocated under no layer and alive at the step's peak.
        step_peak_bytes: the most that was alive beyond what was when the step began.
        unowned_bytes: at the peak, beyond the storages that were alive at theirs: workspaces, and what an allocator
            adds in rounding up. 0 where the meter is the storages' own.

    Limits: the storages' peak may be at another moment than the allocator's. Where it is higher, as with memory that is
        not of this allocator or when bytes from before the step die in it, ``unowned_bytes`` is 0 and the sum exceeds
        ``step_peak_bytes``. What an allocator gave out under no layer beyond storages is in no number but the peaks.
    """

    allocated_bytes: Mapping[int, int]
    output_bytes: Mapping[int, int]
    peak_bytes: Mapping[int, int]
    at_peak_bytes: Mapping[int, int]
    unattributed_allocated_bytes: Mapping[int, int]
    unattributed_at_peak_bytes: Mapping[int, int]
    step_peak_bytes: int
    unowned_bytes: int

    def by_place(self) -> dict[str, Mapping[int, int]]:
        """The numbers that places have, by their names: columns for a call graph."""
        return {
            "allocated_bytes": self.allocated_bytes,
            "output_bytes": self.output_bytes,
            "peak_bytes": self.peak_bytes,
            "at_peak_bytes": self.at_peak_bytes,
        }


class MemoryRecorder:
    """Adds up, by place, what calls allocated, returned, and needed at their highest.

    Bytes in the log belong to the place that made them, also where no call is open, as in the backward pass. What the
    meter saw allocated beyond them during a call, such as a workspace, is that call's.

    Args:
        meter: where the counts come from.
        log: of the storages on the meter's device; without one no byte has an owner.
    """

    def __init__(self, meter: MemoryMeter, log: StorageLog | None = None) -> None:
        self._meter = meter
        self._log = log or StorageLog()
        self._frames: list[_Frame] = []
        self._unlogged_bytes: dict[int, int] = {}
        self._output_bytes: dict[int, int] = {}
        self._peak_bytes: dict[int, int] = {}

    def begin(self) -> None:
        """A step begins: its own frame is opened."""
        for sums in (self._frames, self._unlogged_bytes, self._output_bytes, self._peak_bytes):
            sums.clear()
        self._log.begin()
        self.entered()

    def entered(self) -> None:
        """A call began."""
        now, unlogged_bytes = self._boundary()
        self._frames.append(_Frame(now.live_bytes, unlogged_bytes, now.live_bytes))

    def left(self, place: int, output: object) -> None:
        """The innermost call, which began at ``place``, ended."""
        unlogged_bytes = self._boundary()[1]
        frame = self._frames.pop()
        unlogged_bytes -= frame.unlogged_bytes
        caller = self._frames[-1]
        caller.inner_unlogged_bytes += unlogged_bytes
        caller.peak_bytes = max(caller.peak_bytes, frame.peak_bytes)
        # Below 0 when storages of another allocator, which the log has, came in.
        _add(self._unlogged_bytes, place, max(unlogged_bytes - frame.inner_unlogged_bytes, 0))
        _add(self._output_bytes, place, tensor_bytes(output))
        self._peak_bytes[place] = max(self._peak_bytes.get(place, 0), frame.peak_bytes - frame.live_bytes)

    def result(self) -> RecordedMemory:
        """What the step brought up to now: to be called when it has ended."""
        self._boundary()
        step_peak_bytes = max(frame.peak_bytes for frame in self._frames) - self._frames[0].live_bytes
        allocated_bytes = self._log.allocated_by_place()
        for place, size_bytes in self._unlogged_bytes.items():
            _add(allocated_bytes, place, size_bytes)
        at_peak_bytes = self._log.alive_at_peak()
        return RecordedMemory(
            allocated_bytes=_of_layers(allocated_bytes),
            output_bytes=_of_layers(self._output_bytes),
            peak_bytes=_of_layers(self._peak_bytes),
            at_peak_bytes=_of_layers(at_peak_bytes),
            unattributed_allocated_bytes=_by_phase(allocated_bytes),
            unattributed_at_peak_bytes=_by_phase(at_peak_bytes),
            step_peak_bytes=step_peak_bytes,
            unowned_bytes=max(step_peak_bytes - sum(at_peak_bytes.values()), 0),
        )

    def _boundary(self) -> tuple[MeterReading, int]:
        """Credits the peak since the last boundary to the innermost open call, and starts it anew.

        Returns:
            The meter's counts, and how many of the bytes it ever saw allocated are not in the log.
        """
        self._log.read()
        now = self._meter.read()  # reads the log once more where it is the log's own, so that nothing comes between
        if self._frames:
            self._frames[-1].peak_bytes = max(self._frames[-1].peak_bytes, now.peak_bytes)
        self._meter.restart_peak()
        return now, now.allocated_bytes - self._log.last_reading().allocated_bytes


def tensor_bytes(value: object) -> int:
    """Bytes of the distinct tensors in a nested output: containers, dataclasses, transformers' outputs and caches."""
    if isinstance(value, torch.Tensor):
        return value.numel() * value.element_size()
    distinct = {id(tensor): tensor for tensor in tensors_in(value)}
    return sum(tensor.numel() * tensor.element_size() for tensor in distinct.values())


def _add(sums: dict[int, int], key: int, amount: int) -> None:
    sums[key] = sums.get(key, 0) + amount


def _of_layers(by_place: Mapping[int, int]) -> dict[int, int]:
    return {place: size_bytes for place, size_bytes in by_place.items() if place >= 0}


def _by_phase(by_place: Mapping[int, int]) -> dict[int, int]:
    """Phase -> what is under no layer in it; the places of such work are -1 in the first phase, -2 in the next, ..."""
    return {-1 - place: size_bytes for place, size_bytes in by_place.items() if place < 0}
