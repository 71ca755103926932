"""What the storage meter sees, and whose it says the bytes at the peak are, against sizes known beforehand."""

from __future__ import annotations

import gc
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
import torch
from torch._subclasses import FakeTensorMode
from torch.utils._pytree import tree_map

from layerprof.instruments.memory import MemoryRecorder, RecordedMemory, StorageMeter

X = torch.ones(2, 8)
SIZE = 64  # bytes of X
FLOAT = 4


class Places:
    """Stands in for call paths: the place is what the test says, and a call is what it brackets."""

    def __init__(self) -> None:
        self.now = -1
        self.meter = StorageMeter([], lambda: self.now)
        self.recorder = MemoryRecorder(self.meter, self.meter.log)

    @contextmanager
    def at(self, place: int) -> Iterator[None]:
        before, self.now = self.now, place
        yield
        self.now = before

    @contextmanager
    def call(self, place: int) -> Iterator[None]:
        with self.at(place):
            self.recorder.entered()
            yield
            self.recorder.left(place, None)

    @contextmanager
    def step(self) -> Iterator[None]:
        self.recorder.begin()
        with self.meter.running():
            yield

    def result(self) -> RecordedMemory:
        result = self.recorder.result()
        owned = sum(result.at_peak_bytes.values()) + sum(result.unattributed_at_peak_bytes.values())
        assert owned == result.step_peak_bytes
        assert result.unowned_bytes == 0
        return result


def test_only_what_is_alive_at_the_peak_is_owned() -> None:
    places = Places()

    with places.step():
        with places.call(0):
            torch.ones(100)
        with places.call(1):
            kept = torch.ones(50)
        with places.call(2):
            torch.ones(80)
    result = places.result()

    assert kept.numel() == 50
    assert result.at_peak_bytes == {1: 50 * FLOAT, 2: 80 * FLOAT}
    assert result.allocated_bytes == {0: 100 * FLOAT, 1: 50 * FLOAT, 2: 80 * FLOAT}


def test_at_a_peak_inside_a_call_its_caller_and_an_earlier_sibling_own_what_they_made() -> None:
    places = Places()

    with places.step(), places.call(0):
        own = X + 1
        with places.call(1):
            sibling = own + 1
        with places.call(2):
            wide = torch.cat([own, sibling])
            wide = wide.sum()
    result = places.result()

    assert result.at_peak_bytes == {0: SIZE, 1: SIZE, 2: 2 * SIZE + FLOAT}
    assert result.peak_bytes == {0: 4 * SIZE + FLOAT, 1: SIZE, 2: 2 * SIZE + FLOAT}


def test_work_between_calls_and_under_no_layer_is_credited_to_its_place() -> None:
    places = Places()

    with places.step():
        first = X + 1
        with places.call(0):
            second = X + 2
            with places.call(1):
                third = X + 3
            fourth = X + 4
        with places.at(-2):
            fifth = X + 5
    result = places.result()

    assert [kept.shape for kept in (first, second, third, fourth, fifth)] == [X.shape] * 5
    assert result.allocated_bytes == result.at_peak_bytes == {0: 2 * SIZE, 1: SIZE}
    assert result.unattributed_allocated_bytes == result.unattributed_at_peak_bytes == {0: SIZE, 1: SIZE}


def test_growth_by_resizing_belongs_to_the_call_that_resized() -> None:
    places = Places()

    with places.step():
        with places.call(0):
            out = X + 1
        with places.call(1):
            torch.cat([X, X, X], out=out.resize_(6, 8))
    result = places.result()

    assert result.at_peak_bytes == {0: SIZE, 1: 2 * SIZE}
    assert result.peak_bytes == {0: SIZE, 1: 2 * SIZE}


def test_a_tensor_that_was_made_empty_counts_when_it_grows() -> None:
    places = Places()

    with places.step(), places.call(0):
        out = torch.empty(0)
        torch.add(X, X, out=out)

    assert places.result().at_peak_bytes == {0: SIZE}


def test_in_the_backward_pass_saved_tensors_are_the_forward_calls_and_gradients_are_not() -> None:
    places = Places()
    weight = torch.ones(2, 8, requires_grad=True)

    with places.step():
        with places.call(0):
            first = weight.exp()  # saved for its own gradient
        with places.call(1):
            second = first.exp()
        loss = second.sum()
        with places.at(5):
            loss.backward()  # at its highest: the gradients of the second and the first, and the one of the loss
    result = places.result()

    assert result.at_peak_bytes == {0: SIZE, 1: SIZE, 5: 2 * SIZE + FLOAT}
    assert result.unattributed_at_peak_bytes == {0: FLOAT}


def test_a_gradient_that_is_kept_belongs_to_the_backward_pass() -> None:
    places = Places()
    weight = torch.ones(2, 8, requires_grad=True)

    with places.step():
        with places.call(0):
            loss = (weight * X).sum()
        with places.at(5):
            loss.backward()
        with places.at(-3):
            torch.ones(1000)  # an optimizer's scratch: the peak
    result = places.result()

    assert weight.grad is not None
    assert result.at_peak_bytes == {0: FLOAT, 5: SIZE}
    assert result.unattributed_at_peak_bytes == {2: 1000 * FLOAT}


def test_tensors_of_earlier_steps_belong_to_nobody() -> None:
    places = Places()
    with places.step(), places.call(0):
        kept, dropped = X + 1, X + 2

    with places.step(), places.call(1):
        result = kept.add_(1) + 1
        del dropped

    assert result.shape == X.shape
    assert places.result().at_peak_bytes == {1: SIZE}


def test_a_tensor_that_nothing_refers_to_any_more_is_gone() -> None:
    meter = StorageMeter([])

    with meter.running():
        kept = [X + index for index in range(3)]
        before = meter.read().live_bytes
        kept.pop()
        after = meter.read().live_bytes

    assert (before, after, meter.read().allocated_bytes) == (3 * SIZE, 2 * SIZE, 3 * SIZE)


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

    assert alive == SIZE + FLOAT
    assert meter.read().live_bytes == 0


def test_known_tensors_are_the_baseline_and_cost_nothing() -> None:
    known = [X, X.view(-1), torch.ones(3)]

    meter = StorageMeter(known)

    assert meter.baseline_bytes == SIZE + 3 * FLOAT
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
    reading = meter.read()

    assert (reading.allocated_bytes, reading.peak_bytes, reading.live_bytes) == (5 * 4000, 4000, 0)


def test_a_tensor_given_anothers_storage_lets_go_of_its_own() -> None:
    meter = StorageMeter([])

    with meter.running():
        first, second = X + 1, torch.cat([X, X])
        first.set_(second)  # type: ignore[call-overload]  # torch leaves tensors out of its sources
        del second
        alive = meter.read().live_bytes
        del first

    assert alive == 2 * SIZE
    assert meter.read().live_bytes == 0


def test_a_storage_that_is_resized_itself_is_seen_at_its_next_use() -> None:
    meter = StorageMeter([])

    with meter.running():
        x = X + 1
        x.untyped_storage().resize_(10 * SIZE)
        x.add_(1)

    assert meter.read().live_bytes == 10 * SIZE


def test_a_tensor_freed_on_another_thread_is_gone() -> None:
    meter = StorageMeter([])

    with meter.running():
        holder = [X + 1]
        thread = threading.Thread(target=holder.clear)
        thread.start()
        thread.join()

    assert (meter.read().allocated_bytes, meter.read().live_bytes) == (SIZE, 0)


def test_threads_that_enter_it_add_up_each_at_its_own_place() -> None:
    place_of: dict[int, int] = {}
    meter = StorageMeter([], lambda: place_of[threading.get_ident()])
    rounds = 200

    def work(place: int) -> None:
        place_of[threading.get_ident()] = place
        barrier.wait()
        with meter.running():
            for _ in range(rounds):
                X + place

    barrier = threading.Barrier(4)
    threads = [threading.Thread(target=work, args=(place,)) for place in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert meter.log.allocated_by_place() == dict.fromkeys(range(4), rounds * SIZE)
    assert meter.read().live_bytes == 0


def test_tensors_without_memory_cost_nothing() -> None:
    meter = StorageMeter([torch.ones(3, device="meta")])

    with meter.running():
        torch.ones(100, device="meta").exp()
        with FakeTensorMode():
            torch.ones(100).exp()

    assert (meter.baseline_bytes, meter.read().allocated_bytes) == (0, 0)


def test_tensors_of_other_devices_cost_nothing() -> None:
    meter = StorageMeter([X], device=torch.device("cuda:0"))

    with meter.running():
        X + 1

    assert (meter.baseline_bytes, meter.read().allocated_bytes) == (0, 0)


@pytest.mark.parametrize("device", [torch.device("cpu"), None])
def test_tensors_of_its_device_count(device: torch.device | None) -> None:
    meter = StorageMeter([X], device=device)

    with meter.running():
        X + 1

    assert (meter.baseline_bytes, meter.read().allocated_bytes) == (SIZE, SIZE)


def test_sparse_tensors_are_run_and_left_out() -> None:
    meter = StorageMeter([])

    with meter.running():
        doubled = torch.eye(2).to_sparse() * 2

    assert doubled.is_sparse
    assert meter.read().allocated_bytes == 4 * FLOAT  # of the dense one


class Wrapper(torch.Tensor):
    """Holds a tensor, claims its shape, and does what it does."""

    held: torch.Tensor

    @staticmethod
    def __new__(cls, inner: torch.Tensor) -> Wrapper:
        made: Wrapper = torch.Tensor._make_wrapper_subclass(cls, inner.shape, dtype=torch.float64)
        made.held = inner
        return made

    def __tensor_flatten__(self) -> tuple[list[str], None]:
        return ["held"], None

    @classmethod
    def __torch_dispatch__(  # type: ignore[override]  # torch's own annotation lacks the function
        cls,
        func: Callable[..., object],
        types: object,
        args: tuple[object, ...] = (),
        kwargs: dict[str, object] | None = None,
    ) -> object:
        args, kwargs = tree_map(lambda one: one.held if isinstance(one, cls) else one, (args, kwargs or {}))
        return tree_map(lambda one: cls(one) if isinstance(one, torch.Tensor) else one, func(*args, **kwargs))


def test_of_tensors_that_wrap_others_the_inner_ones_count() -> None:
    wrapper = Wrapper(X)
    meter = StorageMeter([wrapper])

    with meter.running():
        result = (wrapper + 1).exp()

    assert isinstance(result, Wrapper)
    assert meter.baseline_bytes == SIZE
    assert (meter.read().allocated_bytes, meter.read().live_bytes) == (2 * SIZE, SIZE)


def test_what_the_pieces_of_a_composite_op_make_is_seen_in_inference_mode_too() -> None:
    def allocated_bytes(mode: torch.no_grad | torch.inference_mode) -> int:
        meter = StorageMeter([])
        with mode, meter.running():
            torch.nn.functional.cosine_similarity(X, X)
        return meter.read().allocated_bytes

    without_gradients, in_inference_mode = allocated_bytes(torch.no_grad()), allocated_bytes(torch.inference_mode())

    assert in_inference_mode == without_gradients > 2 * FLOAT  # more than the result
