"""What the nets with known answers are made of: a clock held in the hand, layers of known work, expected numbers.

A layer of work advances the fake clock by whole ticks and does whole products, forward and backward, so every number of
a profile of it is known beforehand, exactly. A tick is 2⁻⁹ s: a whole number of nanoseconds (1 953 125) and a binary
fraction, so sums of ticks are exact both in the clock's integers and in a record's floats. With a `SpinningClock` the
same nets take their ticks for real.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from typing import ClassVar, Protocol

import torch
from torch import nn
from torch.autograd.function import FunctionCtx

from layerprof.clock import Clock, SystemClock

TICK_S = 2.0**-9
ROWS, WIDTH = 2, 4  # of every input: (ROWS, WIDTH); twice as wide as high
PRODUCT_FLOPS = 2 * ROWS * WIDTH * WIDTH  # of one (ROWS, WIDTH) by (WIDTH, WIDTH) product

_NS_PER_S = 10**9


class MovableClock(Clock, Protocol):
    """A clock on which time passes by a call; work of known length is made of such calls."""

    def advance_s(self, seconds: float) -> None:
        """Lets so much time pass.

        Raises:
            ValueError: for a negative time: a clock never goes back.
        """
        ...


def _checked_s(seconds: float) -> float:
    if seconds < 0:
        raise ValueError(f"a clock never goes back; asked for {seconds} s")
    return seconds


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
        """Moves the clock on, to the nearest nanosecond."""
        moved_ns = round(_checked_s(seconds) * _NS_PER_S)
        with self._lock:
            self._now_ns += moved_ns


class SpinningClock(SystemClock):
    """The process's performance counter; it is advanced by keeping a core busy for that long.

    Limits: it takes a little longer than asked, by a turn of its loop or by what else the machine does.
    """

    def advance_s(self, seconds: float) -> None:
        """Spins until so much time has passed."""
        until_ns = self.now_ns() + round(_checked_s(seconds) * _NS_PER_S)
        while self.now_ns() < until_ns:
            pass


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


@dataclass(frozen=True, slots=True, kw_only=True)
class PhaseAnswers:
    """What a profile of a step of several phases has to say of one of them.

    Attributes:
        steps: how often it ran in the step.
        layers: path to numbers, for every layer that ran in it.
        calls: call path to calls begun there in this phase, callers first; 0 where only other work of it is.
        unattributed_s: under no layer.
    """

    steps: int = 1
    layers: Mapping[str, Expected] = field(default_factory=dict)
    calls: Mapping[tuple[str, ...], int] = field(default_factory=dict)
    unattributed_s: float = 0.0

    @property
    def total_s(self) -> float:
        """The whole phase."""
        return self.unattributed_s + sum(layer.self_s - layer.concurrent_s for layer in self.layers.values())

    @property
    def flops(self) -> int:
        """Of the whole phase; no net does products under no layer."""
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


class _BackwardWork(torch.autograd.Function):
    """Nothing forward; backward it takes its ticks."""

    @staticmethod
    def forward(ctx: FunctionCtx, x: torch.Tensor, take: Callable[[], None]) -> torch.Tensor:
        ctx.take = take  # type: ignore[attr-defined]  # a context is there to be written to
        return x.view_as(x)

    @staticmethod
    def backward(ctx: FunctionCtx, gradient: torch.Tensor) -> tuple[torch.Tensor, None]:
        ctx.take()  # type: ignore[attr-defined]  # written above
        return gradient, None


class Work(nn.Module):
    """A layer that takes ``ticks`` and does ``products`` with its weight in each call, and nothing else.

    Its backward takes ``backward_ticks`` and does, for each product, one more for each operand that needs a gradient.

    Args:
        clock: what it advances.
        ticks: of the clock, for each call.
        products: (rows, width) by (width, width), for each call.
        backward_ticks: of the clock, for the backward of each call.

    Shape:
        x: (ROWS, WIDTH), as is what it returns.
    """

    __call__: Callable[..., torch.Tensor]

    def __init__(self, clock: MovableClock, *, ticks: int, products: int = 0, backward_ticks: int = 0) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.eye(WIDTH))
        self._clock = clock
        self._ticks = ticks
        self._products = products
        self._backward_ticks = backward_ticks

    def work(self, x: torch.Tensor) -> torch.Tensor:
        """The layer's own work."""
        self.take(self._ticks)
        for _ in range(self._products):
            x = x @ self.weight
        if self._backward_ticks and x.requires_grad:
            x = _BackwardWork.apply(x, lambda: self.take(self._backward_ticks))  # type: ignore[no-untyped-call]
        return x

    def take(self, ticks: int) -> None:
        """Lets so many ticks pass."""
        self._clock.advance_s(ticks * TICK_S)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """The layer's own work alone; layers that call others do it first."""
        return self.work(x)


class Caller(Work):
    """A layer that does its work and calls one child, which others may share.

    Args:
        clock: what it advances.
        child: what it calls.
        ticks: of the clock, for each call.
        backward_ticks: of the clock, for the backward of each call.
        times: how often it calls the child.
    """

    def __init__(
        self, clock: MovableClock, child: Work, *, ticks: int, backward_ticks: int = 0, times: int = 1
    ) -> None:
        super().__init__(clock, ticks=ticks, backward_ticks=backward_ticks)
        self.child = child
        self._times = times

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Its own work, then the child."""
        x = self.work(x)
        for _ in range(self._times):
            x = self.child(x)
        return x


class KnownNet(Work):
    """A net that carries its clock, its inputs, and what a profile of one call on them has to say.

    Args:
        clock: what its layers advance; None is a fake one of its own.

    Attributes:
        answers: of one step.
    """

    answers: Answers

    def __init__(
        self, clock: MovableClock | None = None, *, ticks: int = 1, products: int = 0, backward_ticks: int = 0
    ) -> None:
        super().__init__(clock or FakeClock(), ticks=ticks, products=products, backward_ticks=backward_ticks)

    @property
    def clock(self) -> MovableClock:
        """The clock that the net's layers advance; give it to the profiler."""
        return self._clock

    @property
    def inputs(self) -> object:
        """Fresh inputs for one profile."""
        return torch.ones(ROWS, WIDTH)


class PhasedNet(KnownNet):
    """A net whose step has several phases.

    Attributes:
        phases: name to answers, in order; the rows are their sums, and ``calls`` those of all phases but backward.
    """

    phases: ClassVar[Mapping[str, PhaseAnswers]]

    def step(self) -> object:
        """The whole step: what to give as ``call``."""
        raise NotImplementedError


def whole_step(phases: Mapping[str, PhaseAnswers], *, paths: tuple[str, ...]) -> Answers:
    """The answers of a step out of those of its phases, for the layers of these paths."""
    calls: dict[tuple[str, ...], int] = {}
    for answers in phases.values():
        for path, begun in answers.calls.items():
            calls[path] = calls.get(path, 0) + begun
    return Answers(layers={path: _row(path, phases) for path in paths}, calls=calls)


def _row(path: str, phases: Mapping[str, PhaseAnswers]) -> Expected:
    parts = {name: answers.layers[path] for name, answers in phases.items() if path in answers.layers}
    sums = {one.name: sum(getattr(part, one.name) for part in parts.values()) for one in fields(Expected)}
    return Expected(**{**sums, "calls": sum(part.calls for name, part in parts.items() if name != "backward")})
