"""Files that are whole or not there, on disks that may be full, remote, or on another clock than this machine."""

from __future__ import annotations

import errno
import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from layerprof.errors import InputError, UnavailableError

_FULL = {errno.ENOSPC, errno.EDQUOT}


def is_full(error: BaseException) -> bool:
    """Whether there was no space, by the error or what it came from."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, OSError) and cause.errno in _FULL:
            return True
        cause = cause.__cause__
    return False


def no_space(folder: Path) -> UnavailableError:
    """The error of a full disk."""
    return UnavailableError(f"no space left in {folder}; free some and try again")


def not_written(path: Path, error: OSError) -> InputError | UnavailableError:
    """The error of a file that could not be written, for whichever reason."""
    if is_full(error):
        return no_space(path.parent)
    return InputError(f"cannot write {path}: {error.strerror or error}; choose a place you may write to")


def temporary_of(target: Path) -> Path:
    """A name beside a file's place that nobody else has, by which a killed writer's leavings are known."""
    return target.with_name(f".{target.name}.{uuid.uuid4().hex[:12]}")


def named_by(name: str) -> str | None:
    """The name of the file that a temporary one was to become; None for a name that is no temporary one's."""
    stem, _, _ = name.removeprefix(".").rpartition(".")
    return stem if name.startswith(".") and stem else None


@contextmanager
def place_bytes(target: Path, *parts: bytes) -> Iterator[Path]:
    """A temporary file beside ``target`` with all the parts, safe on disk; what is not moved by the end is removed.

    Raises:
        OSError: when it cannot be written.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = temporary_of(target)
    try:
        with temporary.open("xb") as file:
            file.writelines(parts)
            file.flush()
            os.fsync(file.fileno())
        yield temporary
    finally:
        _unlink(temporary)


def place_file(source: Path, target: Path) -> None:
    """Puts a file in its place, safe on disk, by another name of the same file or, on another disk, a copy.

    The source stays, so that what fails later can be tried again from the start.

    Raises:
        OSError: when it cannot be written.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = temporary_of(target)
    try:
        try:
            os.link(source, temporary)
        except OSError:
            shutil.copyfile(source, temporary)
        with temporary.open("rb") as file:
            os.fsync(file.fileno())
        temporary.replace(target)
    finally:
        _unlink(temporary)  # it is still there where both names were of one file already


def sync_folder(folder: Path) -> None:
    """Makes new names in a folder safe on disk, as far as the system lets one."""
    with suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def file_clock_ns(probe: Path) -> int:
    """The time of the file system's clock: that of a file that is touched now; 0 where it cannot be touched.

    Clocks of hosts differ; times of files on one server are comparable with each other and with nothing else.
    """
    try:
        handle = os.open(probe, os.O_RDWR | os.O_CREAT, 0o666)
        try:
            os.utime(probe)
            return os.fstat(handle).st_mtime_ns
        finally:
            os.close(handle)
    except OSError:
        return 0


def _unlink(path: Path) -> None:
    with suppress(OSError):
        path.unlink(missing_ok=True)
