"""Counters that lie are found out in every run, and broken ones end in a verdict and never in an exception."""

from __future__ import annotations

from dataclasses import replace

import pytest
from energy_benches import (
    IDLE_W,
    LOAD_W,
    SEEDS,
    FailingSource,
    noisy_device,
    preset_with,
    quiet_device,
    tried,
    tried_source,
)

from layerprof.testing.energy import PRESETS, CounterModel, PowerModel, SimulatedCounter, SimulatedLoad


@pytest.mark.parametrize("seeds", SEEDS)
@pytest.mark.parametrize("sees_power", [True, False], ids=["with power", "alone"])
@pytest.mark.parametrize(
    ("name", "verdict", "code"),
    [
        ("laptop", "rejected", "insensitive"),
        ("rapl_vm_zero", "rejected", "counter_frozen"),
        ("frozen", "rejected", "counter_frozen"),
        ("reset", "rejected", "counter_reset"),
        ("corrupted", "restricted", "counter_read_rate_sensitive"),
    ],
)
def test_a_liar_is_found_out(name: str, verdict: str, code: str, *, sees_power: bool, seeds: range) -> None:
    for seed in seeds[:: 1 if sees_power else 8]:
        found = tried(preset_with(name, sees_power=sees_power), seed=seed)

        assert found.counter.verdict == verdict
        assert code in found.codes
        assert found.counter.estimator == "edges"


@pytest.mark.parametrize("seed", range(8))
def test_a_corrupted_counter_is_still_right_at_the_edges_of_long_windows(seed: int) -> None:
    counter = tried(PRESETS["corrupted"], seed=seed).counter

    assert counter.load_w == pytest.approx(LOAD_W, rel=0.03)
    assert counter.read_rate == "sensitive"
    assert counter.read_rate_ratios["10 Hz"] == pytest.approx(0.85, abs=0.05)
    assert counter.read_rate_ratios["200 Hz"] < 0.3


@pytest.mark.parametrize("call_s", [0.06, 0.4])
@pytest.mark.parametrize("seed", range(3))
def test_long_calls_do_not_hide_that_reading_corrupts(seed: int, call_s: float) -> None:
    """Nothing can be read at 200 Hz between calls that are so long, so the rates are tried at rest."""
    liar, honest = (tried(PRESETS[name], seed=seed, call_s=call_s).counter for name in ("corrupted", "turing"))

    assert (liar.verdict, liar.read_rate) == ("restricted", "sensitive")
    assert (honest.verdict, honest.read_rate, honest.estimator) == ("accepted", "unchanged", "ticks")
    assert honest.tick_s == pytest.approx(0.1, rel=0.01)
    assert honest.load_w == pytest.approx(LOAD_W, rel=0.04)


@pytest.mark.parametrize("power_w", [500.0, 600.0])
def test_a_fixed_power_near_the_loads_own_is_told_by_the_power_sensor_at_rest(power_w: float) -> None:
    preset = replace(preset_with("hopper", counter=CounterModel(tick_s=0.1, constant_w=power_w)))

    found = tried(preset, device=quiet_device(), power_w=power_w)

    assert found.counter.verdict == "rejected"
    assert found.codes == ("insensitive", "counter_disagrees_with_power")


@pytest.mark.parametrize(
    ("gain", "verdict"), [(0.85, "rejected"), (0.95, "accepted"), (1.05, "accepted"), (1.15, "rejected")]
)
def test_a_counter_that_disagrees_with_the_power_sensor_is_rejected(gain: float, verdict: str) -> None:
    """The bound is 5 % and a tick over the window's length, 2.5 %."""
    for seed in range(3):
        found = tried(preset_with("ga100", counter=CounterModel(tick_s=0.1, gain=gain)), seed=seed)

        assert found.counter.verdict == verdict
        assert found.counter.power_ratio == pytest.approx(gain, abs=0.03)
        assert found.codes == (("counter_disagrees_with_power",) if verdict == "rejected" else ())


def test_more_power_than_the_device_may_draw_is_not_believed() -> None:
    found = tried(replace(preset_with("turing", sees_power=False), limit_w=150.0))

    assert found.counter.verdict == "rejected"
    assert found.codes == ("implausible_power",)


def test_a_load_that_is_none_proves_nothing() -> None:
    alone, beside = (tried(preset_with("turing", sees_power=sees), power_w=IDLE_W * 1.02) for sees in (False, True))

    assert (alone.counter.verdict, alone.codes) == ("rejected", ("insensitive",))
    assert (beside.counter.verdict, beside.codes) == ("accepted", ("insensitive",))
    assert beside.counter.late_s is None


def reads_of_a_whole_trial() -> int:
    device = noisy_device(1)
    source = PRESETS["hopper"].build(device, 1).energy
    assert isinstance(source, SimulatedCounter)
    tried_source(source, SimulatedLoad(device, power_w=LOAD_W, call_s=0.002))
    return source.reads


@pytest.mark.parametrize("share", [0.0, 0.0005, 0.002, 0.3, 0.7, 0.9, 0.9995])
def test_a_source_that_stops_to_answer_is_rejected_for_its_own_reason(share: float) -> None:
    reads = int(share * reads_of_a_whole_trial())
    device = noisy_device(1)
    load = SimulatedLoad(device, power_w=LOAD_W, call_s=0.002)
    source = FailingSource(PRESETS["hopper"].build(device, 1).energy, reads=reads)

    counter = tried_source(source, load)

    assert counter.verdict == "rejected"
    assert [(note.code, note.quantity, note.scope) for note in counter.findings] == [
        ("permission", "energy", "simulated_energy")
    ]
    assert "taken away" in counter.findings[0].text
    assert (counter.load_w, counter.idle_w, counter.active_idle_w) == (None, None, None)


@pytest.mark.parametrize("reads", [0, 3, 500])
def test_a_power_sensor_that_stops_to_answer_is_not_the_counters_fault(reads: int) -> None:
    device = noisy_device(1)
    load, sensors = SimulatedLoad(device, power_w=LOAD_W, call_s=0.002), PRESETS["hopper"].build(device, 1)
    assert sensors.power is not None

    counter = tried_source(sensors.energy, load, FailingSource(sensors.power, reads=reads))

    assert counter.verdict == "accepted"
    assert [note.code for note in counter.findings] == ["power_not_compared"]
    assert counter.power_ratio is None


def test_an_absurd_first_reading_changes_nothing() -> None:
    absurd = preset_with("turing", power=PowerModel(publish_s=0.1, boxcar_s=0.1, first_w=593.0))

    first, usual = tried(absurd).counter, tried(PRESETS["turing"]).counter

    assert first.power_ratio == pytest.approx(usual.power_ratio, rel=1e-9)
    assert replace(first, power_ratio=None) == replace(usual, power_ratio=None)


def test_a_broken_counter_has_no_powers() -> None:
    for name in ("frozen", "reset"):
        for seed in range(3):
            counter = tried(PRESETS[name], seed=seed).counter

            assert (counter.load_w, counter.idle_w, counter.active_idle_w, counter.late_s) == (None, None, None, None)
