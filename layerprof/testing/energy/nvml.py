"""A fake ``pynvml``: boards whose counter and power sensor are simulated ones, with the faults that drivers have.

    board = FakeBoard(energy=sensors_counter, power=sensors_power)
    module = FakeNvml([board])
    sources_of(DeviceAsked(type="cuda", uuid=board.uuid), clock=device, pynvml=module)
    module.starts, module.ends                     # balanced once all sources are closed

Names, argument order and results are those of nvidia-ml-py; a test compares them with the real module.
"""

# ruff: noqa: N802, N815 (names of the real module)

from __future__ import annotations

import ctypes
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from types import ModuleType
from typing import Protocol

_NAME_OF_CODE = {
    1: "Uninitialized",
    2: "InvalidArgument",
    3: "NotSupported",
    4: "NoPermission",
    6: "NotFound",
    9: "DriverNotLoaded",
    12: "LibraryNotFound",
    13: "FunctionNotFound",
    15: "GpuIsLost",
    999: "Unknown",
}
_CODE_OF_NAME = {name: code for code, name in _NAME_OF_CODE.items()}
_UNSIGNED_INT = 1  # NVML_VALUE_TYPE_UNSIGNED_INT
_POWER_INSTANT = 186


class NVMLError(Exception):
    """As the real module's: a code, with a class of its own for each."""

    def __init__(self, value: int) -> None:
        super().__init__(value)
        self.value = value

    def __str__(self) -> str:
        return _NAME_OF_CODE.get(self.value, f"code {self.value}")


class NVMLLibraryMismatchError(Exception):
    """As the real module's, of functions without a version in their name; it is no ``NVMLError``."""


class ReadsJoules(Protocol):
    """A counter."""

    def read_j(self) -> float:
        """Joules."""
        ...


class ReadsWatts(Protocol):
    """A power sensor."""

    def read_w(self) -> float:
        """Watts."""
        ...


@dataclass(slots=True, kw_only=True)
class FakeBoard:
    """A GPU's board; its attributes may be changed between calls.

    Attributes:
        energy, power, module_power: counter and sensors; None is not supported.
        uuid, pci_bus_id, name: that it is found by.
        architecture: NVML's number of its generation.
        parts: UUIDs of its MIG instances.
        mig_mode: 0 off, 1 on, None not supported.
        virtualization: 0 none, 1 passthrough, 2 vGPU, 3 host of vGPUs.
        limit_mw, persistence, temperature_c, clock_mhz, most_clock_mhz, reasons: as NVML gives them.
        compute, graphics: process ids.
        zero_every, refused_every: each so-many-th reading is 0, or is not supported; None is never.
        refused_from: all readings after so many are not supported; None is never.
        is_lost: whether it has fallen off the bus.
        is_forbidden: whether this user may not ask for it by its UUID.
    """

    energy: ReadsJoules | None = None
    power: ReadsWatts | None = None
    module_power: ReadsWatts | None = None
    uuid: str = "GPU-01234567-89ab-cdef-0123-456789abcdef"
    pci_bus_id: str = "00000000:3B:00.0"
    name: str = "NVIDIA H100 80GB HBM3"
    architecture: int = 9
    parts: tuple[str, ...] = ()
    mig_mode: int | None = 0
    virtualization: int = 0
    limit_mw: int = 700_000
    persistence: int = 1
    temperature_c: int = 41
    clock_mhz: int = 1980
    most_clock_mhz: int = 1980
    reasons: int = 0
    compute: tuple[int, ...] = ()
    graphics: tuple[int, ...] = ()
    zero_every: int | None = None
    refused_every: int | None = None
    refused_from: int | None = None
    is_lost: bool = False
    is_forbidden: bool = False
    reads: int = 0

    def reading(self, value: float) -> int:
        """A value in thousandths, or what a fault makes of it."""
        self.reads += 1
        is_refused = self.refused_every is not None and self.reads % self.refused_every == 0
        if is_refused or (self.refused_from is not None and self.reads > self.refused_from):
            raise NVMLError(_CODE_OF_NAME["NotSupported"])
        if self.zero_every is not None and self.reads % self.zero_every == 0:
            return 0
        return round(value * 1000.0)


@dataclass(frozen=True, slots=True)
class _Handle:
    board: FakeBoard
    is_part: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class _Process:
    pid: int
    usedGpuMemory: int | None = None


@dataclass(slots=True, kw_only=True)
class _Union:
    uiVal: int = 0


@dataclass(slots=True, kw_only=True)
class _Field:
    fieldId: int
    scopeId: int
    timestamp: int = 0
    latencyUsec: int = 0
    valueType: int = _UNSIGNED_INT
    nvmlReturn: int = 0
    value: _Union = field(default_factory=_Union)


class FakeNvml(ModuleType):
    """The module.

    Args:
        boards: what it knows.
        missing: functions that the bindings lack.
        unknown: functions that the driver does not know.
        start_fails: name of the error with which NVML does not start, or None.

    A function without a version whose third one the driver does not know raises what the real module's does.

    Attributes:
        starts, ends: calls of ``nvmlInit`` and ``nvmlShutdown``.
        called: names of all functions that were called.
    """

    NVMLError = NVMLError
    NVMLLibraryMismatchError = NVMLLibraryMismatchError
    NVML_FI_DEV_POWER_INSTANT = _POWER_INSTANT

    def __init__(
        self,
        boards: Sequence[FakeBoard] = (),
        *,
        missing: Iterable[str] = (),
        unknown: Iterable[str] = (),
        start_fails: str | None = None,
    ) -> None:
        super().__init__("pynvml")
        self.boards, self.start_fails = tuple(boards), start_fails
        self.starts = self.ends = 0
        self.called: set[str] = set()
        self._missing, self._unknown = frozenset(missing), frozenset(unknown)

    def __getattribute__(self, name: str) -> object:
        if not name.startswith(("nvml", "NVML")):
            return super().__getattribute__(name)
        if name in self._missing:
            raise AttributeError(name)
        if name.startswith("nvml"):
            self.called.add(name)
        if name in self._unknown:
            return _unknown_function
        if f"{name}_v3" in self._unknown:
            return _mismatched_function
        return super().__getattribute__(name)

    def nvmlInit(self) -> None:
        """Starts a session."""
        if self.start_fails is not None:
            raise NVMLError(_CODE_OF_NAME[self.start_fails])
        self.starts += 1

    def nvmlShutdown(self) -> None:
        """Ends a session."""
        self._require_started()
        self.ends += 1

    def nvmlSystemGetDriverVersion(self) -> str:
        """Of the driver."""
        self._require_started()
        return "580.65.06"

    def nvmlDeviceGetHandleByUUID(self, uuid: str) -> _Handle:
        """Of a board or a part."""
        self._require_started()
        for board in self.boards:
            if uuid == board.uuid or uuid in board.parts:
                if board.is_forbidden:
                    raise NVMLError(_CODE_OF_NAME["NoPermission"])
                return _Handle(board, is_part=uuid in board.parts)
        raise NVMLError(_CODE_OF_NAME["NotFound"])

    def nvmlDeviceGetHandleByPciBusId(self, pci_bus_id: str) -> _Handle:
        """Of a board."""
        self._require_started()
        for board in self.boards:
            if pci_bus_id.upper() == board.pci_bus_id:
                return _Handle(board)
        raise NVMLError(_CODE_OF_NAME["NotFound"])

    def nvmlDeviceIsMigDeviceHandle(self, handle: _Handle) -> ctypes.c_uint:
        """The real one gives the C integer itself."""
        return ctypes.c_uint(handle.is_part)

    def nvmlDeviceGetDeviceHandleFromMigDeviceHandle(self, handle: _Handle) -> _Handle:
        """The board around a part."""
        return _Handle(self._board(handle, takes_part=True))

    def nvmlDeviceGetUUID(self, handle: _Handle) -> str:
        """The board's."""
        return self._board(handle).uuid

    def nvmlDeviceGetName(self, handle: _Handle) -> str:
        """The board's."""
        return self._board(handle).name

    def nvmlDeviceGetArchitecture(self, handle: _Handle) -> int:
        """A number."""
        return self._board(handle).architecture

    def nvmlDeviceGetMigMode(self, handle: _Handle) -> list[int]:
        """Now, and after the next reset."""
        mode = self._board(handle).mig_mode
        if mode is None:
            raise NVMLError(_CODE_OF_NAME["NotSupported"])
        return [mode, mode]

    def nvmlDeviceGetVirtualizationMode(self, handle: _Handle) -> int:
        """A number."""
        return self._board(handle).virtualization

    def nvmlDeviceGetEnforcedPowerLimit(self, handle: _Handle) -> int:
        """Milliwatts."""
        return self._board(handle).limit_mw

    def nvmlDeviceGetPersistenceMode(self, handle: _Handle) -> int:
        """1 is on."""
        return self._board(handle).persistence

    def nvmlDeviceGetTemperature(self, handle: _Handle, sensor: int) -> int:
        """Of the one sensor there is."""
        self._require(sensor == 0)
        return self._board(handle).temperature_c

    def nvmlDeviceGetClockInfo(self, handle: _Handle, kind: int) -> int:
        """Of the cores, in megahertz."""
        self._require(kind == 1)
        return self._board(handle).clock_mhz

    def nvmlDeviceGetMaxClockInfo(self, handle: _Handle, kind: int) -> int:
        """Of the cores, in megahertz."""
        self._require(kind == 1)
        return self._board(handle).most_clock_mhz

    def nvmlDeviceGetCurrentClocksEventReasons(self, handle: _Handle) -> int:
        """Bits."""
        return self._board(handle).reasons

    def nvmlDeviceGetCurrentClocksThrottleReasons(self, handle: _Handle) -> int:
        """Bits, by the older name."""
        return self._board(handle).reasons

    def nvmlDeviceGetComputeRunningProcesses(self, handle: _Handle) -> list[_Process]:
        """Of all parts."""
        return self.nvmlDeviceGetComputeRunningProcesses_v3(handle)

    def nvmlDeviceGetComputeRunningProcesses_v2(self, handle: _Handle) -> list[_Process]:
        """Of all parts, as older drivers list them."""
        return [_Process(pid=pid) for pid in self._board(handle).compute]

    def nvmlDeviceGetComputeRunningProcesses_v3(self, handle: _Handle) -> list[_Process]:
        """Of all parts."""
        return [_Process(pid=pid) for pid in self._board(handle).compute]

    def nvmlDeviceGetGraphicsRunningProcesses(self, handle: _Handle) -> list[_Process]:
        """Of all parts."""
        return self.nvmlDeviceGetGraphicsRunningProcesses_v3(handle)

    def nvmlDeviceGetGraphicsRunningProcesses_v2(self, handle: _Handle) -> list[_Process]:
        """Of all parts, as older drivers list them."""
        return [_Process(pid=pid) for pid in self._board(handle).graphics]

    def nvmlDeviceGetGraphicsRunningProcesses_v3(self, handle: _Handle) -> list[_Process]:
        """Of all parts."""
        return [_Process(pid=pid) for pid in self._board(handle).graphics]

    def nvmlDeviceGetTotalEnergyConsumption(self, handle: _Handle) -> int:
        """Millijoules."""
        board = self._board(handle)
        if board.energy is None:
            raise NVMLError(_CODE_OF_NAME["NotSupported"])
        return board.reading(board.energy.read_j())

    def nvmlDeviceGetFieldValues(self, handle: _Handle, fields: Sequence[tuple[int, int]]) -> list[_Field]:
        """Instant power in milliwatts; each field has its own error."""
        return [self._field(self._board(handle), *asked) for asked in fields]

    def _field(self, board: FakeBoard, number: int, scope: int) -> _Field:
        answer = _Field(fieldId=number, scopeId=scope)
        sensor = {0: board.power, 1: board.module_power}.get(scope) if number == _POWER_INSTANT else None
        if sensor is None:
            answer.nvmlReturn = _CODE_OF_NAME["NotSupported"]
            return answer
        try:
            answer.value.uiVal = board.reading(sensor.read_w())
        except NVMLError as error:
            answer.nvmlReturn = error.value
        return answer

    def _board(self, handle: _Handle, *, takes_part: bool = False) -> FakeBoard:
        self._require_started()
        self._require(handle.is_part == takes_part)
        if handle.board.is_lost:
            raise NVMLError(_CODE_OF_NAME["GpuIsLost"])
        return handle.board

    def _require_started(self) -> None:
        if self.starts <= self.ends:
            raise NVMLError(_CODE_OF_NAME["Uninitialized"])

    def _require(self, is_valid: bool) -> None:
        if not is_valid:
            raise NVMLError(_CODE_OF_NAME["InvalidArgument"])


def _unknown_function(*arguments: object) -> None:
    raise NVMLError(_CODE_OF_NAME["FunctionNotFound"])


def _mismatched_function(*arguments: object) -> None:
    raise NVMLLibraryMismatchError("unversioned function called")
