"""The memory recorder on a meter that is set by hand, and what the storage meter sees."""

from __future__ import annotations

import gc
from dataclasses import dataclass

import torch
from transformers.modeling_outputs import BaseModelOutputWithPooling

from layerprof.instruments import MemoryRecorder, StorageMeter
from layerprof.instruments.memory import tensor_bytes
from layerprof.testing import FakeMeter

X = torch.ones(2, 8)
SIZE = 64  # bytes of X


def begun(live_bytes: int = 0) -> tuple[FakeMeter, MemoryRecorder]:
    meter = FakeMeter(live_bytes)
    recorder = MemoryRecorder(meter)
    recorder.begin()
    return meter, recorder


def test_a_call_is_credited_with_what_it_allocated_and_needed() -> None:
    meter, recorder = begun(live_bytes=1000)

    recorder.entered()
    meter.allocate(30)
    meter.free(20)
    meter.allocate(5)
    recorder.left(0, X)

    assert (recorder.allocated_bytes, recorder.peak_bytes, recorder.output_bytes) == ({0: 35}, {0: 30}, {0: SIZE})
    assert recorder.step_peak_bytes() == 30


def test_what_a_call_inside_allocated_is_not_the_callers_own() -> None:
    meter, recorder = begun()

    recorder.entered()
    meter.allocate(10)
    recorder.entered()
    meter.allocate(100)
    recorder.left(1, None)
    meter.allocate(1)
    recorder.left(0, None)

    assert recorder.allocated_bytes == {1: 100, 0: 11}


def test_the_callers_peak_is_as_high_as_that_of_the_call_inside() -> None:
    meter, recorder = begun()

    recorder.entered()
    meter.allocate(10)
    recorder.entered()
    meter.allocate(100)
    meter.free(100)
    recorder.left(1, None)
    recorder.left(0, None)

    assert recorder.peak_bytes == {1: 100, 0: 110}
    assert recorder.step_peak_bytes() == 110


def test_a_peak_before_a_call_is_not_the_calls() -> None:
    meter, recorder = begun()

    recorder.entered()
    meter.allocate(500)
    meter.free(500)
    recorder.entered()
    meter.allocate(7)
    recorder.left(1, None)
    recorder.left(0, None)

    assert recorder.peak_bytes == {1: 7, 0: 500}


def test_a_peak_after_a_call_is_the_callers_alone() -> None:
    meter, recorder = begun()

    recorder.entered()
    recorder.entered()
    meter.allocate(7)
    recorder.left(1, None)
    meter.allocate(500)
    recorder.left(0, None)

    assert recorder.peak_bytes == {1: 7, 0: 507}


def test_three_levels_pass_the_peak_up() -> None:
    meter, recorder = begun(live_bytes=5)

    for _ in range(3):
        meter.allocate(10)
        recorder.entered()
    meter.allocate(100)
    meter.free(100)
    for path in (2, 1, 0):
        recorder.left(path, None)

    assert recorder.peak_bytes == {2: 100, 1: 110, 0: 120}
    assert recorder.step_peak_bytes() == 130


def test_of_several_calls_the_highest_peak_stays_and_allocations_add_up() -> None:
    meter, recorder = begun()

    for size in (10, 30, 20):
        recorder.entered()
        meter.allocate(size)
        meter.free(size)
        recorder.left(0, X)

    assert (recorder.allocated_bytes, recorder.peak_bytes, recorder.output_bytes) == ({0: 60}, {0: 30}, {0: 3 * SIZE})


def test_a_call_that_only_frees_needs_nothing() -> None:
    meter, recorder = begun(live_bytes=100)

    recorder.entered()
    meter.free(60)
    meter.allocate(10)
    recorder.left(0, None)

    assert recorder.peak_bytes == {0: 0}
    assert recorder.step_peak_bytes() == 0


def test_work_outside_of_calls_is_in_the_steps_peak() -> None:
    meter, recorder = begun()

    meter.allocate(40)
    recorder.entered()
    recorder.left(0, None)
    meter.allocate(2)

    assert recorder.step_peak_bytes() == 42


def test_a_new_step_begins_from_what_is_alive() -> None:
    meter, recorder = begun()
    meter.allocate(1000)

    recorder.begin()
    meter.allocate(1)

    assert recorder.step_peak_bytes() == 1


def test_a_tensor_that_nothing_refers_to_any_more_is_gone() -> None:
    meter = StorageMeter([])

    with meter.running():
        kept = [X + index for index in range(3)]
        before = meter.read().live_bytes
        kept.pop()
        after = meter.read().live_bytes

    assert (before, after) == (3 * SIZE, 2 * SIZE)
    assert meter.read().allocated_bytes == 3 * SIZE


def test_a_tensor_in_a_cycle_is_gone_when_the_cycle_is() -> None:
    meter = StorageMeter([])

    with meter.running():
        cycle: list[object] = [X + 1]
        cycle.append(cycle)
        before = meter.read().live_bytes
        cycle = []
        gc.collect()

    assert before == SIZE
    assert meter.read().live_bytes == 0


def test_a_tensor_that_only_autograd_holds_is_alive() -> None:
    meter = StorageMeter([])
    x = torch.ones(2, 8, requires_grad=True)

    with meter.running():
        result = (x * 2).exp().sum()  # the product goes, the exponential stays for the backward pass
        alive = meter.read().live_bytes
        del result

    assert alive == SIZE + 4
    assert meter.read().live_bytes == 0


def test_known_tensors_are_the_baseline_and_cost_nothing() -> None:
    known = [X, X.view(-1), torch.ones(3)]

    meter = StorageMeter(known)

    assert meter.baseline_bytes == SIZE + 12
    assert meter.read().live_bytes == 0


def test_tensors_made_before_the_block_cost_nothing_when_they_come_into_it() -> None:
    earlier = torch.ones(100)
    meter = StorageMeter([])

    with meter.running():
        earlier.add_(1)
        view = earlier[:50]

    assert view.numel() == 50
    assert meter.read().allocated_bytes == 0


def test_memory_that_is_used_again_is_counted_again() -> None:
    meter = StorageMeter([])

    with meter.running():
        for _ in range(5):
            torch.ones(1000)

    assert meter.read().allocated_bytes == 5 * 4000
    assert meter.read().peak_bytes == 4000
    assert meter.read().live_bytes == 0


@dataclass
class Output:
    """Any output that is a dataclass."""

    hidden: torch.Tensor
    extra: object


def test_bytes_of_an_output_are_those_of_its_distinct_tensors() -> None:
    y = torch.ones(3)
    nested = {"a": (X, [y, X]), "b": Output(hidden=y, extra={"deep": torch.ones(1)})}

    assert tensor_bytes(nested) == SIZE + 12 + 4


def test_outputs_of_transformers_are_looked_into() -> None:
    output = BaseModelOutputWithPooling(last_hidden_state=X, pooler_output=torch.ones(1), hidden_states=(X, X + 1))

    assert tensor_bytes(output) == 2 * SIZE + 4


def test_no_output_has_no_bytes() -> None:
    assert tensor_bytes(None) == 0
