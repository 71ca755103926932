"""What can be told of this machine without torch: its processor, its cores, its load, the versions of packages.

It is read in a millisecond, so that a sweep's own process, which never loads torch, can ask too.
"""

from __future__ import annotations

import math
import os
import platform
import sys
from collections.abc import Iterator, Mapping
from contextlib import suppress
from importlib import metadata
from pathlib import Path

TYPE_VARIABLE = "LAYERPROF_DEVICE_TYPE"  # a CPU's label, where several machines are to be told apart by it
THREADS_VARIABLE = "OMP_NUM_THREADS"  # what OpenMP, and so torch, takes for the number of its threads

_ABSENT = "none"
_CPU_INFO = Path("/proc/cpuinfo")
_OWN_GROUPS = Path("/proc/self/cgroup")
_GROUPS = Path("/sys/fs/cgroup")
_CPUS = Path("/sys/devices/system/cpu")


def version_of(distribution: str) -> str | None:
    """The installed version of a distribution, or None."""
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return None


def has_cuda() -> bool:
    """Whether this machine has an NVIDIA GPU that this process may use and its torch is not a build for CPUs.

    Limits:
        The driver is asked, and torch is not: a torch that is too old for the GPU or the driver is not noticed.
    """
    if os.environ.get("CUDA_VISIBLE_DEVICES") in ("", "-1") or "+cpu" in (version_of("torch") or "+cpu"):
        return False
    try:
        import pynvml

        pynvml.nvmlInit()
    except Exception:  # no bindings, no driver, or one of another version
        return False
    try:
        return bool(pynvml.nvmlDeviceGetCount() > 0)
    except pynvml.NVMLError:
        return False
    finally:
        pynvml.nvmlShutdown()


def cpu_name() -> str:
    """The processor's name as the system gives it; of ARM, which has none, its maker's and its design's numbers."""
    lines = _lines_of(_CPU_INFO) if sys.platform == "linux" else []
    pairs = [(name.strip().lower(), value.strip()) for name, _, value in (line.partition(":") for line in lines)]
    names = [value for name, value in pairs if name == "model name" and value]
    if names:
        return names[0]
    makers, designs = (
        "+".join(dict.fromkeys(value for name, value in pairs if name == asked))
        for asked in ("cpu implementer", "cpu part")
    )
    if makers and designs:  # several designs where a machine has large and small cores
        return f"{platform.machine()} implementer {makers} part {designs}"
    return platform.processor() or platform.machine() or "unknown"


def cpu_type() -> str:
    """What a cell may ask for as a CPU's type: the label in ``LAYERPROF_DEVICE_TYPE``, else the processor's name."""
    return os.environ.get(TYPE_VARIABLE) or cpu_name()


def usable_cores() -> int:
    """Logical cores that this process may run on, at most as many as its control groups give it the time of."""
    return _within_quota(len(_allowed_cores()))


def default_threads() -> int:
    """Threads that a library is to have where nobody asks for a number.

    The user's ``OMP_NUM_THREADS`` where that is set; else one on each physical core among the usable ones, at most as
    many as the control groups give time for. Two threads on the two halves of a core take turns at its units.
    """
    asked = os.environ.get(THREADS_VARIABLE, "").partition(",")[0].strip()  # OpenMP: one number for each level
    if asked.isdecimal() and int(asked) > 0:
        return int(asked)
    return _within_quota(len({siblings_of(core) for core in _allowed_cores()}))


def siblings_of(core: int) -> frozenset[int]:
    """The logical cores that share a physical one with this one, itself included."""
    try:
        text = (_CPUS / f"cpu{core}" / "topology" / "thread_siblings_list").read_text()
        return frozenset({core, *_numbers_in(text)})
    except (OSError, ValueError):
        return frozenset({core})


def cpu_quota() -> float | None:
    """How many cores' time the control groups of this process give it, or None where they set no limit.

    Source:
        Linux ``Documentation/admin-guide/cgroup-v2.rst``, ``cpu.max``; ``Documentation/scheduler/sched-bwc.rst`` for
        ``cpu.cfs_quota_us`` of the first version.

    Limits:
        A container's share that has no quota (``--cpu-shares``) is not looked at: it holds only where others are busy.
    """
    found = [quota for folder in _own_groups() if (quota := _quota_of(folder)) is not None]
    return min(found, default=None)


def load_of_last_minute() -> float | None:
    """How many processes wanted a core in the last minute, on average; None where the system does not tell."""
    try:
        return os.getloadavg()[0]
    except (AttributeError, OSError):  # no such call on Windows; no /proc to read in some containers
        return None


def difference(before: Mapping[str, str], now: Mapping[str, str]) -> str:
    """How two sets of facts differ, such as ``torch 2.12.0, now 2.13.0``; "" where they do not.

    Args:
        before: by the fact's name.
        now: likewise.
    """
    names = [name for name in dict.fromkeys((*before, *now)) if before.get(name) != now.get(name)]
    return "; ".join(f"{name} {before.get(name, _ABSENT)}, now {now.get(name, _ABSENT)}" for name in names)


def _lines_of(path: Path) -> list[str]:
    try:
        return path.read_text(errors="replace").splitlines()
    except OSError:
        return []


def _allowed_cores() -> tuple[int, ...]:
    if hasattr(os, "sched_getaffinity"):
        return tuple(sorted(os.sched_getaffinity(0)))
    return tuple(range(os.cpu_count() or 1))


def _within_quota(cores: int) -> int:
    quota = cpu_quota()
    return cores if quota is None else max(1, min(cores, math.ceil(quota)))


def _numbers_in(text: str) -> Iterator[int]:
    """The numbers of a list such as ``0,64`` or ``0-1``."""
    for part in text.strip().split(","):
        first, _, last = part.partition("-")
        yield from range(int(first), int(last or first) + 1)


def _own_groups() -> Iterator[Path]:
    """Folders of the groups that may limit this process: its own and those around it, as far as they are seen here."""
    for line in _lines_of(_OWN_GROUPS):
        _, controllers, path = line.split(":", 2)
        if controllers and "cpu" not in controllers.split(","):
            continue
        roots = (_GROUPS / controllers, _GROUPS / "cpu") if controllers else (_GROUPS, _GROUPS / "unified")
        parts = [part for part in path.split("/") if part not in ("", "..")]  # ".." leads out of what is seen
        for root in dict.fromkeys(roots):
            yield from (root.joinpath(*parts[:depth]) for depth in range(len(parts), -1, -1))


def _quota_of(group: Path) -> float | None:
    """Cores' time of one group; None where it has no limit or is not there."""
    with suppress(OSError, ValueError, ZeroDivisionError):
        if (group / "cpu.max").is_file():
            quota, _, period = (group / "cpu.max").read_text().strip().partition(" ")
            return None if quota == "max" else int(quota) / int(period)
        quota_us = int((group / "cpu.cfs_quota_us").read_text())
        return None if quota_us <= 0 else quota_us / int((group / "cpu.cfs_period_us").read_text())
    return None
