"""Nets whose training step is more than one forward and one backward: recomputation, an optimizer, several batches.

A step of them may run each phase more than once; the numbers of a phase are those of all its runs together.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import ClassVar

import torch
from torch.optim import Optimizer
from torch.utils.checkpoint import checkpoint

from layerprof.testing.base import (
    ROWS,
    TICK_S,
    WIDTH,
    Caller,
    MovableClock,
    PhaseAnswers,
    PhasedNet,
    Work,
    expected,
    whole_step,
)

_TWO = {("",): 0, ("", "child"): 0}  # the call paths of a net with one child


class _SteppingNet(PhasedNet):
    """A net with one child."""

    def __init__(self, clock: MovableClock | None = None) -> None:
        super().__init__(clock, ticks=1, backward_ticks=2)
        self.child = Work(self.clock, ticks=3, products=1, backward_ticks=5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """The child."""
        return self.child(self.work(x))

    def loss(self) -> torch.Tensor:
        """Of fresh inputs that need a gradient."""
        return self(torch.ones(ROWS, WIDTH, requires_grad=True)).sum()


class TakingOptimizer(Optimizer):
    """An optimizer whose step takes its time and changes nothing.

    Args:
        net: whose parameters it has, and whose clock it advances.
        ticks: of the clock, for each step.
    """

    def __init__(self, net: Work, *, ticks: int) -> None:
        super().__init__(net.parameters(), {})
        self._net, self._ticks = net, ticks

    def step(self, closure: Callable[[], float] | None = None) -> None:  # type: ignore[override]  # it returns nothing
        """Takes its ticks, after the closure where there is one, which turns gradients on itself."""
        if closure is not None:
            closure()
        self._net.take(self._ticks)


class OptimizerNet(_SteppingNet):
    """Forward, backward, and an optimizer's step, which is under no layer."""

    phases: ClassVar[Mapping[str, PhaseAnswers]] = {
        "forward": PhaseAnswers(
            layers={
                "": expected(ticks=1, inner_ticks=3, inner_products=1),
                "child": expected(ticks=3, products=1),
            },
            calls={("",): 1, ("", "child"): 1},
        ),
        "backward": PhaseAnswers(
            layers={
                "": expected(calls=0, ticks=2, inner_ticks=5, inner_products=2),
                "child": expected(calls=0, ticks=5, products=2),
            },
            calls=_TWO,
        ),
        "optimizer": PhaseAnswers(unattributed_s=7 * TICK_S),
    }
    answers = whole_step(phases, paths=("", "child"))

    def __init__(self, clock: MovableClock | None = None) -> None:
        super().__init__(clock)
        self.optimizer = TakingOptimizer(self, ticks=7)

    def step(self) -> object:
        """One batch, then the optimizer."""
        self.optimizer.zero_grad()
        self.loss().backward()
        self.optimizer.step()
        return None


class MicroBatchNet(OptimizerNet):
    """Two batches, forward and backward in turn, then one step of the optimizer."""

    phases: ClassVar[Mapping[str, PhaseAnswers]] = {
        "forward": PhaseAnswers(
            steps=2,
            layers={
                "": expected(calls=2, ticks=2, inner_ticks=6, inner_products=2),
                "child": expected(calls=2, ticks=6, products=2),
            },
            calls={("",): 2, ("", "child"): 2},
        ),
        "backward": PhaseAnswers(
            steps=2,
            layers={
                "": expected(calls=0, ticks=4, inner_ticks=10, inner_products=4),
                "child": expected(calls=0, ticks=10, products=4),
            },
            calls=_TWO,
        ),
        "optimizer": PhaseAnswers(unattributed_s=7 * TICK_S),
    }
    answers = whole_step(phases, paths=("", "child"))

    def step(self) -> object:
        """Two batches, then the optimizer."""
        for _ in range(2):
            self.loss().backward()
        self.optimizer.step()
        return None


class RetainedNet(_SteppingNet):
    """One forward whose graph is gone through twice."""

    phases: ClassVar[Mapping[str, PhaseAnswers]] = {
        "forward": OptimizerNet.phases["forward"],
        "backward": MicroBatchNet.phases["backward"],
        "optimizer": PhaseAnswers(steps=0),
    }
    answers = whole_step(phases, paths=("", "child"))

    def step(self) -> object:
        """One loss, its backward twice."""
        loss = self.loss()
        loss.backward(retain_graph=True)
        loss.backward()
        return None


class AccumulatingNet(_SteppingNet):
    """A hook on a weight's accumulated gradient takes its time: it is backward work of the layer that fed it."""

    phases: ClassVar[Mapping[str, PhaseAnswers]] = {
        "forward": OptimizerNet.phases["forward"],
        "backward": PhaseAnswers(
            layers={
                "": expected(calls=0, ticks=2, inner_ticks=5 + 9, inner_products=2),
                "child": expected(calls=0, ticks=5 + 9, products=2),
            },
            calls=_TWO,
        ),
        "optimizer": PhaseAnswers(steps=0),
    }
    answers = whole_step(phases, paths=("", "child"))

    def __init__(self, clock: MovableClock | None = None) -> None:
        super().__init__(clock)
        self.child.weight.register_post_accumulate_grad_hook(lambda _: self.take(9))

    def step(self) -> object:
        """Forward and backward."""
        self.loss().backward()
        return None


class _CheckpointNet(PhasedNet):
    """A block whose forward runs again when the engine needs what it did not keep."""

    phases: ClassVar[Mapping[str, PhaseAnswers]] = {
        "forward": PhaseAnswers(
            layers={
                "": expected(ticks=1, inner_ticks=7, inner_products=2),
                "block": expected(ticks=3, inner_ticks=4, inner_products=2),
                "block.child": expected(ticks=4, products=2),
            },
            calls={("",): 1, ("", "block"): 1, ("", "block", "block.child"): 1},
        ),
        "backward": PhaseAnswers(
            layers={
                "": expected(calls=0, ticks=2, inner_ticks=7 + 12, inner_products=2 + 4),
                "block": expected(ticks=3 + 5, inner_ticks=4 + 7, inner_products=2 + 4),
                "block.child": expected(ticks=4 + 7, products=2 + 4),
            },
            calls={("",): 0, ("", "block"): 1, ("", "block", "block.child"): 1},
        ),
        "optimizer": PhaseAnswers(steps=0),
    }
    answers = whole_step(phases, paths=("", "block", "block.child"))
    is_reentrant: bool

    def __init__(self, clock: MovableClock | None = None) -> None:
        super().__init__(clock, ticks=1, backward_ticks=2)
        child = Work(self.clock, ticks=4, products=2, backward_ticks=7)
        self.block = Caller(self.clock, child, ticks=3, backward_ticks=5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """The block, of which nothing is kept."""
        result: torch.Tensor = checkpoint(self.block, self.work(x), use_reentrant=self.is_reentrant)
        return result

    def step(self) -> object:
        """Forward and backward."""
        self(torch.ones(ROWS, WIDTH, requires_grad=True)).sum().backward()
        return None


class ReentrantCheckpointNet(_CheckpointNet):
    """Recomputed by an engine inside the engine."""

    is_reentrant = True


class CheckpointNet(_CheckpointNet):
    """Recomputed when the engine unpacks what was not kept; torch stops it before the last product."""

    phases: ClassVar[Mapping[str, PhaseAnswers]] = {
        **_CheckpointNet.phases,
        "backward": PhaseAnswers(
            layers={
                "": expected(calls=0, ticks=2, inner_ticks=7 + 12, inner_products=1 + 4),
                "block": expected(ticks=3 + 5, inner_ticks=4 + 7, inner_products=1 + 4),
                "block.child": expected(ticks=4 + 7, products=1 + 4),
            },
            calls={("",): 0, ("", "block"): 1, ("", "block", "block.child"): 1},
        ),
    }
    answers = whole_step(phases, paths=("", "block", "block.child"))
    is_reentrant = False
