"""Peaks of a CPU: cores times clock times what its instruction sets do in a cycle.

The memory's bandwidth is left out, since nothing that a process can read tells how many channels are filled.
"""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

import psutil

from layerprof.errors import UnavailableError
from layerprof.records import Ceilings, FrozenMapping

_TABLE = "cpus.toml"
_HIGHEST_CLOCK = Path("/sys/devices/system/cpu/cpu0/cpufreq/cpuinfo_max_freq")
_CPUINFO = Path("/proc/cpuinfo")
_NAMED_CLOCK = re.compile(r"@ *([0-9.]+) *GHz")
_HZ_PER_KHZ, _HZ_PER_GHZ = 1e3, 1e9


@dataclass(frozen=True, slots=True, kw_only=True)
class Processor:
    """What a CPU's peak follows from.

    Attributes:
        name: its own.
        flags: instruction sets, as ``/proc/cpuinfo`` names them.
        cores: that take part: physical ones, and no more than there are threads.
        clock_hz: of one core at most, or None where not known.
        clock_source: where that was read.
    """

    name: str
    flags: frozenset[str]
    cores: int
    clock_hz: float | None
    clock_source: str = ""


def peaks_of_cpu(processor: Processor) -> Ceilings:
    """The peaks in every format that one of its instruction sets multiplies.

    Raises:
        UnavailableError: when its clock or its instruction sets are not known.

    Limits:
        No core keeps its highest clock in wide instructions, and a clock from the processor's name is the lowest one.
    """
    if processor.clock_hz is None:
        raise UnavailableError(f"peaks of {processor.name!r}: neither the system nor the name tells its clock")
    best = _best_by_dtype(processor)
    if not best:
        raise UnavailableError(f"peaks of {processor.name!r}: none of its instruction sets is in the table")
    cycles_per_s = processor.cores * processor.clock_hz
    conditions = {"cores": str(processor.cores), "clock": _clock_text(processor)}
    conditions |= {dtype: f"{name}, {flops:g} FLOPs a cycle and core" for dtype, (flops, name, _) in best.items()}
    return Ceilings(
        kind="vendor",
        device=processor.name,
        source=", ".join(dict.fromkeys(source for _, _, source in best.values())),
        matrix_flops_per_s=FrozenMapping({dtype: flops * cycles_per_s for dtype, (flops, _, _) in best.items()}),
        conditions=FrozenMapping(conditions),
    )


def this_processor(*, name: str, cores: int) -> Processor:
    """This machine's CPU.

    Args:
        name: its own.
        cores: logical ones that may be used, or threads, whichever is less.
    """
    clock_hz, clock_source = _clock(name)
    physical = psutil.cpu_count(logical=False) or cores
    return Processor(
        name=name,
        flags=_flags(),
        cores=min(physical, cores),
        clock_hz=clock_hz,
        clock_source=clock_source,
    )


def _best_by_dtype(processor: Processor) -> dict[str, tuple[float, str, str]]:
    """Format to (FLOPs a cycle and core, name and source) of the instruction set that does most."""
    table = _table()
    has_one_unit = any(re.search(pattern, processor.name) for pattern in table["one_unit"]["names"])
    best: dict[str, tuple[float, str, str]] = {}
    for row in table["instruction_set"]:
        if not processor.flags.issuperset(row["flags"]):
            continue
        share = 0.5 if has_one_unit and row["is_by_unit"] else 1.0
        for dtype, flops in row["flops_per_cycle"].items():
            if flops * share > best.get(dtype, (0.0,))[0]:
                best[dtype] = (flops * share, row["name"], row["source"])
    return best


def _clock_text(processor: Processor) -> str:
    clock_ghz = (processor.clock_hz or 0.0) / _HZ_PER_GHZ
    return f"{clock_ghz:.3g} GHz{', ' if processor.clock_source else ''}{processor.clock_source}"


def _clock(name: str) -> tuple[float | None, str]:
    try:
        return int(_HIGHEST_CLOCK.read_text()) * _HZ_PER_KHZ, "the highest of a core"
    except (OSError, ValueError):
        named = _NAMED_CLOCK.search(name)
    return (float(named[1]) * _HZ_PER_GHZ, "from its name, which a core may exceed") if named else (None, "")


def _flags() -> frozenset[str]:
    try:
        lines = _CPUINFO.read_text(errors="replace").splitlines()
    except OSError:
        return frozenset()
    return frozenset(next((line.partition(":")[2].split() for line in lines if line.startswith("flags")), []))


@cache
def _table() -> dict[str, Any]:  # Any: as the table's parser gives it
    text = (resources.files(__package__) / _TABLE).read_text(encoding="utf-8")
    return tomllib.loads(text)
