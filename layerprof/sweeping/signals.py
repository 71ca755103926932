"""SIGTERM ends a sweep as Ctrl-C does: children are stopped, leases are given back, what is done is kept.

Batch systems send it before they kill.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


class Terminated(KeyboardInterrupt):
    """SIGTERM came; it is handled wherever Ctrl-C is."""


@contextmanager
def terminable() -> Iterator[None]:
    """Makes SIGTERM raise `Terminated` inside the block, where nobody else handles it and the thread may.

    Raises:
        Terminated: when the signal comes.
    """
    is_ours = threading.current_thread() is threading.main_thread()
    if not is_ours or signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL:
        yield
        return
    signal.signal(signal.SIGTERM, _raise)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)


def _raise(number: int, frame: FrameType | None) -> None:
    raise Terminated(f"signal {number}")
