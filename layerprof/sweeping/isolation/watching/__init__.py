"""A cell that runs, as the sweep sees it: what it says, how long it may take, and what goes on beside it."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from layerprof.host import load_of_last_minute
from layerprof.records import FrozenMapping, Note, RunConditions
from layerprof.sweeping.base.jobs import Beat, Job
from layerprof.sweeping.base.options import ExecutorOptions
from layerprof.sweeping.isolation.base import (
    Ending,
    available_bytes,
    born_at,
    chosen_cores,
    lines_of,
    oom_kills,
    tail_of,
)
from layerprof.sweeping.isolation.watching.asking import Boards
from layerprof.sweeping.isolation.watching.boards import READ_EVERY_S, BoardReader
from layerprof.sweeping.isolation.watching.conditions import Observer
from layerprof.sweeping.isolation.watching.runs import CellRun

__all__ = ["BoardReader", "Boards", "CellRun", "Observer", "Watched"]

_LOOK_EVERY_S = 1.0  # between two readings of the machine's counters
_TAIL_BYTES = 16_384  # of a log, in which the reason of an end is looked for
_CHUNK_BYTES = 1 << 16


class Watched:
    """One run from its submission to its end.

    Args:
        job: what is run.
        pipe: read end of what the cell says.
        variables: of the environment, which are set for it.
        options: how cells are run.
        boards: reads GPUs.

    Attributes:
        run: what it has said, and its limits.
        born: when its process began, in the system's ticks; None where it has not, or the system does not tell.
        pipe: read end of what the cell says, open until `close`.
    """

    def __init__(
        self, job: Job, *, pipe: int, variables: Mapping[str, str], options: ExecutorOptions, boards: Boards
    ) -> None:
        self.run = CellRun(job, now_s=time.monotonic(), grace_s=options.grace_s)
        self.born: int | None = None
        self.pipe, self._is_open = pipe, True
        self._asked_bytes, self._free_bytes = options.memory_limit_bytes, available_bytes()
        self._variables, self._is_fresh = variables, False
        self._load_average = load_of_last_minute()
        self._oom_kills = oom_kills()
        self._buffer = bytearray()
        self._observer: Observer | None = None
        self._looked_s = 0.0
        self._boards, self._board_asked_s = boards, 0.0

    def start(self, pid: int, *, is_fresh: bool) -> None:
        """Its process has started.

        Args:
            pid: of the process.
            is_fresh: whether its interpreter is a new one.
        """
        self._is_fresh, self.born = is_fresh, born_at(pid)
        self.run.start(pid, time.monotonic())
        self._observe(chosen_cores(self.run.job.cell.settings.threads))
        self._look(time.monotonic())  # where all was said before, the last chance

    def hear(self) -> tuple[Beat | None, bool]:
        """What the cell has said since: its last sign of life, and whether it may still say more."""
        try:
            data = os.read(self.pipe, _CHUNK_BYTES)
        except BlockingIOError:
            return None, True
        now_s = time.monotonic()
        self._buffer += data
        beat = self.run.hear(lines_of(self._buffer), now_s)
        self._look(now_s)
        return beat, bool(data)

    def due_s(self) -> float:
        """When something is to be done about it at the earliest."""
        due_s = self.run.due_s()
        return min(due_s, self._board_asked_s + READ_EVERY_S) if self._has_board() else due_s

    def look_at_board(self, now_s: float) -> None:
        """Has the GPU read, where it has one and the last time is long enough ago, and takes what came since."""
        if self._observer is None or not self._has_board() or now_s < self._board_asked_s + READ_EVERY_S:
            return
        self._board_asked_s = now_s
        self._take_readings()
        self._boards.ask(self.run.said["board"], self.run.phase)

    def ending(self, *, status: int | None, peak_bytes: int | None, server: str) -> Ending:
        """How it ended.

        Args:
            status: of its process, or None where the server that knew is gone.
            peak_bytes: most resident memory that it had.
            server: last words of a server that is gone.
        """
        run, now = self.run, oom_kills()
        return Ending(
            status=status,
            stop=run.stop,
            limit_s=run.stop_limit_s,
            phase=run.phase,
            done=run.done,
            total=run.total,
            log=tail_of(Path(run.job.folder) / "log.txt", _TAIL_BYTES),
            peak_bytes=peak_bytes,
            free_bytes=min(filter(None, (self._asked_bytes, self._free_bytes)), default=None),
            full=str(run.said.get("full", "")),
            oom_kills=0 if now is None or self._oom_kills is None else now - self._oom_kills,
            server=server,
        )

    def conditions(self, *, peak_bytes: int | None) -> tuple[RunConditions, tuple[Note, ...]]:
        """How it was set up, what was seen beside it, and what the reader has to know of that."""
        said, slot = self.run.said, self.run.job.slot
        conditions = RunConditions(
            isolation="fresh" if self._is_fresh else "forked",
            host=slot.host,
            device=slot.device,
            device_type=slot.device_type,
            pid=self.run.pid,
            threads=said.get("threads"),
            cores=tuple(said.get("cores", ())),
            memory_limit_bytes=said.get("memory_limit_bytes"),
            variables=FrozenMapping(self._variables),
            load_average=self._load_average,
            peak_bytes=peak_bytes,
        )
        if self._observer is None:
            return conditions, ()
        self._take_readings()
        seen, notes = self._observer.completed(conditions)
        is_unseen = "board" in said and self._boards.is_silent
        return seen, (*notes, *((Boards.unseen(),) if is_unseen else ()))

    def close(self) -> None:
        """Lets go of the pipe."""
        if self._is_open:
            os.close(self.pipe)
        self._is_open = False

    def _has_board(self) -> bool:
        return self._observer is not None and "board" in self.run.said and not self._boards.is_silent

    def _take_readings(self) -> None:
        if self._observer is not None and "board" in self.run.said:
            for reading, phase in self._boards.take(self.run.said["board"]):
                self._observer.look_at_board(reading, phase)

    def _observe(self, cores: Sequence[int]) -> None:
        """Looks at the machine from now on, from the start of the process."""
        if self._observer is None or self._observer.cores != tuple(cores):
            self._observer = Observer(self.run.pid or 0, cores)
            self._observer.look("")

    def _look(self, now_s: float) -> None:
        """Reads the machine's counters, where the last time is long enough ago."""
        run = self.run
        if run.pid is None or "cores" not in run.said:
            return
        self._observe(run.said["cores"])
        if self._observer is None:
            return
        if now_s - self._looked_s >= _LOOK_EVERY_S or run.is_complete or self._observer.wants_start(run.phase):
            self._looked_s = now_s
            self._observer.look(run.phase)
