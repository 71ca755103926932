"""Where joules can come from on this machine, and for all that there is not, why.

cpu    the kernel's power PMU, else powercap        packages alone
cuda   NVML's energy counter, and its instant power  the board
other  nothing
"""

from __future__ import annotations

from pathlib import Path
from types import ModuleType

from layerprof.clock import Clock
from layerprof.energy.base import Refusal, Sources
from layerprof.energy.sources.asked import device_asked, pci_bus_id
from layerprof.energy.sources.base import DeviceAsked, Host, Kernel
from layerprof.energy.sources.estimate import estimated_source
from layerprof.energy.sources.nvml import nvml_sources
from layerprof.energy.sources.perf_events import SystemPerfEvents
from layerprof.energy.sources.rapl_perf import rapl_perf
from layerprof.energy.sources.rapl_powercap import rapl_powercap

__all__ = ["DeviceAsked", "Kernel", "device_asked", "estimated_source", "pci_bus_id", "sources_of"]


def sources_of(
    device: DeviceAsked,
    *,
    clock: Clock,
    root: Path = Path("/"),
    pynvml: ModuleType | None = None,
    kernel: Kernel | None = None,
) -> Sources:
    """What there is to count the joules of a device, the most trusted first; all are to be closed.

    Nothing is raised for what is missing: it is a refusal with its code and, where there is one, the remedy.

    Args:
        device: whose joules.
        clock: where time comes from.
        root: below which the files of the system are.
        pynvml: the module; None imports it when it is needed.
        kernel: how the kernel is asked; None asks this machine's.
    """
    if device.type == "cuda":
        return nvml_sources(device, clock=clock, module=pynvml)
    if device.type == "cpu":
        return _of_processor(Host(root=root, kernel=kernel or Kernel()))
    text = f"no counter of a device of type {device.type}: none is known; run on cpu or cuda"
    return Sources(refusals=(Refusal(name=device.type, code="unsupported_device", text=text),))


def _of_processor(host: Host) -> Sources:
    """The first of two ways to the same counters that works."""
    perf = host.kernel.perf or SystemPerfEvents()
    refusals: list[Refusal] = []
    for found in (rapl_perf(host, perf), rapl_powercap(host)):
        if not isinstance(found, Refusal):
            return Sources(energy=(found,), refusals=tuple(refusals))
        refusals.append(found)
    return Sources(refusals=tuple(refusals))
