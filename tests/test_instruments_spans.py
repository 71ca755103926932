"""The span recorder: what the hooks write, in which order, and on which thread."""

from __future__ import annotations

import threading
from collections.abc import Iterable

import pytest
import torch
from torch import nn

from layerprof.attribute import StepEvents, cut
from layerprof.instruments import Site, SpanRecorder
from layerprof.testing import TICK_S, FakeClock, KnownNet, LayerFailedError, NestedNet, RaisingChildNet, ThreadNet, Work

TICK_NS = int(TICK_S * 10**9)


def sites_of(model: nn.Module) -> tuple[Site, ...]:
    return tuple(Site(index=index, module=module) for index, module in enumerate(model.modules()))


def recorded(net: KnownNet) -> StepEvents:
    """The events of one call of the net."""
    recorder = SpanRecorder(net.clock)
    with recorder.installed(sites_of(net)):
        recorder.begin()
        start_ns = net.clock.now_ns()
        net(net.inputs)
        return recorder.events(start_ns=start_ns, end_ns=net.clock.now_ns())


def in_ticks(events: StepEvents, thread: int = 0) -> list[tuple[int, int]]:
    buffer = events.threads[thread]
    return [
        (code, time_ns // TICK_NS)
        for code, time_ns in zip(buffer.codes.tolist(), buffer.times_ns.tolist(), strict=True)
    ]


def test_each_call_is_an_enter_and_a_leave() -> None:
    events = recorded(NestedNet())  # root 0, block 1, block.child 2, head 3

    assert in_ticks(events) == [(0, 0), (1, 1), (2, 3), (~2, 6), (~1, 6), (3, 6), (~3, 11), (~0, 11)]


def test_a_call_that_raises_is_left_too() -> None:
    events = recorded(RaisingChildNet())

    codes = [code for code, _ in in_ticks(events)]
    assert sorted(code for code in codes if code >= 0) == sorted(~code for code in codes if code < 0)
    assert cut([events])[0].repairs == 0


def test_each_thread_has_its_own_events_and_the_steps_comes_first() -> None:
    events = recorded(ThreadNet())

    assert [thread.is_step_thread for thread in events.threads] == [True, False]
    assert in_ticks(events, 1) == [(1, 1), (~1, 4)]


def test_a_step_begins_without_the_events_of_the_one_before() -> None:
    net = NestedNet()
    recorder = SpanRecorder(net.clock)

    with recorder.installed(sites_of(net)):
        net(net.inputs)
        recorder.begin()
        net.head(net.inputs)
        events = recorder.events(start_ns=0, end_ns=0)

    assert [code for code, _ in in_ticks(events)] == [3, ~3]


def test_events_of_a_thread_that_has_ended_do_not_come_back() -> None:
    net = ThreadNet()
    recorder = SpanRecorder(net.clock)

    with recorder.installed(sites_of(net)):
        for _ in range(3):
            recorder.begin()
            net(net.inputs)
            events = recorder.events(start_ns=0, end_ns=net.clock.now_ns())

    assert len(events.threads) == 2
    assert cut([events])[0].repairs == 0


def test_a_bracketed_call_is_an_enter_and_a_leave_also_when_it_raises() -> None:
    clock = FakeClock()
    recorder = SpanRecorder(clock)
    recorder.begin()

    with pytest.raises(LayerFailedError), recorder.call(7):
        clock.advance_s(TICK_S)
        raise LayerFailedError

    assert in_ticks(recorder.events(start_ns=0, end_ns=TICK_NS)) == [(7, 0), (~7, 1)]


def test_nothing_is_recorded_after_the_block() -> None:
    net = NestedNet()
    recorder = SpanRecorder(net.clock)
    with recorder.installed(sites_of(net)):
        recorder.begin()

    net(net.inputs)

    assert recorder.events(start_ns=0, end_ns=0).threads == ()


def test_an_interrupt_leaves_open_calls_that_the_next_step_does_not_see() -> None:
    net = NestedNet()
    handle = net.head.register_forward_pre_hook(_interrupt)
    recorder = SpanRecorder(net.clock)

    with recorder.installed(sites_of(net)):
        recorder.begin()
        with pytest.raises(KeyboardInterrupt):
            net(net.inputs)
        handle.remove()
        recorder.begin()
        net(net.inputs)
        events = recorder.events(start_ns=0, end_ns=net.clock.now_ns())

    assert cut([events])[0].repairs == 0
    assert cut([events])[0].layer.size == 4


def _interrupt(module: nn.Module, args: tuple[object, ...]) -> None:
    raise KeyboardInterrupt


def test_hooks_stand_outside_those_of_the_user() -> None:
    clock = FakeClock()
    layer = Work(clock, ticks=1)
    layer.register_forward_pre_hook(lambda *_: clock.advance_s(TICK_S))
    layer.register_forward_hook(lambda *_: clock.advance_s(TICK_S))
    recorder = SpanRecorder(clock)

    with recorder.installed([Site(index=0, module=layer)]):
        recorder.begin()
        layer(torch.ones(2, 4))
        events = recorder.events(start_ns=0, end_ns=clock.now_ns())

    assert in_ticks(events) == [(0, 0), (~0, 3)]


def test_many_threads_at_once_each_nest_on_their_own() -> None:
    net = NestedNet()
    recorder = SpanRecorder(net.clock)

    with recorder.installed(sites_of(net)):
        recorder.begin()
        _run_all(threading.Thread(target=net, args=(net.inputs,)) for _ in range(4))
        events = recorder.events(start_ns=0, end_ns=net.clock.now_ns())

    spans, _ = cut([events])
    assert spans.repairs == 0
    assert spans.is_concurrent.all()
    assert spans.layer.size == 4 * 4


def _run_all(threads: Iterable[threading.Thread]) -> None:
    started = list(threads)
    for thread in started:
        thread.start()
    for thread in started:
        thread.join()
