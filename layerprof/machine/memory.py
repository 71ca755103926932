"""How much memory there is and how much is left, within the limits of the process's control groups."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import psutil
import torch

_CONTROL_GROUPS = Path("/sys/fs/cgroup")
_OWN_GROUP = Path("/proc/self/cgroup")


def memory_limit_bytes() -> int:
    """The machine's memory, or a control group's limit where that is less."""
    machine_bytes: int = psutil.virtual_memory().total
    folders = (*_folders(_CONTROL_GROUPS, _own_group()),)
    limits = [_limit(folder, "memory.max") for folder in folders]
    limits.append(_limit(_CONTROL_GROUPS / "memory", "memory.limit_in_bytes"))
    return min([machine_bytes, *(limit for limit in limits if limit is not None)])


def available_bytes(device: torch.device) -> int | None:
    """Bytes that can still be allocated on a device; None where that is not known.

    On the CPU it is the lesser of what the machine has free and what the process's control groups leave.
    """
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0]
    if device.type != "cpu":
        return None
    machine_bytes: int = psutil.virtual_memory().available
    return min([machine_bytes, *group_available_bytes(_CONTROL_GROUPS, _own_group())])


def group_available_bytes(root: Path, group: str) -> Iterator[int]:
    """What each control group from ``group`` up to ``root`` leaves, file pages that can be dropped counted as free.

    Args:
        root: where the control groups are mounted.
        group: path of the process's own below it.

    Source:
        Linux ``Documentation/admin-guide/cgroup-v2.rst`` and, for the names of version 1, ``cgroup-v1/memory.rst``.
    """
    for folder in _folders(root, group):
        yield from _free_in(folder, "memory.max", "memory.current", "inactive_file")
    yield from _free_in(root / "memory", "memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")


def _free_in(folder: Path, limit_name: str, usage_name: str, droppable_name: str) -> Iterator[int]:
    limit = _limit(folder, limit_name)
    if limit is None:
        return
    try:
        used_bytes = int((folder / usage_name).read_text())
        statistics = (folder / "memory.stat").read_text().splitlines()
    except (OSError, ValueError):
        return
    droppable_bytes = sum(int(line.split()[1]) for line in statistics if line.startswith(f"{droppable_name} "))
    yield limit - used_bytes + droppable_bytes


def _limit(folder: Path, name: str) -> int | None:
    """A group's limit; None where it has none (``max``), or where this version of control groups has no such file."""
    try:
        return int((folder / name).read_text())
    except (OSError, ValueError):
        return None


def _folders(root: Path, group: str) -> Iterator[Path]:
    """The group's folder and those above it, up to ``root``."""
    own = root / group.strip("/")
    yield from (folder for folder in (own, *own.parents) if folder.is_relative_to(root))


def _own_group() -> str:
    try:
        lines = _OWN_GROUP.read_text().splitlines()
    except OSError:
        return ""
    return next((line.removeprefix("0::") for line in lines if line.startswith("0::")), "")
