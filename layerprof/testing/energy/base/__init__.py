"""What the simulated sensor kit is made of: a device in virtual time, and counters and power sensors of it."""

from layerprof.testing.energy.base.counters import CounterModel, PowerModel, SimulatedCounter, SimulatedPower
from layerprof.testing.energy.base.device import AsynchronousLoad, SimulatedDevice, SimulatedLoad

__all__ = [
    "AsynchronousLoad",
    "CounterModel",
    "PowerModel",
    "SimulatedCounter",
    "SimulatedDevice",
    "SimulatedLoad",
    "SimulatedPower",
]
