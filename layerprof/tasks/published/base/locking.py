"""One process at a time fills a folder: two that fetch the same samples at once fetch them twice for nothing."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import TextIO

from layerprof.errors import UnavailableError

if sys.platform != "win32":
    import fcntl

_LONGEST_WAIT_S = 300.0  # for a holder that fetches hundreds of pictures; a third of the 900 s that a run may hang
_PAUSE_S = 0.1


@contextmanager
def alone_in(
    folder: Path, *, tell: Callable[[], None] = lambda: None, sleep: Callable[[float], None] = time.sleep
) -> Iterator[None]:
    """Waits until no other process is in here for the same folder; where nothing can be locked, it does not wait.

    Args:
        folder: that is about to be written; the lock is a file in it.
        tell: is called with each look at the lock while another process has it.
        sleep: waits so many seconds.

    Raises:
        UnavailableError: when another process has been in here for longer than anybody should wait.
    """
    with ExitStack() as stack:
        with suppress(OSError):
            folder.mkdir(parents=True, exist_ok=True)
            if not _is_taken(stack.enter_context((folder / ".lock").open("w")), tell, sleep):
                raise UnavailableError(
                    f"another process has been filling {folder} with samples for {_LONGEST_WAIT_S:.0f} s; call again "
                    f"when it is done, or end it"
                )
        yield


def _is_taken(file: TextIO, tell: Callable[[], None], sleep: Callable[[float], None]) -> bool:
    if sys.platform == "win32":
        return True
    for _ in range(round(_LONGEST_WAIT_S / _PAUSE_S)):
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)  # closing the file lets go of it
        except BlockingIOError:
            tell()
            sleep(_PAUSE_S)
        else:
            return True
    return False
