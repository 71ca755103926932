"""What the parts of the memory pass share: the meter's protocol, and the log of who made which bytes.

    step begins        +64 at 3     +32 at 5     -64 of 3     +16 at 3     step ends
    live bytes              64           96           32           48
                                          └ the peak: 64 bytes of place 3 and 32 of place 5 are alive

The log is written while the model runs, so writing is one append; all sums are made after the step.
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from itertools import accumulate
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

NO_LAYER = -1  # the place of work under no layer, in the first phase
_BEFORE = -1  # the step of accounts that no step opened


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
class Account:
    """The bytes of one storage: those from before the step, and those that places added since.

    Attributes:
        step: of the log, in which the shares were added.
        base_bytes: there before that step; nobody's.
        size_bytes: all of them now.
        shares: (place, bytes) in the order they were added; beyond the base, they are the size.
    """

    step: int
    base_bytes: int
    size_bytes: int
    shares: list[tuple[int, int]] = field(default_factory=list)


class StorageLog:
    """Births, growths and deaths of storages in one step, in order, each with the place whose bytes they are.

    Bytes are counted beyond those alive when the step began. A storage that grows belongs to the places that grew it,
    each with its part, and gives the latest part back first when it shrinks. What was there before the step is never
    counted down, and so not up again either when it comes back.

    Any thread may write, and a garbage collection may write in the middle of a write: a change is one append. One
    thread reads.
    """

    def __init__(self) -> None:
        self._step = 0
        self._changes: list[int] = []  # place, bytes, place, bytes, ...: flat, as tuples would cost twice as much
        self._read_to = 0
        self._reading = MeterReading(0, 0, 0)

    def begin(self) -> None:
        """A step begins: what is alive is from before, and nobody's."""
        self._step += 1
        self._changes = []
        self._read_to = 0
        self._reading = MeterReading(0, 0, 0)

    def known(self, size_bytes: int) -> Account:
        """A storage from before the step came into view."""
        return Account(_BEFORE, size_bytes, size_bytes)

    def born(self, place: int, size_bytes: int) -> Account:
        """A storage was made at ``place``."""
        self._changes.extend((place, size_bytes))
        return Account(self._step, 0, size_bytes, [(place, size_bytes)])

    def resized(self, account: Account, place: int, size_bytes: int) -> None:
        """A storage was given another size at ``place``."""
        if account.step != self._step:
            account.step, account.base_bytes, account.shares = self._step, account.size_bytes, []
        before, after = (max(size - account.base_bytes, 0) for size in (account.size_bytes, size_bytes))
        account.size_bytes = size_bytes
        if after > before:
            account.shares.append((place, after - before))
            self._changes.extend((place, after - before))
        else:
            self._give_back(account, before - after)

    def died(self, account: Account) -> None:
        """A storage is gone."""
        if account.step == self._step:
            self._give_back(account, account.size_bytes)

    def _give_back(self, account: Account, size_bytes: int) -> None:
        while account.shares and size_bytes:
            place, share = account.shares.pop()
            returned = min(share, size_bytes)
            size_bytes -= returned
            if returned < share:
                account.shares.append((place, share - returned))
            self._changes.extend((place, -returned))

    def read(self) -> MeterReading:
        """The counts now."""
        end = len(self._changes)
        if end > self._read_to:
            before = self._reading
            changes = self._changes[self._read_to + 1 : end : 2]
            live = list(accumulate(changes, initial=before.live_bytes))
            allocated = sum(change for change in changes if change > 0)
            self._reading = MeterReading(live[-1], before.allocated_bytes + allocated, max(before.peak_bytes, *live))
            self._read_to = end
        return self._reading

    def last_reading(self) -> MeterReading:
        """The counts when they were last read."""
        return self._reading

    def restart_peak(self) -> None:
        """Has the peak start anew from what was alive at the last reading."""
        last = self._reading
        self._reading = MeterReading(last.live_bytes, last.allocated_bytes, last.live_bytes)

    def allocated_by_place(self) -> dict[int, int]:
        """Place -> bytes that were allocated there in the step, dead ones too."""
        places, changes = self._columns()
        return _sums(places[changes > 0], changes[changes > 0])

    def alive_at_peak(self) -> dict[int, int]:
        """Place -> its bytes alive when the most bytes of the step were, the first time; they sum to the peak."""
        places, changes = self._columns()
        live = np.cumsum(changes)
        if not live.size or live.max() <= 0:
            return {}
        end = int(live.argmax()) + 1
        return _sums(places[:end], changes[:end])

    def _columns(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Places and changes in bytes, in order.  (changes,) each."""
        flat = np.array(list(self._changes), dtype=np.int64)
        return flat[::2], flat[1::2]


def _sums(places: NDArray[np.int64], changes: NDArray[np.int64]) -> dict[int, int]:
    """Place -> the sum of its changes, where that is not 0."""
    distinct, index = np.unique(places, return_inverse=True)
    sums = np.zeros(distinct.size, dtype=np.int64)
    np.add.at(sums, index, changes)
    return {int(place): int(total) for place, total in zip(distinct, sums, strict=True) if total}
