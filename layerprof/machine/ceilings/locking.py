"""One process at a time: two that measure at once make each other's ceilings too low."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import TextIO

if sys.platform != "win32":
    import fcntl

_LONGEST_WAIT_S = 60.0  # many times what measuring takes: after that its holder hangs, and is not waited for
_PAUSE_S = 0.05


@contextmanager
def alone(path: Path) -> Iterator[None]:
    """Waits until no other process is in here for the same file; where nothing can be locked, it does not wait.

    Args:
        path: that is about to be written; the lock is a file beside it.
    """
    with ExitStack() as stack:
        with suppress(OSError):
            path.parent.mkdir(parents=True, exist_ok=True)
            _wait_for(stack.enter_context(path.with_suffix(".lock").open("w")))
        yield


def _wait_for(file: TextIO) -> None:
    if sys.platform == "win32":
        return
    for _ in range(round(_LONGEST_WAIT_S / _PAUSE_S)):
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)  # closing the file lets go of it
        except BlockingIOError:
            time.sleep(_PAUSE_S)
        else:
            return
