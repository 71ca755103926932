"""Nets that interfere with hooks: copies that share them, the user's own, a forward that was patched."""

from __future__ import annotations

import copy
import threading

import torch

from layerprof.testing.base import (
    PRODUCT_FLOPS,
    TICK_S,
    Answers,
    Caller,
    Expected,
    KnownNet,
    MovableClock,
    Work,
    expected,
)


class ReplicaNet(KnownNet):
    """Replicas share their original's hooks, as ``nn.parallel.replicate`` makes them: their calls are its own.

    The original and a replica run on the step's thread, another replica on a thread of its own.
    """

    answers = Answers(
        layers={
            "": expected(ticks=1 + 5, inner_ticks=10, inner_products=2),
            "tower": Expected(
                calls=3,
                self_s=3 * 2 * TICK_S,
                total_s=3 * 5 * TICK_S,
                flops=3 * PRODUCT_FLOPS,
                concurrent_s=2 * TICK_S,
            ),
            "tower.child": Expected(
                calls=3,
                self_s=3 * 3 * TICK_S,
                total_s=3 * 3 * TICK_S,
                self_flops=3 * PRODUCT_FLOPS,
                flops=3 * PRODUCT_FLOPS,
                concurrent_s=3 * TICK_S,
            ),
        },
        calls={
            ("",): 1,
            ("", "tower"): 2,
            ("", "tower", "tower.child"): 2,
            ("tower",): 1,
            ("tower", "tower.child"): 1,
        },
    )

    def __init__(self, clock: MovableClock | None = None) -> None:
        super().__init__(clock)
        self.tower = Caller(self.clock, Work(self.clock, ticks=3, products=1), ticks=2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """The tower, a replica of it, and one more on another thread, waited for."""
        x = self.tower(self.work(x))
        worker = threading.Thread(target=_replica(self.tower), args=(x.detach(),))
        worker.start()
        worker.join()
        return _replica(self.tower)(x)


def _replica(tower: Caller) -> Caller:
    copied = copy.copy(tower)
    copied._modules = {"child": copy.copy(tower.child)}
    return copied


class HookedNet(KnownNet):
    """A layer whose hooks of the user's own take their time and call another layer: all that is the hooked layer's."""

    answers = Answers(
        layers={
            "": expected(ticks=1, inner_ticks=15, inner_products=4),
            "hooked": expected(ticks=2 + 3 + 4, inner_ticks=6, products=1, inner_products=3),
            "called": expected(ticks=6, products=3),
        },
        calls={("",): 1, ("", "hooked"): 1, ("", "hooked", "called"): 1},
    )

    def __init__(self, clock: MovableClock | None = None) -> None:
        super().__init__(clock)
        self.hooked = Work(self.clock, ticks=2, products=1)
        self.called = Work(self.clock, ticks=6, products=3)
        self.hooked.register_forward_pre_hook(lambda *_: self.take(3), prepend=True)
        self.hooked.register_forward_hook(self._after)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """The hooked layer alone."""
        return self.hooked(self.work(x))

    def _after(self, module: torch.nn.Module, args: tuple[object, ...], output: torch.Tensor) -> torch.Tensor:
        self.take(4)
        return self.called(output)


class PatchedNet(KnownNet):
    """A layer whose ``forward`` was replaced on the instance, as accelerate does: it is still the layer's call."""

    answers = Answers(
        layers={
            "": expected(ticks=1, inner_ticks=5, inner_products=1),
            "patched": expected(ticks=3 + 2, products=1),
        },
        calls={("",): 1, ("", "patched"): 1},
    )

    def __init__(self, clock: MovableClock | None = None) -> None:
        super().__init__(clock)
        self.patched = Work(self.clock, ticks=2, products=1)
        forward = self.patched.forward

        def moved(x: torch.Tensor) -> torch.Tensor:
            self.take(3)
            return forward(x)

        self.patched.forward = moved  # type: ignore[method-assign]  # the point of this net

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """The patched layer."""
        return self.patched(self.work(x))
