"""GPUs read by a thread of their own, since a driver that is in trouble may answer never.

    the sweep's loop ─ ask ─▶ thread ─▶ driver          the sweep's loop ◀─ take ─ what has come since

The loop never waits for it. A driver that is silent for `SILENT_S` is asked nothing more until the sweep ends; its
thread, which cannot be ended, goes with the process.
"""

from __future__ import annotations

import queue
import threading
import time
from collections import defaultdict
from collections.abc import Callable
from typing import TYPE_CHECKING

from layerprof.records import Note
from layerprof.sweeping.isolation.base import BoardReading

if TYPE_CHECKING:
    from layerprof.sweeping.isolation.watching.boards import BoardReader

SILENT_S = 5.0  # a driver that works answers in milliseconds, and begins in less than a second where a cell has it open

_Asked = tuple[str, str]  # a board's UUID, and what the cell did


class Boards:
    """GPUs by their UUIDs, asked without waiting.

    Args:
        make: gives what reads a board.
        now_s: gives the time.
    """

    def __init__(self, make: Callable[[str], BoardReader], *, now_s: Callable[[], float] = time.monotonic) -> None:
        self._make, self._now_s = make, now_s
        self._asked: queue.SimpleQueue[_Asked | None] = queue.SimpleQueue()
        self._come: queue.SimpleQueue[tuple[_Asked, BoardReading]] = queue.SimpleQueue()
        self._readings: dict[str, list[tuple[BoardReading, str]]] = defaultdict(list)
        self._thread: threading.Thread | None = None
        self._open = 0
        self._open_since_s = 0.0
        self._was_silent = False

    @property
    def is_silent(self) -> bool:
        """Whether an answer has not come in time, now or earlier."""
        self._collect()
        is_late = self._open > 0 and self._now_s() - self._open_since_s > SILENT_S
        self._was_silent = self._was_silent or is_late
        return self._was_silent

    def ask(self, uuid: str, phase: str) -> None:
        """Has a board read, unless answers are still awaited or come no more.

        Args:
            uuid: of the board.
            phase: that its cell is in; it comes back with the reading.
        """
        if self.is_silent or self._open:
            return
        if self._thread is None:
            self._thread = threading.Thread(target=self._answer, name="layerprof-boards", daemon=True)
            self._thread.start()
        self._open, self._open_since_s = 1, self._now_s()
        self._asked.put((uuid, phase))

    def take(self, uuid: str) -> list[tuple[BoardReading, str]]:
        """The readings of a board that have come since, each with the phase that it was asked in."""
        self._collect()
        return self._readings.pop(uuid, [])

    def close(self) -> None:
        """Lets go of the driver, if it lets go itself; nobody waits for that."""
        self._asked.put(None)

    @staticmethod
    def unseen() -> Note:
        """What the reader has to know of a run whose board was silent."""
        text = (
            f"the GPU's driver gave no answer within {SILENT_S:g} s, so its clock and other processes on it were not "
            f"seen; look at nvidia-smi and the system's log"
        )
        return Note(code="boards_unseen", quantity="latency_s", scope="step", text=text)

    def _collect(self) -> None:
        while not self._come.empty():
            (uuid, phase), reading = self._come.get()
            self._open = 0
            if not self._was_silent:
                self._readings[uuid].append((reading, phase))

    def _answer(self) -> None:
        """The thread: one reader a board, made when it is asked for first."""
        readers: dict[str, BoardReader] = {}
        while (asked := self._asked.get()) is not None:
            uuid, _ = asked
            if uuid not in readers:
                readers[uuid] = self._make(uuid)
            self._come.put((asked, readers[uuid].read()))
        for reader in readers.values():
            reader.close()
