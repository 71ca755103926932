"""The processor's packages by the files of powercap, which wrap and are unwrapped here.

    /sys/class/powercap/
        intel-rapl:0           package-0        counted
        intel-rapl:0:0         core             inside of the package: not counted
        intel-rapl:0:1         dram             outside of it: a domain of its own, not counted
        intel-rapl:1           psys             around the package: not counted
        intel-rapl-mmio:0      package-0        the same package once more: not counted

Zones ``package-0-die-1`` are parts of a package, and add up, unless they all show what the package drew: AMD's do, and
any whose counts agree, since two counters that count different joules stand at different numbers.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from layerprof.energy.base import EnergySource, Refusal, SourceError, SourceFacts
from layerprof.energy.sources.base import FunctionSource, Host, refusal_of
from layerprof.records import FrozenMapping

NAME = "rapl_powercap"

_CLASS, _VIRTUAL = "sys/class/powercap", "sys/devices/virtual/powercap"
_ZONE = re.compile(r"(intel-rapl(?:-\w+)?):\d+")
_PACKAGE = re.compile(r"(package-\d+)(-die-\d+)?")
_INTERFACES = ("intel-rapl", "intel-rapl-tpmi", "intel-rapl-mmio")  # of one zone the first is taken
_CONSTRAINTS = range(4)  # long term, short term, peak power; no zone has more
_MICRO = 1e-6
_TICK_S = 0.001  # Intel, Software Developer's Manual, volume 3B, "RAPL Interfaces": updated about every millisecond
_AGREE_J = 1.0  # between two readings of one counter a package draws less; other counters are tens of kJ apart
_MOST_W = 500.0  # of a package where the zone states no limit: the design power of the largest that are sold
_SAFE_SHARE = 0.5  # of a wrap: a package may be above its limits for a while
# No vendor states a bound for the gain; as much is taken as was found for boards (Yang et al., SC'24: 5 % of reading).
_SENSOR_REL = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class _Zone:
    """One counter of a package or of a die of it."""

    folder: Path
    name: str
    package: str
    interface: str
    range_j: float
    limit_w: float | None


class _Unwrapped:
    """Joules of one zone since the first reading.

    Args:
        read_j: the zone's count, which starts anew beyond ``range_j``.
        range_j: how far it counts.
    """

    def __init__(self, read_j: Callable[[], float], range_j: float) -> None:
        self._read_j, self._range_j = read_j, range_j
        self._last_j = read_j()
        self._total_j = 0.0

    def joules(self) -> float:
        count_j = self._read_j()
        since_j = count_j - self._last_j
        self._total_j += since_j if since_j >= 0.0 else since_j + self._range_j
        self._last_j = count_j
        return self._total_j


def rapl_powercap(host: Host) -> EnergySource | Refusal:
    """The counter of all packages together, or why there is none.

    Args:
        host: whose files are read.

    Limits:
        Two readings further apart than the counters take to wrap lose whole wraps, which nothing shows afterwards; the
        facts' ``longest_unread_s`` is half of that time, at the highest limit that a zone states, else at 500 W.
    """
    zones = _zones_of(host)
    if not zones:
        code, reason = host.absence()
        return Refusal(name=NAME, code=code, text=f"no package in powercap: {reason}")
    try:
        kept = _added_up(host, zones)
        counters = [_Unwrapped(_reader(host, zone), zone.range_j) for zone in kept]
    except SourceError as error:
        return Refusal(name=NAME, code=error.code, text=str(error))

    def read_j() -> float:
        return sum(counter.joules() for counter in counters)

    return FunctionSource(_facts(host, zones, kept), read_j)


def _zones_of(host: Host) -> list[_Zone]:
    """Zones of packages and of their dies, each once."""
    by_name: dict[str, _Zone] = {}
    zones = [zone for folder in _folders(host.root) if (zone := _zone_at(host, folder)) is not None]
    for zone in sorted(zones, key=lambda zone: (_preference(zone.interface), zone.folder.name)):
        by_name.setdefault(zone.name, zone)
    return sorted(by_name.values(), key=lambda zone: zone.name)


def _folders(root: Path) -> Iterable[Path]:
    patterns = ((root / _CLASS, "*"), (root / _VIRTUAL, "*/*"))
    for parent, pattern in patterns:
        found = [path for path in parent.glob(pattern) if _ZONE.fullmatch(path.name)] if parent.is_dir() else []
        if found:
            return found
    return ()


def _zone_at(host: Host, folder: Path) -> _Zone | None:
    """The zone in a folder; None where it is not of a package, or does not count."""
    where = folder.relative_to(host.root)
    interface, name = _ZONE.fullmatch(folder.name), host.words_of(f"{where}/name")
    package = _PACKAGE.fullmatch(name or "")
    reach = host.words_of(f"{where}/max_energy_range_uj") or ""
    if interface is None or name is None or package is None or not reach.isdecimal() or int(reach) == 0:
        return None
    limits = [host.words_of(f"{where}/constraint_{number}_power_limit_uw") or "" for number in _CONSTRAINTS]
    limits_w = [int(limit) * _MICRO for limit in limits if limit.isdecimal() and int(limit) > 0]
    return _Zone(
        folder=folder,
        name=name,
        package=package[1],
        interface=interface[1],
        range_j=int(reach) * _MICRO,
        limit_w=max(limits_w, default=None),
    )


def _wrap_s(zone: _Zone) -> float:
    """How soon it starts anew."""
    return zone.range_j / (zone.limit_w or _MOST_W)


def _highest_power(zone: _Zone) -> str:
    return f"{_MOST_W:g} W, as the zone states no limit" if zone.limit_w is None else f"its limit of {zone.limit_w:g} W"


def _preference(interface: str) -> int:
    return _INTERFACES.index(interface) if interface in _INTERFACES else len(_INTERFACES)


def _added_up(host: Host, zones: Sequence[_Zone]) -> list[_Zone]:
    """The zones whose joules are different ones.

    Raises:
        SourceError: where one of them cannot be read.
    """
    kept: list[_Zone] = []
    for zone in zones:
        _reader(host, zone)()
        siblings = [other for other in kept if other.package == zone.package]
        if siblings and host.counts_packages_in_dies:
            continue
        if not any(_is_mirror(host, other, zone) for other in siblings):
            kept.append(zone)
    return kept


def _is_mirror(host: Host, zone: _Zone, other: _Zone) -> bool:
    """Whether the second counter stands where the first one does."""
    before_j, other_j, after_j = (_reader(host, each)() for each in (zone, other, zone))
    apart_j, passed_j = ((value_j - before_j) % zone.range_j for value_j in (other_j, after_j))
    return apart_j <= passed_j + _AGREE_J or apart_j >= zone.range_j - _AGREE_J


def _reader(host: Host, zone: _Zone) -> Callable[[], float]:
    path = zone.folder / "energy_uj"

    def read_j() -> float:
        try:
            return int(host.read(path)) * _MICRO
        except OSError as error:
            code = refusal_of(error)
            remedy = f"; sudo chmod a+r {zone.folder.parent}/*/energy_uj (until the next boot)"
            text = f"{path} cannot be read: {error.strerror}{remedy if code == 'permission' else ''}"
            raise SourceError(code, text) from error
        except ValueError as error:
            raise SourceError("unsupported_device", f"{path} has no number: {error}") from error

    return read_j


def _facts(host: Host, zones: Sequence[_Zone], kept: Sequence[_Zone]) -> SourceFacts:
    names = ", ".join(zone.name for zone in kept)
    limits_w = [zone.limit_w for zone in kept if zone.limit_w is not None]
    first = min(kept, key=_wrap_s)
    longest_unread_s = _SAFE_SHARE * _wrap_s(first)
    facts = {
        "zones": names,
        "wraps": f"after {_wrap_s(first):.0f} s at {_highest_power(first)}; unread for half of that it may lose joules",
        "gain": "no vendor states a bound for its error; 5 % is taken",
    }
    mirrors = ", ".join(zone.name for zone in zones if zone not in kept)
    if mirrors:
        facts["counted once"] = f"{mirrors} shows the same joules"
    return SourceFacts(
        name=NAME,
        domain="cpu_package",
        device=f"{host.cpu_name}, {names}",
        identity=f"{NAME} of {', '.join(str(zone.folder) for zone in kept)}",
        nominal_tick_s=_TICK_S,
        longest_unread_s=longest_unread_s,
        sensor_rel=_SENSOR_REL,
        limit_w=sum(limits_w) if len(limits_w) == len(kept) else None,
        facts=FrozenMapping(facts),
        notes=host.weaknesses(NAME),
    )
