"""What is known of a cell's process when it has ended, and what it has written."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

Stop = Literal["start", "timeout", "hang", "teardown"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """What is known of a process that has ended.

    Attributes:
        status: exit status, or a signal's number below 0; None where the server that knew is gone.
        stop: why it was stopped, or None where nobody did.
        limit_s: that it ran into, where it was stopped.
        phase: of its last sign of life, or "" where it gave none.
        done: steps of the phase.
        total: likewise, or None where that is not known.
        log: end of what it wrote.
        peak_bytes: most resident memory that it had.
        free_bytes: that it could have had when it was started, or its limit where that is less; None: not told.
        oom_kills: how many more processes of its control group the kernel has killed since it began.
        full: the folder where its outcome found no space, or "".
        server: what the server said last, where it is gone.
    """

    status: int | None
    stop: Stop | None = None
    limit_s: float | None = None
    phase: str = ""
    done: int = 0
    total: int | None = None
    log: str = ""
    peak_bytes: int | None = None
    free_bytes: int | None = None
    oom_kills: int = 0
    full: str = ""
    server: str = ""


def tail_of(path: Path, most_bytes: int) -> str:
    """The end of a file as text; nothing where there is none."""
    try:
        with path.open("rb") as file:
            file.seek(0, os.SEEK_END)
            file.seek(max(0, file.tell() - most_bytes))
            return file.read().decode("utf-8", "replace")
    except OSError:
        return ""
