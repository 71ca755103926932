"""Windows hold the joules of their load alone, and say what weakens them."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace

import pytest
from energy_windows import QueuedLoad, SmoothLoad, meter_of, qualified, source_of

from layerprof.energy import DeviceState, PolledEnergy, SourceError, SourceFacts
from layerprof.energy.windows import (
    WindowMeter,
    call_j_of,
    call_s_of,
    flags_of,
    plan_windows,
    power_of,
    quantisation_rel_of,
)
from layerprof.errors import MeasurementError
from layerprof.records import EnergyEstimator
from layerprof.testing.energy import (
    CounterModel,
    PowerModel,
    SimulatedCounter,
    SimulatedDevice,
    SimulatedLoad,
    SimulatedPower,
)

TENTH = CounterModel(tick_s=0.1)
LATE = CounterModel(tick_s=0.1, late_s=0.15)
POWER_W = 400.0


class ChangingSource:
    """A counter that shows what a function makes of the true one's readings."""

    def __init__(self, source: SimulatedCounter, change: Callable[[int, float], float]) -> None:
        self.facts, self._source, self._change = source.facts, source, change
        self._reads = 0

    def read_j(self) -> float:
        self._reads += 1
        return self._change(self._reads, self._source.read_j())

    def state(self) -> DeviceState:
        return self._source.state()

    def close(self) -> None:
        self._source.close()


@pytest.mark.parametrize("estimator", ["ticks", "edges"])
def test_the_device_is_at_work_for_all_of_the_window(estimator: EnergyEstimator) -> None:
    device = SimulatedDevice(idle_w=80.0)
    meter = meter_of(device, source_of(device, TENTH), qualified(estimator))

    window = meter.measure(SimulatedLoad(device, power_w=POWER_W, call_s=0.003), 0.003)

    true_j = device.joules(window.end_ns) - device.joules(window.start_ns)
    assert true_j == pytest.approx(POWER_W * window.seconds, rel=1e-9)


@pytest.mark.parametrize("estimator", ["ticks", "edges"])
def test_a_queue_of_calls_changes_neither_joules_nor_time(estimator: EnergyEstimator) -> None:
    device = SimulatedDevice(idle_w=80.0)
    meter = meter_of(device, source_of(device, LATE), qualified(estimator))

    windows = meter.measure_many(QueuedLoad(device, power_w=POWER_W, call_s=0.003), 0.003, 20)

    assert power_of(windows, origin="w").value == pytest.approx(POWER_W, rel=0.02 if estimator == "edges" else 0.002)
    assert [window.call_s for window in windows] == pytest.approx([0.003] * 20, rel=1e-9)
    for window in windows:
        assert device.joules(window.end_ns) - device.joules(window.start_ns) == pytest.approx(POWER_W * window.seconds)


@pytest.mark.parametrize("model", [TENTH, LATE])
@pytest.mark.parametrize("estimator", ["ticks", "edges"])
def test_a_window_is_within_its_bound_of_the_truth(estimator: EnergyEstimator, model: CounterModel) -> None:
    device = SimulatedDevice(idle_w=80.0)
    meter = meter_of(device, source_of(device, model), qualified(estimator, late_s=0.2))

    windows = meter.measure_many(SmoothLoad(device, power_w=POWER_W, call_s=0.003), 0.003, 40)

    for window in windows:
        assert abs(window.joules - POWER_W * window.seconds) <= window.quantisation_j * 1.05 + 0.002  # its own power
    least_rel = 0.1 / 2.24 if estimator == "edges" else 0.006 / 1.0  # a tick; a poll is at most two calls of 3 ms
    assert quantisation_rel_of(windows) <= 1.1 * least_rel


def test_a_window_without_its_pre_roll_has_joules_of_idling_in_it() -> None:
    def measured_w(pre_roll_s: float) -> float:
        device = SimulatedDevice(idle_w=80.0)
        meter = meter_of(device, source_of(device, LATE), qualified("edges"), pre_roll_s=pre_roll_s)
        windows = []
        for _ in range(40):
            device.sleep_s(1.0)
            windows.append(meter.measure(SmoothLoad(device, power_w=POWER_W, call_s=0.003), 0.003))
        return power_of(windows, origin="w").value

    # 0.15 s late and half a tick old, less half a tick of dither and two lots of 0.05 s, one for the state: 0.05 s of
    # 2.35 s at 80 W, not 400.
    assert measured_w(0.0) == pytest.approx((1.0 - 0.05 / 2.35 * 0.8) * POWER_W, rel=0.005)
    assert measured_w(0.0) < 0.99 * POWER_W
    assert measured_w(0.5) == pytest.approx(POWER_W, rel=0.01)


def test_a_gap_between_pre_roll_and_window_comes_into_a_late_counters_window() -> None:
    class Gapped(SmoothLoad):
        def settle(self) -> None:
            self.device.sleep_s(0.1)

    def measured_w(kind: type[SmoothLoad]) -> float:
        device = SimulatedDevice(idle_w=80.0)
        meter = meter_of(device, source_of(device, LATE), qualified("ticks"))
        windows = meter.measure_many(kind(device, power_w=POWER_W, call_s=0.003), 0.003, 20)
        return power_of(windows, origin="w").value

    assert measured_w(Gapped) < 0.985 * POWER_W
    assert measured_w(SmoothLoad) == pytest.approx(POWER_W, rel=0.003)


def test_the_time_of_a_call_is_of_settled_calls_though_joules_end_with_a_tick() -> None:
    device = SimulatedDevice()
    meter = meter_of(device, source_of(device, TENTH), qualified("ticks"))

    window = meter.measure(SimulatedLoad(device, power_w=POWER_W, call_s=0.003), 0.003)

    assert window.call_s == pytest.approx(0.003, rel=1e-9)
    assert window.call_j == pytest.approx(POWER_W * 0.003, rel=0.005)
    assert window.run_s > window.seconds


def test_from_tick_to_tick_the_edges_are_the_second_opinion() -> None:
    device = SimulatedDevice()
    window = meter_of(device, source_of(device, TENTH), qualified("ticks")).measure(
        SmoothLoad(device, power_w=POWER_W, call_s=0.003), 0.003
    )

    assert window.edges_w == pytest.approx(POWER_W, rel=0.1)
    assert window.edges_w != window.power_w


def test_calls_that_are_longer_than_half_a_tick_are_measured_from_edge_to_edge() -> None:
    device = SimulatedDevice()
    meter = meter_of(device, source_of(device, TENTH), qualified("ticks"))

    window = meter.measure(SmoothLoad(device, power_w=POWER_W, call_s=0.08), 0.08)

    assert window.edges_w is None
    assert window.seconds >= meter.plan.coarse_window_s > meter.plan.window_s


def test_a_window_grows_with_calls_that_blur_the_ticks() -> None:
    device = SimulatedDevice()
    meter = meter_of(device, source_of(device, CounterModel(tick_s=0.05)), qualified("ticks", tick_s=0.05))
    blurred = replace(meter.plan, coarse_window_s=10.0)
    meter = WindowMeter(source_of(device, CounterModel(tick_s=0.05)), device, blurred, random.Random(0))

    window = meter.measure(SmoothLoad(device, power_w=POWER_W, call_s=0.02), 0.02)

    assert window.seconds >= 10.0 * 0.02 / 0.05


def test_a_call_longer_than_the_window_is_called_twice_and_flagged() -> None:
    device = SimulatedDevice()
    meter = meter_of(
        device, source_of(device, CounterModel(tick_s=0.001)), qualified("edges", tick_s=0.001, domain="cpu_package")
    )

    window = meter.measure(SmoothLoad(device, power_w=POWER_W, call_s=2.0), 2.0)

    assert window.seconds >= 4.0
    assert window.flags == ("few_calls",)
    assert window.power_w == pytest.approx(POWER_W, rel=0.001)


def test_calls_are_launched_in_lots_of_fifty_milliseconds_at_most() -> None:
    device = SimulatedDevice()
    load = SmoothLoad(device, power_w=POWER_W, call_s=0.001)

    meter_of(device, source_of(device, TENTH), qualified("edges")).measure(load, 0.001)

    assert max(load.lots) == 50


def polled(device: SimulatedDevice, publish_s: float = 0.1, poll_s: float = 0.025) -> PolledEnergy:
    sensor = SimulatedPower(device, PowerModel(publish_s=publish_s, boxcar_s=0.025))
    facts = SourceFacts(name="power", domain="gpu_board", device="simulated", identity="power", poll_s=poll_s)
    return PolledEnergy(facts, sensor.read_w, DeviceState, device)


def test_power_is_read_at_least_as_often_as_it_asks_for() -> None:
    device = SimulatedDevice()
    load = SmoothLoad(device, power_w=POWER_W, call_s=0.005)
    meter = meter_of(device, polled(device), qualified("polled"))

    window = meter.measure(load, 0.005)

    assert max(load.lots) * load.call_s <= 0.025
    assert window.power_w == pytest.approx(POWER_W, rel=1e-6)
    assert window.flags == ()


@pytest.mark.parametrize("call_s", [0.03, 0.2])
def test_power_of_calls_that_are_longer_than_a_poll_is_refused(call_s: float) -> None:
    device = SimulatedDevice()
    meter = meter_of(device, polled(device), qualified("polled"))

    with pytest.raises(SourceError, match=r"has to be read every 0.025 s") as caught:
        meter.measure(SmoothLoad(device, power_w=POWER_W, call_s=call_s), call_s)

    assert caught.value.code == "polls_too_sparse"


@pytest.mark.parametrize("estimator", ["ticks", "edges", "polled"])
def test_an_idle_window_has_the_idle_power_and_no_calls(estimator: EnergyEstimator) -> None:
    device = SimulatedDevice(idle_w=80.0)
    source = polled(device) if estimator == "polled" else source_of(device, LATE)
    meter = meter_of(device, source, qualified(estimator, late_s=0.2))
    meter.measure(SmoothLoad(device, power_w=POWER_W, call_s=0.01), 0.01)

    windows = [meter.idle(3.0) for _ in range(10)]

    assert power_of(windows, origin="idle").value == pytest.approx(80.0, rel=0.02)
    assert {window.calls for window in windows} == {0}
    assert min(window.seconds for window in windows) >= 3.0


@pytest.mark.parametrize("estimator", ["ticks", "edges"])
def test_a_counter_that_stands_still_is_refused(estimator: EnergyEstimator) -> None:
    device = SimulatedDevice()
    meter = meter_of(device, source_of(device, replace(TENTH, freeze_at_s=0.5)), qualified(estimator))

    with pytest.raises(SourceError, match="twice stood still") as caught:
        meter.measure(SmoothLoad(device, power_w=POWER_W, call_s=0.01), 0.01)

    assert caught.value.code == "counter_frozen"


@pytest.mark.parametrize("estimator", ["ticks", "edges"])
def test_a_window_in_which_the_counter_went_back_is_taken_again_and_flagged(estimator: EnergyEstimator) -> None:
    device = SimulatedDevice()
    meter = meter_of(device, source_of(device, replace(TENTH, start_j=1e5, reset_at_s=1.5)), qualified(estimator))

    window = meter.measure(SmoothLoad(device, power_w=POWER_W, call_s=0.01), 0.01)

    assert window.flags == ("counter_reset",)
    assert window.power_w == pytest.approx(POWER_W, rel=0.05)


def test_a_counter_that_goes_back_twice_is_refused() -> None:
    device = SimulatedDevice()
    source = ChangingSource(source_of(device, TENTH), lambda reads, joules: joules - 1e6 * reads)

    with pytest.raises(SourceError, match="counter_reset, counter_reset"):
        meter_of(device, source, qualified("edges")).measure(SmoothLoad(device, power_w=POWER_W, call_s=0.01), 0.01)


def test_an_error_of_the_source_comes_through() -> None:
    device = SimulatedDevice()
    meter = meter_of(device, source_of(device, replace(TENTH, fails_at_s=1.0)), qualified("edges"))

    with pytest.raises(SourceError, match="does not answer"):
        meter.measure(SmoothLoad(device, power_w=POWER_W, call_s=0.01), 0.01)


@pytest.mark.parametrize(
    ("state", "flags"),
    [
        (DeviceState(), ()),
        (DeviceState(foreign_processes=0), ()),
        (DeviceState(foreign_processes=2), ("contended",)),
        (DeviceState(throttle_reasons=("power cap",)), ("throttled",)),
        (DeviceState(throttle_reasons=("heat",), foreign_processes=1), ("contended", "throttled")),
    ],
)
def test_what_the_device_suffers_from_is_flagged(state: DeviceState, flags: tuple[str, ...]) -> None:
    device = SimulatedDevice()
    source = SimulatedCounter(device, TENTH, source_of(device, TENTH).facts, state=state)

    window = meter_of(device, source, qualified("edges")).measure(SmoothLoad(device, power_w=1.0, call_s=0.01), 0.01)

    assert window.flags == flags
    assert window.states == (state, state)


def test_a_plan_whose_windows_hold_too_few_ticks_is_refused() -> None:
    device = SimulatedDevice()

    with pytest.raises(MeasurementError, match=r"too few ticks of 0.1 s; ask for 2 s"):
        meter_of(device, source_of(device, TENTH), qualified("edges"), window_s=1.9)


def test_an_idle_window_that_holds_too_few_ticks_is_refused() -> None:
    device = SimulatedDevice()
    meter = meter_of(device, source_of(device, TENTH), qualified("ticks"))

    with pytest.raises(MeasurementError, match=r"a window of 0.5 s .* ask for 1 s"):
        meter.idle(0.5)


def test_a_longer_window_can_be_asked_for() -> None:
    device = SimulatedDevice()
    meter = meter_of(device, source_of(device, TENTH), qualified("edges"))

    window = meter.measure(SmoothLoad(device, power_w=POWER_W, call_s=0.01), 0.01, times=4.0)

    assert 4.0 * meter.plan.window_s <= window.seconds <= 4.0 * meter.plan.window_s + 0.2


def test_the_same_draw_gives_the_same_windows() -> None:
    def windows() -> object:
        device = SimulatedDevice(noise_rel=0.01)
        meter = meter_of(device, source_of(device, TENTH), qualified("ticks"), seed=3)
        return meter.measure_many(SmoothLoad(device, power_w=POWER_W, call_s=0.003), 0.003, 2)

    assert windows() == windows()


def test_windows_of_an_assumption_need_no_ticks() -> None:
    device = SimulatedDevice()
    source = ChangingSource(source_of(device, TENTH), lambda reads, joules: 65.0 * device.now_ns() / 1e9)
    plan = plan_windows(qualified("assumed", tick_s=None, pre_roll_s=0.0))

    window = WindowMeter(source, device, plan, random.Random(0)).measure(
        SmoothLoad(device, power_w=POWER_W, call_s=0.01), 0.01
    )

    assert window.power_w == pytest.approx(65.0)
    assert window.quantisation_j == 0.0


def test_figures_of_windows_keep_their_flags_and_share_their_origin() -> None:
    device = SimulatedDevice(noise_rel=0.01)
    meter = meter_of(device, source_of(device, TENTH), qualified("ticks"))
    windows = list(meter.measure_many(SmoothLoad(device, power_w=POWER_W, call_s=0.003), 0.003, 3))
    windows[1] = replace(windows[1], flags=("throttled",))

    power, call_s, call_j = (figure(windows, origin="block") for figure in (power_of, call_s_of, call_j_of))

    assert power.value == pytest.approx(sum(window.power_w for window in windows) / 3)
    assert call_j.value == pytest.approx(power.value * call_s.value, rel=1e-6)
    assert {part.origin for figure in (power, call_s, call_j) for part in figure.errors} == {"block"}
    assert (power + call_s).degrees == 2.0
    assert flags_of(windows) == ("throttled",)
