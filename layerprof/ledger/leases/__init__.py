"""Leases: several processes and hosts that share a folder, each run taken by one of them, none lost when one dies.

    leases/<name>.<generation>.lease      who is on ``name``; generations below the living one are of owners that died
    leases/<owner>.beacon                 moves while the owner lives; its time alone matters

To claim a name is to **create the next generation's file exclusively, and then look again**:

    look      any living lease of the name?        yes: it is somebody else's
    create    <highest generation + 1>             it is there already: somebody else was quicker
    look      any other living lease of the name?  yes: remove mine, it is somebody else's
              otherwise it is mine, until I remove it

Why there are never two holders: let two processes hold a name at one time, and let A be the one whose file was created
first. A's file stays as long as A holds, so it was there during B's second look, which came after B's creation, and so
after A's. B saw a living lease of another and went away: no two hold. Nothing in this needs generations to go up in any
order, so they may be removed at any time when their owners are dead; exclusive creation is there so that of many who
find the same dead lease one wins at once, instead of all seeing each other and going away. Two that go away from each
other both come back.

What it rests on: a folder's listing has every file that was there before it began, and nobody who lives is held for
dead. A process that was stopped for longer than three beats is held for dead by other hosts, and goes on when it wakes:
then two measure the same run, and the first result wins. The caller looks for a result after each claim, so that a name
that changes hands is not worked on again.

An owner's leases are files of its own, which nobody else touches while it lives; it removes them when it ends.
"""

from __future__ import annotations

import os
import shutil
import sys
import threading
import uuid
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType

from layerprof.ledger.base import Layout, not_written
from layerprof.ledger.leases.base import BEAT_S, Owner, owner_in
from layerprof.ledger.leases.beacons import CLOCK, Beacons

__all__ = ["Leases", "Owner"]

_SUFFIX = ".lease"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Lease:
    """One generation of a name's lease, as it was seen."""

    path: Path
    name: str
    generation: int
    owner: Owner | None
    is_alive: bool


class Leases:
    """What one owner has claimed in a sweep's folder; a context manager, whose end gives all of it back.

    A daemon thread moves the owner's beacon; it sleeps in between.

    Args:
        layout: of the sweep's folder.
        owner: who claims.
        beat_s: how often the beacon moves; an owner on another host is held for dead after three.

    Attributes:
        owner: who claims.
    """

    def __init__(self, layout: Layout, owner: Owner, beat_s: float = BEAT_S) -> None:
        self.owner = replace(owner, beat_s=beat_s)
        self._layout = layout
        self._folder = layout.leases
        self._beacons = Beacons(self._folder, self.owner)
        self._mine: dict[str, Path] = {}
        self._is_ended = threading.Event()
        self._thread = threading.Thread(target=self._beat, name="layerprof-leases", daemon=True)

    def __enter__(self) -> Leases:
        """Lights the beacon.

        Raises:
            InputError: when the folder cannot be written.
            UnavailableError: when there is no space.
        """
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            self._beacons.light()
        except OSError as error:
            raise not_written(self._folder, error) from error
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._is_ended.set()
        self._thread.join()
        for name in tuple(self._mine):
            self.release(name)
        self._beacons.put_out()

    def claim(self, name: str) -> bool:
        """Takes a name, if nobody who lives has it; afterwards look whether its work has been done meanwhile.

        Args:
            name: safe as a file's name.

        Raises:
            InputError: when the folder cannot be written.
            UnavailableError: when there is no space; the name may be claimed again when there is some.
        """
        before = self._generations(name)
        if any(lease.is_alive for lease in before):
            return False
        path = self._path(name, max((lease.generation for lease in before), default=-1) + 1)
        try:
            if not self._is_created(path):
                return False
        except OSError as error:
            raise not_written(path, error) from error
        if any(lease.is_alive for lease in self._generations(name) if lease.path != path):
            _remove(path)
            return False
        self._mine[name] = path
        return True

    def release(self, name: str) -> None:
        """Gives a name back; one that this owner does not hold is left alone."""
        path = self._mine.pop(name, None)
        if path is not None:
            _remove(path)

    def holder(self, name: str) -> Owner | None:
        """The living owner of a name, or None."""
        return next((lease.owner for lease in self._generations(name) if lease.is_alive), None)

    def all_held(self) -> set[str]:
        """The names that living others hold."""
        return {lease.name for lease in self._leases() if lease.is_alive and lease.name not in self._mine}

    def times_lost(self, name: str) -> int:
        """How many owners died while they held the name, since the dead were last cleared away."""
        return sum(1 for lease in self._generations(name) if not lease.is_alive)

    def clear_dead(self) -> None:
        """Removes the leases of dead owners, their beacons and their work folders, as far as that can be done."""
        now_ns = self._beacons.now_ns()
        for lease in self._leases():
            if not lease.is_alive:
                _remove(lease.path)
        known = set()
        for path, owner in self._beacons.owners():
            if owner is not None and self._beacons.is_alive(owner, since_ns=0, now_ns=now_ns):
                known.add(owner.id)
            elif owner is not None:
                shutil.rmtree(self._layout.work / owner.id, ignore_errors=True)
                _remove(path.with_suffix(CLOCK))
                _remove(path)  # last: while it is there, the rest can be found again
            elif self._is_old(path, now_ns):
                _remove(path)
        self._clear_strays(known, now_ns)

    def _clear_strays(self, known: set[str], now_ns: int) -> None:
        """Removes what no beacon tells of, once it is certain that none is about to."""
        strays = [path for path in _entries(self._folder) if path.name.startswith(".") or path.suffix == CLOCK]
        for path in strays:
            if path.stem not in known and self._is_old(path, now_ns):
                _remove(path)
        for path in _entries(self._layout.work):
            if path.name not in known and self._is_old(path, now_ns):
                shutil.rmtree(path, ignore_errors=True)

    def _is_old(self, path: Path, now_ns: int) -> bool:
        try:
            return not self._beacons.is_young(path.stat().st_mtime_ns, now_ns=now_ns)
        except OSError:
            return False

    def _beat(self) -> None:
        while not self._is_ended.wait(self.owner.beat_s):
            with suppress(OSError):  # the next beat may find a disk or a server that is back
                self._beacons.light()

    def _path(self, name: str, generation: int) -> Path:
        if not name or name.startswith(".") or "/" in name or "\\" in name:
            raise ValueError(f"{name!r} is no name that a file could have")
        return self._folder / f"{name}.{generation}{_SUFFIX}"

    def _is_created(self, path: Path) -> bool:
        """Makes a lease, whole from the start; False where there is one already.

        Raises:
            OSError: when it cannot be written.
        """
        temporary = self._folder / f".{uuid.uuid4().hex}"
        try:
            temporary.write_bytes(self.owner.to_bytes())
            try:
                os.link(temporary, path)
            except FileExistsError:
                return temporary.stat().st_nlink == 2  # an answer that was lost on the way, and was asked for again
            except OSError:
                return self._is_created_without_links(path)
            return True
        finally:
            _remove(temporary)

    def _is_created_without_links(self, path: Path) -> bool:
        try:
            file = path.open("xb")
        except FileExistsError:
            return False
        try:
            with file:
                file.write(self.owner.to_bytes())
        except OSError:
            _remove(path)  # it would be somebody's, of whom nobody could tell whether it lives
            raise
        return True

    def _generations(self, name: str) -> list[_Lease]:
        return [lease for lease in self._leases(of=name) if lease.name == name]

    def _leases(self, *, of: str = "") -> Iterator[_Lease]:
        """The leases of all names that begin so, each as alive as its owner."""
        paths = [path for path in _entries(self._folder) if path.suffix == _SUFFIX and path.name.startswith(of)]
        now_ns = self._beacons.now_ns() if paths else 0
        alive: dict[str, bool] = {}
        for path in paths:
            name, _, generation = path.stem.rpartition(".")
            if generation.isdigit():
                owner, since_ns = _owner_and_time(path)
                if since_ns is None:
                    continue  # given back, just now
                if owner is None:
                    is_alive = self._beacons.is_young(since_ns, now_ns=now_ns)
                else:
                    is_alive = alive.get(owner.id, False) or self._beacons.is_alive(
                        owner, since_ns=since_ns, now_ns=now_ns
                    )
                    alive[owner.id] = is_alive
                yield _Lease(path=path, name=name, generation=int(generation), owner=owner, is_alive=is_alive)


def _owner_and_time(path: Path) -> tuple[Owner | None, int | None]:
    """Whose a lease is, None where it is just being written; and since when, None where it is not there any more."""
    try:
        with path.open("rb") as file:
            return owner_in(file.read()), os.fstat(file.fileno()).st_mtime_ns
    except FileNotFoundError:
        return None, None
    except OSError:  # it is there and cannot be looked at: somebody's, as long as nobody knows better
        return None, sys.maxsize


def _entries(folder: Path) -> list[Path]:
    try:
        return list(folder.iterdir())
    except FileNotFoundError:
        return []


def _remove(path: Path) -> None:
    with suppress(OSError):
        path.unlink(missing_ok=True)
