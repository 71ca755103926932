"""Whole profiles of nets on a simulated device, for tests of the energy pass."""

from __future__ import annotations

from dataclasses import dataclass

from torch import nn

import layerprof as lp
from layerprof.energy import Sources
from layerprof.testing.energy import PRESETS, Planted, PoweredNet, Sensors, SimulatedDevice

KINDS = (
    Planted(name="vision", count=5, power_w=200.0, seconds=0.012, spread_rel=0.005, width=2),
    Planted(name="language", count=4, power_w=140.0, seconds=0.016, spread_rel=0.005, width=5),
    Planted(name="head", count=1, power_w=170.0, seconds=0.009, width=7),
)
GAP_S = 0.001


@dataclass(frozen=True, slots=True, kw_only=True)
class Bench:
    """A net on a device with sensors."""

    device: SimulatedDevice
    net: PoweredNet
    sensors: Sensors

    @property
    def sources(self) -> Sources:
        both = (self.sensors.energy, self.sensors.power)
        return Sources(energy=tuple(source for source in both if source is not None))


def bench(preset: str = "turing", *, seed: int = 0, noise: float = 1.0, gap_s: float | None = None) -> Bench:
    """A net that the preset's sensors look at; ``noise`` scales that of device and layers."""
    device = SimulatedDevice(
        idle_w=30.0, noise_rel=0.01 * noise, drift_rel=0.003 * noise, jitter_rel=0.01 * noise, seed=seed
    )
    is_cpu = PRESETS[preset].domain == "cpu_package"
    gap_s = (0.0 if is_cpu else GAP_S) if gap_s is None else gap_s
    net = PoweredNet(device, KINDS, gap_s=gap_s, seed=seed)
    return Bench(device=device, net=net, sensors=PRESETS[preset].build(device, seed, fault_s=(40.0, 60.0)))


def profiled(
    one: Bench,
    *,
    model: nn.Module | None = None,
    passes: tuple[str, ...] = ("time", "energy"),
    energy: object = None,
    **options: object,
) -> lp.Profile:
    """A profile in the device's time."""
    return lp.profile(
        model or one.net,
        one.net.inputs,
        passes=passes,
        warmup=1,
        repeats=8,
        energy=one.sources if energy is None else energy,  # type: ignore[arg-type]  # tests pass wrong ones too
        energy_options=lp.EnergyOptions(**options),  # type: ignore[arg-type]  # likewise
        clock=one.device,
    )
