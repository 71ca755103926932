"""`count_flops` on fakes: what is known and what is not, the meta device, threads, gradients."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from torch import Tensor, nn

import layerprof as lp
from layerprof.testing import PRODUCT_FLOPS, ROWS, WIDTH, NestedNet

X = torch.ones(ROWS, WIDTH)
ROW_FLOPS = PRODUCT_FLOPS // ROWS  # of one row times a square matrix

Step = Callable[[Tensor], Tensor]


class Inner(nn.Module):
    """A layer that multiplies, then does what it is told."""

    def __init__(self, then: Step) -> None:
        super().__init__()
        self.linear = nn.Linear(WIDTH, WIDTH)
        self.then = then

    def forward(self, x: Tensor) -> Tensor:
        return self.then(self.linear(x))


class Outer(nn.Module):
    """A model of one layer."""

    def __init__(self, then: Step) -> None:
        super().__init__()
        self.inner = Inner(then)

    def forward(self, x: Tensor) -> Tensor:
        hidden: Tensor = self.inner(x)
        return hidden


class Masked(nn.Module):
    """Takes the rows that a mask names."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(WIDTH, WIDTH)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        hidden: Tensor = self.linear(x[mask.bool()])
        return hidden


@pytest.mark.parametrize("rows", range(ROWS + 1))
def test_a_mask_that_is_given_selects_as_many_rows_as_in_a_real_run(rows: int) -> None:
    mask = torch.arange(ROWS) < rows

    assert lp.count_flops(Masked(), (X, mask)).total == rows * ROW_FLOPS


def test_a_mask_without_data_selects_nobody_knows_how_many_rows() -> None:
    with pytest.raises(lp.MeasurementError, match=r"aten\.index\.Tensor asks for data.* give ids and masks with data"):
        lp.count_flops(Masked(), (X, torch.ones(ROWS, dtype=torch.bool, device="meta")))


def _into(target: Tensor, value: Tensor) -> Tensor:
    """The target after something was written into it."""
    target[0] = value
    return target


@pytest.mark.parametrize(
    "course",
    [
        pytest.param(lambda h: torch.arange(3).sum().item(), id="whole numbers"),
        pytest.param(lambda h: (torch.arange(3) * 0.5).long().max().item() + 2, id="through floats"),
        pytest.param(lambda h: torch.tensor([1, 2]).tolist()[1] + 1, id="written down"),
        pytest.param(
            lambda h: _into(torch.zeros(2, dtype=torch.long), torch.tensor(3)).max().item(), id="written into"
        ),
        pytest.param(lambda h: int(torch.ones(3).sum()), id="constants"),
        pytest.param(lambda h: h.shape[0] - ROWS + 3, id="shapes"),
    ],
)
def test_a_course_that_known_numbers_decide_is_taken(course: Callable[[Tensor], int]) -> None:
    model = Outer(lambda h: h @ torch.ones(WIDTH, course(h)))

    assert lp.count_flops(model, X).total == PRODUCT_FLOPS + 2 * ROWS * WIDTH * 3


@pytest.mark.parametrize(
    "course",
    [
        pytest.param(lambda h: h.sum().item() > 0, id="floats"),
        pytest.param(lambda h: h.argmax().item() > 0, id="whole numbers made of floats"),
        pytest.param(lambda h: _into(torch.zeros(2, dtype=torch.long), h.argmax()).sum() > 0, id="written into"),
        pytest.param(lambda h: torch.randint(0, 2, ()) > 0, id="random"),
        pytest.param(lambda h: (torch.arange(ROWS) * h[:, 0]).sum() > 0, id="mixed"),
        pytest.param(lambda h: torch.equal(h, -h), id="equality"),
        pytest.param(lambda h: h.detach().numpy().any(), id="numpy"),
    ],
)
def test_a_course_that_unknown_data_decide_is_refused(course: Callable[[Tensor], bool]) -> None:
    model = Outer(lambda h: h if course(h) else -h)

    with pytest.raises(lp.MeasurementError, match=r"in layer 'inner', at .*asks for data.*passes=\(\"flops\",\)"):
        lp.count_flops(model, X)


def test_numbers_of_the_callers_are_not_written_to() -> None:
    counter = torch.zeros(1, dtype=torch.long)
    model = Outer(lambda h: h + counter.add_(1))

    assert lp.count_flops(model, X).total == PRODUCT_FLOPS
    assert counter.item() == 0


def test_what_was_written_into_the_callers_numbers_is_not_known() -> None:
    counter = torch.zeros(1, dtype=torch.long)
    model = Outer(lambda h: h if counter.add_(1).item() > 0 else -h)

    with pytest.raises(lp.MeasurementError, match="asks for data"):
        lp.count_flops(model, X)


class Counting(nn.Module):
    """Holds how many columns it makes."""

    def __init__(self) -> None:
        super().__init__()
        self.count: Tensor
        self.register_buffer("count", torch.tensor(3))

    def forward(self, x: Tensor) -> Tensor:
        columns = int(self.count)
        self.count += 1
        return x @ torch.ones(WIDTH, columns)


def test_numbers_that_a_model_holds_are_known_and_not_written_to() -> None:
    model = Counting()

    assert lp.count_flops(model, X).total == 2 * ROWS * WIDTH * 3
    assert model.count.item() == 3


def test_a_huge_range_is_not_computed() -> None:
    model = Outer(lambda h: h + torch.arange(10**12).sum() + torch.ones(10**9, dtype=torch.bool).sum())

    assert lp.count_flops(model, X).total == PRODUCT_FLOPS


@pytest.mark.parametrize("device", ["cpu", "meta"])
@pytest.mark.parametrize("held", ["cpu", "meta"])
def test_a_callable_may_hold_tensors_without_data(device: str, held: str) -> None:
    model, x = nn.Linear(WIDTH, WIDTH, device=device), torch.ones(ROWS, WIDTH, device=held)

    report = lp.count_flops(model, call=lambda: model(x) @ torch.ones(WIDTH, WIDTH, device=held))

    assert report.total == 2 * PRODUCT_FLOPS
    assert report.by_layer == {"": PRODUCT_FLOPS}


def test_tensors_of_the_callers_keep_their_gradients() -> None:
    weight, other = (torch.ones(WIDTH, WIDTH, requires_grad=True) for _ in range(2))
    before = weight.grad = torch.ones(WIDTH, WIDTH)
    model = nn.Linear(WIDTH, WIDTH)

    report = lp.count_flops(model, call=lambda: (model(X) @ weight @ other).sum().backward(), train=True)

    assert report.total == (2 + 3 + 3) * PRODUCT_FLOPS  # forward, by the weight, and by the input but for the first
    assert weight.grad is before
    assert torch.equal(before, torch.ones(WIDTH, WIDTH))
    assert other.grad is None


class Branches(nn.Module):
    """Branches, each on a thread of its own, which make tensors there."""

    def __init__(self) -> None:
        super().__init__()
        self.branches = nn.ModuleList(nn.Sequential(*(nn.Linear(WIDTH, WIDTH) for _ in range(8))) for _ in range(4))

    def forward(self, x: Tensor) -> Tensor:
        def run(branch: nn.Module) -> Tensor:
            hidden: Tensor = branch(torch.ones(ROWS, WIDTH) + x)
            return hidden[torch.tensor([True] * ROWS)]

        with ThreadPoolExecutor(len(self.branches)) as pool:
            return torch.stack(list(pool.map(run, self.branches))).sum(0)


@pytest.mark.parametrize("device", ["cpu", "meta"])
def test_layers_on_threads_of_their_own_are_all_counted(device: str) -> None:
    model = Branches().to(device)

    report = lp.count_flops(model, X.to(device))

    assert report.total == 4 * 8 * PRODUCT_FLOPS
    assert [report.by_layer[f"branches.{number}"] for number in range(4)] == [8 * PRODUCT_FLOPS] * 4


def test_counts_of_one_model_on_many_threads_are_each_right() -> None:
    model = nn.Sequential(*(nn.Linear(WIDTH, WIDTH) for _ in range(20)))
    before = dict(model.named_parameters())

    with ThreadPoolExecutor(4) as pool:
        totals = [report.total for report in pool.map(lambda _: lp.count_flops(model, X), range(8))]

    assert totals == [20 * PRODUCT_FLOPS] * 8
    assert all(tensor is before[name] for name, tensor in model.named_parameters())


def test_a_count_inside_a_count_is_refused_and_does_not_wait_for_ever() -> None:
    model = NestedNet()

    with pytest.raises(lp.InputError, match="measuring already"):
        lp.count_flops(model, call=lambda: lp.count_flops(model, X))


def test_the_same_layers_again_are_counted_again() -> None:
    model = nn.Sequential(*(nn.Linear(WIDTH, WIDTH) for _ in range(3)), nn.Linear(WIDTH, 2 * WIDTH))

    report = lp.count_flops(model, X)

    assert [report.by_layer[str(number)] for number in range(4)] == [PRODUCT_FLOPS] * 3 + [2 * PRODUCT_FLOPS]


class Skipping(NestedNet):
    """A net that skips its block with some probability."""

    def __init__(self, probability: float) -> None:
        super().__init__()
        self.probability = probability

    def forward(self, x: Tensor) -> Tensor:
        is_skipped = bool(torch.rand([]) < self.probability)
        return self.head(x if is_skipped else self.block(x))


@pytest.mark.parametrize("probability", [0.0, 1.0])
def test_a_coin_that_always_falls_on_one_side_decides(probability: float) -> None:
    net = Skipping(probability)

    report = lp.count_flops(net, net.inputs, train=True)

    real = lp.profile(net, net.inputs, train=True, passes=("flops",), warmup=0, repeats=1)
    assert report.total == real.step_flops
    assert (report.by_layer["block"] == 0) == (probability == 1.0)


def test_a_coin_that_may_fall_on_either_side_is_refused() -> None:
    net = Skipping(0.5)

    with pytest.raises(lp.MeasurementError, match="cannot be counted on fake tensors"):
        lp.count_flops(net, net.inputs, train=True)
