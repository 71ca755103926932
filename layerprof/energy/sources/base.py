"""What the sources share: the device that is asked for, a source made of functions, and why there may be no RAPL."""

from __future__ import annotations

import platform
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from layerprof.energy.base import DeviceState, SourceError, SourceFacts, UnavailableCode
from layerprof.records import Note

ENERGY = "energy"  # the quantity that every note of a source is about

_CONTAINER_FILES = (".dockerenv", "run/.containerenv")  # Docker's and Podman's marks at the root
_CONTAINER_WORDS = ("docker", "kubepods", "containerd", "libpod", "lxc")  # in the names of control groups

# Of the power PMU and of powercap; AMD's processors since Zen have both by the same names.
_LOAD_DRIVERS = "sudo modprobe -a rapl intel_rapl_msr, on a processor of Intel or AMD"

ReadText = Callable[[Path], str]


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceAsked:
    """The device whose joules are asked for, in plain values.

    Attributes:
        type: as torch names it: ``cpu``, ``cuda``, or another.
        uuid: of a GPU, with or without its prefix, or None.
        pci_bus_id: of a GPU, such as ``00000000:3B:00.0``, or None.
        index: torch's, for words only: no counter is ever found by it, as environment variables move it.
        name: the device's own name.
    """

    type: str
    uuid: str | bytes | None = None
    pci_bus_id: str | None = None
    index: int | None = None
    name: str = ""


class PerfEvents(Protocol):
    """What is wanted of the kernel's performance events."""

    def open(self, pmu_type: int, config: int, cpu: int) -> int:
        """A descriptor of a counter that counts from now on.

        Raises:
            OSError: as the kernel refuses it.
        """
        ...

    def read(self, descriptor: int) -> int:
        """The count."""
        ...

    def close(self, descriptor: int) -> None:
        """Gives the counter back."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Kernel:
    """How the machine's kernel is asked.

    Attributes:
        system: its name, as ``platform.system()`` gives it.
        read_text: reads a file; raises an ``OSError`` where it cannot be read.
        perf: its performance events; None are those of this machine.
    """

    system: str = field(default_factory=platform.system)
    read_text: ReadText = Path.read_text
    perf: PerfEvents | None = None


class FunctionSource:
    """A source whose answers are functions.

    Args:
        facts: of the source.
        read_j: as of `EnergySource`.
        state: as of `EnergySource`.
        close: is called once, however often the source is closed.
    """

    def __init__(
        self,
        facts: SourceFacts,
        read_j: Callable[[], float],
        *,
        state: Callable[[], DeviceState] = DeviceState,
        close: Callable[[], None] | None = None,
    ) -> None:
        self.facts = facts
        self._read_j, self._state, self._close = read_j, state, close
        self._is_closed = False

    def read_j(self) -> float:  # noqa: D102 - as `EnergySource`
        if self._is_closed:
            raise closed_error(self.facts.name)
        return self._read_j()

    def state(self) -> DeviceState:  # noqa: D102 - as `EnergySource`
        return DeviceState() if self._is_closed else self._state()

    def close(self) -> None:  # noqa: D102 - as `EnergySource`
        close, self._close = self._close, None
        self._is_closed = True
        if close is not None:
            close()


@dataclass(frozen=True, slots=True, kw_only=True)
class Host:
    """The machine as its files show it.

    Attributes:
        root: that all paths are below.
        kernel: how it is asked.
    """

    root: Path
    kernel: Kernel

    def words_of(self, path: str) -> str | None:
        """The text of a file without white space around it, or None where it cannot be read."""
        try:
            return self.read(self.root / path).strip()
        except (OSError, UnicodeError):
            return None

    def read(self, path: Path) -> str:
        """The text of a file.

        Raises:
            OSError: where it cannot be read.
        """
        return self.kernel.read_text(path)

    @property
    def is_virtual(self) -> bool:
        """Whether the processor says that it runs under a hypervisor."""
        return "hypervisor" in self._cpu_line("flags").split()

    @property
    def counts_packages_in_dies(self) -> bool:
        """Whether the counters of two dies of one package show the same joules, those of the package.

        Source:
            AMD's register is that of the package, whichever die it is read on: Linux, "perf/x86/rapl: Fix the
            energy-pkg event for AMD CPUs" (2024). On a Threadripper both zones showed what the package drew.
        """
        return self._cpu_line("vendor_id") in ("AuthenticAMD", "HygonGenuine")

    @property
    def cpu_name(self) -> str:
        """Of the processor, as the system gives it."""
        return self._cpu_line("model name") or "CPU"

    def absence(self) -> tuple[UnavailableCode, str]:
        """Why this machine shows no counter of its processor: a code, and a reason with the remedy."""
        system = self.kernel.system
        if system != "Linux":
            return "not_linux", f"RAPL is read on Linux alone, not on {system or 'an unknown system'}; run on Linux"
        if self.is_virtual:
            return "virtual_machine", "the host of this virtual machine does not hand its counter on; run on the host"
        if self._is_masked():
            return "masked_in_container", "this container hides the counter; run on the host"
        return "no_powercap", f"the kernel shows no RAPL counter; {_LOAD_DRIVERS}"

    def weaknesses(self, name: str) -> tuple[Note, ...]:
        """Notes on a counter of this machine's processor that is there."""
        if not self.is_virtual:
            return ()
        text = "this is a virtual machine: its counter may be modelled by the host, by a share of time"
        return (Note(code="virtual_machine", quantity=ENERGY, scope=name, text=text),)

    def _is_masked(self) -> bool:
        """Whether this looks like a container, or powercap like a folder that one laid something over."""
        virtual = self.root / "sys/devices/virtual/powercap"
        links = self.root / "sys/class/powercap"
        is_hidden = virtual.is_dir() and not any(virtual.iterdir())
        leads_nowhere = links.is_dir() and any(link.is_symlink() and not link.exists() for link in links.iterdir())
        is_marked = any((self.root / name).exists() for name in _CONTAINER_FILES)
        groups = self.words_of("proc/1/cgroup") or ""
        return is_hidden or leads_nowhere or is_marked or any(word in groups for word in _CONTAINER_WORDS)

    def _cpu_line(self, key: str) -> str:
        for line in (self.words_of("proc/cpuinfo") or "").splitlines():
            name, _, value = line.partition(":")
            if name.strip() == key:
                return value.strip()
        return ""


def closed_error(name: str) -> SourceError:
    """What a source says that is read after it was closed: what it held may be another's by now."""
    return SourceError("unsupported_device", f"{name} cannot be read: it was closed; find the sources anew")


def refusal_of(error: OSError) -> UnavailableCode:
    """The code of a file or counter that the system did not give."""
    return "permission" if isinstance(error, PermissionError) else "unsupported_device"
