"""What the nets with known answers are made of: a clock held in the hand, layers of known work, expected numbers.

A layer of work advances the fake clock by whole ticks and does whole products, so every number of a profile of it is
known beforehand, exactly. A tick is 2⁻⁹ s: a whole number of nanoseconds (1 953 125) and a binary fraction, so sums of
ticks are exact both in the clock's integers and in a record's floats.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import nn

TICK_S = 2.0**-9
ROWS, WIDTH = 2, 4  # of every input: (ROWS, WIDTH); twice as wide as high
PRODUCT_FLOPS = 2 * ROWS * WIDTH * WIDTH  # of one (ROWS, WIDTH) by (WIDTH, WIDTH) product

_NS_PER_S = 10**9


class FakeClock:
    """A clock that moves only when told to; readings on several threads agree.

    Args:
        now_ns: where it starts.
    """

    def __init__(self, now_ns: int = 0) -> None:
        self._now_ns = now_ns
        self._lock = threading.Lock()

    def now_ns(self) -> int:
        """Nanoseconds since the origin it was given."""
        return self._now_ns

    def advance_s(self, seconds: float) -> None:
        """Moves the clock on, to the nearest nanosecond.

        Raises:
            ValueError: for a negative time: a clock never goes back.
        """
        if seconds < 0:
            raise ValueError(f"a clock never goes back; asked for {seconds} s")
        with self._lock:
            self._now_ns += round(seconds * _NS_PER_S)


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """What a profile has to say of one layer, for every step.

    Attributes:
        calls: of the layer.
        self_s, total_s: without and with the layers called from it.
        self_flops, flops: likewise.
        concurrent_s: the part of ``self_s`` on other threads than the step's.
    """

    calls: int = 0
    self_s: float = 0.0
    total_s: float = 0.0
    self_flops: int = 0
    flops: int = 0
    concurrent_s: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Answers:
    """What a profile of a net has to say.

    Attributes:
        layers: path to numbers, for every layer.
        calls: call path (names from the root's "" down) to calls from there, callers first.
    """

    layers: Mapping[str, Expected]
    calls: Mapping[tuple[str, ...], int]

    @property
    def step_s(self) -> float:
        """The whole step: on its thread, the sum of ``self_s``."""
        return sum(layer.self_s - layer.concurrent_s for layer in self.layers.values())

    @property
    def step_flops(self) -> int:
        """FLOPs of the whole step."""
        return sum(layer.self_flops for layer in self.layers.values())


def expected(
    *, calls: int = 1, ticks: int, inner_ticks: int = 0, products: int = 0, inner_products: int = 0
) -> Expected:
    """Numbers from ticks and products: a layer's own, and those of the layers called from it; all calls together."""
    return Expected(
        calls=calls,
        self_s=ticks * TICK_S,
        total_s=(ticks + inner_ticks) * TICK_S,
        self_flops=products * PRODUCT_FLOPS,
        flops=(products + inner_products) * PRODUCT_FLOPS,
    )


class Work(nn.Module):
    """A layer that takes ``ticks`` and does ``products`` with its weight in each call, and nothing else.

    Args:
        clock: what it advances.
        ticks: of the clock, for each call.
        products: (rows, width) by (width, width), for each call.

    Shape:
        x: (ROWS, WIDTH), as is what it returns.
    """

    __call__: Callable[..., torch.Tensor]

    def __init__(self, clock: FakeClock, *, ticks: int, products: int = 0) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.eye(WIDTH))
        self._clock = clock
        self._ticks = ticks
        self._products = products

    def work(self, x: torch.Tensor) -> torch.Tensor:
        """The layer's own work."""
        self._clock.advance_s(self._ticks * TICK_S)
        for _ in range(self._products):
            x = x @ self.weight
        return x

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """The layer's own work alone; layers that call others do it first."""
        return self.work(x)


class KnownNet(Work):
    """A net that carries its clock, its inputs, and what a profile of one call on them has to say.

    Attributes:
        answers: of one step.
    """

    answers: Answers

    def __init__(self, *, ticks: int = 1, products: int = 0) -> None:
        super().__init__(FakeClock(), ticks=ticks, products=products)

    @property
    def clock(self) -> FakeClock:
        """The clock that the net's layers advance; give it to the profiler."""
        return self._clock

    @property
    def inputs(self) -> object:
        """Fresh inputs for one profile."""
        return torch.ones(ROWS, WIDTH)
