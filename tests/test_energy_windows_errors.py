"""The errors of windows are those that were derived, and their intervals cover the truth as often as they say."""

from __future__ import annotations

import random
import statistics
from dataclasses import replace

import pytest
from energy_windows import SmoothLoad, meter_of, qualified, source_of

from layerprof.energy import Window
from layerprof.energy.windows import WindowMeter, call_j_of, plan_windows, power_of
from layerprof.records import EnergyEstimator
from layerprof.testing.energy import HONEST, PRESETS, CounterModel, SimulatedDevice

POWER_W = 400.0
TICK_S = 0.1
TENTH = CounterModel(tick_s=TICK_S)


def windows_of(
    estimator: EnergyEstimator,
    count: int,
    *,
    call_s: float,
    window_s: float | None = None,
    jitter_rel: float = 0.0,
    seed: int = 0,
) -> tuple[Window, ...]:
    device = SimulatedDevice(jitter_rel=jitter_rel, seed=seed)
    counter = qualified(estimator, pre_roll_s=0.2)
    meter = meter_of(device, source_of(device, TENTH, seed=seed), counter, seed=seed, window_s=window_s)
    return meter.measure_many(SmoothLoad(device, power_w=POWER_W, call_s=call_s), call_s, count)


def errors_s(windows: tuple[Window, ...]) -> list[float]:
    """By how many seconds of joules each is off."""
    return [window.joules / POWER_W - window.seconds for window in windows]


# Whole ticks, where naive edges have no error at all, and half ones, where they have the most.
@pytest.mark.parametrize("window_s", [2.0, 2.05, 2.5])
def test_the_error_at_the_edges_is_triangular_for_any_length(window_s: float) -> None:
    errors = errors_s(windows_of("edges", 1500, call_s=0.001, window_s=window_s))

    # The difference of two ages, each uniform over a tick: sd T / sqrt(6), all within one tick, 1/4 beyond half of it.
    assert statistics.fmean(errors) == pytest.approx(0.0, abs=4.0 * TICK_S / 6.0**0.5 / 1500**0.5)
    assert statistics.pstdev(errors) == pytest.approx(TICK_S / 6.0**0.5, rel=0.06)
    assert max(map(abs, errors)) <= TICK_S * 1.001
    beyond = sum(abs(error) > TICK_S / 2.0 for error in errors) / len(errors)
    assert beyond == pytest.approx(0.25, abs=4.0 * (0.25 * 0.75 / 1500) ** 0.5)


def test_calls_as_long_as_a_tick_meet_every_phase_too() -> None:
    windows = windows_of("edges", 600, call_s=TICK_S)

    ages = [window.start_ns / 1e9 % TICK_S / TICK_S for window in windows]

    counts = [sum(int(age * 4.0) == quarter for age in ages) for quarter in range(4)]
    assert min(counts) > 600 / 4 - 4.0 * (600 * 0.25 * 0.75) ** 0.5


def test_from_tick_to_tick_the_error_is_that_of_a_poll() -> None:
    errors = errors_s(windows_of("ticks", 600, call_s=0.003, jitter_rel=0.02))

    # Either end lies in the middle of two polls of 3 ms: sd p / sqrt(6), within p; the tick's 100 ms do not matter.
    assert statistics.fmean(errors) == pytest.approx(0.0, abs=4.0 * 0.003 / 6.0**0.5 / 600**0.5)
    assert statistics.pstdev(errors) == pytest.approx(0.003 / 6.0**0.5, rel=0.1)
    assert max(map(abs, errors)) <= 0.003 * 1.1


def test_polls_that_are_slower_at_the_opening_do_not_make_windows_longer() -> None:
    class Waking(SmoothLoad):
        """The first calls after it was settled take ten times as long."""

        slow_calls = 0

        def launch(self, calls: int) -> None:
            slow = min(calls, self.slow_calls)
            self.slow_calls -= slow
            super().launch(calls + 9 * slow)

        def settle(self) -> None:
            self.slow_calls = 20

    device = SimulatedDevice(jitter_rel=0.02)
    meter = meter_of(device, source_of(device, TENTH), qualified("ticks"))
    windows = meter.measure_many(Waking(device, power_w=POWER_W, call_s=0.002), 0.002, 100)

    # Polls of 20 ms and 2 ms: taken at the poll before or after, windows would be 9 ms longer or shorter in the mean.
    assert statistics.fmean(errors_s(windows)) == pytest.approx(0.0, abs=4.0 * 0.02 / 12.0**0.5 / 10.0)


@pytest.mark.parametrize(
    ("estimator", "rounds"),
    [("edges", 300), pytest.param("edges", 2000, marks=pytest.mark.slow), ("ticks", 200)],
)
def test_the_interval_of_five_windows_covers_the_truth_as_often_as_it_says(
    estimator: EnergyEstimator, rounds: int
) -> None:
    windows = windows_of(estimator, 5 * rounds, call_s=0.002, jitter_rel=0.02)  # else the polls keep the tick's beat

    covered = 0
    for start in range(0, len(windows), 5):
        low, high = power_of(windows[start : start + 5], origin="w").ci95
        covered += low <= POWER_W <= high

    assert 0.93 <= covered / rounds <= 0.97


@pytest.mark.parametrize("late_s", [0.0, 0.15])
@pytest.mark.parametrize("name", HONEST)
def test_every_honest_counter_is_unbiased(name: str, late_s: float) -> None:
    device = SimulatedDevice(idle_w=80.0, noise_rel=0.005, seed=1)
    preset = PRESETS[name]
    preset = replace(preset, counter=replace(preset.counter, late_s=late_s))
    tick_s = preset.counter.tick_s
    estimator: EnergyEstimator = "ticks" if tick_s >= 0.005 else "edges"
    counter = qualified(estimator, tick_s=tick_s, domain=preset.domain, late_s=late_s)
    meter = meter_of(device, preset.build(device, 1).energy, counter)

    windows = meter.measure_many(SmoothLoad(device, power_w=POWER_W, call_s=0.002), 0.002, 60)

    assert power_of(windows, origin="w").value == pytest.approx(POWER_W, rel=0.003)
    assert call_j_of(windows, origin="w").value == pytest.approx(POWER_W * 0.002, rel=0.003)


def test_polled_power_is_unbiased() -> None:
    device = SimulatedDevice(idle_w=80.0, noise_rel=0.005, seed=1)
    source = PRESETS["turing"].build(device, 1).power
    assert source is not None
    meter = WindowMeter(source, device, plan_windows(qualified("polled")), random.Random(0))

    windows = meter.measure_many(SmoothLoad(device, power_w=POWER_W, call_s=0.002), 0.002, 60)

    assert power_of(windows, origin="w").value == pytest.approx(POWER_W, rel=0.003)
