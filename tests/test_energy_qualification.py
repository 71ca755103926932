"""How a counter is tried: what is found out is what was planted, and the device is at work when it is said to be."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest
from energy_benches import (
    CALL_S,
    IDLE_W,
    LOAD_W,
    Journal,
    QueuedLoad,
    noisy_device,
    preset_with,
    quiet_device,
    tried,
    tried_source,
)

from layerprof.energy.base import DeviceState, PolledEnergy, SourceFacts
from layerprof.energy.qualification import qualify
from layerprof.energy.qualification.base import DRIFT_REL, Bench, Setting, Tick
from layerprof.energy.qualification.rates import try_rates
from layerprof.energy.qualification.ticks import tick_of
from layerprof.records import Note
from layerprof.testing.energy import PRESETS, CounterModel, PowerModel, SimulatedLoad, SimulatedPower


@pytest.mark.parametrize("tick_s", [0.0015, 0.01, 0.05, 0.1, 0.3, 0.5])
def test_the_tick_that_was_planted_is_found(tick_s: float) -> None:
    counter = tried(preset_with("turing", counter=CounterModel(tick_s=tick_s)), seed=2).counter

    assert counter.tick_s == pytest.approx(tick_s, rel=0.02)
    assert counter.tick_jitter_s == pytest.approx(0.0, abs=0.002)


def test_the_jitter_that_was_planted_is_found() -> None:
    """A tick is late by |N(0, s)|, so the time between two scatters by ``s sqrt(2 (1 - 2 / pi))``."""
    model = CounterModel(tick_s=0.1, jitter_s=0.01)

    found = [tried(preset_with("turing", counter=model), seed=seed).counter.tick_jitter_s for seed in range(10)]

    mean_s = sum(jitter_s or 0.0 for jitter_s in found) / len(found)
    assert mean_s == pytest.approx(0.01 * 0.8525, rel=0.1)


def test_moves_that_were_missed_are_counted_as_whole_ticks() -> None:
    found = tick_of([0.0, 0.1, 0.2, 0.4, 0.5, 0.8, 0.9], poll_s=0.001)

    assert found is not None
    assert found.tick_s == pytest.approx(0.1)
    assert found.jitter_s == pytest.approx(0.0, abs=1e-6)
    assert tick_of([0.0, 0.1, 0.2], poll_s=0.001) is None


def test_what_polling_adds_to_the_scatter_is_taken_off() -> None:
    """Ticks without jitter, seen in the middle of two polls: a gap has n or n + 1 polls, so its variance is

    ``p**2 f (1 - f)`` with ``f = frac(T / p)``: ``p**2 / 6`` on average over f, and at this one.
    """
    poll_s = 0.1 / (14.5 - 12.0**-0.5)
    seen = [(int(number * 0.1 / poll_s) + 0.5) * poll_s for number in range(1, 500)]

    found = tick_of(seen, poll_s=poll_s)

    assert found is not None
    assert found.jitter_s < 0.0003


@pytest.mark.parametrize(("tick_s", "jitter_s"), [(0.1, 0.0), (0.1, 0.02), (0.5, 0.0), (0.001, 0.0001)])
def test_what_ticks_alone_may_do_to_a_ratio_is_allowed(tick_s: float, jitter_s: float) -> None:
    """Both windows of a ratio may be off by a tick over their length."""
    device = quiet_device()
    load = SimulatedLoad(device, power_w=LOAD_W, call_s=CALL_S)
    source = preset_with("turing", counter=CounterModel(tick_s=tick_s)).build(device).energy
    bench = Bench(source, None, Setting(load=load, call_s=CALL_S, clock=device, draw=random.Random(0)))

    steady = try_rates(bench, Tick(tick_s=tick_s, jitter_s=jitter_s), pre_roll_s=0.3)

    assert steady.bound == pytest.approx(2.0 * (tick_s + 3.0 * jitter_s) / steady.span_s + DRIFT_REL)
    assert steady.span_s >= max(1.0, 20.0 * tick_s)


@pytest.mark.parametrize("late_s", [0.0, 0.1, 0.4])
def test_lateness_is_the_planted_one_and_half_a_tick(late_s: float) -> None:
    """The mean over 10 runs, each of 4 settlings at phases of their own: sd of one is about T / 5."""
    preset = preset_with("turing", counter=CounterModel(tick_s=0.1, late_s=late_s))

    found = [tried(preset, seed=seed).counter for seed in range(10)]

    assert sum(one.late_s or 0.0 for one in found) / len(found) == pytest.approx(late_s + 0.05, abs=0.02)
    assert all(one.pre_roll_s == max(5.0 * (one.tick_s or 0.0), 2.0 * (one.late_s or 0.0)) for one in found)


def test_a_quiet_device_is_measured_as_well_as_a_noisy_one() -> None:
    counter = tried(PRESETS["ga100"], device=quiet_device()).counter

    assert (counter.verdict, counter.estimator, counter.findings) == ("accepted", "ticks", ())
    assert counter.load_w == pytest.approx(LOAD_W, rel=0.02)
    assert counter.idle_w == pytest.approx(IDLE_W, rel=0.02)
    assert counter.power_tick_s is None  # what it shows never changed while it was watched


def test_the_power_sensors_own_period_is_found() -> None:
    counter = tried(preset_with("turing", power=PowerModel(publish_s=0.25, boxcar_s=0.1)), seed=4).counter

    assert counter.power_tick_s == pytest.approx(0.25, rel=0.02)


@pytest.mark.parametrize("name", ["turing", "rapl_intel", "corrupted"])
def test_a_load_that_runs_behind_the_host_is_measured_alike(name: str) -> None:
    device = noisy_device(3)
    sensors, load = PRESETS[name].build(device, 3), QueuedLoad(device, power_w=LOAD_W, call_s=0.002)

    counter = tried_source(sensors.energy, load, sensors.power, seed=3)

    assert counter.verdict == ("restricted" if name == "corrupted" else "accepted")
    assert counter.load_w == pytest.approx(LOAD_W, rel=0.03)
    assert counter.active_idle_w == pytest.approx(IDLE_W, rel=0.04)


def test_the_counter_is_read_at_no_more_than_the_rate_that_is_tried() -> None:
    device = noisy_device(0)
    sensors, load = PRESETS["turing"].build(device, 0), SimulatedLoad(device, power_w=LOAD_W, call_s=0.002)
    journal = Journal(load, sensors.energy, device)

    qualify(journal, journal, device, call_s=0.002, draw=random.Random(0))

    gaps_s = [(after - before) / 1e9 for before, after in zip(journal.reads_ns, journal.reads_ns[1:], strict=False)]
    assert min(gap for gap in gaps_s if gap > 0.0) >= 0.0015  # fiftieth of a tick, but for jitter
    assert sum(3.9 < gap < 4.1 for gap in gaps_s) == 2  # the edges alone, before and after
    assert sum(0.09 < gap < 0.11 for gap in gaps_s) == pytest.approx(40, abs=3)
    assert sum(0.0035 < gap < 0.009 for gap in gaps_s) == pytest.approx(800, rel=0.05)  # calls of 2 ms are not cut


@pytest.mark.parametrize(("name", "call_s"), [("turing", 0.002), ("turing", 0.03), ("rapl_amd", 0.002)])
def test_before_a_window_the_load_has_run_for_a_while(name: str, call_s: float) -> None:
    device = noisy_device(0)
    sensors, load = PRESETS[name].build(device, 0), SimulatedLoad(device, power_w=LOAD_W, call_s=call_s)
    journal = Journal(load, sensors.energy, device)

    qualify(journal, journal, device, call_s=call_s, draw=random.Random(0))

    starts, ends = zip(*journal.launches_ns, strict=True)
    begins_of_work = [starts[0], *(s for e, s in zip(ends, starts[1:], strict=False) if s - e > 1_000_000)]
    for begin in begins_of_work:
        first_read = min((read for read in journal.reads_ns if read > begin), default=None)
        assert first_read is None or first_read - begin >= 300_000_000


def polled_source(device_power: SimulatedPower, device: SimulatedLoad, *, averaged_s: float) -> PolledEnergy:
    facts = SourceFacts(
        name="fake_power",
        domain="gpu_board",
        device="fake",
        identity="fake power",
        nominal_tick_s=0.1,
        poll_s=0.025,
        averaged_s=averaged_s,
    )
    return PolledEnergy(facts, device_power.read_w, DeviceState, device.device)


@pytest.mark.parametrize("averaged_s", [0.1, 1.0])
@pytest.mark.parametrize("is_noisy", [True, False])
def test_a_summed_power_sensor_is_a_source_of_its_own(averaged_s: float, *, is_noisy: bool) -> None:
    device = noisy_device(6) if is_noisy else quiet_device()
    load = SimulatedLoad(device, power_w=LOAD_W, call_s=0.002)
    sensor = SimulatedPower(device, PowerModel(publish_s=0.1, boxcar_s=averaged_s, first_w=593.0), seed=6)

    counter = tried_source(polled_source(sensor, load, averaged_s=averaged_s), load, seed=6)

    assert (counter.verdict, counter.estimator, counter.read_rate) == ("accepted", "polled", "untested")
    assert counter.tick_s == pytest.approx(0.1, rel=0.02)
    assert counter.load_w == pytest.approx(LOAD_W, rel=0.03)
    assert counter.idle_w == pytest.approx(IDLE_W, rel=0.015)
    assert counter.late_s == pytest.approx(averaged_s / 2.0 + 0.05, abs=0.04)  # half of the average, half of a tick
    assert counter.pre_roll_s >= 1.2 * averaged_s


def test_a_power_sensor_that_shows_nothing_is_rejected() -> None:
    device = noisy_device(6)
    load = SimulatedLoad(device, power_w=LOAD_W, call_s=0.002)
    sensor = SimulatedPower(device, PowerModel(publish_s=0.1, boxcar_s=0.1, gain=0.0))

    counter = tried_source(polled_source(sensor, load, averaged_s=0.1), load)

    assert (counter.verdict, [note.code for note in counter.findings]) == ("rejected", ["counter_frozen"])


def test_an_assumption_is_taken_as_what_it_is_and_not_tried() -> None:
    device = quiet_device()
    load = SimulatedLoad(device, power_w=LOAD_W, call_s=0.002)
    source = PRESETS["turing"].build(device, 0).energy
    source = Journal(load, source, device)
    shared = Note(code="shared_board", quantity="energy", scope="estimate", text="A part of a board.")
    source.facts = replace(source.facts, name="estimate", kind="estimated", notes=(shared,))

    counter = tried_source(source, load)

    assert (counter.verdict, counter.estimator, counter.kind) == ("accepted", "assumed", "estimated")
    assert [note.code for note in counter.findings] == ["shared_board", "estimated"]
    assert (source.reads_ns, load.calls, counter.tick_s, counter.load_w) == ([], 0, None, None)


def test_it_says_what_it_is_doing() -> None:
    device, told = quiet_device(), list[str]()
    load = SimulatedLoad(device, power_w=LOAD_W, call_s=0.002)

    qualify(PRESETS["volta"].build(device).energy, load, device, call_s=0.002, draw=random.Random(0), tell=told.append)

    assert len(told) == 4
    assert told[1] == "how often the counter moves"
