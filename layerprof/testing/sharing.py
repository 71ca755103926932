"""Nets in which a layer is reached more than once: shared, repeated, recursive, twins; and one never reached."""

from __future__ import annotations

import torch

from layerprof.testing.base import Answers, Caller, Expected, KnownNet, MovableClock, Work, expected


class NestedNet(KnownNet):
    """Each layer called once, three levels deep."""

    answers = Answers(
        layers={
            "": expected(ticks=1, inner_ticks=10, inner_products=3),
            "block": expected(ticks=2, inner_ticks=3, inner_products=1),
            "block.child": expected(ticks=3, products=1),
            "head": expected(ticks=5, products=2),
        },
        calls={("",): 1, ("", "block"): 1, ("", "block", "block.child"): 1, ("", "head"): 1},
    )

    def __init__(self, clock: MovableClock | None = None) -> None:
        super().__init__(clock)
        self.block = Caller(self.clock, Work(self.clock, ticks=3, products=1), ticks=2)
        self.head = Work(self.clock, ticks=5, products=2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """The block, then the head."""
        return self.head(self.block(self.work(x)))


class SharedNet(KnownNet):
    """One layer under two names: called once from the first place and twice from the second."""

    answers = Answers(
        layers={
            "": expected(ticks=1, inner_ticks=15, inner_products=3),
            "left": expected(ticks=2, inner_ticks=3, inner_products=1),
            "left.child": expected(calls=3, ticks=9, products=3),
            "right": expected(ticks=4, inner_ticks=6, inner_products=2),
        },
        calls={
            ("",): 1,
            ("", "left"): 1,
            ("", "left", "left.child"): 1,
            ("", "right"): 1,
            ("", "right", "left.child"): 2,
        },
    )
    alias = "right.child"

    def __init__(self, clock: MovableClock | None = None) -> None:
        super().__init__(clock)
        shared = Work(self.clock, ticks=3, products=1)
        self.left = Caller(self.clock, shared, ticks=2)
        self.right = Caller(self.clock, shared, ticks=4, times=2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Left, then right."""
        return self.right(self.left(self.work(x)))


class RepeatedNet(KnownNet):
    """One layer called three times in a row from the same place."""

    answers = Answers(
        layers={
            "": expected(ticks=1, inner_ticks=6, inner_products=3),
            "child": expected(calls=3, ticks=6, products=3),
        },
        calls={("",): 1, ("", "child"): 3},
    )

    def __init__(self, clock: MovableClock | None = None) -> None:
        super().__init__(clock)
        self.child = Work(self.clock, ticks=2, products=1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """The child, three times."""
        x = self.work(x)
        for _ in range(3):
            x = self.child(x)
        return x


class _Recursion(Work):
    """A layer that calls itself until it is deep enough."""

    def forward(self, x: torch.Tensor, deeper: int = 2) -> torch.Tensor:
        x = self.work(x)
        return self(x, deeper - 1) if deeper else x


class RecursiveNet(KnownNet):
    """A layer that calls itself: three calls, of which the outermost alone makes the total."""

    answers = Answers(
        layers={
            "": expected(ticks=1, inner_ticks=6, inner_products=3),
            "again": expected(calls=3, ticks=6, products=3),
        },
        calls={("",): 1, ("", "again"): 1, ("", "again", "again"): 1, ("", "again", "again", "again"): 1},
    )

    def __init__(self, clock: MovableClock | None = None) -> None:
        super().__init__(clock)
        self.again = _Recursion(self.clock, ticks=2, products=1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """The layer that calls itself."""
        return self.again(self.work(x))


class TwinsNet(KnownNet):
    """Two layers of one class side by side, with children of one name: nothing of them may be merged."""

    answers = Answers(
        layers={
            "": expected(ticks=1, inner_ticks=10, inner_products=3),
            "first": expected(ticks=1, inner_ticks=2, inner_products=1),
            "first.child": expected(ticks=2, products=1),
            "second": expected(ticks=3, inner_ticks=4, inner_products=2),
            "second.child": expected(ticks=4, products=2),
        },
        calls={
            ("",): 1,
            ("", "first"): 1,
            ("", "first", "first.child"): 1,
            ("", "second"): 1,
            ("", "second", "second.child"): 1,
        },
    )

    def __init__(self, clock: MovableClock | None = None) -> None:
        super().__init__(clock)
        self.first = Caller(self.clock, Work(self.clock, ticks=2, products=1), ticks=1)
        self.second = Caller(self.clock, Work(self.clock, ticks=4, products=2), ticks=3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """The first, then the second."""
        return self.second(self.first(self.work(x)))


class UnusedNet(KnownNet):
    """A layer that is there and never called."""

    answers = Answers(
        layers={
            "": expected(ticks=1, inner_ticks=2, inner_products=1),
            "used": expected(ticks=2, products=1),
            "unused": Expected(),
        },
        calls={("",): 1, ("", "used"): 1},
    )

    def __init__(self, clock: MovableClock | None = None) -> None:
        super().__init__(clock)
        self.used = Work(self.clock, ticks=2, products=1)
        self.unused = Work(self.clock, ticks=7, products=7)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """The used one alone."""
        return self.used(self.work(x))
