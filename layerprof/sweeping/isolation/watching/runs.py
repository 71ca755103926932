"""What the sweep knows of a cell that runs: what it has said, and when it has had enough time.

    submitted ─ server imports ─ started ─ hello ─ begun ─ signs of life ... ─ result ─ ended
        └────── START_S ──────┘     └────────────── timeout_s ──────────────┘   └ teardown ┘
                                    └──────┴── hang_s after each ──┘
    overdue ─ SIGTERM ─ grace_s ─ SIGKILL

The limits of a run are of its own process; what its server imports before, slow as a network's disk may make it, has
a limit of its own.

Pure bookkeeping: nothing is read, waited for or killed here.
"""

from __future__ import annotations

import math
import signal
from collections.abc import Iterable, Mapping
from typing import Any

from layerprof.sweeping.base.jobs import Beat, Job
from layerprof.sweeping.base.options import START_S
from layerprof.sweeping.isolation.base import Stop

TEARDOWN_S = 30.0  # for what libraries do at the exit, once the result is complete


class CellRun:
    """One run, from its submission to its end.

    Args:
        job: what is run.
        now_s: the time of the submission.
        grace_s: between SIGTERM and SIGKILL.

    Attributes:
        pid: of the process, once it has started.
        said: what the process told about itself, by name.
        phase: of the last sign of life, with its steps ``done`` and ``total``.
        is_complete: whether the result is on disk.
        stop: why it is being stopped, or None.
        stop_limit_s: the limit that it ran into.
    """

    def __init__(self, job: Job, *, now_s: float, grace_s: float) -> None:
        self.job = job
        self.pid: int | None = None
        self.said: dict[str, Any] = {}
        self.phase, self.done = "", 0
        self.total: int | None = None
        self.is_complete = False
        self.stop: Stop | None = None
        self.stop_limit_s: float | None = None
        self._grace_s = grace_s
        self._started_s = self._last_sign_s = now_s
        self._completed_s = 0.0
        self._next_signal_s = math.inf
        self._signals = 0

    def start(self, pid: int, now_s: float) -> None:
        """Its process has started."""
        self.pid = pid
        self._started_s = self._last_sign_s = now_s

    def hear(self, messages: Iterable[Mapping[str, Any]], now_s: float) -> Beat | None:
        """Takes in what the process has said; the last sign of life in it, or None."""
        beat = None
        for message in messages:
            self._last_sign_s = now_s
            if "phase" in message:
                self.phase, self.done, self.total = str(message["phase"]), int(message["done"]), message["total"]
                beat = Beat(job=self.job, phase=self.phase, done=self.done, total=self.total)
            elif message.get("result"):
                self.is_complete, self._completed_s = True, now_s
            self.said.update({name: value for name, value in message.items() if value is not None})
        return beat

    def due_s(self) -> float:
        """When something is to be done about it at the earliest, if it goes on saying nothing."""
        if self.stop is not None:
            return self._next_signal_s
        return min(moment_s for moment_s, _, _ in self._limits())

    def signal_at(self, now_s: float) -> int | None:
        """The signal that its processes are to be sent now, or None; asking counts as sending."""
        if self.stop is None:
            moment_s, stop, limit_s = min(self._limits(), key=lambda limit: limit[0])
            if now_s < moment_s:
                return None
            self.stop, self.stop_limit_s, self._next_signal_s = stop, limit_s, now_s
        if now_s < self._next_signal_s:
            return None
        self._signals += 1
        self._next_signal_s = now_s + self._grace_s
        return signal.SIGTERM if self._signals == 1 else signal.SIGKILL

    def _limits(self) -> list[tuple[float, Stop, float]]:
        """Moments at which it has to be stopped, each with the reason and its length."""
        if self.pid is None:
            return [(self._started_s + START_S, "start", START_S)]
        if self.is_complete:
            return [(self._completed_s + TEARDOWN_S, "teardown", TEARDOWN_S)]
        limits, found = self.job.limits, list[tuple[float, Stop, float]]()
        if limits.timeout_s is not None:
            found.append((self._started_s + limits.timeout_s, "timeout", limits.timeout_s))
        if limits.hang_s is not None:
            found.append((self._last_sign_s + limits.hang_s, "hang", limits.hang_s))
        return found or [(math.inf, "timeout", math.inf)]
