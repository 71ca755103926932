"""The simulated sensor kit: a device in virtual time, its counters with their faults, nets whose joules are known."""

from layerprof.testing.energy.base import (
    AsynchronousLoad,
    CounterModel,
    PowerModel,
    SimulatedCounter,
    SimulatedDevice,
    SimulatedLoad,
    SimulatedPower,
)
from layerprof.testing.energy.nets import Planted, PoweredBlock, PoweredLayer, PoweredNet
from layerprof.testing.energy.presets import HONEST, PRESETS, SensorPreset, Sensors, UnwrappedCounter

__all__ = [
    "HONEST",
    "PRESETS",
    "AsynchronousLoad",
    "CounterModel",
    "Planted",
    "PowerModel",
    "PoweredBlock",
    "PoweredLayer",
    "PoweredNet",
    "SensorPreset",
    "Sensors",
    "SimulatedCounter",
    "SimulatedDevice",
    "SimulatedLoad",
    "SimulatedPower",
    "UnwrappedCounter",
]
