"""Sensors as they are found on real parts, and ones that lie.

    device = SimulatedDevice(idle_w=80.0, seed=1)
    sensors = PRESETS["hopper"].build(device, seed=1)
    sensors.energy.read_j()

Source:
    Periods and averages of power sensors: Z. Yang, K. Adamek, W. Armour, Accurate and Convenient Energy Measurements
    for GPUs (SC'24). RAPL: Intel SDM vol. 3B, section on package RAPL domains (about 1 ms, 2**-16 J, 32 bits). The
    tick of counters of GPUs is about 100 ms in public reports (20 ms or less on Volta). What reading does to a
    corrupted one: Dauner et al. (HotCarbon'26), as quoted by others.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

from layerprof.energy.base import DeviceState, EnergySource, PolledEnergy, SourceFacts
from layerprof.records import EnergyDomain
from layerprof.testing.energy.base import CounterModel, PowerModel, SimulatedCounter, SimulatedDevice, SimulatedPower

GPU_GAIN_REL = 0.05  # bound of a GPU board's gain error (Yang et al., SC'24: about 5 % per board)
RAPL_QUANTUM_J = 2.0**-16  # 15.3 uJ
RAPL_WRAP_J = 65_536.0  # 2**32 of them
_POLLS_PER_VALUE = 4  # so that no published power is missed, also where its moment jitters
_LONGEST_START_J = 5e6  # some hours of a busy board since its driver was loaded
_FAULTS_S = (4.0, 14.0)  # seconds after `SensorPreset.build` between which a counter freezes or is reset

_serials = itertools.count()  # findings are kept by identity, and two simulated counters are never the same one


@dataclass(frozen=True, slots=True, kw_only=True)
class Sensors:
    """What one simulated device offers.

    Attributes:
        energy: its counter.
        power: its power sensor, summed; None where it has none.
    """

    energy: EnergySource
    power: EnergySource | None


@dataclass(frozen=True, slots=True, kw_only=True)
class SensorPreset:
    """A kind of device, by its sensors.

    Attributes:
        name: of the preset.
        domain: what they speak of.
        is_honest: whether the counter may be believed at the edges of a long window and whenever it is read.
        counter: how the counter behaves; without moments of faults, which `build` draws.
        power: how the power sensor behaves, or None without one.
        limit_w: the device's power limit, or None.
        sensor_rel: bound of the error of the gain, as a fraction.
        has_freeze, has_reset: whether the counter stops, or begins again at 0, at a moment that the seed tells.
    """

    name: str
    domain: EnergyDomain
    is_honest: bool
    counter: CounterModel
    power: PowerModel | None = None
    limit_w: float | None = None
    sensor_rel: float = 0.0
    has_freeze: bool = False
    has_reset: bool = False

    def build(
        self,
        device: SimulatedDevice,
        seed: int = 0,
        *,
        gain: float = 1.0,
        state: DeviceState | None = None,
        fault_s: tuple[float, float] = _FAULTS_S,
    ) -> Sensors:
        """Its sensors on a device.

        Args:
            device: that they look at.
            seed: of their phases, their jitter, the count at the start and the moment of a fault.
            gain: of counter and power sensor together, which share the shunt.
            state: the device's state, as they show it.
            fault_s: seconds from now between which a counter with a fault freezes or is reset.
        """
        serial = next(_serials)
        model = self._seeded(device, seed, gain, fault_s)
        counter = SimulatedCounter(device, model, self._facts("energy", serial), seed=seed, state=state)
        energy: EnergySource = counter if model.wrap_j is None else UnwrappedCounter(counter, model.wrap_j)
        if self.power is None:
            return Sensors(energy=energy, power=None)
        sensor = SimulatedPower(device, replace(self.power, gain=gain * self.power.gain), seed=seed)
        facts = replace(
            self._facts("power", serial),
            poll_s=self.power.publish_s / _POLLS_PER_VALUE,
            nominal_tick_s=self.power.publish_s,
            averaged_s=self.power.boxcar_s,
        )
        return Sensors(energy=energy, power=PolledEnergy(facts, sensor.read_w, _showing(state), device))

    def _facts(self, quantity: str, serial: int) -> SourceFacts:
        return SourceFacts(
            name=f"simulated_{quantity}",
            domain=self.domain,
            device=f"simulated {self.name}",
            identity=f"simulated {self.name} {serial} {quantity}",
            nominal_tick_s=self.counter.tick_s,
            sensor_rel=self.sensor_rel,
            limit_w=self.limit_w,
        )

    def _seeded(self, device: SimulatedDevice, seed: int, gain: float, fault_s: tuple[float, float]) -> CounterModel:
        draw = random.Random(f"preset {self.name} {seed}")
        start_j, fault_at_s = draw.random(), device.now_ns() / 1e9 + draw.uniform(*fault_s)
        model = replace(self.counter, gain=gain * self.counter.gain)
        if model.constant_w == 0.0:
            return model
        if model.wrap_j is not None:  # it begins near the wrap, so that a run of minutes meets it
            return replace(model, start_j=model.wrap_j * (0.9 + 0.1 * start_j))
        return replace(
            model,
            start_j=_LONGEST_START_J * (0.1 + 0.9 * start_j),
            freeze_at_s=fault_at_s if self.has_freeze else model.freeze_at_s,
            reset_at_s=fault_at_s if self.has_reset else model.reset_at_s,
        )


class UnwrappedCounter:
    """A counter that wraps, unwrapped by whoever reads it at least once a turn.

    Args:
        source: that wraps.
        wrap_j: at which it starts anew.
    """

    def __init__(self, source: EnergySource, wrap_j: float) -> None:
        self.facts = source.facts
        self._source, self._wrap_j = source, wrap_j
        self._last_j, self._turns = 0.0, 0

    def read_j(self) -> float:  # noqa: D102 - as `EnergySource`
        reading_j = self._source.read_j()
        if reading_j < self._last_j:
            self._turns += 1
        self._last_j = reading_j
        return self._turns * self._wrap_j + reading_j

    def state(self) -> DeviceState:  # noqa: D102 - as `EnergySource`
        return self._source.state()

    def close(self) -> None:  # noqa: D102 - as `EnergySource`
        self._source.close()


def _showing(state: DeviceState | None) -> Callable[[], DeviceState]:
    shown = state or DeviceState()
    return lambda: shown


def _gpu(name: str, limit_w: float, counter: CounterModel, power: PowerModel) -> SensorPreset:
    return SensorPreset(
        name=name,
        domain="gpu_board",
        is_honest=True,
        counter=counter,
        power=power,
        limit_w=limit_w,
        sensor_rel=GPU_GAIN_REL,
    )


def _rapl(name: str, *, jitter_s: float) -> SensorPreset:
    counter = CounterModel(tick_s=0.001, jitter_s=jitter_s, quantum_j=RAPL_QUANTUM_J, wrap_j=RAPL_WRAP_J)
    return SensorPreset(name=name, domain="cpu_package", is_honest=True, counter=counter)


_TENTH = CounterModel(tick_s=0.1)
_PART_TIME = PowerModel(publish_s=0.1, boxcar_s=0.025)
_WHOLE_TIME = PowerModel(publish_s=0.1, boxcar_s=0.1)
_ZERO = CounterModel(tick_s=0.001, quantum_j=RAPL_QUANTUM_J, constant_w=0.0)

_VOLTA = _gpu("volta", 300.0, CounterModel(tick_s=0.02), PowerModel(publish_s=0.02, boxcar_s=0.01))
_HOPPER = _gpu("hopper", 700.0, CounterModel(tick_s=0.1, duty_s=0.025), _PART_TIME)
# Idle at 4 W, it counted about 500 W; its power sensor moves every 500 ms (a public logbook of an RTX 4090 Laptop).
_LAPTOP = _gpu("laptop", 175.0, replace(_TENTH, constant_w=500.0), PowerModel(publish_s=0.5, boxcar_s=0.1))
# It loses 98, 73, 15 and 1.5 % when read every 0.5, 10, 100 and 1,000 ms; Dauner et al. saw 95, 76, 13 and 1.6 %.
_CORRUPTED = _gpu("corrupted", 450.0, replace(_TENTH, lost_s=0.015), _WHOLE_TIME)

PRESETS: Mapping[str, SensorPreset] = MappingProxyType(
    {
        preset.name: preset
        for preset in (
            _VOLTA,
            _gpu("turing", 250.0, _TENTH, _WHOLE_TIME),
            _gpu("ga100", 400.0, _TENTH, _PART_TIME),
            _HOPPER,
            replace(_LAPTOP, is_honest=False),
            replace(_gpu("gh200", 900.0, _TENTH, PowerModel(publish_s=0.1, boxcar_s=0.02)), domain="gpu_module"),
            _rapl("rapl_intel", jitter_s=0.0001),
            _rapl("rapl_amd", jitter_s=0.0),
            SensorPreset(name="rapl_vm_zero", domain="cpu_package", is_honest=False, counter=_ZERO),
            replace(_HOPPER, name="frozen", is_honest=False, has_freeze=True),
            replace(_CORRUPTED, is_honest=False),
            replace(_HOPPER, name="reset", is_honest=False, has_reset=True),
        )
    }
)
HONEST = tuple(name for name, preset in PRESETS.items() if preset.is_honest)
