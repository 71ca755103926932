"""Loads for a device: how much is queued, and what they leave alone."""

from __future__ import annotations

import pytest
import torch

from layerprof.energy.base import Load
from layerprof.machine.loads import CopyLoad, ProductLoad, RepeatedLoad

CPU = torch.device("cpu")


class Queue:
    """A device that does nothing until it is waited for."""

    def __init__(self) -> None:
        self.launched = self.done = 0
        self.most = 0

    def work(self) -> None:
        self.launched += 1
        self.most = max(self.most, self.launched - self.done)

    def event(self) -> Mark:
        return Mark(self)


class Mark:
    def __init__(self, queue: Queue) -> None:
        self.queue = queue
        self.place: int | None = None

    def record(self) -> None:
        self.place = self.queue.launched

    def synchronize(self) -> None:
        assert self.place is not None
        self.queue.done = max(self.queue.done, self.place)


def test_a_launch_waits_for_the_one_before_and_never_for_its_own() -> None:
    queue = Queue()
    load: Load = RepeatedLoad(queue.work, CPU, make_event=queue.event)

    for lots in range(1, 10):
        load.launch(5)
        assert queue.launched == 5 * lots
        assert queue.done == 5 * (lots - 1)

    assert queue.most == 10


def test_settling_waits_for_all() -> None:
    queue = Queue()
    load = RepeatedLoad(queue.work, CPU, make_event=queue.event)

    load.launch(3)
    load.launch(4)
    load.settle()
    load.settle()

    assert queue.done == queue.launched == 7


@pytest.mark.parametrize("load", [ProductLoad(CPU, width=8), CopyLoad(CPU, copied_bytes=64)])
def test_a_load_on_the_cpu_is_done_when_it_returns_and_leaves_the_random_state_alone(load: Load) -> None:
    before = torch.get_rng_state()

    load.launch(3)
    load.settle()

    assert torch.equal(torch.get_rng_state(), before)


def test_a_product_is_one_of_different_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    products: list[torch.Tensor] = []
    multiply = torch.mm

    def keep(left: torch.Tensor, right: torch.Tensor, *, out: torch.Tensor) -> None:
        products.append(multiply(left, right, out=out))

    monkeypatch.setattr(torch, "mm", keep)

    ProductLoad(CPU, width=8).launch(2)

    assert len(products) == 2
    assert products[0].shape == (8, 8)
    assert products[0].unique().numel() > 60
