"""Signals that wait until what is being begun or closed is whole."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from types import FrameType

_ENDINGS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@contextmanager
def kept_back() -> Iterator[Callable[[], AbstractContextManager[None]]]:
    """Keeps Ctrl-C, and other endings that have a handler, until the block is left; then the first one is handled.

    The value makes a block inside of the block in which they are let through, with one that has come before. Outside
    the main thread, which alone handles signals, nothing is kept.
    """
    came: list[int] = []
    handlers = {number: signal.getsignal(number) for number in _ENDINGS}
    is_main = threading.current_thread() is threading.main_thread()
    before = {number: handler for number, handler in handlers.items() if is_main and callable(handler)}

    def keep(number: int, _: FrameType | None) -> None:
        came.append(number)

    def hold() -> None:
        for number in before:
            signal.signal(number, keep)

    def release() -> None:
        for number, handler in before.items():
            signal.signal(number, handler)
        if came:
            first = came[0]
            came.clear()
            signal.raise_signal(first)

    @contextmanager
    def let_through() -> Iterator[None]:
        try:
            release()
            yield
        finally:
            hold()

    hold()
    try:
        yield let_through
    finally:
        release()
