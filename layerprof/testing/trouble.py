"""Nets that make measuring hard: a child that raises, a second thread, inputs that are written to."""

from __future__ import annotations

import threading

import torch

from layerprof.testing.base import (
    PRODUCT_FLOPS,
    ROWS,
    TICK_S,
    WIDTH,
    Answers,
    Expected,
    KnownNet,
    MovableClock,
    Work,
    expected,
)


class LayerFailedError(RuntimeError):
    """What the raising layer raises."""


class _Raising(Work):
    """A layer that does its work, calls its child, and raises."""

    def __init__(self, clock: MovableClock, *, ticks: int) -> None:
        super().__init__(clock, ticks=ticks)
        self.child = Work(clock, ticks=3, products=1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.child(self.work(x))
        raise LayerFailedError("on purpose")


class _Passing(Work):
    """A layer through which its child's exception passes."""

    def __init__(self, clock: MovableClock, *, ticks: int) -> None:
        super().__init__(clock, ticks=ticks)
        self.raising = _Raising(clock, ticks=2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.raising(self.work(x))


class RaisingChildNet(KnownNet):
    """A layer raises two levels down, the root catches it and calls a sibling: nobody's work may change hands."""

    answers = Answers(
        layers={
            "": expected(ticks=1, inner_ticks=11, inner_products=3),
            "passing": expected(ticks=1, inner_ticks=5, inner_products=1),
            "passing.raising": expected(ticks=2, inner_ticks=3, inner_products=1),
            "passing.raising.child": expected(ticks=3, products=1),
            "sibling": expected(ticks=5, products=2),
        },
        calls={
            ("",): 1,
            ("", "passing"): 1,
            ("", "passing", "passing.raising"): 1,
            ("", "passing", "passing.raising", "passing.raising.child"): 1,
            ("", "sibling"): 1,
        },
    )

    def __init__(self, clock: MovableClock | None = None) -> None:
        super().__init__(clock)
        self.passing = _Passing(self.clock, ticks=1)
        self.sibling = Work(self.clock, ticks=5, products=2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """The passing layer, and the sibling when that raises."""
        x = self.work(x)
        try:
            return self.passing(x)
        except LayerFailedError:
            return self.sibling(x)


class ThreadNet(KnownNet):
    """A layer that runs on another thread while the root waits: its time is its own and concurrent, out of the books.

    The root's self time holds the wait, for it passes on the step's thread too.
    """

    answers = Answers(
        layers={
            "": expected(ticks=1 + 3, inner_ticks=2, inner_products=1),
            "aside": Expected(
                calls=1,
                self_s=3 * TICK_S,
                total_s=3 * TICK_S,
                self_flops=2 * PRODUCT_FLOPS,
                flops=2 * PRODUCT_FLOPS,
                concurrent_s=3 * TICK_S,
            ),
            "inline": expected(ticks=2, products=1),
        },
        calls={("",): 1, ("", "inline"): 1, ("aside",): 1},
    )

    def __init__(self, clock: MovableClock | None = None) -> None:
        super().__init__(clock)
        self.aside = Work(self.clock, ticks=3, products=2)
        self.inline = Work(self.clock, ticks=2, products=1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """One layer on another thread, waited for, then one inline."""
        x = self.work(x)
        worker = threading.Thread(target=self.aside, args=(x.detach(),))
        worker.start()
        worker.join()
        return self.inline(x)


class KeyCache:
    """An object that grows with every call, as a KV cache does."""

    def __init__(self) -> None:
        self.keys: list[torch.Tensor] = [torch.ones(ROWS, WIDTH)]


class CacheNet(KnownNet):
    """Inputs that a call writes to: a tensor in place, and a cache that grows.

    A step that sees what an earlier one left behind takes more ticks and does more products.
    """

    answers = Answers(
        layers={
            "": expected(ticks=1, inner_ticks=4, inner_products=2),
            "child": expected(calls=2, ticks=4, products=2),
        },
        calls={("",): 1, ("", "child"): 2},
    )

    def __init__(self, clock: MovableClock | None = None) -> None:
        super().__init__(clock)
        self.child = Work(self.clock, ticks=2, products=1)

    @property
    def inputs(self) -> object:
        """A tensor that is overwritten, and a cache that holds one key."""
        return {"x": torch.ones(ROWS, WIDTH), "cache": KeyCache()}

    def forward(self, x: torch.Tensor, cache: KeyCache | None = None) -> torch.Tensor:
        """The child on every key of the cache, after adding one to it."""
        cache = cache or KeyCache()
        cache.keys.append(x)
        self.work(x).mul_(2)
        return torch.stack([self.child(key) for key in cache.keys]).sum(0)
