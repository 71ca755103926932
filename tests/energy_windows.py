"""A meter on a simulated device in one line, and loads that cost a simulation little."""

from __future__ import annotations

import random
from dataclasses import replace

from layerprof.energy import EnergySource, SourceFacts
from layerprof.energy.windows import WindowMeter, plan_windows
from layerprof.records import EnergyCounter, EnergyDomain, EnergyEstimator
from layerprof.testing.energy import CounterModel, SimulatedCounter, SimulatedDevice


class SmoothLoad:
    """Calls of equal power, of which a lot is one run: exact, and fast to simulate."""

    def __init__(self, device: SimulatedDevice, *, power_w: float, call_s: float) -> None:
        self.device, self.power_w, self.call_s = device, power_w, call_s
        self.calls = 0
        self.lots: list[int] = []

    def launch(self, calls: int) -> None:
        self.calls += calls
        self.lots.append(calls)
        self.device.run(power_w=self.power_w, seconds=calls * self.call_s)

    def settle(self) -> None:
        pass


class QueuedLoad(SmoothLoad):
    """A lot is done when the next one is launched, as on a device with a queue."""

    waiting = 0

    def launch(self, calls: int) -> None:
        self.settle()
        self.waiting = calls

    def settle(self) -> None:
        if self.waiting:
            super().launch(self.waiting)
        self.waiting = 0


def qualified(
    estimator: EnergyEstimator = "ticks",
    *,
    tick_s: float | None = 0.1,
    domain: EnergyDomain = "gpu_board",
    late_s: float = 0.0,
    pre_roll_s: float = 0.5,
) -> EnergyCounter:
    """What qualification would have said."""
    return EnergyCounter(
        source="simulated",
        domain=domain,
        device="simulated",
        kind="measured",
        verdict="accepted" if estimator == "ticks" else "restricted",
        estimator=estimator,
        tick_s=tick_s,
        late_s=late_s,
        pre_roll_s=pre_roll_s,
    )


def source_of(device: SimulatedDevice, model: CounterModel, *, seed: int = 0) -> SimulatedCounter:
    facts = SourceFacts(name="simulated", domain="gpu_board", device="simulated", identity=f"{seed}")
    return SimulatedCounter(device, model, facts, seed=seed)


def meter_of(
    device: SimulatedDevice,
    source: EnergySource,
    counter: EnergyCounter,
    *,
    seed: int = 0,
    window_s: float | None = None,
    pre_roll_s: float | None = None,
) -> WindowMeter:
    plan = plan_windows(counter)
    if window_s is not None:
        plan = replace(plan, window_s=window_s)
    if pre_roll_s is not None:
        plan = replace(plan, pre_roll_s=pre_roll_s)
    return WindowMeter(source, device, plan, random.Random(seed))
