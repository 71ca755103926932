"""The rate of copies that no cache holds, and the time of a launch."""

from __future__ import annotations

from pathlib import Path

import torch

from layerprof import units
from layerprof.machine.ceilings.base import MAY_BE_CACHED, Bench, Reading

_CPU_CACHES = Path("/sys/devices/system/cpu")
_LEAST_BYTES = {"cpu": 2**28, "cuda": 2**30}  # a buffer's: the largest GPU cache to date is 2**27
_CACHES = 2  # a buffer is at least so many times as large as the caches together, and there are two of them
_SHARE_OF_MEMORY = 8  # a buffer takes at most one part in so many of what is free
_SMALLEST_BYTES = 2**22  # of a buffer, below which a copy tells nothing of the memory
_COPY_BUDGET_S, _LAUNCH_BUDGET_S = 0.5, 0.1


def copy_rate(bench: Bench) -> Reading:
    """Bytes read and written each second by a copy between two buffers that no cache holds.

    Limits:
        Where little memory is free the buffers are smaller, a cache may hold part of them, and the rate is then too
        high; ``how`` says so. With hardly any there is no rate.
    """
    cache_bytes = last_level_cache_bytes(_CPU_CACHES) if bench.device.type == "cpu" else 0
    wanted_bytes = max(_LEAST_BYTES[bench.device.type], _CACHES * cache_bytes)
    available_bytes = bench.available_bytes()
    size_bytes = wanted_bytes if available_bytes is None else min(wanted_bytes, available_bytes // _SHARE_OF_MEMORY)
    if size_bytes < _SMALLEST_BYTES:
        need = units.with_unit(_SHARE_OF_MEMORY * _SMALLEST_BYTES, "bytes")
        return Reading(value=None, how=f"needs {need} of free memory")
    warning = MAY_BE_CACHED if size_bytes < wanted_bytes else ""
    count = size_bytes // torch.float32.itemsize
    source = torch.full((count,), 1.25, dtype=torch.float32, device=bench.device)
    target = torch.full_like(source, 0.75)
    copy_s = bench.best_s(lambda: target.copy_(source), budget_s=_COPY_BUDGET_S)
    return Reading(
        value=2 * source.nbytes / copy_s, how=f"a copy of {units.with_unit(source.nbytes, 'bytes')}{warning}"
    )


def launch_time(bench: Bench) -> Reading:
    """Seconds from one launch of the smallest op to the next: the host's share of it alone, where that is the longer.

    Limits:
        Without gradients and from one line of Python: a layer's own ops take longer to launch.
    """
    number = torch.ones(1, dtype=torch.float32, device=bench.device)
    return Reading(value=bench.best_s(number.neg_, budget_s=_LAUNCH_BUDGET_S), how="neg_ of one number, back to back")


def last_level_cache_bytes(root: Path) -> int:
    """The size of all third-level caches together; 0 where the system does not tell.

    Args:
        root: of the processors' folders.

    Source:
        Linux ``Documentation/ABI/testing/sysfs-devices-system-cpu``, ``cache/index3``.
    """
    caches: dict[str, int] = {}
    for folder in root.glob("cpu[0-9]*/cache/index3"):
        try:
            sharers, size = (folder / "shared_cpu_list").read_text(), (folder / "size").read_text().strip()
            caches[sharers] = int(size.removesuffix("K")) * 2**10
        except (OSError, ValueError):
            continue
    return sum(caches.values())
