"""What `count_flops` leaves behind: nothing, wherever a model keeps what it makes."""

from __future__ import annotations

import contextlib
import copy
import functools
import gc
from collections import deque
from collections.abc import Callable, Iterator
from types import SimpleNamespace

import pytest
import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensor

import layerprof as lp
from layerprof.testing import PRODUCT_FLOPS, ROWS, WIDTH

X = torch.ones(ROWS, WIDTH)


class Slots:
    """An object without a dict."""

    __slots__ = ("kept",)

    def __init__(self) -> None:
        self.kept: list[Tensor] = []


class Keeping(nn.Module):
    """Multiplies, keeps the result somewhere, and multiplies with everything it has kept."""

    of_the_class: list[Tensor] = []  # noqa: RUF012 - that the class itself holds it is what is tested
    latest: Tensor | None = None

    def __init__(self, keep: Callable[[Keeping, Tensor], list[Tensor]]) -> None:
        super().__init__()
        self.linear = nn.Linear(WIDTH, WIDTH)
        self.keep = keep
        self.items: list[Tensor] = []
        self.queue: deque[Tensor] = deque()
        self.several: set[Tensor] = set()
        self.nested: dict[str, dict[str, list[Tensor]]] = {"a": {"b": []}}
        self.names = SimpleNamespace(kept=[])
        self.slots = Slots()

    def forward(self, x: Tensor) -> Tensor:
        kept = self.keep(self, self.linear(x))
        return torch.cat(kept) @ torch.ones(WIDTH, WIDTH)


def _into_the_class(module: Keeping, hidden: Tensor) -> list[Tensor]:
    before = [] if Keeping.latest is None else [Keeping.latest]
    Keeping.latest = hidden
    return [*before, hidden]


def _appended(items: list[Tensor], hidden: Tensor) -> list[Tensor]:
    items.append(hidden)
    return items


def _queued(module: Keeping, hidden: Tensor) -> list[Tensor]:
    module.queue.append(hidden)
    return list(module.queue)


def _added(module: Keeping, hidden: Tensor) -> list[Tensor]:
    module.several.add(hidden)
    return list(module.several)


@pytest.mark.parametrize(
    "keep",
    [
        pytest.param(lambda module, hidden: _appended(module.items, hidden), id="list"),
        pytest.param(_queued, id="deque"),
        pytest.param(_added, id="set"),
        pytest.param(lambda module, hidden: _appended(module.nested["a"]["b"], hidden), id="dicts"),
        pytest.param(lambda module, hidden: _appended(module.names.kept, hidden), id="object"),
        pytest.param(lambda module, hidden: _appended(module.slots.kept, hidden), id="slots"),
        pytest.param(lambda module, hidden: _appended(Keeping.of_the_class, hidden), id="list of the class"),
        pytest.param(_into_the_class, id="attribute of the class"),
    ],
)
def test_a_count_does_not_see_what_the_last_one_kept(keep: Callable[[Keeping, Tensor], list[Tensor]]) -> None:
    model = Keeping(keep)

    totals = [lp.count_flops(model, X).total for _ in range(3)]

    assert totals == [2 * PRODUCT_FLOPS] * 3
    assert model(X).shape == (ROWS, WIDTH)  # nothing of the counts is in it, and no fake


@functools.lru_cache
def table(width: int) -> tuple[Tensor, ...]:
    return (torch.randn(WIDTH, width),)


def test_a_table_in_the_cache_of_a_function_is_no_fake_afterwards() -> None:
    class Cached(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x @ table(WIDTH)[0]

    report = lp.count_flops(Cached(), X)

    assert report.total == PRODUCT_FLOPS
    assert not isinstance(table(WIDTH)[0], FakeTensor)


@functools.lru_cache(maxsize=1)
def tables(width: int) -> dict[str, list[tuple[Tensor, ...]]]:
    return {"of one width": [(torch.randn(WIDTH, width),)]}


def test_a_table_in_containers_in_the_cache_of_a_function_is_no_fake_afterwards() -> None:
    class Cached(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x @ tables(WIDTH)["of one width"][0][0]

    lp.count_flops(Cached(), X)

    assert not isinstance(tables(WIDTH)["of one width"][0][0], FakeTensor)


@functools.lru_cache
def doubled(width: int) -> int:
    return 2 * width


def test_a_cache_without_a_fake_stays_when_another_is_emptied() -> None:
    class Cached(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x @ table(doubled(WIDTH))[0]

    doubled.cache_clear()
    lp.count_flops(Cached(), X)

    assert doubled.cache_info().currsize == 1


@pytest.fixture
def _nothing_put_aside() -> Iterator[None]:
    """The collector of garbage has put nothing aside, before the test and after it."""
    gc.unfreeze()
    yield
    gc.unfreeze()


@pytest.mark.usefixtures("_nothing_put_aside")
@pytest.mark.parametrize("model", [nn.Linear(WIDTH, WIDTH), nn.Linear(1, 1)], ids=["a step", "a step that raises"])
def test_the_collector_has_put_nothing_aside_afterwards(model: nn.Module) -> None:
    with contextlib.suppress(lp.MeasurementError):
        lp.count_flops(model, X)

    assert gc.get_freeze_count() == 0


@pytest.mark.usefixtures("_nothing_put_aside")
def test_what_the_caller_had_the_collector_put_aside_stays_there() -> None:
    gc.freeze()
    before = gc.get_freeze_count()

    lp.count_flops(nn.Linear(WIDTH, WIDTH), X)

    assert 0 < gc.get_freeze_count() <= before


def test_a_layer_that_is_copied_is_counted() -> None:
    class Copying(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.linear = nn.Linear(WIDTH, WIDTH)

        def forward(self, x: Tensor) -> Tensor:
            hidden: Tensor = copy.deepcopy(self.linear)(x)
            return hidden

    assert lp.count_flops(Copying(), X).total == PRODUCT_FLOPS


@pytest.mark.parametrize("layer", [nn.Linear(WIDTH, WIDTH), nn.LSTM(WIDTH, WIDTH)], ids=["linear", "recurrent"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
def test_a_layer_that_is_converted_on_the_way_is_counted_and_stays(layer: nn.Module, dtype: torch.dtype) -> None:
    class Converting(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = copy.deepcopy(layer)

        def forward(self, x: Tensor) -> Tensor:
            self.layer = self.layer.to(dtype)
            hidden = self.layer(x.to(dtype))
            return hidden if isinstance(hidden, Tensor) else hidden[0]

    model = Converting()
    before = dict(model.named_parameters())

    report = lp.count_flops(model, X)

    assert report.total == lp.count_flops(layer, X).total
    assert all(parameter is before[name] for name, parameter in model.named_parameters())
    assert all(parameter.dtype == torch.float32 for parameter in model.parameters())


def test_gradients_behind_a_graph_from_before_are_as_before() -> None:
    leaf = torch.ones(ROWS, WIDTH, requires_grad=True)
    hidden, model = leaf * 2, nn.Linear(WIDTH, WIDTH)

    report = lp.count_flops(model, call=lambda: model(hidden).sum().backward(), train=True)

    assert report.total == 3 * PRODUCT_FLOPS  # forward, by the weight, and by the input
    assert leaf.grad is None


class Averaging(nn.Module):
    """Counts its steps in place, and decides by the count."""

    def __init__(self) -> None:
        super().__init__()
        self.steps: Tensor
        self.register_buffer("steps", torch.tensor(2))
        self.same = self.steps

    def forward(self, x: Tensor) -> Tensor:
        self.steps += 1
        return x @ torch.ones(WIDTH, int(self.same))


def test_a_number_that_a_model_counts_up_in_place_is_known_and_afterwards_as_before() -> None:
    model = Averaging()

    assert lp.count_flops(model, X).total == 2 * ROWS * WIDTH * 3
    assert model.steps.item() == 2


def test_a_normalization_that_averages_over_all_steps_trains() -> None:
    model = nn.BatchNorm1d(WIDTH, momentum=None)

    lp.count_flops(model, X, train=True)

    assert model.num_batches_tracked is not None
    assert model.num_batches_tracked.item() == 0
