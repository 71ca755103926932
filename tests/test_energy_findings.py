"""What is said and kept of a counter, and of the device while its joules were counted."""

from __future__ import annotations

from dataclasses import replace

import pytest
from energy_benches import preset_with, quiet_device, tried
from energy_profiles import bench, profiled
from energy_windows import SmoothLoad, meter_of, qualified, source_of
from test_energy_selfchecks import checks_of

from layerprof.energy import DeviceState, SourceFacts, WatchedSource, Window
from layerprof.energy.base import ShowsPower
from layerprof.energy.qualification import forget_counters, keep_counter, kept_counter
from layerprof.energy.qualification.base import Found, Movement, Rest, Span, Steady
from layerprof.energy.qualification.verdict import judged
from layerprof.measure.energy.powers import conditions_of
from layerprof.records import FrozenMapping, Note
from layerprof.testing.energy import PRESETS, CounterModel, PowerModel, SimulatedDevice

FACTS = SourceFacts(name="fake", domain="gpu_board", device="fake", identity="fake", nominal_tick_s=0.1, limit_w=100.0)


def test_a_power_sensor_that_is_watched_shows_its_power_and_a_counter_shows_none() -> None:
    device = quiet_device()
    sensors = PRESETS["turing"].build(device)
    assert sensors.power is not None
    power, counter = WatchedSource(sensors.power), WatchedSource(sensors.energy)

    power.read_j()
    counter.read_j()

    assert isinstance(power, ShowsPower)
    assert power.last_w == pytest.approx(80.0)
    assert counter.last_w is None


def test_a_profile_finds_the_period_of_a_power_sensor() -> None:
    """Its joules rise at every reading; what it shows does not."""
    forget_counters()
    one = bench("turing")
    preset = replace(PRESETS["turing"], power=PowerModel(publish_s=0.8, boxcar_s=0.1))

    profile = profiled(one, energy=preset.build(one.device).power, layers="none")

    assert profile.energy is not None
    assert profile.energy.counter.tick_s == pytest.approx(0.8, rel=0.05)


@pytest.mark.parametrize("is_before", [True, False])
def test_a_stall_around_a_reading_is_no_leap(*, is_before: bool) -> None:
    """Between reading and stamp 60 s pass: what a device at its limit draws in them came in no time, by one stamp."""
    device = SimulatedDevice(idle_w=100.0)

    class Stalling:
        facts = FACTS
        reads = 0

        def read_j(self) -> float:
            self.reads += 1
            stall_s = 60.0 if self.reads == 2 else 0.0
            if is_before:
                device.sleep_s(stall_s)
            joules = device.joules(device.now_ns())
            device.sleep_s(0.0 if is_before else stall_s)
            return joules

        def state(self) -> DeviceState:
            return DeviceState()

        def close(self) -> None:
            pass

    watched = WatchedSource(Stalling(), device)

    for _ in range(3):
        watched.read_j()

    assert watched.jumps == 0


@pytest.mark.parametrize(
    ("code", "verdict", "is_kept"),
    [
        ("counter_frozen", "rejected", True),
        ("counter_read_rate_sensitive", "restricted", True),
        ("tick_not_found", "accepted", True),
        ("shared_board", "accepted", True),
        *((code, "rejected", False) for code in ("counter_jump", "counter_reset", "implausible_power", "permission")),
        ("counter_disagrees_with_power", "rejected", False),
        ("counter_unsteady", "restricted", False),
        ("insensitive", "accepted", False),
        ("few_repeats", "accepted", False),
        ("power_not_compared", "accepted", False),
    ],
)
def test_what_is_the_counters_own_is_kept_and_what_is_of_the_moment_is_not(
    code: str, verdict: str, *, is_kept: bool
) -> None:
    forget_counters()
    note = Note(code=code, quantity="energy", scope="fake", text="It was seen.")
    shared = Note(code="shared_board", quantity="energy", scope="fake", text="A part of a board.")
    counter = replace(qualified(), verdict=verdict, findings=(note,))  # type: ignore[arg-type]  # of the parameters

    keep_counter(replace(FACTS, notes=(shared,)), counter)

    assert (kept_counter(FACTS) is not None) == is_kept
    forget_counters()


def test_powers_of_one_trial_are_not_those_of_another() -> None:
    forget_counters()
    counter = tried(preset_with("turing"), device=quiet_device()).counter
    assert counter.load_w is not None

    keep_counter(FACTS, counter)

    of_its_trial = {"load_w": None, "active_idle_w": None, "idle_w": None, "power_ratio": None}
    assert kept_counter(FACTS) == replace(counter, **of_its_trial)  # type: ignore[arg-type]
    forget_counters()


@pytest.mark.parametrize(
    ("nominal_tick_s", "text"), [(0.1, "the published one is used"), (None, "none is published either")]
)
def test_what_is_used_in_place_of_a_tick_that_was_not_found_is_said(nominal_tick_s: float | None, text: str) -> None:
    span = Span(seconds=4.0, joules=400.0)
    found = Found(
        movement=Movement(is_frozen=False, is_zero=False),
        steady=Steady(spans=(span, span)),
        rest=Rest(idle_w=20.0, late_s=0.1, last=span),
    )

    counter = judged(replace(FACTS, nominal_tick_s=nominal_tick_s), found)

    assert [note.code for note in counter.findings] == ["tick_not_found"]
    assert text in counter.findings[0].text


def test_a_load_that_starts_slowly_is_found_by_linearity() -> None:
    """Joules follow time all the same, so against time nothing would be seen."""

    class Waking(SmoothLoad):
        slow_calls = 0

        def launch(self, calls: int) -> None:
            slow = min(calls, self.slow_calls)
            self.slow_calls -= slow
            super().launch(calls + 9 * slow)

        def settle(self) -> None:
            self.slow_calls = 30

    device = SimulatedDevice(idle_w=80.0)
    load = Waking(device, power_w=400.0, call_s=0.002)
    source = source_of(device, CounterModel(tick_s=0.001))

    check = checks_of(device, source, qualified("edges", tick_s=0.001), load=load)["linearity"]

    assert check.is_ok is False
    assert check.measured == pytest.approx(9 * 30 * 0.002 * 400.0, rel=0.2)


def window(*, calls: int, state: DeviceState, flags: tuple[str, ...] = ()) -> Window:
    return Window(
        start_ns=0, end_ns=10**9, joules=1.0, calls=calls, run_s=1.0, quantisation_j=0.0, states=(state,), flags=flags
    )


def test_windows_without_work_say_nothing_of_clocks_and_heat() -> None:
    busy = DeviceState(temperature_c=60.0, clock_hz=1.9e9, throttle_reasons=("power cap",), foreign_processes=0)
    idle = DeviceState(temperature_c=40.0, clock_hz=0.3e9, throttle_reasons=("low clocks",), foreign_processes=2)

    found = conditions_of(
        [window(calls=9, state=busy, flags=("throttled",)), window(calls=0, state=idle, flags=("throttled",))],
        reference=(),
        facts=FrozenMapping(),
    )

    assert found.temperature_c == (60.0, 60.0)
    assert found.clock_hz == (1.9e9, 1.9e9)
    assert (found.throttled, found.throttle_reasons) == (1, ("power cap",))
    assert found.foreign_processes == 2  # another's work is no less in the way of an idle window


def test_a_window_of_work_shows_the_clocks_of_work() -> None:
    device = SimulatedDevice()
    meter = meter_of(device, source_of(device, CounterModel(tick_s=0.1)), qualified("edges"))
    settled: list[bool] = []

    class Settling(SmoothLoad):
        is_settled = True

        def launch(self, calls: int) -> None:
            self.is_settled = False
            super().launch(calls)

        def settle(self) -> None:
            self.is_settled = True

    load = Settling(device, power_w=400.0, call_s=0.01)
    source = source_of(device, CounterModel(tick_s=0.1))
    source.state = lambda: settled.append(load.is_settled) or DeviceState()  # type: ignore[method-assign, func-returns-value]
    meter = meter_of(device, source, qualified("edges"))

    meter.measure(load, 0.01)

    assert settled == [False, False]
