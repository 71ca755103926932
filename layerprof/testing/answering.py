"""Nets whose layers answer with something other than a tensor: nothing, containers, a dataclass, a generator."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch

from layerprof.testing.base import Answers, KnownNet, MovableClock, Work, expected


@dataclass
class Answer:
    """A tensor among other things."""

    hidden: torch.Tensor
    name: str


class _Answering(Work):
    """A layer that wraps up what it returns."""

    __call__: Callable[..., object]  # type: ignore[assignment]  # the point of this net

    def __init__(self, clock: MovableClock, wrap: Callable[[torch.Tensor], object], *, ticks: int) -> None:
        super().__init__(clock, ticks=ticks, products=1)
        self._wrap = wrap

    def forward(self, x: torch.Tensor) -> object:  # type: ignore[override]  # likewise
        return self._wrap(self.work(x))


class OutputsNet(KnownNet):
    """Layers that return nothing, a tuple, a mapping, a dataclass."""

    answers = Answers(
        layers={
            "": expected(ticks=1, inner_ticks=2 + 3 + 4 + 5, inner_products=4),
            "nothing": expected(ticks=2, products=1),
            "pair": expected(ticks=3, products=1),
            "mapping": expected(ticks=4, products=1),
            "answer": expected(ticks=5, products=1),
        },
        calls={("",): 1, ("", "nothing"): 1, ("", "pair"): 1, ("", "mapping"): 1, ("", "answer"): 1},
    )

    def __init__(self, clock: MovableClock | None = None) -> None:
        super().__init__(clock)
        self.nothing = _Answering(self.clock, lambda _: None, ticks=2)
        self.pair = _Answering(self.clock, lambda x: (x, None), ticks=3)
        self.mapping = _Answering(self.clock, lambda x: {"hidden": x, "count": 1}, ticks=4)
        self.answer = _Answering(self.clock, lambda x: Answer(hidden=x, name="x"), ticks=5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """All of them on the same input."""
        x = self.work(x)
        for layer in (self.nothing, self.pair, self.mapping, self.answer):
            layer(x)
        return x


class _Lazy(Work):
    """A layer that returns a generator: its own work and its child's are done when somebody asks for them."""

    __call__: Callable[..., Iterator[torch.Tensor]]  # type: ignore[assignment]  # the point of this net

    def __init__(self, clock: MovableClock) -> None:
        super().__init__(clock, ticks=2, products=1)
        self.child = Work(clock, ticks=3, products=1)

    def forward(self, x: torch.Tensor) -> Iterator[torch.Tensor]:  # type: ignore[override]  # likewise
        return (self.child(self.work(x)) for _ in range(2))


class LazyNet(KnownNet):
    """What a generator does after its layer's call has returned is the work of the call that runs it."""

    answers = Answers(
        layers={
            "": expected(ticks=1 + 2 * 2, inner_ticks=2 * 3, products=2, inner_products=2),
            "lazy": expected(ticks=0),
            "lazy.child": expected(calls=2, ticks=6, products=2),
        },
        calls={("",): 1, ("", "lazy"): 1, ("", "lazy.child"): 2},
    )

    def __init__(self, clock: MovableClock | None = None) -> None:
        super().__init__(clock)
        self.lazy = _Lazy(self.clock)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """All that the lazy layer has to give."""
        return torch.stack(list(self.lazy(self.work(x)))).sum(0)
