"""Whether a model's weights fit, asked before any is allocated: a machine out of memory kills without a word."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import torch

from layerprof import units
from layerprof.errors import UnavailableError

AvailableBytes = Callable[[torch.device], int | None]

_HEADROOM = 1.1  # activations, the libraries and the largest tied tensor, which exists twice for a moment

_CONTROL_GROUPS = Path("/sys/fs/cgroup")
_OWN_GROUP = Path("/proc/self/cgroup")


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


def require_memory(needed_bytes: int, *, device: torch.device, available: AvailableBytes, name: str) -> None:
    """Returns where a model's weights fit on the device with a tenth to spare.

    Raises:
        UnavailableError: when they do not.
    """
    free_bytes = available(device)
    if free_bytes is None or needed_bytes * _HEADROOM <= free_bytes:
        return
    needed, free = (units.with_unit(count, "bytes") for count in (needed_bytes * _HEADROOM, free_bytes))
    raise UnavailableError(
        f"{name} needs {needed} on {device} and {free} are free; "
        f"use dtype='bf16' (half of float32), the preset blip2-tiny, or a machine with more memory"
    )


def group_available_bytes(root: Path, group: str) -> Iterator[int]:
    """What each control group from ``group`` up to ``root`` leaves, file pages that can be dropped counted as free.

    Args:
        root: where the control groups are mounted.
        group: path of the process's own below it.

    Source:
        Linux ``Documentation/admin-guide/cgroup-v2.rst`` and, for the names of version 1, ``cgroup-v1/memory.rst``.
    """
    own = root / group.strip("/")
    for folder in (own, *own.parents):
        if not folder.is_relative_to(root):
            break
        yield from _free_in(folder, "memory.max", "memory.current", "inactive_file")
    yield from _free_in(root / "memory", "memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")


def _free_in(folder: Path, limit_name: str, usage_name: str, droppable_name: str) -> Iterator[int]:
    try:
        limit = (folder / limit_name).read_text().strip()
        used_bytes = int((folder / usage_name).read_text())
        statistics = (folder / "memory.stat").read_text().splitlines()
    except OSError:
        return  # no limit at this level, or another version of control groups
    if limit == "max":
        return
    droppable_bytes = sum(int(line.split()[1]) for line in statistics if line.startswith(f"{droppable_name} "))
    yield int(limit) - used_bytes + droppable_bytes


def _own_group() -> str:
    try:
        lines = _OWN_GROUP.read_text().splitlines()
    except OSError:
        return ""
    return next((line.removeprefix("0::") for line in lines if line.startswith("0::")), "")
