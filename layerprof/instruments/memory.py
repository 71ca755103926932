"""The memory pass's instrument: what each call allocated, and how high memory stood above where the call began.

    enter: baseline = live, peak starts anew      leave: peak of the call = highest live - baseline; the caller's
                                                         peak is at least that high

A meter says how many bytes are live, how many were ever allocated, and the highest since it was last asked to start
anew. On CUDA that is the caching allocator's own bookkeeping; on CPU a dispatch mode follows the storages of tensors.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, fields, is_dataclass
from typing import Protocol

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves


class MemoryMeter(Protocol):
    """A count of bytes, kept by somebody else.

    Contract: after `restart_peak`, `read` gives a peak that is at least the live bytes at any moment since.
    """

    def running(self) -> AbstractContextManager[object]:
        """The block in which the meter counts."""
        ...

    def read(self) -> MeterReading:
        """The counts now."""
        ...

    def restart_peak(self) -> None:
        """Has the peak start anew from the live bytes."""
        ...


@dataclass(frozen=True, slots=True)
class MeterReading:
    """Bytes alive, bytes ever allocated, and the most alive since the peak was restarted."""

    live_bytes: int
    allocated_bytes: int
    peak_bytes: int


@dataclass(slots=True)
class _Frame:
    """An open call: where memory stood when it began, and how high it has been since."""

    live_bytes: int
    allocated_bytes: int
    peak_bytes: int
    inner_allocated_bytes: int = 0


class MemoryRecorder:
    """Adds up, by call path, what calls allocated, returned, and needed at their highest.

    Args:
        meter: where the counts come from.
    """

    def __init__(self, meter: MemoryMeter) -> None:
        self._meter = meter
        self._frames: list[_Frame] = []
        self.allocated_bytes: dict[int, int] = {}
        self.output_bytes: dict[int, int] = {}
        self.peak_bytes: dict[int, int] = {}

    def begin(self) -> None:
        """A step begins: its own frame is opened."""
        self._frames.clear()
        self.entered()

    def step_peak_bytes(self) -> int:
        """The most bytes the step had alive beyond those when it began."""
        self._fold_peak()
        return self._frames[0].peak_bytes - self._frames[0].live_bytes

    def entered(self) -> None:
        """A call began."""
        self._fold_peak()
        now = self._meter.read()
        self._frames.append(_Frame(now.live_bytes, now.allocated_bytes, now.live_bytes))

    def left(self, path: int, output: object) -> None:
        """The innermost call ended."""
        self._fold_peak()
        frame = self._frames.pop()
        allocated = self._meter.read().allocated_bytes - frame.allocated_bytes
        caller = self._frames[-1]
        caller.inner_allocated_bytes += allocated
        caller.peak_bytes = max(caller.peak_bytes, frame.peak_bytes)
        _add(self.allocated_bytes, path, allocated - frame.inner_allocated_bytes)
        _add(self.output_bytes, path, tensor_bytes(output))
        self.peak_bytes[path] = max(self.peak_bytes.get(path, 0), frame.peak_bytes - frame.live_bytes)

    def _fold_peak(self) -> None:
        """Credits the peak since the last boundary to the innermost open call, and starts it anew."""
        if self._frames:
            self._frames[-1].peak_bytes = max(self._frames[-1].peak_bytes, self._meter.read().peak_bytes)
        self._meter.restart_peak()


def _add(sums: dict[int, int], key: int, amount: int) -> None:
    sums[key] = sums.get(key, 0) + amount


def tensor_bytes(value: object) -> int:
    """Bytes of the distinct tensors in a nested output: containers, dataclasses, transformers' outputs and caches."""
    distinct = {id(tensor): tensor for tensor in tensors_in(value)}
    return sum(tensor.numel() * tensor.element_size() for tensor in distinct.values())


def tensors_in(value: object) -> Iterator[torch.Tensor]:
    """The tensors in a nested structure; of objects that are no containers only a dataclass's fields are looked at."""
    for leaf in tree_leaves(value):
        if isinstance(leaf, torch.Tensor):
            yield leaf
        elif isinstance(leaf, Mapping):
            yield from tensors_in(list(leaf.values()))
        elif is_dataclass(leaf) and not isinstance(leaf, type):
            yield from tensors_in([getattr(leaf, field.name, None) for field in fields(leaf)])


class CudaMeter:
    """The CUDA caching allocator's counts; bytes that tensors asked for, not what the allocator reserved.

    Limits: it restarts the allocator's peak, so a peak the caller was tracking starts anew.
    """

    def __init__(self, device: torch.device) -> None:
        self._device = device

    def running(self) -> AbstractContextManager[object]:
        """Nothing to start: the allocator always counts."""
        return nullcontext()

    def read(self) -> MeterReading:
        """The allocator's counts now."""
        counts = torch.cuda.memory_stats(self._device)
        return MeterReading(
            live_bytes=counts["allocated_bytes.all.current"],
            allocated_bytes=counts["allocated_bytes.all.allocated"],
            peak_bytes=counts["allocated_bytes.all.peak"],
        )

    def restart_peak(self) -> None:
        """Has the allocator's peak start anew."""
        torch.cuda.reset_peak_memory_stats(self._device)


class StorageMeter(TorchDispatchMode):
    """Counts the storages of tensors as ops make them and as Python and C++ let go of them.

    A storage that an op returns and that was not known before is new; its death is seen by a weak reference.

    Args:
        known: tensors that exist already (parameters, buffers, inputs): their storages are the baseline.

    Limits: scratch memory inside one C++ op, and memory that no tensor's storage holds, is not seen.
    """

    supports_higher_order_operators = True  # flex attention and torch.cond come here too, instead of failing

    def __init__(self, known: Iterable[torch.Tensor]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # torch leaves it without annotations
        self._live_bytes = 0
        self._allocated_bytes = 0
        self._peak_bytes = 0
        self._sizes: dict[int, int] = {}  # storage handle -> bytes counted for it
        self._deaths: dict[int, weakref.ref[torch.UntypedStorage]] = {}
        self.baseline_bytes = sum(size for tensor in known for size in self._adopt(tensor))

    def running(self) -> AbstractContextManager[object]:
        """The block in which ops are followed."""
        return self

    def read(self) -> MeterReading:
        """The counts now."""
        return MeterReading(self._live_bytes, self._allocated_bytes, self._peak_bytes)

    def restart_peak(self) -> None:
        """Has the peak start anew from what is alive."""
        self._peak_bytes = self._live_bytes

    def __torch_dispatch__(
        self,
        func: Callable[..., object],
        types: object,
        args: tuple[object, ...] = (),
        kwargs: Mapping[str, object] | None = None,
    ) -> object:
        """Runs the op and counts the storages it made or resized."""
        for tensor in tensors_in((args, dict(kwargs or {}))):
            self._adopt(tensor)  # made before this block, or by code that no mode sees: not this op's doing
        result = func(*args, **(kwargs or {}))
        for tensor in tensors_in(result):
            self._follow(tensor)
        return result

    def _adopt(self, tensor: torch.Tensor) -> tuple[int, ...]:
        """Marks a storage as known from before, at no cost; gives its bytes if it was new to us."""
        storage = _storage_of(tensor)
        if storage is None or storage._cdata in self._sizes:
            return ()
        self._watch(storage, counted_bytes=0)
        return (storage.nbytes(),)

    def _follow(self, tensor: torch.Tensor) -> None:
        """Counts a storage that is new or has grown since."""
        storage = _storage_of(tensor)
        if storage is None:
            return
        counted = self._sizes.get(storage._cdata)
        if counted is None:
            self._watch(storage, counted_bytes=storage.nbytes())
            self._change(storage.nbytes())
        elif counted and counted != storage.nbytes():  # resized in place, as out= does
            self._sizes[storage._cdata] = storage.nbytes()
            self._change(storage.nbytes() - counted)

    def _watch(self, storage: torch.UntypedStorage, *, counted_bytes: int) -> None:
        handle = storage._cdata
        self._sizes[handle] = counted_bytes
        self._deaths[handle] = weakref.ref(storage, lambda _: self._forget(handle))

    def _forget(self, handle: int) -> None:
        self._deaths.pop(handle, None)
        self._live_bytes -= self._sizes.pop(handle, 0)

    def _change(self, size: int) -> None:
        self._live_bytes += size
        self._allocated_bytes += max(size, 0)
        self._peak_bytes = max(self._peak_bytes, self._live_bytes)


def _storage_of(tensor: torch.Tensor) -> torch.UntypedStorage | None:
    """The tensor's storage; None for tensors that have none (sparse, meta-like subclasses)."""
    try:
        return tensor.untyped_storage()
    except (RuntimeError, NotImplementedError):
        return None
