"""Temporary folders of which a kill leaves none for long: who is killed, the next one clears away after.

    make ─ lock ─ clear what nobody locks ─▶ use ─▶ remove, which gives the lock back

The owner holds a lock on its folder, which the kernel gives back however the owner ends; so a folder of this kind that
can be locked is one of an owner that died. Whoever removes one holds its lock meanwhile, and one who finds that the
folder which it has just made is locked, or gone, makes another.

Limits:
    Where the file system has no locks, folders of the dead stay. What the last one of all leaves stays until there is
    another.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path


@contextmanager
def scratch_folder(prefix: str, *, place: Path | None = None) -> Iterator[Path]:
    """An empty folder, which is removed at the end.

    Args:
        prefix: of its name; folders of the same kind in the same place have the same, and nothing else has it.
        place: where it is made; None is the system's place for temporary files.
    """
    where = Path(tempfile.gettempdir()) if place is None else place
    with ExitStack() as stack:
        folder = _made(prefix, where, stack)
        _clear_dead(prefix, where)
        yield folder


def _made(prefix: str, place: Path, stack: ExitStack) -> Path:
    while True:
        folder = Path(tempfile.mkdtemp(prefix=prefix, dir=place))
        with ExitStack() as own:
            is_ours = _is_locked_now(folder, own)
            if is_ours is not False and folder.exists():
                stack.enter_context(own.pop_all())
                stack.callback(shutil.rmtree, folder, ignore_errors=True)  # before the lock is given back
                return folder


def _clear_dead(prefix: str, place: Path) -> None:
    for folder in place.glob(f"{prefix}*"):
        with ExitStack() as stack:
            if _is_locked_now(folder, stack):
                shutil.rmtree(folder, ignore_errors=True)


def _is_locked_now(folder: Path, stack: ExitStack) -> bool | None:
    """Locks a folder until the stack ends: False where somebody else has, None where it cannot be told."""
    try:
        import fcntl

        handle = os.open(folder, os.O_RDONLY)
    except (ImportError, OSError):
        return None
    stack.callback(os.close, handle)
    with suppress(OSError):
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True
    return None
