"""What this machine is: the facts that decide which profiles may be compared."""

from __future__ import annotations

import os
import platform
import sys
from importlib import metadata
from pathlib import Path

import torch

from layerprof.machine.base import single_precision
from layerprof.records import Environment, FrozenMapping


def environment_of(device: torch.device, *, memory_bytes: int) -> Environment:
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
        memory_bytes=memory_bytes,
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


def load_of_last_minute() -> float | None:
    """How many processes wanted a core in the last minute, on average; None where the system does not tell."""
    try:
        return os.getloadavg()[0]
    except (AttributeError, OSError):  # no such call on Windows; no /proc to read in some containers
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
        "float32_matmul_precision": single_precision(),
        "cudnn.benchmark": str(torch.backends.cudnn.benchmark),
        "interop_threads": str(torch.get_num_interop_threads()),
        "mkldnn": str(torch.backends.mkldnn.is_available()),
    }
