from __future__ import annotations

import math
from typing import cast

import pytest
import torch
from energy_replays import CPU, Bench
from torch import nn

from layerprof.machine import cache_bytes
from layerprof.measure.energy.base import Captured
from layerprof.measure.energy.replay import replay_of
from layerprof.measure.energy.rotation import MOST_COPIES, copies_needed, rotated
from layerprof.measure.energy.verification import verified
from layerprof.testing import KeyCache

WEIGHT_BYTES = 4 * (8 * 8 + 8)
INPUT_BYTES = 4 * 8
FOOTPRINT = WEIGHT_BYTES + INPUT_BYTES


def bench() -> Bench:
    return Bench(nn.Sequential(nn.Linear(8, 8), nn.ReLU()), torch.ones(1, 8))


def captured_linear(bench: Bench) -> tuple[Captured, nn.Module]:
    return bench.captured("0"), bench.target.callables[1]


def test_together_the_copies_are_twice_as_large_as_the_cache() -> None:
    captured, module = captured_linear(bench())

    rotation = rotated(captured, module, model_bytes=10**6, cache_bytes=1000, budget_bytes=10**6)

    assert rotation.footprint_bytes == FOOTPRINT
    assert 1 + len(rotation.copies) == math.ceil(2 * 1000 / FOOTPRINT)
    assert rotation.flags == ()
    weights = {id(copy.module.weight) for copy in rotation.copies}
    assert len(weights) == len(rotation.copies)
    assert id(module.weight) not in weights


@pytest.mark.parametrize(
    ("footprint", "model", "cache", "needed"),
    [
        (100, 10_000, 1000, 20),
        (2000, 10_000, 1000, 1),
        (1999, 10_000, 1000, 2),
        (100, 1999, 1000, 1),
        (100, 2000, 1000, 20),
        (100, 10_000, None, 1),
        (0, 10_000, 1000, 1),
    ],
    ids=["small", "large", "nearly large", "model in the cache", "model beyond it", "unknown cache", "no tensor"],
)
def test_a_copy_is_needed_where_the_cache_would_hold_what_it_does_not_in_the_model(
    footprint: int, model: int, cache: int | None, needed: int
) -> None:
    assert copies_needed(footprint, model_bytes=model, cache_bytes=cache) == needed


def test_with_fewer_copies_than_needed_the_cache_is_warm() -> None:
    captured, module = captured_linear(bench())

    few = rotated(captured, module, model_bytes=10**6, cache_bytes=1000, budget_bytes=2 * FOOTPRINT)
    none = rotated(captured, module, model_bytes=10**6, cache_bytes=1000, budget_bytes=0)
    most = rotated(captured, module, model_bytes=10**9, cache_bytes=10**7, budget_bytes=10**9)

    assert (len(few.copies), few.flags) == (2, ("cache_warm",))
    assert (len(none.copies), none.flags) == (0, ("cache_warm",))
    assert (1 + len(most.copies), most.flags) == (MOST_COPIES, ("cache_warm",))


class Uncopied(nn.Linear):
    def __deepcopy__(self, memo: object) -> Uncopied:
        raise TypeError("not me")


class Referring(nn.Linear):
    """Knows the model that it is in."""

    def __init__(self, width: int) -> None:
        super().__init__(width, width)
        self.above = (nn.Linear(1000, 1000),)


@pytest.mark.parametrize("kind", ["uncopied", "referring", "compiled"])
def test_a_module_that_is_not_copied_stays_warm(kind: str) -> None:
    layer: nn.Module = Uncopied(8, 8) if kind == "uncopied" else Referring(8)
    if kind == "compiled":
        layer = cast("nn.Module", torch.compile(nn.Linear(8, 8), backend="eager"))
    own = Bench(nn.Sequential(layer, nn.ReLU()), torch.ones(1, 8))
    captured, module = captured_linear(own)

    rotation = rotated(captured, module, model_bytes=10**6, cache_bytes=1000, budget_bytes=10**6)

    assert (rotation.copies, rotation.flags) == ((), ("cache_warm",))


def test_copies_are_taken_in_turn_over_launches() -> None:
    captured, module = captured_linear(bench())
    rotation = rotated(captured, module, model_bytes=10**6, cache_bytes=400, budget_bytes=10**6)
    load = replay_of(captured, module, CPU, copies=rotation.copies)
    called: list[int] = []
    for number, turn in enumerate(load.turns):
        turn.module.register_forward_hook(lambda *_, number=number: called.append(number))

    load.launch(2)
    load.launch(4)

    assert load.copies == 3
    assert called == [0, 1, 2, 0, 1, 2]


def test_a_copy_that_gives_another_output_is_refused() -> None:
    captured, module = captured_linear(bench())
    rotation = rotated(captured, module, model_bytes=10**6, cache_bytes=400, budget_bytes=10**6)
    good = replay_of(captured, module, CPU, copies=rotation.copies)
    assert verified(good).is_replayable
    with torch.no_grad():
        next(rotation.copies[-1].module.parameters()).add_(1)

    verdict = verified(replay_of(captured, module, CPU, copies=rotation.copies))

    assert "a copy of it" in str(verdict.reason)


class Cached(nn.Linear):
    """Is given a cache, and keeps a tensor that is no weight."""

    def __init__(self, width: int) -> None:
        super().__init__(width, width)
        self.kept = torch.ones(width)

    def forward(self, x: torch.Tensor, cache: KeyCache | None = None) -> torch.Tensor:
        return super().forward(x)


class Handing(nn.Module):
    """Hands a cache to its layer."""

    def __init__(self) -> None:
        super().__init__()
        self.child = Cached(8)
        self.cache = KeyCache()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        result: torch.Tensor = self.child(x, self.cache)
        return result


def test_copies_take_what_the_layer_holds_and_all_that_it_is_given() -> None:
    own = Bench(Handing(), torch.ones(1, 8))
    captured, module = own.captured("child"), own.target.callables[own.index("child")]

    rotation = rotated(captured, module, model_bytes=10**6, cache_bytes=1000, budget_bytes=10**6)
    alone = rotated(captured, module, model_bytes=10**6, cache_bytes=None, budget_bytes=10**6)

    assert captured.input_bytes > captured.direct_bytes
    each_bytes = WEIGHT_BYTES + 4 * 8 + captured.input_bytes
    assert rotation.copied_bytes == len(rotation.copies) * each_bytes > len(rotation.copies) * rotation.footprint_bytes
    assert (alone.copies, alone.copied_bytes) == ((), 0)


def test_gradients_are_not_copied() -> None:
    own = bench()
    captured, module = captured_linear(own)
    for parameter in module.parameters():
        parameter.grad = torch.ones_like(parameter)

    rotation = rotated(captured, module, model_bytes=10**6, cache_bytes=1000, budget_bytes=10**6)

    assert all(parameter.grad is None for copy in rotation.copies for parameter in copy.module.parameters())
    assert all(parameter.grad is not None for parameter in module.parameters())


def test_the_caches_size_is_known_or_none() -> None:
    known = cache_bytes(CPU)

    assert known is None or known > 2**20
    assert cache_bytes(torch.device("meta")) is None
