"""What a board says of itself, and what weakens its joules from the start."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from types import ModuleType
from typing import TYPE_CHECKING

from layerprof.energy.base import SourceError, SourceFacts
from layerprof.energy.sources.base import ENERGY
from layerprof.energy.sources.nvml.base import Nvml, NvmlError
from layerprof.records import FrozenMapping, Note

if TYPE_CHECKING:
    from layerprof.energy.sources.base import DeviceAsked
    from layerprof.energy.sources.nvml.handles import Board
    from layerprof.energy.sources.nvml.periods import Periods

    FindPeriods = Callable[[int | None, str], Periods]

# Error of a board's gain. Source: Z. Yang, K. Adamek, W. Armour, SC'24 (arXiv:2312.02741): 5 % of the reading.
_SENSOR_REL = 0.05
_UNPUBLISHED_POWER_S = 0.1  # the period of most parts since Turing; used where none is known
_POLLS_PER_VALUE = 4  # so that no value of the power sensor is missed where its moment jitters
_MILLI = 1e-3
_VGPU = 2  # NVML_GPU_VIRTUALIZATION_MODE_VGPU
_VIRTUALIZATION = {0: "none", 1: "passthrough", 3: "host of vGPUs", 4: "host of vSGA"}
_SHARED_WITH_MACHINES = (3, 4)
_MODULE_NAMES = re.compile(r"\bG[HB]\d{3}\b", re.IGNORECASE)  # GPUs that share a module with a processor
# Of the old distribution that was named pynvml before it handed over to nvidia-ml-py, some lack one of these.
_NEEDED = (
    "NVMLError",
    "nvmlInit",
    "nvmlShutdown",
    "nvmlDeviceGetHandleByUUID",
    "nvmlDeviceGetHandleByPciBusId",
    "nvmlDeviceGetTotalEnergyConsumption",
    "nvmlDeviceGetFieldValues",
    "NVML_FI_DEV_POWER_INSTANT",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Description:
    """A board in words and numbers.

    Attributes:
        uuid: of the board.
        device: its name with the id that it was matched by.
        limit_w: the power limit in force, or None.
        periods: of its sensors, as published.
        words: driver, modes and limits.
        weaknesses: (code, text) of what is known against its joules.
    """

    uuid: str
    device: str
    limit_w: float | None
    periods: Periods
    words: FrozenMapping[str]
    weaknesses: tuple[tuple[str, str], ...]

    def facts(self, name: str, *, is_polled: bool = False, is_module: bool = False) -> SourceFacts:
        """What one of its sources says of itself.

        Args:
            name: of the source.
            is_polled: whether it is the power sensor.
            is_module: whether it is that of the whole module.
        """
        power_s = self.periods.power_s or _UNPUBLISHED_POWER_S
        return SourceFacts(
            name=name,
            domain="gpu_module" if is_module else "gpu_board",
            device=self.device,
            identity=f"{name} of {self.uuid}",
            nominal_tick_s=self.periods.power_s if is_polled else self.periods.counter_s,
            poll_s=power_s / _POLLS_PER_VALUE if is_polled else None,
            averaged_s=(self.periods.averaged_s or power_s) if is_polled else 0.0,
            sensor_rel=_SENSOR_REL,
            limit_w=self.limit_w,
            facts=self.words,
            notes=tuple(Note(code=c, quantity=ENERGY, scope=name, text=text) for c, text in self.weaknesses),
        )


def require_functions(module: ModuleType, *, remedy: str) -> None:
    """Returns where the module has what is needed of it.

    Raises:
        SourceError: where it is an old one, or another of the same name.
    """
    missing = [name for name in _NEEDED if not hasattr(module, name)]
    if missing:
        reason = f"NVML cannot be asked: the module pynvml that is installed has no {missing[0]}"
        raise SourceError("unsupported_device", f"{reason}; pip uninstall pynvml, then {remedy}")


def described(nvml: Nvml, board: Board, asked: DeviceAsked, find_periods: FindPeriods) -> Description:
    """A board, as NVML describes it.

    Args:
        nvml: that is asked.
        board: which one.
        asked: for a name where NVML gives none.
        find_periods: of generation and name.

    Raises:
        SourceError: where it is a virtual part of a board, which has no counter of its own.
    """
    mode = nvml.number_or_none("nvmlDeviceGetVirtualizationMode", board.handle)
    if mode == _VGPU:
        raise SourceError("virtual_machine", "a vGPU has no counter: the board is its host's; run on the host")
    name = nvml.words_or_none("nvmlDeviceGetName", board.handle) or asked.name or "GPU"
    architecture = nvml.number_or_none("nvmlDeviceGetArchitecture", board.handle)
    limit_w = _limit_w(nvml, board)
    return Description(
        uuid=board.uuid,
        device=f"{name}, {board.matched_by}",
        limit_w=limit_w,
        periods=find_periods(architecture, name),
        words=FrozenMapping(dict(_words(nvml, board, name, limit_w))),
        weaknesses=tuple(_weaknesses(nvml, board, name, mode)),
    )


def _limit_w(nvml: Nvml, board: Board) -> float | None:
    for function in ("nvmlDeviceGetEnforcedPowerLimit", "nvmlDeviceGetPowerManagementLimit"):
        limit_mw = nvml.number_or_none(function, board.handle)
        if limit_mw:
            return limit_mw * _MILLI
    return None


def _words(nvml: Nvml, board: Board, name: str, limit_w: float | None) -> Iterator[tuple[str, str]]:
    yield "name", name
    yield "uuid", board.uuid
    driver = nvml.words_or_none("nvmlSystemGetDriverVersion")
    if driver:
        yield "driver", driver
    if limit_w is not None:
        yield "power limit", f"{limit_w:g} W"
    persistence = nvml.number_or_none("nvmlDeviceGetPersistenceMode", board.handle)
    if persistence is not None:
        yield "persistence mode", "on" if persistence else "off"
    mode = nvml.number_or_none("nvmlDeviceGetVirtualizationMode", board.handle)
    if mode in _VIRTUALIZATION:
        yield "virtualization", _VIRTUALIZATION[mode]


def _weaknesses(nvml: Nvml, board: Board, name: str, mode: int | None) -> Iterator[tuple[str, str]]:
    if board.is_part_asked or _is_mig_on(nvml, board):
        yield "mig_shared", "the counter is the whole board's, and the device is a part of it that others may share"
    if mode in _SHARED_WITH_MACHINES:
        yield "virtual_machine", "the counter is the whole board's, and virtual machines may share it"
    if _MODULE_NAMES.search(name):
        yield "module_scope", "on a module with a processor the sensor may count more than the GPU"


def _is_mig_on(nvml: Nvml, board: Board) -> bool:
    try:
        modes = nvml.call("nvmlDeviceGetMigMode", board.handle)
    except NvmlError:
        return False
    return isinstance(modes, list) and bool(modes) and modes[0] == 1
