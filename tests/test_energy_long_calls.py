"""Calls that are too long to be read between: what cannot be known is refused or left out, and a trial stays short."""

from __future__ import annotations

import random
from dataclasses import replace
from itertools import pairwise

import pytest
from energy_benches import IDLE_W, FailingSource, Journal, quiet_device
from energy_windows import SmoothLoad, meter_of, qualified, source_of

from layerprof.energy import DeviceState, SourceError, WatchedSource, WindowMeter, plan_windows
from layerprof.energy.base import EnergySource
from layerprof.energy.qualification import best_counter, forget_counters, kept_counter, qualify
from layerprof.energy.selfchecks import run_checks
from layerprof.records import EnergyCounter, EnergyEstimator
from layerprof.testing.energy import PRESETS, AsynchronousLoad, CounterModel, SimulatedDevice


class UnevenLoad:
    """Whole steps: each works hard at first, and less at its end."""

    def __init__(self, device: SimulatedDevice) -> None:
        self.device, self.calls = device, 0

    def launch(self, calls: int) -> None:
        for _ in range(calls):
            self.device.run(power_w=500.0, seconds=0.8)
            self.device.run(power_w=200.0, seconds=0.2)
            self.calls += 1

    def settle(self) -> None:
        pass


def tried_with(
    load: UnevenLoad | SmoothLoad, call_s: float, source: EnergySource, power: EnergySource | None = None
) -> EnergyCounter:
    return qualify(source, load, load.device, call_s=call_s, power=power, draw=random.Random(0))


@pytest.mark.parametrize("seed", range(3))
def test_long_uneven_calls_do_not_make_a_sound_counter_disagree_with_its_power_sensor(seed: int) -> None:
    device = quiet_device()
    sensors = PRESETS["gh200"].build(device, seed)

    counter = tried_with(UnevenLoad(device), 1.0, sensors.energy, sensors.power)

    assert counter.verdict == "accepted"
    assert [note.code for note in counter.findings] == ["power_not_compared"]
    assert counter.power_ratio is None
    assert counter.load_w == pytest.approx(440.0, rel=0.03)


def test_a_power_sensor_alone_is_refused_for_long_calls_and_that_is_not_kept() -> None:
    forget_counters()
    device = quiet_device()
    power = PRESETS["gh200"].build(device, 0).power
    assert power is not None

    load = UnevenLoad(device)
    source, (counter,) = best_counter((power,), load, device, call_s=1.0, draw=random.Random(0))

    assert source is None
    assert [note.code for note in counter.findings] == ["polls_too_sparse"]
    assert "has to be read every 0.025 s" in counter.findings[0].text
    assert load.calls == 0
    assert kept_counter(power.facts) is None


def test_what_long_calls_left_out_is_found_out_by_the_next_trial() -> None:
    forget_counters()
    device = quiet_device()
    sensors = PRESETS["gh200"].build(device, 0)
    assert sensors.power is not None
    both = (sensors.energy, sensors.power)

    _, long = best_counter(both, UnevenLoad(device), device, call_s=1.0, draw=random.Random(0))
    short_load = SmoothLoad(device, power_w=400.0, call_s=0.002)
    _, short = best_counter(both, short_load, device, call_s=0.002, draw=random.Random(0))

    assert long[0].power_ratio is None
    assert short[0].power_ratio == pytest.approx(1.0, abs=0.03)
    forget_counters()


def test_two_sources_are_not_compared_over_calls_that_are_longer_than_a_poll() -> None:
    device = SimulatedDevice(idle_w=IDLE_W)
    sensors = PRESETS["gh200"].build(device, 0)
    meter = meter_of(device, sensors.energy, qualified("edges"))
    loads = SmoothLoad(device, power_w=400.0, call_s=0.06), SmoothLoad(device, power_w=200.0, call_s=0.06)

    checks = run_checks(meter, qualified("edges"), loads, power=sensors.power, draw=random.Random(0))

    check = next(check for check in checks if check.name == "two_sources")
    assert check.is_ok is None
    assert "longer than the power sensor's 0.025 s" in check.detail


@pytest.mark.parametrize(("call_s", "most_calls"), [(2.5, 10), (10.0, 6), (30.0, 6)])
def test_a_trial_with_long_calls_makes_few_of_them_and_says_so(call_s: float, most_calls: int) -> None:
    device = quiet_device()
    load = SmoothLoad(device, power_w=400.0, call_s=call_s)

    counter = tried_with(load, call_s, PRESETS["gh200"].build(device, 0).energy)

    assert load.calls <= most_calls
    assert counter.duration_s < 45.0 + most_calls * call_s
    assert (counter.verdict, [note.code for note in counter.findings]) == ("accepted", ["few_repeats"])
    assert counter.load_w == pytest.approx(400.0, rel=0.03)


def wrapping(device: SimulatedDevice, *, longest_unread_s: float) -> Journal:
    """A counter that has to be read now and then, with the moments at which it was."""
    source = source_of(device, CounterModel(tick_s=0.001))
    source.facts = replace(source.facts, longest_unread_s=longest_unread_s)
    return Journal(SmoothLoad(device, power_w=400.0, call_s=1.0), source, device)


@pytest.mark.parametrize("call_s", [0.3, 0.9])
def test_a_counter_that_starts_anew_is_read_often_enough_within_a_window(call_s: float) -> None:
    device = SimulatedDevice(idle_w=IDLE_W)
    source = wrapping(device, longest_unread_s=1.0)
    meter = meter_of(device, source, qualified("edges", tick_s=0.001, pre_roll_s=3.0), window_s=4.0)

    window = meter.measure(SmoothLoad(device, power_w=400.0, call_s=call_s), call_s)

    reads_ns = source.reads_ns
    assert max(after - before for before, after in pairwise(reads_ns)) <= 1_000_000_000
    assert window.power_w == pytest.approx(400.0, rel=0.002)


def test_calls_that_are_longer_than_a_counter_may_be_left_unread_are_refused() -> None:
    device = SimulatedDevice(idle_w=IDLE_W)
    source = wrapping(device, longest_unread_s=1.0)
    meter = meter_of(device, source, qualified("edges", tick_s=0.001))

    with pytest.raises(SourceError, match="starts anew and has to be read every 1 s") as caught:
        meter.measure(SmoothLoad(device, power_w=400.0, call_s=1.5), 1.5)
    counter = tried_with(SmoothLoad(device, power_w=400.0, call_s=1.5), 1.5, source)

    assert caught.value.code == "reads_too_sparse"
    assert (counter.verdict, [note.code for note in counter.findings]) == ("rejected", ["reads_too_sparse"])


@pytest.mark.parametrize("estimator", ["ticks", "edges"])
@pytest.mark.parametrize("call_s", [0.002, 0.03, 0.2, 1.0, 7.0])
def test_the_cost_of_a_window_is_what_it_takes(estimator: EnergyEstimator, call_s: float) -> None:
    device = SimulatedDevice(idle_w=IDLE_W)
    meter = meter_of(device, source_of(device, CounterModel(tick_s=0.1)), qualified(estimator))
    load, began_ns = SmoothLoad(device, power_w=400.0, call_s=call_s), device.now_ns()

    meter.measure_many(load, call_s, 5)

    taken_s = (device.now_ns() - began_ns) / 5e9
    assert meter.plan.cost_s(call_s) == pytest.approx(taken_s, rel=0.15)


def test_a_window_is_not_read_more_often_than_was_tried() -> None:
    device = SimulatedDevice(idle_w=IDLE_W)
    source = Journal(SmoothLoad(device, power_w=1.0, call_s=1.0), source_of(device, CounterModel(tick_s=0.1)), device)
    counter = replace(qualified("ticks"), tested_poll_s=0.006)
    meter = WindowMeter(source, device, plan_windows(counter), random.Random(0))

    meter.measure(SmoothLoad(device, power_w=400.0, call_s=0.0041), 0.0041)

    gaps_s = [(b - a) / 1e9 for a, b in pairwise(source.reads_ns)]
    assert min(gap for gap in gaps_s if gap > 0.0) >= 0.006  # the last call may end with the last poll


@pytest.mark.parametrize(("call_s", "rate"), [(0.002, "200 Hz"), (0.003, "170 Hz"), (0.007, "140 Hz")])
def test_rates_of_reads_are_named_by_what_they_came_to(call_s: float, rate: str) -> None:
    device = quiet_device()

    counter = tried_with(
        SmoothLoad(device, power_w=400.0, call_s=call_s), call_s, PRESETS["gh200"].build(device).energy
    )

    assert list(counter.read_rate_ratios)[-1] == rate
    assert counter.tested_poll_s == pytest.approx(1.0 / float(rate.split()[0]), rel=0.06)
    assert plan_windows(counter).poll_s >= (counter.tested_poll_s or 1.0)


def starving(device: SimulatedDevice, *, read_s: float = 0.0, state_s: float = 0.0) -> EnergySource:
    return source_of(device, CounterModel(tick_s=0.1, late_s=0.15, read_s=read_s, state_s=state_s))


def test_slow_reads_are_said_to_be_slow_and_the_device_does_not_wait_for_them() -> None:
    device = quiet_device()
    load, source = AsynchronousLoad(device, power_w=400.0, call_s=0.001), starving(device, read_s=0.008)

    counter = qualify(source, load, device, call_s=0.001, draw=random.Random(0))

    assert (counter.verdict, counter.read_rate) == ("accepted", "unchanged")
    assert [note.code for note in counter.findings] == ["reads_slow"]
    assert "Reads take 8 ms" in counter.findings[0].text
    meter = WindowMeter(source, device, plan_windows(counter), random.Random(0))
    windows = meter.measure_many(load, 0.001, 10)
    assert sum(window.power_w for window in windows) / 10 == pytest.approx(400.0, rel=0.005)
    assert [window.call_s for window in windows] == pytest.approx([0.001] * 10, rel=0.02)


@pytest.mark.parametrize("estimator", ["ticks", "edges"])
@pytest.mark.parametrize("state_s", [0.03, 0.2])
def test_a_device_does_not_wait_for_its_state_within_a_window(estimator: EnergyEstimator, state_s: float) -> None:
    device = SimulatedDevice(idle_w=IDLE_W)
    meter = meter_of(device, starving(device, state_s=state_s), qualified(estimator))

    windows = meter.measure_many(AsynchronousLoad(device, power_w=400.0, call_s=0.001), 0.001, 10)

    assert sum(window.power_w for window in windows) / 10 == pytest.approx(400.0, rel=0.01)
    for window in windows:
        assert device.joules(window.end_ns) - device.joules(window.start_ns) == pytest.approx(400.0 * window.seconds)


@pytest.mark.parametrize("call_s", [0.001, 0.4])
def test_the_state_is_asked_for_while_the_device_is_at_work(call_s: float) -> None:
    device = SimulatedDevice(idle_w=IDLE_W)
    load, source = AsynchronousLoad(device, power_w=400.0, call_s=call_s), starving(device, state_s=0.01)
    asked_w: list[float] = []
    tell = source.state

    class Asked(FailingSource):
        def state(self) -> DeviceState:  # only what is drawn meanwhile is looked at
            began_ns = device.now_ns()
            state = tell()
            drawn_j = device.joules(device.now_ns()) - device.joules(began_ns)
            asked_w.append(drawn_j / (device.now_ns() - began_ns) * 1e9)
            return state

    meter_of(device, Asked(source, reads=10**6), qualified("edges")).measure(load, call_s)

    assert asked_w == pytest.approx([400.0, 400.0])


@pytest.mark.parametrize("estimator", ["ticks", "edges"])
def test_a_window_in_which_the_counter_leapt_is_taken_again_and_flagged(estimator: EnergyEstimator) -> None:
    device = SimulatedDevice(idle_w=IDLE_W)
    source = source_of(device, CounterModel(tick_s=0.1, leaps=((1.5, 20_000.0),)))
    source.facts = replace(source.facts, limit_w=700.0)
    meter = meter_of(device, WatchedSource(source, device), qualified(estimator))

    window, after = meter.measure_many(SmoothLoad(device, power_w=400.0, call_s=0.01), 0.01, 2)

    assert window.flags == ("counter_jump",)
    assert window.power_w == pytest.approx(400.0, rel=0.05)
    assert after.flags == ()


def test_a_leap_between_two_windows_is_the_fault_of_neither() -> None:
    device = SimulatedDevice(idle_w=IDLE_W)
    source = source_of(device, CounterModel(tick_s=0.1, leaps=((10.0, 20_000.0),)))
    source.facts = replace(source.facts, limit_w=700.0)
    meter = meter_of(device, source, qualified("edges"))

    before = meter.measure(SmoothLoad(device, power_w=400.0, call_s=0.01), 0.01)
    device.sleep_s(10.0)
    after = meter.measure(SmoothLoad(device, power_w=400.0, call_s=0.01), 0.01)

    assert (before.flags, after.flags) == ((), ())


def test_a_counter_that_leaps_in_every_window_is_refused() -> None:
    device = SimulatedDevice(idle_w=IDLE_W)
    leaps = tuple((float(second), 20_000.0) for second in range(1, 20))
    source = source_of(device, CounterModel(tick_s=0.1, leaps=leaps))
    source.facts = replace(source.facts, limit_w=700.0)

    with pytest.raises(SourceError, match="counter_jump, counter_jump") as caught:
        meter_of(device, source, qualified("edges")).measure(SmoothLoad(device, power_w=400.0, call_s=0.01), 0.01)

    assert caught.value.code == "counter_jump"
