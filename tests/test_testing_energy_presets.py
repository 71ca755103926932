"""Presets of sensors: those of real parts, and those that lie."""

from __future__ import annotations

import pytest

from layerprof.testing.energy import HONEST, PRESETS, SimulatedDevice, UnwrappedCounter

LIARS = {"laptop", "rapl_vm_zero", "frozen", "corrupted", "reset"}


def counted(name: str, *, seconds: float, seed: int = 0, gain: float = 1.0) -> float:
    device = SimulatedDevice(idle_w=100.0)
    energy = PRESETS[name].build(device, seed, gain=gain).energy
    device.sleep_s(1.0)
    before_j = energy.read_j()
    device.sleep_s(seconds)
    return energy.read_j() - before_j


def test_all_that_are_said_to_be_honest_are_the_others_than_the_liars() -> None:
    assert set(HONEST) == set(PRESETS) - LIARS
    assert {"volta", "turing", "ga100", "hopper", "gh200", "rapl_intel", "rapl_amd"} == set(HONEST)


@pytest.mark.parametrize("name", HONEST)
@pytest.mark.parametrize("seed", range(3))
def test_an_honest_one_counts_what_is_drawn_to_within_a_tick(name: str, seed: int) -> None:
    tick_j = 100.0 * PRESETS[name].counter.tick_s

    assert counted(name, seconds=10.0, seed=seed) == pytest.approx(1000.0, abs=tick_j + 0.05)
    assert counted(name, seconds=10.0, seed=seed, gain=1.05) == pytest.approx(1050.0, abs=1.05 * tick_j + 0.05)


@pytest.mark.parametrize(("name", "joules"), [("laptop", 5000.0), ("rapl_vm_zero", 0.0)])
def test_a_constant_liar_counts_what_it_likes(name: str, joules: float) -> None:
    assert counted(name, seconds=10.0) == pytest.approx(joules, abs=50.0)


@pytest.mark.parametrize("name", sorted(PRESETS))
def test_its_facts_are_what_is_published(name: str) -> None:
    preset = PRESETS[name]

    sensors = preset.build(SimulatedDevice(), 1)

    facts = sensors.energy.facts
    assert (facts.domain, facts.nominal_tick_s, facts.poll_s) == (preset.domain, preset.counter.tick_s, None)
    assert (facts.limit_w is None, facts.sensor_rel) == ((True, 0.0) if "rapl" in name else (False, 0.05))
    assert (sensors.power is None) == ("rapl" in name)
    if sensors.power is not None and preset.power is not None:
        assert sensors.power.facts.domain == preset.domain
        assert sensors.power.facts.nominal_tick_s == preset.power.publish_s
        assert sensors.power.facts.poll_s == pytest.approx(preset.power.publish_s / 4.0)


def test_no_two_sensors_are_the_same_one() -> None:
    device = SimulatedDevice()

    built = [PRESETS["hopper"].build(device, 1) for _ in range(3)]

    identities = {s.facts.identity for b in built for s in (b.energy, b.power) if s is not None}
    assert len(identities) == 6


@pytest.mark.parametrize("seed", range(5))
def test_a_wrapping_counter_is_unwrapped_over_many_turns(seed: int) -> None:
    device = SimulatedDevice(idle_w=100.0)
    energy = PRESETS["rapl_intel"].build(device, seed).energy
    first_j = energy.read_j()

    for _ in range(20):
        device.sleep_s(100.0)
        last_j = energy.read_j()

    assert isinstance(energy, UnwrappedCounter)
    assert last_j - first_j == pytest.approx(200_000.0, abs=1.0)


@pytest.mark.parametrize("seed", range(20))
def test_faults_come_at_a_moment_that_the_seed_tells(seed: int) -> None:
    device = SimulatedDevice(idle_w=100.0)
    device.sleep_s(100.0)
    frozen, reset = PRESETS["frozen"].build(device, seed).energy, PRESETS["reset"].build(device, seed).energy
    device.sleep_s(3.9)
    before = frozen.read_j(), reset.read_j()
    device.sleep_s(10.2)

    assert 0.0 <= frozen.read_j() - before[0] < 1020.0 - 10.0
    assert reset.read_j() < 1100.0 < before[1]
