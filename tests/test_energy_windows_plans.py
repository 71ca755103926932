"""Windows are as long as the tick asks for, and not longer."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from energy_windows import SmoothLoad, qualified

from layerprof.energy.windows import calibrate, plan_windows
from layerprof.errors import MeasurementError
from layerprof.records import Note
from layerprof.testing.energy import SimulatedDevice


def test_edges_are_as_far_apart_as_the_target_asks_for() -> None:
    plan = plan_windows(qualified("edges", tick_s=0.1), target_rel=0.01, windows=5)

    assert plan.window_s == pytest.approx(0.1 / (2 * 0.01 * math.sqrt(5)))  # 2.24 s


def test_one_window_alone_is_longer_than_one_of_many() -> None:
    alone = plan_windows(qualified("edges"), windows=1)

    assert alone.window_s == pytest.approx(math.sqrt(5) * plan_windows(qualified("edges"), windows=5).window_s)


def test_edges_hold_twenty_ticks_however_lax_the_target_is() -> None:
    assert plan_windows(qualified("edges"), target_rel=0.5).window_s == pytest.approx(20 * 0.1)


def test_from_tick_to_tick_ten_ticks_are_enough() -> None:
    plan = plan_windows(qualified("ticks", tick_s=0.3))

    assert plan.window_s == pytest.approx(10 * 0.3)
    assert plan.poll_s == pytest.approx(0.3 / 50)
    assert plan.coarse_window_s == pytest.approx(plan_windows(qualified("edges", tick_s=0.3)).window_s)


def test_from_tick_to_tick_a_strict_target_is_about_polls() -> None:
    plan = plan_windows(qualified("ticks"), target_rel=1e-4)

    assert plan.window_s == pytest.approx(plan.poll_s / (2 * 1e-4 * math.sqrt(5)))


def test_power_is_polled_twenty_times() -> None:
    plan = plan_windows(qualified("polled", tick_s=0.5))

    assert plan.window_s == pytest.approx(20 * 0.5)
    assert plan.poll_s == pytest.approx(0.5)


@pytest.mark.parametrize("domain", ["cpu_package", "gpu_board", "gpu_module"])
def test_a_fast_counter_has_windows_of_a_second(domain: str) -> None:
    counter = replace(qualified("edges", tick_s=0.001), domain=domain)  # type: ignore[arg-type]  # of the parameters

    assert plan_windows(counter).window_s == 1.0


def test_the_pre_roll_is_the_counters_own_but_covers_its_age() -> None:
    assert plan_windows(qualified(pre_roll_s=0.9)).pre_roll_s == 0.9
    assert plan_windows(qualified(pre_roll_s=0.0, late_s=0.3)).pre_roll_s == pytest.approx(0.3 + 2 * 0.1)


def test_an_assumption_has_no_tick() -> None:
    assert plan_windows(qualified("assumed", tick_s=None)).tick_s == 0.0


def test_where_no_tick_was_found_the_slowest_one_is_taken() -> None:
    assert plan_windows(qualified("edges", tick_s=None)).tick_s == 0.5


def test_a_rejected_counter_has_no_windows() -> None:
    note = Note(code="counter_frozen", quantity="energy", scope="simulated", text="it did not move under load")
    counter = replace(qualified(), verdict="rejected", findings=(note,))

    with pytest.raises(MeasurementError, match="rejected: it did not move under load"):
        plan_windows(counter)


@pytest.mark.parametrize("options", [{"target_rel": 0.0}, {"windows": 0}])
def test_a_target_that_makes_no_sense_is_refused(options: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="positive target"):
        plan_windows(qualified(), **options)  # type: ignore[arg-type]  # one of two options


@pytest.mark.parametrize("call_s", [1e-5, 0.003, 0.05, 2.0])
def test_the_time_of_a_call_is_found(call_s: float) -> None:
    device = SimulatedDevice()

    assert calibrate(SmoothLoad(device, power_w=100.0, call_s=call_s), device) == pytest.approx(call_s, rel=1e-3)


def test_a_long_call_is_called_twice_only() -> None:
    device = SimulatedDevice()
    load = SmoothLoad(device, power_w=100.0, call_s=2.0)

    calibrate(load, device)

    assert load.calls == 2


def test_calls_that_take_no_time_are_refused() -> None:
    device = SimulatedDevice()

    with pytest.raises(MeasurementError, match="give it work to do"):
        calibrate(SmoothLoad(device, power_w=100.0, call_s=0.0), device)
