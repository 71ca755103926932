"""A GPU's joules by NVML: its energy counter, and the power of this instant summed over time.

what torch calls the device ── UUID, else PCI bus id ── board ── counter   nvmlDeviceGetTotalEnergyConsumption
                                                             └── power     field 186, scope GPU (else module)
"""

from __future__ import annotations

import importlib
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from types import ModuleType

from layerprof.clock import Clock, PacedClock
from layerprof.energy.base import DeviceState, EnergySource, PolledEnergy, Refusal, SourceError, SourceFacts, Sources
from layerprof.energy.sources.base import DeviceAsked, FunctionSource, closed_error
from layerprof.energy.sources.nvml.base import Nvml, NvmlError, Session, source_error
from layerprof.energy.sources.nvml.describing import Description, described, require_functions
from layerprof.energy.sources.nvml.handles import board_of
from layerprof.energy.sources.nvml.periods import periods_of
from layerprof.energy.sources.nvml.readings import GPU_SCOPE, MODULE_SCOPE, energy_j, lasting, power_w
from layerprof.energy.sources.nvml.states import ThisProcess, state_of, this_process

ENERGY_NAME, POWER_NAME = "nvml_energy", "nvml_power"

_INSTALL = "pip install nvidia-ml-py"


class SummedPower(PolledEnergy):
    """Instant power summed, with a session to let go of.

    Args:
        facts, read_w, state, clock: as of `PolledEnergy`.
        release: is called once, however often it is closed.
    """

    def __init__(
        self,
        facts: SourceFacts,
        read_w: Callable[[], float],
        state: Callable[[], DeviceState],
        clock: Clock,
        *,
        release: Callable[[], None],
    ) -> None:
        super().__init__(facts, read_w, state, clock)
        self._release: Callable[[], None] | None = release

    def read_j(self) -> float:  # noqa: D102 - as `EnergySource`
        if self._release is None:
            raise closed_error(self.facts.name)
        return super().read_j()

    def state(self) -> DeviceState:  # noqa: D102 - as `EnergySource`
        return DeviceState() if self._release is None else super().state()

    def close(self) -> None:  # noqa: D102 - as `EnergySource`
        super().close()
        release, self._release = self._release, None
        if release is not None:
            release()


def nvml_sources(
    asked: DeviceAsked, *, clock: Clock, module: ModuleType | None = None, process: ThisProcess | None = None
) -> Sources:
    """The sources of a GPU, and why there are not more of them; never raises for what is missing.

    Args:
        asked: the device.
        clock: where time comes from; retries wait on it where it can be waited on.
        module: ``pynvml``; None imports it.
        process: who is no stranger on the board; None is the running process.
    """
    try:
        nvml = Nvml(_required(module))
        session = _begun(nvml)
    except SourceError as error:
        return _none(error)
    try:
        board = board_of(nvml, asked)
        probe = _Probe(
            nvml=nvml,
            session=session,
            handle=board.handle,
            description=described(nvml, board, asked, periods_of),
            clock=clock,
            process=process or this_process(),
        )
    except SourceError as error:
        return _none(error)
    else:
        return probe.sources()
    finally:
        session.release()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Probe:
    """A board whose sensors are tried, once each."""

    nvml: Nvml
    session: Session
    handle: object
    description: Description
    clock: Clock
    process: ThisProcess

    def sources(self) -> Sources:
        """Counter and power, or why not."""
        found: list[EnergySource] = []
        refusals: list[Refusal] = []
        for name, make in ((ENERGY_NAME, self._energy), (POWER_NAME, self._power)):
            try:
                found.append(make())
            except SourceError as error:
                refusals.append(Refusal(name=name, code=error.code, text=str(error)))
        return Sources(energy=tuple(found), refusals=tuple(refusals))

    def _energy(self) -> EnergySource:
        def read_j() -> float:
            return lasting(lambda: energy_j(self.nvml, self.handle), self._pause, "NVML's energy counter")

        read_j()  # the first reading after NVML's start may be anything
        facts = self.description.facts(ENERGY_NAME)
        self.session.hold()
        return FunctionSource(facts, read_j, state=self._state, close=self.session.release)

    def _power(self) -> EnergySource:
        read_w, is_module = self._reading_power()
        facts = self.description.facts(POWER_NAME, is_polled=True, is_module=is_module)
        self.session.hold()
        return SummedPower(facts, read_w, self._state, self.clock, release=self.session.release)

    def _reading_power(self) -> tuple[Callable[[], float], bool]:
        """How power is read, and whether it is that of the whole module.

        Raises:
            SourceError: where neither is answered; that of the GPU's.
        """
        failures: list[SourceError] = []
        for scope in (GPU_SCOPE, MODULE_SCOPE):
            read_w = self._reader_w(scope)
            try:
                read_w()  # as with the counter
            except SourceError as error:
                failures.append(error)
            else:
                return read_w, scope == MODULE_SCOPE
        raise failures[0]

    def _reader_w(self, scope: int) -> Callable[[], float]:
        def read_w() -> float:
            what = "NVML's instant power"
            return lasting(lambda: power_w(self.nvml, self.handle, scope), self._pause, what)

        return read_w

    def _state(self) -> DeviceState:
        return state_of(self.nvml, self.handle, self.process)

    def _pause(self, seconds: float) -> None:
        if isinstance(self.clock, PacedClock):
            self.clock.sleep_s(seconds)


def _required(module: ModuleType | None) -> ModuleType:
    """The module, with the functions that are needed.

    Raises:
        SourceError: where it is missing, or a foreign one has its name.
    """
    if module is None:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", FutureWarning)  # of the distribution that is named pynvml
                module = importlib.import_module("pynvml")
        except ImportError as error:
            text = f"NVML cannot be asked: pynvml is not installed; {_INSTALL}"
            raise SourceError("unsupported_device", text) from error
    require_functions(module, remedy=_INSTALL)
    return module


def _begun(nvml: Nvml) -> Session:
    """NVML, started.

    Raises:
        SourceError: where it does not start.
    """
    try:
        return Session(nvml)
    except NvmlError as error:
        raise source_error(error, "no NVIDIA driver answers") from error


def _none(error: SourceError) -> Sources:
    """Both of a GPU's sources are refused for one reason."""
    names = (ENERGY_NAME, POWER_NAME)
    return Sources(refusals=tuple(Refusal(name=name, code=error.code, text=str(error)) for name in names))
