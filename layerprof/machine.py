"""What this machine is: facts that decide which profiles may be compared, and how much memory there is to use."""

from __future__ import annotations

import os
import platform
import sys
from importlib import metadata
from pathlib import Path

import psutil
import torch

from layerprof.records import Environment, FrozenMapping

_CGROUP_LIMITS = (Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"))
_CGROUP_USAGES = (Path("/sys/fs/cgroup/memory.current"), Path("/sys/fs/cgroup/memory/memory.usage_in_bytes"))


def environment_of(device: torch.device) -> Environment:
    """The facts about this process and ``device`` that travel with a record."""
    return Environment(
        layerprof=version_of("layerprof") or "unknown",
        python=platform.python_version(),
        torch=torch.__version__,
        transformers=version_of("transformers"),
        platform=f"{platform.system()} {platform.machine()}",
        cpu=cpu_name(),
        cores=usable_cores(),
        threads=torch.get_num_threads(),
        memory_bytes=memory_limit_bytes(),
        device=device_name(device),
        flags=FrozenMapping(_flags()),
    )


def version_of(distribution: str) -> str | None:
    """The installed version of a distribution, or None."""
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return None


def cpu_name() -> str:
    """The processor's name as the system gives it."""
    if sys.platform == "linux":
        for line in Path("/proc/cpuinfo").read_text(errors="replace").splitlines():
            if line.lower().startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine() or "unknown"


def usable_cores() -> int:
    """Logical cores that this process may run on."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def memory_limit_bytes() -> int:
    """The machine's memory, or the control group's limit where that is less."""
    limit = _first_number(_CGROUP_LIMITS)
    total = int(psutil.virtual_memory().total)
    return min(total, limit) if limit else total


def available_memory_bytes() -> int:
    """What can be allocated now without swapping, within the control group's limit."""
    available = int(psutil.virtual_memory().available)
    limit, usage = _first_number(_CGROUP_LIMITS), _first_number(_CGROUP_USAGES)
    return min(available, max(limit - usage, 0)) if limit and usage is not None else available


def _first_number(paths: tuple[Path, ...]) -> int | None:
    """The number in the first file that has one; ``max`` is no number."""
    for path in paths:
        try:
            return int(path.read_text())
        except (OSError, ValueError):
            continue
    return None


def device_name(device: torch.device) -> str:
    """``cpu``, or the accelerator's own name."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return device.type


def settle(device: torch.device) -> None:
    """Waits until the device has done all that was launched; nothing to wait for on a CPU."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def _flags() -> dict[str, str]:
    """Settings that change speed or results."""
    return {
        "deterministic": str(torch.are_deterministic_algorithms_enabled()),
        "float32_matmul_precision": torch.get_float32_matmul_precision(),
        "cudnn.benchmark": str(torch.backends.cudnn.benchmark),
        "interop_threads": str(torch.get_num_interop_threads()),
        "mkldnn": str(torch.backends.mkldnn.is_available()),
    }
