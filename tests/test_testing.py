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
    TRAINING,
    WIDTH,
    ZOO,
    CaptioningNet,
    FakeClock,
    FakeMeter,
    GeneratingNet,
    KnownNet,
    MovableClock,
    PhasedNet,
    SpinningClock,
    Work,
)

PHASED = (*TRAINING, CaptioningNet)
ALL_NETS = (*ZOO, GeneratingNet, *PHASED)


@pytest.mark.parametrize("make_clock", [FakeClock, SystemClock, SpinningClock])
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


@pytest.mark.parametrize("make_clock", [FakeClock, SpinningClock])
def test_a_movable_clock_moves_by_at_least_what_it_is_told(make_clock: Callable[[], MovableClock]) -> None:
    clock = make_clock()
    before_ns = clock.now_ns()

    clock.advance_s(1e-5)

    assert clock.now_ns() - before_ns >= 10_000


@pytest.mark.parametrize("make_clock", [FakeClock, SpinningClock])
def test_a_movable_clock_refuses_to_go_back(make_clock: Callable[[], MovableClock]) -> None:
    with pytest.raises(ValueError, match="never goes back"):
        make_clock().advance_s(-1.0)


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


@pytest.mark.parametrize("net", [*ZOO, GeneratingNet])
def test_the_answers_calls_add_up_to_the_calls_of_each_layer(net: type[KnownNet]) -> None:
    by_layer = dict.fromkeys(net.answers.layers, 0)
    for path, calls in net.answers.calls.items():
        by_layer[path[-1]] += calls

    assert by_layer == {path: layer.calls for path, layer in net.answers.layers.items()}


def test_work_takes_its_backward_ticks_in_the_engine_and_changes_no_gradient() -> None:
    clock = FakeClock()
    x = torch.ones(ROWS, WIDTH, requires_grad=True)

    Work(clock, ticks=3, backward_ticks=4)(x).sum().backward()

    assert clock.now_ns() == (3 + 4) * TICK_S * 10**9
    assert x.grad is not None
    assert torch.equal(x.grad, torch.ones(ROWS, WIDTH))


def test_work_without_gradients_takes_no_backward_ticks() -> None:
    result = Work(FakeClock(), ticks=1, backward_ticks=4)(torch.ones(ROWS, WIDTH))

    assert result.grad_fn is None


@pytest.mark.parametrize("net_type", ALL_NETS)
def test_a_net_takes_its_time_on_the_clock_that_it_was_given(net_type: Callable[[MovableClock], KnownNet]) -> None:
    clock = FakeClock(now_ns=7)

    net = net_type(clock)

    assert net.clock is clock
    assert all(layer._clock is clock for layer in net.modules() if isinstance(layer, Work))


@pytest.mark.parametrize("net_type", PHASED)
def test_a_step_takes_the_time_of_its_phases(net_type: Callable[[], PhasedNet]) -> None:
    net = net_type()

    net.step()

    assert net.clock.now_ns() == sum(phase.total_s for phase in net.phases.values()) * 10**9


@pytest.mark.parametrize("net", PHASED)
def test_the_phases_calls_begin_in_them_and_add_up_to_their_layers(net: type[PhasedNet]) -> None:
    for phase in net.phases.values():
        by_layer = dict.fromkeys(phase.layers, 0)
        for path, calls in phase.calls.items():
            by_layer[path[-1]] += calls
        assert by_layer == {path: layer.calls for path, layer in phase.layers.items()}


@pytest.mark.parametrize("net", [*ZOO, GeneratingNet])
def test_the_answers_step_is_the_roots_total_beside_other_threads(net: type[KnownNet]) -> None:
    root = net.answers.layers[""]
    on_other_threads = sum(  # by the part of its time there: each call of a layer does the same
        layer.self_flops * layer.concurrent_s / layer.self_s for layer in net.answers.layers.values() if layer.self_s
    )

    assert net.answers.step_s == root.total_s
    assert net.answers.step_flops - on_other_threads == root.flops
