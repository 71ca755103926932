"""The device that is asked for, by what torch says of it."""

from __future__ import annotations

import torch

from layerprof.energy.sources.base import DeviceAsked


def device_asked(device: torch.device, *, name: str = "") -> DeviceAsked:
    """What is needed to find the counter of a device.

    Args:
        device: torch's; without an index a CUDA device is the current one.
        name: its own, for words.
    """
    if device.type != "cuda":
        return DeviceAsked(type=device.type, index=device.index, name=name)
    index = torch.cuda.current_device() if device.index is None else device.index
    facts = torch.cuda.get_device_properties(index)
    uuid = getattr(facts, "uuid", None)
    return DeviceAsked(
        type="cuda",
        uuid=None if uuid is None else str(uuid),
        pci_bus_id=pci_bus_id(*(getattr(facts, f"pci_{part}_id", None) for part in ("domain", "bus", "device"))),
        index=index,
        name=name or str(facts.name),
    )


def pci_bus_id(domain: int | None, bus: int | None, device: int | None) -> str | None:
    """An address as NVML writes it, such as ``00000000:3B:00.0``; None where a part of it is not known."""
    if domain is None or bus is None or device is None:
        return None
    return f"{domain:08X}:{bus:02X}:{device:02X}.0"
