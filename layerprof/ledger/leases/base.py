"""Who holds a lease: an owner, and how another process finds out whether it is still alive."""

from __future__ import annotations

import os
import platform
import uuid
from contextlib import suppress
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

import orjson

BEAT_S = 10.0

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
_PID_NAMESPACE = Path("/proc/self/ns/pid")
_START_FIELD = 19  # of /proc/<pid>/stat after the name: field 22, proc(5)
_ENDED = {"Z", "X", "x"}  # states of a process that was killed and is not yet waited for
_CLOSE_S = 2.0  # two readings of one process's start, where the system gives it by a clock that may be set


@dataclass(frozen=True, slots=True, kw_only=True)
class Owner:
    """A process that takes leases.

    Attributes:
        id: unique, and safe as a file's name.
        host: name of the machine.
        boot: what tells one start of the machine from another.
        pid: of the process.
        pid_namespace: in which the number means this process; containers on one machine have their own.
        started: what tells the process from a later one of the same number.
        beat_s: how often it gives a sign of life.
    """

    id: str = field(default_factory=lambda: uuid.uuid4().hex)
    host: str
    boot: str
    pid: int
    pid_namespace: str
    started: str
    beat_s: float = BEAT_S

    @classmethod
    def here(cls) -> Owner:
        """This process, as an owner of its own: two of one process do not share their leases."""
        return cls(
            host=platform.node(),
            boot=_boot_id(),
            pid=os.getpid(),
            pid_namespace=_pid_namespace(),
            started=started_of(os.getpid()) or "",
        )

    def is_near(self) -> bool:
        """Whether its number can be looked up here: the same machine, started once, and the same numbers."""
        return (self.host, self.boot, self.pid_namespace) == (platform.node(), _boot_id(), _pid_namespace())

    def is_running(self) -> bool:
        """Whether the process runs; it must be near."""
        started = started_of(self.pid)
        return started is not None and _is_same_start(started, self.started)

    def to_bytes(self) -> bytes:
        """The owner as a file has it."""
        return orjson.dumps(asdict(self))


def owner_in(content: bytes) -> Owner | None:
    """The owner that a file tells of; None where it tells of none, such as one that is just being written."""
    try:
        data: dict[str, Any] = orjson.loads(content)
        return Owner(**{one.name: data[one.name] for one in fields(Owner)})
    except (ValueError, TypeError, KeyError):
        return None


def _boot_id() -> str:
    with suppress(OSError):
        return _BOOT_ID.read_text().strip()
    import psutil

    return str(round(psutil.boot_time()))


def _pid_namespace() -> str:
    with suppress(OSError):
        return str(_PID_NAMESPACE.stat().st_ino)
    return ""


def started_of(pid: int) -> str | None:
    """When a process started; None where it does not run.

    On Linux in the kernel's own ticks since the machine started, which no setting of the clock changes.
    """
    try:
        status = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return None if _BOOT_ID.exists() else _start_by_clock(pid)
    except OSError:
        return _start_by_clock(pid)
    values = status.rpartition(")")[2].split()  # a name may hold anything, and ends with the last bracket
    return None if values[0] in _ENDED else values[_START_FIELD]


def _start_by_clock(pid: int) -> str | None:
    import psutil

    try:
        process = psutil.Process(pid)
        return None if process.status() == psutil.STATUS_ZOMBIE else str(process.create_time())
    except psutil.NoSuchProcess:
        return None
    except psutil.Error:
        return ""  # it runs, and may not be looked at


def _is_same_start(one: str, other: str) -> bool:
    if one == other or not one or not other:
        return True
    with suppress(ValueError):
        return "." in one and abs(float(one) - float(other)) < _CLOSE_S
    return False
