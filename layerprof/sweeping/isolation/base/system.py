"""Calls of the system that Python has no function for; each does nothing where the system has no such thing."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from layerprof.host import siblings_of

_PR_SET_PDEATHSIG = 1  # Source: linux/include/uapi/linux/prctl.h
_FIRST_VICTIM = 1000  # Source: proc(5), oom_score_adj
_SPARED = 0.05  # of the memory that is available, for the sweep itself and for the kernel

_PROC = Path("/proc")
_GROUPS = Path("/sys/fs/cgroup")


def die_with_parent(number: int, *, parent: int) -> bool:
    """Has the kernel send this process a signal when its parent ends, however that ends.

    Args:
        number: of the signal.
        parent: the parent's process id.

    Returns:
        False where the parent has ended already.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, number, 0, 0, 0)
    return os.getppid() == parent


def prefer_as_victim() -> None:
    """Has the kernel take this process first when memory runs out."""
    with suppress(OSError):
        (_PROC / "self" / "oom_score_adj").write_text(str(_FIRST_VICTIM))


def allowed_cores() -> tuple[int, ...]:
    """Numbers of the cores that this process may run on; none where the system does not tell."""
    return tuple(sorted(os.sched_getaffinity(0))) if hasattr(os, "sched_getaffinity") else ()


def chosen_cores(threads: int | None) -> tuple[int, ...]:
    """The cores that a cell with so many threads is kept to, of those that this process may run on.

    One logical core of each physical one comes first: two threads on the halves of one core take turns at its units.

    Args:
        threads: None is all cores.
    """
    cores = allowed_cores()
    if threads is None:
        return cores
    rank = {core: sorted(siblings_of(core) & set(cores)).index(core) for core in cores}
    return tuple(sorted(sorted(cores, key=lambda core: (rank[core], core))[:threads]))


def threads_of_process() -> int:
    """How many threads this process has, those of libraries included; 1 where the system does not tell."""
    try:
        return sum(1 for _ in (_PROC / "self" / "task").iterdir())
    except OSError:
        return 1


def limit_memory(limit_bytes: int | None) -> int | None:
    """Limits what this process can still allocate, so that too much is an error in it and no danger to others.

    Args:
        limit_bytes: None is what the machine and the control groups have available, less a twentieth; 0 is no limit.

    Returns:
        The bytes of private memory that the process cannot exceed, or None without limit.

    Limits:
        What counts is memory that is asked for, whether it is used or not: a private mapping of a file counts whole.
    """
    if sys.platform != "linux" or limit_bytes == 0:
        return None
    import resource

    left_bytes = limit_bytes or _available_less_spared()
    if left_bytes is None:
        return None
    total_bytes = _own_data_bytes() + left_bytes
    _, hard_bytes = resource.getrlimit(resource.RLIMIT_DATA)
    if hard_bytes != resource.RLIM_INFINITY:
        total_bytes = min(total_bytes, hard_bytes)
    resource.setrlimit(resource.RLIMIT_DATA, (total_bytes, hard_bytes))
    return total_bytes


def lift_memory_limit() -> None:
    """Takes back what `limit_memory` has set."""
    if sys.platform != "linux":
        return
    import resource

    _, hard_bytes = resource.getrlimit(resource.RLIMIT_DATA)
    resource.setrlimit(resource.RLIMIT_DATA, (hard_bytes, hard_bytes))


def _available_less_spared() -> int | None:
    found_bytes = available_bytes()
    return None if found_bytes is None else int(found_bytes * (1.0 - _SPARED))


def _own_data_bytes() -> int:
    return _kilobytes_in(_PROC / "self" / "status", "VmData:") or 0


def available_bytes(proc: Path = _PROC, groups: Path = _GROUPS) -> int | None:
    """The lesser of what the machine has available and what the control groups leave; None where nothing tells.

    Args:
        proc: where the process information is mounted.
        groups: where the control groups are mounted.

    Source:
        Linux ``Documentation/filesystems/proc.rst`` (MemAvailable), ``admin-guide/cgroup-v2.rst`` and
        ``cgroup-v1/memory.rst``.
    """
    machine_bytes = _kilobytes_in(proc / "meminfo", "MemAvailable:")
    left = [*_left_in_groups(proc, groups), *(() if machine_bytes is None else (machine_bytes,))]
    return max(0, min(left)) if left else None


def _left_in_groups(proc: Path, groups: Path) -> Iterator[int]:
    for folder in folders_of("memory", proc, groups):
        yield from _left(folder, "memory.max", "memory.current", "inactive_file ")
        yield from _left(folder, "memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file ")


def _left(folder: Path, limit: str, usage: str, droppable: str) -> Iterator[int]:
    """What a group leaves, file pages that can be dropped counted as free; nothing where it has no limit."""
    with suppress(OSError, ValueError):
        left_bytes = int((folder / limit).read_text()) - int((folder / usage).read_text())
        lines = (folder / "memory.stat").read_text().splitlines()
        yield left_bytes + sum(int(line.split()[1]) for line in lines if line.startswith(droppable))


def oom_kills(proc: Path = _PROC, groups: Path = _GROUPS) -> int | None:
    """How many processes of this one's control group the kernel has killed for want of memory; None: not told.

    Of groups around it that count the kills of strangers, none is asked where the own one tells.
    """
    names = ("memory.events", "memory.oom_control")  # of the second version of control groups, and of the first
    counts = (_count(folder / name, "oom_kill ") for folder in folders_of("memory", proc, groups) for name in names)
    return next((count for count in counts if count is not None), None)


def stops_by_quota(proc: Path = _PROC, groups: Path = _GROUPS) -> int | None:
    """How often this process's control groups had used up their share of processor time; None: not told.

    Source:
        Linux ``Documentation/scheduler/sched-bwc.rst``, ``nr_throttled``.
    """
    counts = [_count(folder / "cpu.stat", "nr_throttled ") for folder in folders_of("cpu", proc, groups)]
    told = [count for count in counts if count is not None]
    return sum(told) if told else None


def _count(path: Path, name: str) -> int | None:
    with suppress(OSError, ValueError, IndexError):
        for line in path.read_text().splitlines():
            if line.startswith(name):
                return int(line.split()[1])
    return None


def folders_of(controller: str, proc: Path = _PROC, groups: Path = _GROUPS) -> Iterator[Path]:
    """Folders of the control groups that a controller has this process in, as far as they are seen here: its own first.

    Args:
        controller: such as ``memory``; of the second version, one hierarchy has all.
        proc: where the process information is mounted.
        groups: where the control groups are mounted.
    """
    try:
        lines = (proc / "self" / "cgroup").read_text().splitlines()
    except OSError:
        return
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if controllers and controller not in controllers.split(","):
            continue
        parts = [part for part in path.split("/") if part not in ("", "..")]  # ".." leads out of what is seen
        roots = (groups / controllers, groups / controller) if controllers else (groups, groups / "unified")
        for root in dict.fromkeys(roots):
            yield from (root.joinpath(*parts[:depth]) for depth in range(len(parts), -1, -1))


def _kilobytes_in(path: Path, name: str) -> int | None:
    with suppress(OSError, ValueError, IndexError):
        for line in path.read_text().splitlines():
            if line.startswith(name):
                return int(line.split()[1]) * 1024
    return None


def signal_name(number: int) -> str:
    """A signal's name, such as ``SIGSEGV``."""
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
