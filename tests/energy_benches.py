"""Devices, loads and sources that qualification is tried on."""

from __future__ import annotations

import random
from dataclasses import dataclass, replace

import pytest

from layerprof.energy.base import DeviceState, EnergySource, Load, SourceError, SourceFacts
from layerprof.energy.qualification import qualify
from layerprof.records import EnergyCounter
from layerprof.testing.energy import PRESETS, CounterModel, PowerModel, SensorPreset, SimulatedDevice, SimulatedLoad

IDLE_W, LOAD_W, CALL_S = 80.0, 240.0, 0.002
# Of what must hold in every run: a few for every day, and many, of which a fault in one run of fourteen shows in 95 %.
SEEDS = [pytest.param(range(8), id="few runs"), pytest.param(range(8, 40), id="more runs", marks=pytest.mark.slow)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Tried:
    """A counter that was tried, and what it was tried on."""

    counter: EnergyCounter
    device: SimulatedDevice
    load: SimulatedLoad

    @property
    def codes(self) -> tuple[str, ...]:
        return tuple(note.code for note in self.counter.findings)


def preset_with(
    name: str, *, counter: CounterModel | None = None, power: PowerModel | None = None, sees_power: bool = True
) -> SensorPreset:
    """A preset with another counter or power sensor, or without a power sensor."""
    preset = PRESETS[name]
    return replace(preset, counter=counter or preset.counter, power=(power or preset.power) if sees_power else None)


def noisy_device(seed: int) -> SimulatedDevice:
    """A device with the noise, drift and jitter of a real one, met at any phase of its sensors."""
    device = SimulatedDevice(idle_w=IDLE_W, noise_rel=0.01, drift_rel=0.005, jitter_rel=0.01, seed=seed)
    device.sleep_s(random.Random(f"start {seed}").uniform(0.0, 1.0))
    return device


def quiet_device() -> SimulatedDevice:
    device = SimulatedDevice(idle_w=IDLE_W)
    device.sleep_s(0.5)
    return device


def tried(
    preset: SensorPreset,
    *,
    seed: int = 0,
    device: SimulatedDevice | None = None,
    power_w: float = LOAD_W,
    call_s: float = CALL_S,
) -> Tried:
    """A preset's counter, tried on a noisy device."""
    device = noisy_device(seed) if device is None else device
    sensors, load = preset.build(device, seed), SimulatedLoad(device, power_w=power_w, call_s=call_s)
    return Tried(counter=tried_source(sensors.energy, load, sensors.power, seed=seed), device=device, load=load)


def tried_source(
    source: EnergySource, load: SimulatedLoad, power: EnergySource | None = None, *, seed: int = 0
) -> EnergyCounter:
    draw = random.Random(seed)
    return qualify(source, load, load.device, call_s=load.call_s, power=power, draw=draw)


class QueuedLoad(SimulatedLoad):
    """A load that runs behind the host by one launch, as on a GPU."""

    _queued = 0

    def launch(self, calls: int) -> None:
        self.settle()
        self._queued = calls

    def settle(self) -> None:
        if self._queued:
            super().launch(self._queued)
            self._queued = 0


class Journal:
    """A load and a source that write down when the device was at work, and when it was read."""

    def __init__(self, load: Load, source: EnergySource, device: SimulatedDevice) -> None:
        self.facts: SourceFacts = source.facts
        self.launches_ns: list[tuple[int, int]] = []
        self.reads_ns: list[int] = []
        self._load, self._source, self._device = load, source, device

    def launch(self, calls: int) -> None:
        begun_ns = self._device.now_ns()
        self._load.launch(calls)
        self.launches_ns.append((begun_ns, self._device.now_ns()))

    def settle(self) -> None:
        self._load.settle()

    def read_j(self) -> float:
        self.reads_ns.append(self._device.now_ns())
        return self._source.read_j()

    def state(self) -> DeviceState:
        return self._source.state()

    def close(self) -> None:
        self._source.close()


class FailingSource:
    """A source that stops to answer after so many readings."""

    def __init__(self, source: EnergySource, *, reads: int) -> None:
        self.facts: SourceFacts = source.facts
        self._source, self._left = source, reads

    def read_j(self) -> float:
        if self._left == 0:
            raise SourceError("permission", "the fake source was taken away")
        self._left -= 1
        return self._source.read_j()

    def state(self) -> DeviceState:
        return self._source.state()

    def close(self) -> None:
        self._source.close()
