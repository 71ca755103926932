"""Nets that are trained: whose forward and backward work is known, however the graph between them branches.

Each layer's backward takes other ticks than its forward, and does two products for each of the forward's where both
operands need a gradient.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import torch

from layerprof.testing.base import (
    ROWS,
    WIDTH,
    Caller,
    MovableClock,
    PhaseAnswers,
    PhasedNet,
    Work,
    expected,
    whole_step,
)

NO_OPTIMIZER = PhaseAnswers(steps=0)


def trained(
    forward: PhaseAnswers, backward: PhaseAnswers, optimizer: PhaseAnswers = NO_OPTIMIZER
) -> Mapping[str, PhaseAnswers]:
    """The phases of training; backward work stands in the call tree where the forward calls stood."""
    calls = {path: 0 for path in forward.calls if path[-1] in backward.layers}
    return {
        "forward": forward,
        "backward": replace(backward, calls={**calls, **backward.calls}),
        "optimizer": optimizer,
    }


class TrainingNet(PhasedNet):
    """A net whose step is one forward and one backward, of the sum of what it returns."""

    def __init__(self, clock: MovableClock | None = None) -> None:
        super().__init__(clock, ticks=1, backward_ticks=2)

    def step(self) -> object:
        """Forward and backward."""
        self.forward_and_backward()
        return None

    def forward_and_backward(self) -> None:
        """On fresh inputs that need a gradient."""
        self(torch.ones(ROWS, WIDTH, requires_grad=True)).sum().backward()


class QueryKeyValueNet(TrainingNet):
    """Three layers on one input: the engine comes to the input when all three are done, and each has its own work."""

    phases = trained(
        PhaseAnswers(
            layers={
                "": expected(ticks=1, inner_ticks=9, inner_products=4),
                "query": expected(ticks=2, products=1),
                "key": expected(ticks=3, products=2),
                "value": expected(ticks=4, products=1),
            },
            calls={("",): 1, ("", "query"): 1, ("", "key"): 1, ("", "value"): 1},
        ),
        PhaseAnswers(
            layers={
                "": expected(calls=0, ticks=2, inner_ticks=15, inner_products=8),
                "query": expected(calls=0, ticks=3, products=2),
                "key": expected(calls=0, ticks=5, products=4),
                "value": expected(calls=0, ticks=7, products=2),
            }
        ),
    )
    answers = whole_step(phases, paths=("", "query", "key", "value"))

    def __init__(self, clock: MovableClock | None = None) -> None:
        super().__init__(clock)
        self.query = Work(self.clock, ticks=2, products=1, backward_ticks=3)
        self.key = Work(self.clock, ticks=3, products=2, backward_ticks=5)
        self.value = Work(self.clock, ticks=4, products=1, backward_ticks=7)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """All three on the same input."""
        x = self.work(x)
        return self.query(x) * self.key(x) + self.value(x)


class TowersNet(TrainingNet):
    """Two towers side by side, each of two levels: the engine may be in both at once, and neither has it all."""

    phases = trained(
        PhaseAnswers(
            layers={
                "": expected(ticks=1, inner_ticks=14, inner_products=3),
                "left": expected(ticks=2, inner_ticks=3, inner_products=1),
                "left.child": expected(ticks=3, products=1),
                "right": expected(ticks=4, inner_ticks=5, inner_products=2),
                "right.child": expected(ticks=5, products=2),
            },
            calls={
                ("",): 1,
                ("", "left"): 1,
                ("", "left", "left.child"): 1,
                ("", "right"): 1,
                ("", "right", "right.child"): 1,
            },
        ),
        PhaseAnswers(
            layers={
                "": expected(calls=0, ticks=2, inner_ticks=24, inner_products=6),
                "left": expected(calls=0, ticks=3, inner_ticks=5, inner_products=2),
                "left.child": expected(calls=0, ticks=5, products=2),
                "right": expected(calls=0, ticks=7, inner_ticks=9, inner_products=4),
                "right.child": expected(calls=0, ticks=9, products=4),
            }
        ),
    )
    answers = whole_step(phases, paths=("", "left", "left.child", "right", "right.child"))

    def __init__(self, clock: MovableClock | None = None) -> None:
        super().__init__(clock)
        left = Work(self.clock, ticks=3, products=1, backward_ticks=5)
        right = Work(self.clock, ticks=5, products=2, backward_ticks=9)
        self.left = Caller(self.clock, left, ticks=2, backward_ticks=3)
        self.right = Caller(self.clock, right, ticks=4, backward_ticks=7)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Both towers on the same input."""
        x = self.work(x)
        return self.left(x) + self.right(x)


class SharedTrainingNet(TrainingNet):
    """One layer called from two places, once and twice: its backward work is told apart by caller too."""

    phases = trained(
        PhaseAnswers(
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
        ),
        PhaseAnswers(
            layers={
                "": expected(calls=0, ticks=2, inner_ticks=25, inner_products=6),
                "left": expected(calls=0, ticks=3, inner_ticks=5, inner_products=2),
                "left.child": expected(calls=0, ticks=15, products=6),
                "right": expected(calls=0, ticks=7, inner_ticks=10, inner_products=4),
            }
        ),
    )
    answers = whole_step(phases, paths=("", "left", "left.child", "right"))

    def __init__(self, clock: MovableClock | None = None) -> None:
        super().__init__(clock)
        shared = Work(self.clock, ticks=3, products=1, backward_ticks=5)
        self.left = Caller(self.clock, shared, ticks=2, backward_ticks=3)
        self.right = Caller(self.clock, shared, ticks=4, backward_ticks=7, times=2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Left, then right."""
        return self.right(self.left(self.work(x)))


class TiedNet(TrainingNet):
    """Two layers with one weight: each gradient's product is the layer's that used the weight there."""

    phases = trained(
        PhaseAnswers(
            layers={
                "": expected(ticks=1, inner_ticks=5, inner_products=3),
                "table": expected(ticks=2, products=1),
                "head": expected(ticks=3, products=2),
            },
            calls={("",): 1, ("", "table"): 1, ("", "head"): 1},
        ),
        PhaseAnswers(
            layers={
                "": expected(calls=0, ticks=2, inner_ticks=8, inner_products=6),
                "table": expected(calls=0, ticks=3, products=2),
                "head": expected(calls=0, ticks=5, products=4),
            }
        ),
    )
    answers = whole_step(phases, paths=("", "table", "head"))

    def __init__(self, clock: MovableClock | None = None) -> None:
        super().__init__(clock)
        self.table = Work(self.clock, ticks=2, products=1, backward_ticks=3)
        self.head = Work(self.clock, ticks=3, products=2, backward_ticks=5)
        self.head.weight = self.table.weight

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """The table, then the head."""
        return self.head(self.table(self.work(x)))


class FrozenNet(TrainingNet):
    """Frozen layers: no gradient of the weight, and none at all before the first layer that learns."""

    phases = trained(
        PhaseAnswers(
            layers={
                "": expected(ticks=1, inner_ticks=9, inner_products=4),
                "below": expected(ticks=2, products=1),
                "learning": expected(ticks=3, products=1),
                "above": expected(ticks=4, products=2),
            },
            calls={("",): 1, ("", "below"): 1, ("", "learning"): 1, ("", "above"): 1},
        ),
        PhaseAnswers(
            layers={
                "": expected(calls=0, ticks=0, inner_ticks=12, inner_products=3),
                "learning": expected(calls=0, ticks=5, products=1),  # its input needs no gradient
                "above": expected(calls=0, ticks=7, products=2),  # its weight needs none
            }
        ),
    )
    answers = whole_step(phases, paths=("", "below", "learning", "above"))

    def __init__(self, clock: MovableClock | None = None) -> None:
        super().__init__(clock)
        self.below = Work(self.clock, ticks=2, products=1, backward_ticks=3)
        self.learning = Work(self.clock, ticks=3, products=1, backward_ticks=5)
        self.above = Work(self.clock, ticks=4, products=2, backward_ticks=7)
        for layer in (self.below, self.above):
            layer.weight.requires_grad_(False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """All three in a row."""
        return self.above(self.learning(self.below(self.work(x))))

    def forward_and_backward(self) -> None:
        """On inputs that need no gradient."""
        self(torch.ones(ROWS, WIDTH)).sum().backward()


class DroppedNet(TrainingNet):
    """A layer whose result the loss does not use has no backward work."""

    phases = trained(
        PhaseAnswers(
            layers={
                "": expected(ticks=1, inner_ticks=6, inner_products=3),
                "dropped": expected(ticks=2, products=2),
                "used": expected(ticks=4, products=1),
            },
            calls={("",): 1, ("", "dropped"): 1, ("", "used"): 1},
        ),
        PhaseAnswers(
            layers={
                "": expected(calls=0, ticks=2, inner_ticks=5, inner_products=2),
                "used": expected(calls=0, ticks=5, products=2),
            }
        ),
    )
    answers = whole_step(phases, paths=("", "dropped", "used"))

    def __init__(self, clock: MovableClock | None = None) -> None:
        super().__init__(clock)
        self.dropped = Work(self.clock, ticks=2, products=2, backward_ticks=3)
        self.used = Work(self.clock, ticks=4, products=1, backward_ticks=5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Both, of which one for nothing."""
        x = self.work(x)
        self.dropped(x)
        return self.used(x)
