"""The processor's packages by the kernel's ``power`` PMU: a 64-bit counter that the kernel unwraps.

    /sys/bus/event_source/devices/power/
        type                     9
        cpumask                  0,24                      one CPU for each package
        events/energy-pkg        event=0x02
        events/energy-pkg.scale  2.3283064365386962890625e-10
        events/energy-pkg.unit   Joules

Only packages are counted: cores and graphics are inside of them, ``psys`` is around them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass

from layerprof.energy.base import EnergySource, Refusal, SourceError, SourceFacts
from layerprof.energy.sources.base import FunctionSource, Host, PerfEvents, refusal_of
from layerprof.records import FrozenMapping

NAME = "rapl_perf"

_FOLDER = "sys/bus/event_source/devices/power"
_EVENT = "energy-pkg"
_EVENT_NUMBER = re.compile(r"event=(0x[0-9a-fA-F]+|\d+)")
_JOULES = "joules"
_TICK_S = 0.001  # Intel, Software Developer's Manual, volume 3B, "RAPL Interfaces": updated about every millisecond
# No vendor states a bound for the gain; as much is taken as was found for boards (Yang et al., SC'24: 5 % of reading).
_SENSOR_REL = 0.05
_REMEDY = "sudo sysctl kernel.perf_event_paranoid=0, or give the process CAP_PERFMON"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Event:
    """What the PMU says of its counter of packages."""

    pmu_type: int
    config: int
    joules_per_count: float
    cpus: tuple[int, ...]


def rapl_perf(host: Host, events: PerfEvents) -> EnergySource | Refusal:
    """The counter of all packages together, or why there is none.

    Args:
        host: whose files are read.
        events: by which counters are opened.
    """
    try:
        event = _event_of(host)
        descriptors = _opened(event, events)
    except SourceError as error:
        return Refusal(name=NAME, code=error.code, text=str(error))

    def read_j() -> float:
        try:
            return sum(events.read(descriptor) for descriptor in descriptors) * event.joules_per_count
        except OSError as error:
            text = f"the power PMU does not answer any more: {error.strerror}; find the sources anew"
            raise SourceError(refusal_of(error), text) from error

    return FunctionSource(_facts(host, event), read_j, close=_closing(events, descriptors))


def _event_of(host: Host) -> _Event:
    """The counter of packages as the PMU describes it.

    Raises:
        SourceError: where there is none, or its description cannot be read.
    """
    pmu_type = host.words_of(f"{_FOLDER}/type")
    if pmu_type is None:
        code, reason = host.absence()
        raise SourceError(code, f"no power PMU: {reason}")
    names = {name: host.words_of(f"{_FOLDER}/events/{_EVENT}{name}") for name in ("", ".scale", ".unit")}
    number = _EVENT_NUMBER.search(names[""] or "")
    if number is None:
        code, reason = host.absence()
        raise SourceError(code, f"the power PMU counts no packages: {reason}")
    try:
        scale, unit = float(names[".scale"] or ""), (names[".unit"] or "Joules").lower()
        cpus = _one_for_each_package(host, _cpus_of(host.words_of(f"{_FOLDER}/cpumask") or ""))
        event = _Event(pmu_type=int(pmu_type), config=int(number[1], 0), joules_per_count=scale, cpus=cpus)
    except ValueError as error:
        raise SourceError("unsupported_device", f"the power PMU's description cannot be read: {error}") from error
    if unit != _JOULES or not cpus:
        text = f"the power PMU cannot be used: it counts in {unit} on {len(cpus)} CPUs"
        raise SourceError("unsupported_device", text)
    return event


def _opened(event: _Event, events: PerfEvents) -> tuple[int, ...]:
    """One counter for each package; all or none.

    Raises:
        SourceError: where one of them cannot be had.
    """
    descriptors: list[int] = []
    try:
        for cpu in event.cpus:
            descriptors.append(events.open(event.pmu_type, event.config, cpu))
    except OSError as error:
        _closing(events, descriptors)()
        code = refusal_of(error)
        remedy = f"; {_REMEDY}" if code == "permission" else ""
        raise SourceError(code, f"the power PMU cannot be opened: {error.strerror}{remedy}") from error
    return tuple(descriptors)


def _closing(events: PerfEvents, descriptors: Sequence[int]) -> Callable[[], None]:
    def close() -> None:
        for descriptor in descriptors:
            with suppress(OSError):  # the others are given back all the same
                events.close(descriptor)

    return close


def _facts(host: Host, event: _Event) -> SourceFacts:
    cpus = ", ".join(map(str, event.cpus))
    facts = {"read on CPUs": cpus, "gain": "no vendor states a bound for its error; 5 % is taken"}
    return SourceFacts(
        name=NAME,
        domain="cpu_package",
        device=f"{host.cpu_name}, {_packages(len(event.cpus))}",
        identity=f"{NAME} of CPUs {cpus}",
        nominal_tick_s=_TICK_S,
        sensor_rel=_SENSOR_REL,
        facts=FrozenMapping(facts),
        notes=host.weaknesses(NAME),
    )


def _packages(count: int) -> str:
    return "1 package" if count == 1 else f"{count} packages"


def _cpus_of(mask: str) -> tuple[int, ...]:
    """The numbers in a list such as ``0,24-25``.

    Raises:
        ValueError: where it is none.
    """
    cpus: list[int] = []
    for part in filter(None, mask.split(",")):
        first, _, last = part.partition("-")
        cpus.extend(range(int(first), int(last or first) + 1))
    return tuple(cpus)


def _one_for_each_package(host: Host, cpus: Sequence[int]) -> tuple[int, ...]:
    """All of the mask's CPUs, but one for each package where the counters of its dies all show the package's joules."""
    if not host.counts_packages_in_dies:
        return tuple(cpus)
    first: dict[str, int] = {}
    for cpu in cpus:
        package = host.words_of(f"sys/devices/system/cpu/cpu{cpu}/topology/physical_package_id")
        first.setdefault(package if package is not None else f"of CPU {cpu}", cpu)
    return tuple(first.values())
