"""Self-checks pass for honest counters, and each finds the fault that it is there for."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import replace

import pytest
from energy_windows import SmoothLoad, qualified, source_of

from layerprof.energy import DeviceState, EnergySource, SelfCheck, SourceFacts, self_checks
from layerprof.errors import MeasurementError
from layerprof.records import EnergyCounter, EnergyEstimator
from layerprof.testing.energy import HONEST, PRESETS, CounterModel, SimulatedDevice

NAMES = (
    "linearity",
    "mixture",
    "mixture_shuffled",
    "time_dilation",
    "null",
    "twins",
    "two_sources",
    "repeatability",
)
LOAD_W, OTHER_W, IDLE_W = 400.0, 200.0, 80.0
TENTH, FAST = CounterModel(tick_s=0.1), CounterModel(tick_s=0.001)


class ChangedSource:
    """A source of which every reading is changed."""

    def __init__(self, source: EnergySource, change: Callable[[float], float]) -> None:
        self.facts: SourceFacts = source.facts
        self._source, self._change = source, change

    def read_j(self) -> float:
        return self._change(self._source.read_j())

    def state(self) -> DeviceState:
        return self._source.state()

    def close(self) -> None:
        self._source.close()


def noisy_device(seed: int = 0) -> SimulatedDevice:
    return SimulatedDevice(idle_w=IDLE_W, noise_rel=0.005, drift_rel=0.003, jitter_rel=0.01, seed=seed)


def checks_of(
    device: SimulatedDevice,
    source: EnergySource,
    counter: EnergyCounter,
    *,
    power: EnergySource | None = None,
    load: SmoothLoad | None = None,
    other_w: float = OTHER_W,
) -> Mapping[str, SelfCheck]:
    found = self_checks(
        source,
        counter,
        device,
        load or SmoothLoad(device, power_w=LOAD_W, call_s=0.002),
        SmoothLoad(device, power_w=other_w, call_s=0.003),
        power=power,
        draw=random.Random(0),
    )
    return {check.name: check for check in found}


def preset_checks(name: str, seed: int = 0) -> Mapping[str, SelfCheck]:
    device = noisy_device(seed)
    preset = PRESETS[name]
    sensors = preset.build(device, seed)
    tick_s = preset.counter.tick_s
    estimator: EnergyEstimator = "ticks" if tick_s >= 0.005 else "edges"
    counter = qualified(estimator, tick_s=tick_s, domain=preset.domain, late_s=tick_s / 2.0)
    return checks_of(device, sensors.energy, counter, power=sensors.power)


def verdicts(checks: Mapping[str, SelfCheck]) -> dict[str, bool | None]:
    return {name: check.is_ok for name, check in checks.items()}


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("name", [name for name in HONEST if name != "hopper"])
def test_all_checks_pass_for_a_counter_that_looks_all_of_the_time(name: str, seed: int) -> None:
    expected = {check: True if check != "two_sources" or PRESETS[name].power else None for check in NAMES}

    assert verdicts(preset_checks(name, seed)) == expected


@pytest.mark.parametrize("seed", range(4))
def test_a_counter_that_looks_a_quarter_of_the_time_fails_where_loads_keep_its_beat(seed: int) -> None:
    found = verdicts(preset_checks("hopper", seed))

    assert found.pop("mixture") is False
    assert set(found.values()) == {True}  # in random turns too


def test_the_failure_of_a_part_time_counter_is_no_close_call() -> None:
    check = preset_checks("hopper")["mixture"]

    assert check.measured is not None
    assert check.tolerance is not None
    assert abs(check.measured - 1.0) > 2.0 * check.tolerance


def test_each_check_says_what_was_found_expected_and_let_pass() -> None:
    device = SimulatedDevice(idle_w=IDLE_W)
    found = checks_of(device, source_of(device, TENTH), replace(qualified(), active_idle_w=IDLE_W))

    assert tuple(found) == NAMES
    assert found["null"].measured == pytest.approx(IDLE_W, rel=0.01)
    assert found["null"].expected == IDLE_W
    assert found["time_dilation"].measured == pytest.approx(IDLE_W, abs=found["time_dilation"].tolerance)
    assert found["linearity"].expected == 0.0
    assert float(found["linearity"].detail.split()[-4]) == pytest.approx(LOAD_W * 0.002, rel=0.02)  # J a call
    assert "cannot be told with 5 windows" in found["twins"].detail


def test_joules_that_each_window_loses_are_found_by_linearity() -> None:
    device = SimulatedDevice(idle_w=IDLE_W)
    lost_j = iter(range(0, 10**6, 15))
    source = ChangedSource(source_of(device, FAST), lambda joules: joules - next(lost_j))

    found = checks_of(device, source, qualified("edges", tick_s=0.001))["linearity"]

    assert found.is_ok is False
    assert found.measured == pytest.approx(-15.0, rel=0.1)


def test_a_counter_that_counts_the_same_at_rest_fails_the_null() -> None:
    assert preset_checks("laptop")["null"].is_ok is False


def test_idle_power_that_is_not_what_qualification_found_fails_the_null() -> None:
    device = SimulatedDevice(idle_w=IDLE_W)
    counter = replace(qualified(), active_idle_w=IDLE_W + 0.1 * LOAD_W)

    assert checks_of(device, source_of(device, TENTH), counter)["null"].is_ok is False


def test_gaps_that_cost_more_than_rest_are_found_by_time_dilation() -> None:
    class Lingering(SimulatedDevice):
        """It stays at high clocks for 0.2 s after work."""

        worked_s = 0.0

        def run(self, *, power_w: float, seconds: float, calls: int = 1) -> None:
            super().run(power_w=power_w, seconds=seconds, calls=calls)
            self.worked_s = self.now_ns() / 1e9

        def sleep_s(self, seconds: float) -> None:
            high_s = max(0.0, min(seconds, self.worked_s + 0.2 - self.now_ns() / 1e9))
            super().run(power_w=0.6 * LOAD_W, seconds=high_s)
            super().sleep_s(seconds - high_s)

    device = Lingering(idle_w=IDLE_W)
    found = checks_of(device, source_of(device, FAST), qualified("edges", tick_s=0.001))["time_dilation"]

    assert found.is_ok is False
    assert found.measured == pytest.approx(0.6 * LOAD_W, rel=0.02)
    assert found.expected == pytest.approx(IDLE_W, rel=0.02)


def test_a_power_sensor_with_another_gain_is_found() -> None:
    device = noisy_device()
    sensors = PRESETS["turing"].build(device, 0)
    assert sensors.power is not None
    power = ChangedSource(sensors.power, lambda joules: 1.15 * joules)

    check = checks_of(device, sensors.energy, qualified(), power=power)["two_sources"]

    assert check.is_ok is False
    assert check.measured == pytest.approx(1.0 / 1.15, rel=0.02)


def test_a_load_that_drifts_is_found_by_repeatability() -> None:
    class Drifting(SmoothLoad):
        def launch(self, calls: int) -> None:
            self.power_w *= 1.0 + 1e-4
            super().launch(calls)

    device = SimulatedDevice(idle_w=IDLE_W)
    load = Drifting(device, power_w=LOAD_W, call_s=0.002)
    found = checks_of(device, source_of(device, TENTH), qualified(), load=load)

    assert found["repeatability"].is_ok is False
    assert found["twins"].is_ok is True  # the order of its windows cancels a drift


def test_loads_of_equal_power_show_nothing_of_a_mixture() -> None:
    device = SimulatedDevice(idle_w=IDLE_W)
    found = checks_of(device, source_of(device, TENTH), qualified(), other_w=LOAD_W)

    assert found["mixture"].is_ok is None
    assert "nearly the same power" in found["mixture"].detail
    assert found["mixture"].measured is None


def test_windows_that_differ_too_much_tell_nothing() -> None:
    device = SimulatedDevice(idle_w=IDLE_W, drift_rel=0.3, drift_s=2.0, seed=2)
    found = checks_of(device, source_of(device, TENTH), qualified())

    assert found["twins"].is_ok is None
    assert "too much among themselves" in found["twins"].detail


def test_a_dead_counter_makes_no_check_and_says_why() -> None:
    found = preset_checks("rapl_vm_zero")

    assert tuple(found) == NAMES
    assert {check.is_ok for check in found.values()} == {None}
    assert all("stood still" in check.detail for check in found.values())


def test_a_counter_that_dies_on_the_way_leaves_the_checks_before_it() -> None:
    device = SimulatedDevice(idle_w=IDLE_W)
    found = checks_of(device, source_of(device, replace(TENTH, fails_at_s=90.0)), qualified())

    assert found["linearity"].is_ok is True
    assert found["repeatability"].is_ok is None
    assert "does not answer" in found["repeatability"].detail


def test_each_check_is_told_before_it_begins() -> None:
    device = SimulatedDevice(idle_w=IDLE_W)
    told: list[str] = []

    self_checks(
        source_of(device, TENTH),
        qualified(),
        device,
        SmoothLoad(device, power_w=LOAD_W, call_s=0.002),
        SmoothLoad(device, power_w=OTHER_W, call_s=0.003),
        draw=random.Random(0),
        tell=told.append,
    )

    assert told == ["first round", *NAMES]


def test_a_rejected_counter_is_not_checked() -> None:
    device = SimulatedDevice(idle_w=IDLE_W)

    with pytest.raises(MeasurementError, match="rejected"):
        checks_of(device, source_of(device, TENTH), replace(qualified(), verdict="rejected"))
