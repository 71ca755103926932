"""What this machine is: the facts that decide which profiles may be compared."""

from __future__ import annotations

import platform

import torch

from layerprof.host import cpu_name, load_of_last_minute, usable_cores, version_of
from layerprof.machine.base import single_precision
from layerprof.records import Environment, FrozenMapping

__all__ = [
    "cpu_name",
    "device_name",
    "environment_of",
    "load_of_last_minute",
    "settle",
    "usable_cores",
    "version_of",
]


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
