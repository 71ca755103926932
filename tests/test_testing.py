"""The shipped fakes keep the contracts of the seams they stand in for, and the nets' answers agree with themselves."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch

from layerprof.clock import Clock, SystemClock
from layerprof.instruments import MemoryMeter, StorageMeter
from layerprof.testing import (
    PRODUCT_FLOPS,
    ROWS,
    TICK_S,
    WIDTH,
    ZOO,
    FakeClock,
    FakeMeter,
    GeneratingNet,
    KnownNet,
    Work,
)

ALL_NETS = (*ZOO, GeneratingNet)


@pytest.mark.parametrize("make_clock", [FakeClock, SystemClock])
def test_a_clock_never_goes_back(make_clock: Callable[[], Clock]) -> None:
    clock = make_clock()

    readings = [clock.now_ns() for _ in range(100)]

    assert readings == sorted(readings)
    assert all(isinstance(reading, int) for reading in readings)


@pytest.mark.parametrize("make_meter", [FakeMeter, lambda: StorageMeter([])])
def test_a_meters_peak_is_at_least_what_is_alive(make_meter: Callable[[], MemoryMeter]) -> None:
    meter = make_meter()

    with meter.running():
        kept = torch.ones(8)
        _allocate(meter, 32)
        meter.restart_peak()
        reading = meter.read()

    assert kept.numel() == 8
    assert reading.peak_bytes >= reading.live_bytes
    assert reading.allocated_bytes >= reading.live_bytes == 32


def _allocate(meter: MemoryMeter, size_bytes: int) -> None:
    if isinstance(meter, FakeMeter):
        meter.allocate(size_bytes)


def test_a_fake_clock_moves_by_what_it_is_told() -> None:
    clock = FakeClock(now_ns=5)

    clock.advance_s(1.5e-6)

    assert clock.now_ns() == 1505


def test_a_fake_clock_refuses_to_go_back() -> None:
    with pytest.raises(ValueError, match="never goes back"):
        FakeClock().advance_s(-1.0)


def test_a_tick_is_whole_nanoseconds_and_a_binary_fraction() -> None:
    assert (TICK_S * 10**9).is_integer()
    assert sum([TICK_S] * 1000) == 1000 * TICK_S


def test_a_fake_meter_keeps_the_highest_since_it_was_restarted() -> None:
    meter = FakeMeter(live_bytes=10)

    meter.allocate(30)
    meter.free(35)
    meter.restart_peak()
    meter.allocate(2)

    assert (meter.read().live_bytes, meter.read().allocated_bytes, meter.read().peak_bytes) == (7, 32, 7)


def test_a_fake_meter_refuses_to_free_what_is_not_alive() -> None:
    with pytest.raises(ValueError, match="5 are alive"):
        FakeMeter(live_bytes=5).free(6)


def test_work_takes_its_ticks_and_keeps_the_shape() -> None:
    clock = FakeClock()

    result = Work(clock, ticks=3, products=2)(torch.ones(ROWS, WIDTH))

    assert clock.now_ns() == 3 * TICK_S * 10**9
    assert result.shape == (ROWS, WIDTH)


def test_a_product_counts_a_multiply_and_an_add_for_every_output_and_inner_element() -> None:
    assert sum(2 for _row in range(ROWS) for _inner in range(WIDTH) for _column in range(WIDTH)) == PRODUCT_FLOPS


@pytest.mark.parametrize("net", ALL_NETS)
def test_the_answers_of_a_net_name_each_of_its_layers(net: type[KnownNet]) -> None:
    assert set(net.answers.layers) == {name for name, _ in net().named_modules()}


@pytest.mark.parametrize("net", ALL_NETS)
def test_the_answers_calls_add_up_to_the_calls_of_each_layer(net: type[KnownNet]) -> None:
    by_layer = dict.fromkeys(net.answers.layers, 0)
    for path, calls in net.answers.calls.items():
        by_layer[path[-1]] += calls

    assert by_layer == {path: layer.calls for path, layer in net.answers.layers.items()}


@pytest.mark.parametrize("net", ALL_NETS)
def test_the_answers_step_is_the_roots_total_beside_other_threads(net: type[KnownNet]) -> None:
    root = net.answers.layers[""]
    on_other_threads = sum(layer.self_flops for layer in net.answers.layers.values() if layer.concurrent_s)

    assert net.answers.step_s == root.total_s
    assert net.answers.step_flops - on_other_threads == root.flops
