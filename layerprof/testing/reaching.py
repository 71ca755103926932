"""Nets whose work goes past the calls of layers: functional work, methods, deep descendants, plain lists."""

from __future__ import annotations

import torch

from layerprof.testing.base import Answers, Expected, KnownNet, MovableClock, Work, expected


class FunctionalNet(KnownNet):
    """Work between children (``x + f(x)``, ``a @ b``, ``cat``): it is the parent's own."""

    answers = Answers(
        layers={
            "": expected(ticks=2, inner_ticks=5, products=1, inner_products=3),
            "left": expected(ticks=2, products=1),
            "right": expected(ticks=3, products=2),
        },
        calls={("",): 1, ("", "left"): 1, ("", "right"): 1},
    )

    def __init__(self, clock: MovableClock | None = None) -> None:
        super().__init__(clock, ticks=2)
        self.left = Work(self.clock, ticks=2, products=1)
        self.right = Work(self.clock, ticks=3, products=2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Left and right, with sums, a concatenation and two products between them."""
        x = self.work(x)
        x = x + self.left(x)
        y = torch.cat([self.right(x)]).relu()
        return (x @ y.T) @ y  # two halves of a product, WIDTH being twice ROWS


class _Holder(Work):
    """A layer with another in it that it never calls."""

    def __init__(self, clock: MovableClock, leaf: Work, *, ticks: int) -> None:
        super().__init__(clock, ticks=ticks)
        self.leaf = leaf


class MethodNet(KnownNet):
    """Layers reached past their own call: a deep one directly, a ``forward`` by name, a weight without its layer."""

    answers = Answers(
        layers={
            "": expected(ticks=4, inner_ticks=2, products=4, inner_products=1),
            "outer": Expected(),
            "outer.leaf": expected(ticks=2, products=1),
            "quiet": Expected(),
            "table": Expected(),
        },
        calls={("",): 1, ("", "outer.leaf"): 1},
    )

    def __init__(self, clock: MovableClock | None = None) -> None:
        super().__init__(clock)
        self.outer = _Holder(self.clock, Work(self.clock, ticks=2, products=1), ticks=7)
        self.quiet = Work(self.clock, ticks=3, products=3)
        self.table = Work(self.clock, ticks=7)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """The deep leaf, then the quiet layer without its call, then the table's weight."""
        x = self.outer.leaf(self.work(x))
        x = self.quiet.forward(x)  # three ticks and three products that no hook of it can see
        return x @ self.table.weight


class ListNet(KnownNet):
    """Modules in a plain list are no layers: their work is their caller's own."""

    answers = Answers(
        layers={
            "": expected(ticks=6, inner_ticks=2, products=2, inner_products=1),
            "child": expected(ticks=2, products=1),
        },
        calls={("",): 1, ("", "child"): 1},
    )

    def __init__(self, clock: MovableClock | None = None) -> None:
        super().__init__(clock)
        self.child = Work(self.clock, ticks=2, products=1)
        self.hidden = [Work(self.clock, ticks=2, products=1), Work(self.clock, ticks=3, products=1)]

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """The child, then the layers of the plain list."""
        x = self.child(self.work(x))
        for layer in self.hidden:
            x = layer(x)
        return x


class GeneratingNet(KnownNet):
    """A ``generate`` that reaches layers without the root's call: a prefill, then steps of one layer."""

    answers = Answers(  # of generate, as the root's method
        layers={
            "": expected(ticks=1, inner_ticks=9, inner_products=5),
            "encoder": expected(ticks=3, products=2),
            "decoder": expected(calls=3, ticks=6, products=3),
        },
        calls={("",): 1, ("", "encoder"): 1, ("", "decoder"): 3},
    )

    def __init__(self, clock: MovableClock | None = None) -> None:
        super().__init__(clock)
        self.encoder = Work(self.clock, ticks=3, products=2)
        self.decoder = Work(self.clock, ticks=2, products=1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """One call of the encoder and one of the decoder."""
        return self.decoder(self.encoder(x))

    def generate(self, x: torch.Tensor, *, steps: int = 3) -> torch.Tensor:
        """One call of the encoder, then ``steps`` of the decoder."""
        x = self.encoder(self.work(x))
        for _ in range(steps):
            x = self.decoder(x)
        return x
