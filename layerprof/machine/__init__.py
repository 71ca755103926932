"""What this machine is, and how much memory there is."""

from __future__ import annotations

import torch

from layerprof.machine import facts
from layerprof.machine.facts import cpu_name, device_name, settle, usable_cores, version_of
from layerprof.machine.memory import available_bytes, group_available_bytes, memory_limit_bytes
from layerprof.records import Environment

__all__ = [
    "available_bytes",
    "cpu_name",
    "device_name",
    "environment_of",
    "group_available_bytes",
    "memory_limit_bytes",
    "settle",
    "usable_cores",
    "version_of",
]


def environment_of(device: torch.device) -> Environment:
    """The facts about this process and ``device`` that travel with a record."""
    return facts.environment_of(device, memory_bytes=memory_limit_bytes())
