"""A fake tree of the kernel's files under a folder, and fake performance events, for the counters of processors.

files = FakeSysfs(tmp_path)
files.processor(vendor="GenuineIntel")
files.zone("intel-rapl:0", "package-0", joules=lambda: device.joules(device.now_ns()))
sources_of(DeviceAsked(type="cpu"), clock=device, root=tmp_path, kernel=files.kernel())
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from layerprof.energy.sources import Kernel

JOULES_PER_COUNT = 2.0**-32  # the kernel's scale of all RAPL events
_INTEL_RANGE_UJ = 262_143_328_850  # 2**32 of 61 microjoules, as a processor of 2018 shows it
_ZONES = Path("sys/class/powercap")
_PMU = Path("sys/bus/event_source/devices/power")


class FakeSysfs:
    """Files under a root.

    Args:
        root: a folder that exists.

    Attributes:
        unreadable: files that this user may not read, whatever the system thinks of it.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.unreadable: set[Path] = set()
        self._joules: dict[Path, tuple[Callable[[], float], int]] = {}

    def kernel(self, *, system: str = "Linux", perf: FakePerfEvents | None = None) -> Kernel:
        """A kernel that shows these files; its counters refuse where there are none."""
        return Kernel(system=system, read_text=self.read_text, perf=perf or FakePerfEvents({}))

    def read_text(self, path: Path) -> str:
        """A file's text; that of a driven counter is what it counts now, wrapped."""
        if path in self.unreadable:
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))
        if path in self._joules:
            joules, range_uj = self._joules[path]
            return f"{int(joules() * 1e6) % (range_uj + 1)}\n"
        return path.read_text()

    def write(self, path: str | Path, text: str) -> Path:
        """Writes a file below the root."""
        where = self.root / path
        where.parent.mkdir(parents=True, exist_ok=True)
        where.write_text(f"{text}\n")
        return where

    def processor(self, *, vendor: str = "GenuineIntel", is_virtual: bool = False) -> None:
        """The processor's own description."""
        flags = "fpu vme hypervisor" if is_virtual else "fpu vme"
        self.write("proc/cpuinfo", f"vendor_id\t: {vendor}\nmodel name\t: A processor\nflags\t\t: {flags}")

    def zone(
        self,
        place: str,
        name: str,
        *,
        joules: Callable[[], float] = lambda: 0.0,
        range_uj: int = _INTEL_RANGE_UJ,
        limits_w: Sequence[float] = (),
        parent: str | Path = _ZONES,
    ) -> Path:
        """A zone of powercap; gives the file of its counter.

        Args:
            place: its folder, such as ``intel-rapl:0``.
            name: such as ``package-0``.
            joules: what it counts, before it wraps.
            range_uj: beyond which it starts anew.
            limits_w: of its constraints.
            parent: the folder that its folder is in.
        """
        folder = Path(parent) / place
        self.write(folder / "name", name)
        self.write(folder / "max_energy_range_uj", str(range_uj))
        for number, limit_w in enumerate(limits_w):
            self.write(folder / f"constraint_{number}_power_limit_uw", str(round(limit_w * 1e6)))
        path = self.write(folder / "energy_uj", "0")
        self._joules[path] = joules, range_uj
        return path

    def intel(self, joules: Callable[[], float]) -> None:
        """A client of Intel: a package with its insides, the same once more, and the platform around it."""
        self.processor(vendor="GenuineIntel")
        self.zone("intel-rapl:0", "package-0", joules=joules, limits_w=(125.0, 250.0))
        self.zone("intel-rapl:0:0", "core", joules=lambda: 0.7 * joules())
        self.zone("intel-rapl:0:1", "uncore", joules=lambda: 0.1 * joules())
        self.zone("intel-rapl:0:2", "dram", joules=lambda: 0.2 * joules())
        self.zone("intel-rapl:1", "psys", joules=lambda: 1.6 * joules())
        self.zone("intel-rapl-mmio:0", "package-0", joules=lambda: 3000.0 + joules())  # began at another time

    def amd(self, joules: Callable[[], float]) -> None:
        """A processor of AMD: a package with its cores."""
        self.processor(vendor="AuthenticAMD")
        self.zone("intel-rapl:0", "package-0", joules=joules, range_uj=65_532_610_987)
        self.zone("intel-rapl:0:0", "core", joules=lambda: 0.7 * joules())

    def pmu(self, *, cpumask: str = "0", events: Mapping[str, int] | None = None) -> None:
        """The power PMU.

        Args:
            cpumask: CPUs that its counters are opened on.
            events: its events with their numbers; without them those of a server.
        """
        self.write(_PMU / "type", "9")
        self.write(_PMU / "cpumask", cpumask)
        for name, number in (events or {"energy-pkg": 0x02, "energy-ram": 0x03}).items():
            self.write(_PMU / "events" / name, f"event={number:#04x}")
            self.write(_PMU / "events" / f"{name}.scale", f"{JOULES_PER_COUNT!r}")
            self.write(_PMU / "events" / f"{name}.unit", "Joules")

    def package_of_cpu(self, cpu: int, package: int) -> None:
        """In which socket a CPU is."""
        self.write(f"sys/devices/system/cpu/cpu{cpu}/topology/physical_package_id", str(package))

    def mask_powercap(self) -> None:
        """As a container engine does: an empty folder over the zones, and links that lead nowhere."""
        (self.root / "sys/devices/virtual/powercap").mkdir(parents=True)
        (self.root / _ZONES).mkdir(parents=True, exist_ok=True)
        (self.root / _ZONES / "intel-rapl:0").symlink_to("../../devices/virtual/powercap/intel-rapl/intel-rapl:0")


class FakePerfEvents:
    """Performance events of which each CPU's counter is a function.

    Args:
        joules: by CPU; another CPU is refused as one that there is not.
        refused: the error number with which all are refused, or None.

    Attributes:
        opened: (type, config, cpu) of each counter that was opened.
        closed: descriptors that were given back, in order.
        stuck: descriptors that cannot be given back.
    """

    def __init__(self, joules: Mapping[int, Callable[[], float]], *, refused: int | None = None) -> None:
        self._joules, self.refused = joules, refused
        self.opened: list[tuple[int, int, int]] = []
        self.closed: list[int] = []
        self.stuck: set[int] = set()
        self._starts_j: list[float] = []

    def open(self, pmu_type: int, config: int, cpu: int) -> int:
        """A descriptor; it counts from now on."""
        code = self.refused if self.refused is not None else errno.ENODEV
        if self.refused is not None or cpu not in self._joules:
            raise OSError(code, os.strerror(code))
        self.opened.append((pmu_type, config, cpu))
        self._starts_j.append(self._joules[cpu]())
        return len(self.opened) - 1

    def read(self, descriptor: int) -> int:
        """Its count."""
        if descriptor in self.closed:
            raise OSError(errno.EBADF, os.strerror(errno.EBADF))
        joules = self._joules[self.opened[descriptor][2]]() - self._starts_j[descriptor]
        return round(joules / JOULES_PER_COUNT)

    def close(self, descriptor: int) -> None:
        """Gives it back."""
        if descriptor in self.stuck:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        self.closed.append(descriptor)
