"""Signs of life: a file for each owner, whose time moves while the owner lives.

A near owner, of this machine and its numbers, is dead as soon as its process is. Of any other nothing can be asked, so
it is dead once its beacon has not moved for three beats **by the clock of the file system**: the time of a file that is
touched now, against that of the beacon. Both come from one clock, the server's, and no host's clock is ever looked at.

Network file systems keep what they know of a file for up to a minute, except when it is opened: so a beacon is opened,
and then asked for its time.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from layerprof.ledger.base import file_clock_ns
from layerprof.ledger.leases.base import BEAT_S, Owner, owner_in

MISSED_BEATS = 3

CLOCK = ".clock"  # ending of an owner's file whose time is the file system's

_BEACON = ".beacon"
_NS_PER_S = 1e9


class Beacons:
    """The beacons in a folder of leases, as one owner sees them.

    Args:
        folder: of the leases.
        owner: who looks.
    """

    def __init__(self, folder: Path, owner: Owner) -> None:
        self._folder = folder
        self._owner = owner

    def light(self) -> None:
        """Makes the owner's own beacon, or moves its time.

        Raises:
            OSError: when it cannot be written.
        """
        path = self.path_of(self._owner.id)
        try:
            os.utime(path)
        except FileNotFoundError:  # not made yet, or taken away by somebody who held this owner for dead
            try:
                path.write_bytes(self._owner.to_bytes())
            except OSError:
                path.unlink(missing_ok=True)  # empty, it would tell of nobody, for as long as it moves
                raise

    def put_out(self) -> None:
        """Removes the owner's own beacon."""
        for path in (self.path_of(self._owner.id), self._clock):
            with suppress(OSError):
                path.unlink(missing_ok=True)

    def path_of(self, owner: str) -> Path:
        """The beacon of an owner, by its id."""
        return self._folder / f"{owner}{_BEACON}"

    def owners(self) -> Iterator[tuple[Path, Owner | None]]:
        """All beacons that there are, with whose they are; None where that cannot be read."""
        for path in self._folder.glob(f"*{_BEACON}"):
            with suppress(OSError):
                yield path, owner_in(path.read_bytes())

    def now_ns(self) -> int:
        """The file system's time."""
        return file_clock_ns(self._clock)

    def is_alive(self, owner: Owner, *, since_ns: int, now_ns: int) -> bool:
        """Whether an owner lives.

        Args:
            owner: whom to look for.
            since_ns: a time at which it did, such as that of its lease, by the file system's clock.
            now_ns: the file system's time.
        """
        if owner.id == self._owner.id:
            return True
        if owner.is_near():
            return owner.is_running()
        seen_ns = max(since_ns, opened_mtime_ns(self.path_of(owner.id)))
        return (now_ns - seen_ns) / _NS_PER_S <= MISSED_BEATS * owner.beat_s

    def is_young(self, mtime_ns: int, *, now_ns: int) -> bool:
        """Whether a file is so new that nothing can be said of who made it yet."""
        return (now_ns - mtime_ns) / _NS_PER_S <= MISSED_BEATS * max(BEAT_S, self._owner.beat_s)

    @property
    def _clock(self) -> Path:
        return self._folder / f"{self._owner.id}{CLOCK}"


def opened_mtime_ns(path: Path) -> int:
    """The time of a file as its server has it; 0 where there is none."""
    try:
        with path.open("rb") as file:
            return os.fstat(file.fileno()).st_mtime_ns
    except OSError:
        return 0
