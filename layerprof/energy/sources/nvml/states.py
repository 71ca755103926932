"""What a board is like at one moment: temperature, clock, why it is held down, and who else is on it."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from layerprof.energy.base import DeviceState
from layerprof.energy.sources.nvml.base import Nvml, NvmlError

_CORE_SENSOR = 0  # NVML_TEMPERATURE_GPU
_SM_CLOCK = 1  # NVML_CLOCK_SM
_MEGA = 1e6

# The names without "Throttle" are the newer; the older go away with CUDA 14. Source: remarks in nvidia-ml-py.
_REASONS = ("nvmlDeviceGetCurrentClocksEventReasons", "nvmlDeviceGetCurrentClocksThrottleReasons")
_TEMPERATURES = ("nvmlDeviceGetTemperatureV", "nvmlDeviceGetTemperature")
# The names without a version stand for the newest, which older drivers do not have.
_PROCESSES = (
    ("nvmlDeviceGetComputeRunningProcesses", "nvmlDeviceGetComputeRunningProcesses_v2"),
    ("nvmlDeviceGetGraphicsRunningProcesses", "nvmlDeviceGetGraphicsRunningProcesses_v2"),
)

# Source: nvml.h, nvmlClocksEventReasons. Being idle (1) and clocks set by the user (2) hold nothing down unexpectedly.
_NO_REASONS = 0x1 | 0x2
_REASON_OF_BIT = {
    0x4: "sw_power_cap",
    0x8: "hw_slowdown",
    0x10: "sync_boost",
    0x20: "sw_thermal_slowdown",
    0x40: "hw_thermal_slowdown",
    0x80: "hw_power_brake_slowdown",
    0x100: "display_clock_setting",
    0x200: "board_limit",
    0x400: "reliability",
}
_BITS = 64

_FIRST_NAMESPACE = 0xEFFFFFFC  # inode of the machine's own namespace of process ids; linux/include/linux/proc_ns.h


@dataclass(frozen=True, slots=True, kw_only=True)
class ThisProcess:
    """Who is not a stranger on the board.

    Attributes:
        pid: of this process, as it sees itself.
        is_seen_by_pid: False in a container, where NVML may list this process under a number that it does not know.
    """

    pid: int
    is_seen_by_pid: bool


def this_process() -> ThisProcess:
    """The running process."""
    return ThisProcess(pid=os.getpid(), is_seen_by_pid=_is_in_first_namespace())


def state_of(nvml: Nvml, handle: object, process: ThisProcess) -> DeviceState:
    """The board's state now; never raises.

    Limits:
        In a container that lists no process with the own number, one of those listed is taken to be this one.
    """
    clock = nvml.number_or_none("nvmlDeviceGetClockInfo", handle, _SM_CLOCK)
    temperature = _first_answer(nvml, _TEMPERATURES, handle, _CORE_SENSOR)
    return DeviceState(
        temperature_c=None if temperature is None else float(temperature),
        clock_hz=None if clock is None else clock * _MEGA,
        throttle_reasons=reasons_in(_first_answer(nvml, _REASONS, handle) or 0),
        foreign_processes=_foreign_processes(nvml, handle, process),
    )


def reasons_in(bits: int) -> tuple[str, ...]:
    """Why clocks are held down, in words."""
    held = bits & ~_NO_REASONS
    found = (1 << place for place in range(_BITS) if held & 1 << place)
    return tuple(_REASON_OF_BIT.get(bit, f"reason_{bit:#x}") for bit in found)


def _first_answer(nvml: Nvml, names: Iterable[str], *arguments: object) -> int | None:
    answers = (nvml.number_or_none(name, *arguments) for name in names)
    return next((answer for answer in answers if answer is not None), None)


def _foreign_processes(nvml: Nvml, handle: object, process: ThisProcess) -> int | None:
    lists = [pids for names in _PROCESSES if (pids := _first_pids(nvml, names, handle)) is not None]
    if not lists:
        return None
    pids = set().union(*lists)
    if process.pid in pids or not pids or process.is_seen_by_pid:
        return len(pids - {process.pid})
    return len(pids) - 1


def _first_pids(nvml: Nvml, names: Iterable[str], handle: object) -> set[int] | None:
    answers = (_pids(nvml, name, handle) for name in names)
    return next((answer for answer in answers if answer is not None), None)


def _pids(nvml: Nvml, name: str, handle: object) -> set[int] | None:
    try:
        processes = nvml.call(name, handle)
    except NvmlError:
        return None
    return {process.pid for process in processes} if isinstance(processes, list) else None


def _is_in_first_namespace() -> bool:
    if sys.platform != "linux":
        return True
    try:
        return Path("/proc/self/ns/pid").stat().st_ino == _FIRST_NAMESPACE
    except OSError:
        return False
