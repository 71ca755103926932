"""Which of several sources is used, what is kept of it, and what a watched source notices."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import replace

import pytest
from energy_benches import LOAD_W, FailingSource, noisy_device, quiet_device

from layerprof.energy.base import DeviceState, EnergySource, SourceFacts, WatchedSource
from layerprof.energy.qualification import best_counter, forget_counters, keep_counter, kept_counter
from layerprof.records import EnergyCounter, EnergyDomain
from layerprof.testing.energy import PRESETS, SimulatedDevice, SimulatedLoad


@pytest.fixture(autouse=True)
def nothing_kept() -> Iterator[None]:
    forget_counters()
    yield
    forget_counters()


def built(device: SimulatedDevice, *names: str) -> tuple[EnergySource, ...]:
    """The counters of presets, then their power sensors."""
    sensors = [PRESETS[name].build(device, 1) for name in names]
    return (*(one.energy for one in sensors), *(one.power for one in sensors if one.power is not None))


def chosen(
    device: SimulatedDevice, sources: tuple[EnergySource, ...]
) -> tuple[EnergySource | None, tuple[EnergyCounter, ...]]:
    load = SimulatedLoad(device, power_w=LOAD_W, call_s=0.002)
    return best_counter(sources, load, device, call_s=0.002, draw=random.Random(0))


def test_the_first_that_is_believed_is_used_and_the_others_are_not_tried() -> None:
    device = noisy_device(1)
    sources = built(device, "hopper")

    source, counters = chosen(device, sources)

    assert source is sources[0]
    assert [counter.source for counter in counters] == ["simulated_energy"]
    assert counters[0].power_ratio == pytest.approx(1.0, abs=0.03)


def test_a_rejected_counter_gives_way_to_the_power_sensor_that_it_disagreed_with() -> None:
    device = noisy_device(1)
    sources = built(device, "laptop")

    source, counters = chosen(device, sources)

    assert source is sources[1]
    assert [(counter.verdict, counter.estimator) for counter in counters] == [
        ("rejected", "edges"),
        ("accepted", "polled"),
    ]
    assert counters[1].load_w == pytest.approx(LOAD_W, rel=0.03)


def test_a_power_sensor_of_another_domain_is_not_held_against_a_counter() -> None:
    device = noisy_device(1)
    counter_only = PRESETS["turing"].build(device, 1).energy
    module_power = PRESETS["gh200"].build(device, 1).power
    assert module_power is not None

    _, counters = chosen(device, (counter_only, module_power))

    assert counters[0].power_ratio is None


def test_where_all_are_rejected_there_is_none() -> None:
    device = noisy_device(1)

    source, counters = chosen(device, built(device, "rapl_vm_zero"))

    assert source is None
    assert [counter.verdict for counter in counters] == ["rejected"]
    assert chosen(device, ()) == (None, ())


def test_a_counter_is_tried_once_in_a_process_unless_that_is_forgotten() -> None:
    device = noisy_device(1)
    sources = built(device, "hopper")
    first = chosen(device, sources)
    after_ns = device.now_ns()

    second = chosen(device, sources)

    assert second[0] is first[0]
    of_its_trial = {"load_w": None, "active_idle_w": None, "idle_w": None, "power_ratio": None}
    assert second[1] == tuple(replace(counter, **of_its_trial) for counter in first[1])  # type: ignore[arg-type]
    assert first[1][0].load_w is not None
    assert device.now_ns() == after_ns
    forget_counters()
    chosen(device, sources)
    assert device.now_ns() > after_ns


def test_a_rejection_of_the_moment_is_not_kept() -> None:
    device = noisy_device(1)
    gone = FailingSource(built(device, "turing")[0], reads=10)
    frozen = built(device, "frozen")[0]

    chosen(device, (gone, frozen))

    assert kept_counter(gone.facts) is None
    kept = kept_counter(frozen.facts)
    assert kept is not None
    assert kept.verdict == "rejected"


@pytest.mark.parametrize("domain", ["gpu_board", "gpu_module"])
def test_findings_are_kept_by_identity_and_domain(domain: EnergyDomain) -> None:
    facts = SourceFacts(name="a", domain="gpu_board", device="a", identity="the same")
    counter = EnergyCounter(
        source="a", domain="gpu_board", device="a", kind="measured", verdict="accepted", estimator="ticks"
    )

    keep_counter(facts, counter)

    other = replace(facts, name="b", domain=domain)
    assert kept_counter(other) == (counter if domain == "gpu_board" else None)


class ListedSource:
    """Says what it was told to say."""

    def __init__(self, readings: list[float], *, limit_w: float | None = None) -> None:
        self.facts = SourceFacts(
            name="fake", domain="gpu_board", device="fake", identity="fake", nominal_tick_s=0.1, limit_w=limit_w
        )
        self.readings = readings
        self.is_closed = False

    def read_j(self) -> float:
        return self.readings.pop(0)

    def state(self) -> DeviceState:
        return DeviceState(temperature_c=40.0)

    def close(self) -> None:
        self.is_closed = True


def test_a_watched_source_passes_readings_on_and_counts_what_goes_back() -> None:
    source = ListedSource([5.0, 7.0, 7.0, 1.0, 2.0, 0.0])
    watched = WatchedSource(source)

    readings = [watched.read_j() for _ in range(6)]

    assert readings == [5.0, 7.0, 7.0, 1.0, 2.0, 0.0]
    assert (watched.last_j, watched.resets, watched.jumps) == (0.0, 2, 0)
    assert watched.state().temperature_c == 40.0
    watched.close()
    assert source.is_closed


@pytest.mark.parametrize(("risen_j", "jumps"), [(359.0, 0), (361.0, 1)])
def test_a_leap_is_what_three_times_the_limit_cannot_draw_in_the_time_and_two_ticks(risen_j: float, jumps: int) -> None:
    device = quiet_device()
    watched = WatchedSource(ListedSource([10.0, 10.0 + risen_j], limit_w=100.0), device)

    watched.read_j()
    device.sleep_s(1.0)
    watched.read_j()

    assert watched.jumps == jumps
