"""Processes by their number, which the system gives to another when one has ended."""

from __future__ import annotations

import os
import signal
from contextlib import suppress
from pathlib import Path

_PROC = Path("/proc")
_START = 19  # of the fields after the name, from 0. Source: proc(5), field 22 of /proc/<pid>/stat


def born_at(pid: int, proc: Path = _PROC) -> int | None:
    """When a process began, in ticks since the system did; None where there is none, or the system does not tell."""
    with suppress(OSError, ValueError, IndexError):
        return int((proc / str(pid) / "stat").read_text().rpartition(")")[2].split()[_START])
    return None


def kill_group(pid: int, born: int | None) -> None:
    """Kills what is left of the group that a process has begun; nothing where its number is another's by now.

    A number is not given away while its group has members, so one whose own process is gone is still the group's.

    Args:
        pid: of the process.
        born: when it began, as `born_at` told.
    """
    now = born_at(pid)
    if now is not None and now != born:
        return
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, signal.SIGKILL)
