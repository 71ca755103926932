"""Ops that call functions (branches, loops, scans) count what runs inside them."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from flop_counts import MULTIPLY_AND_ADD, counted, flops_of
from torch import Tensor, nn
from torch._higher_order_ops.map import map as map_rows
from torch._higher_order_ops.scan import scan
from torch._higher_order_ops.while_loop import while_loop
from torch._subclasses.fake_tensor import FakeTensorMode

import layerprof as lp

SIZE, TIMES = 4, 5
PRODUCT = MULTIPLY_AND_ADD * SIZE**3
X, WEIGHT = torch.ones(SIZE, SIZE), torch.ones(SIZE, SIZE)
ROWS = torch.ones(TIMES, SIZE, SIZE)


def branch(*, is_taken: bool) -> Tensor:
    result: Tensor = torch.cond(torch.tensor(is_taken), lambda x: x @ WEIGHT, lambda x: x @ WEIGHT @ WEIGHT, (X,))
    return result


CASES: dict[str, tuple[Callable[[], object], int]] = {
    "the branch that is taken": (lambda: branch(is_taken=True), 1),
    "the other branch": (lambda: branch(is_taken=False), 2),
    "a loop": (lambda: while_loop(lambda i, x: i < 3, lambda i, x: (i + 1, x @ WEIGHT), (torch.tensor(0), X)), 3),
    "a loop that does not run": (
        lambda: while_loop(lambda i, x: i < 0, lambda i, x: (i + 1, x @ WEIGHT), (torch.tensor(0), X)),
        0,
    ),
    "a map": (
        lambda: map_rows(lambda row: row @ WEIGHT, ROWS),  # type: ignore[arg-type,misc]  # torch's types want operands
        TIMES,
    ),
    "a scan": (lambda: scan(lambda carried, row: (carried @ WEIGHT, row.clone()), X, ROWS), TIMES),
}


@pytest.mark.parametrize("name", CASES)
def test_what_an_op_calls_is_counted_as_often_as_it_runs(name: str) -> None:
    function, products = CASES[name]

    assert flops_of(function) == products * PRODUCT


def test_the_bytes_of_what_runs_inside_are_counted_too() -> None:
    assert counted(lambda: branch(is_taken=True)).total_bytes >= 3 * X.nbytes


class Branching(nn.Module):
    """A layer for each sign of the input."""

    def __init__(self) -> None:
        super().__init__()
        self.positive = nn.Linear(SIZE, SIZE)
        self.negative = nn.Linear(SIZE, SIZE)

    def forward(self, x: Tensor) -> Tensor:
        result: Tensor = torch.cond(x.sum() > 0, self.positive, self.negative, (x,))
        return result


def test_the_layer_of_the_branch_that_is_taken_has_the_work() -> None:
    profile = lp.profile(Branching(), X, passes=("flops",), warmup=0, repeats=1)

    assert (profile["positive"].flops, profile["negative"].flops) == (PRODUCT, 0)
    assert profile.step_flops == PRODUCT
    assert profile.uncounted == ()


def test_over_fakes_a_branch_is_named_and_not_counted() -> None:
    with FakeTensorMode() as mode, torch.no_grad():
        x, flag = mode.from_tensor(X), mode.from_tensor(torch.tensor(True))
        counter = counted(lambda: torch.ops.higher_order.cond(flag, lambda x: x * 1.0, lambda x: x * 2.0, (x,)))

    assert counter.total == 0
    assert set(counter.uncounted) == {"cond"}
