"""A unit called over and over with what the model gave it: the load of a window.

    call ─ undo what it changed in its cache ─ call ─ undo ─ …      copies of unit and inputs in turn, where there are

What a call changes in objects among its arguments, and in the unit's attributes, is put back after each call: that
takes the host about a microsecond where nothing or a few entries changed, in the replay's time and not in the model's.
Tensors that hold a single number (the fill level of a static cache) are put back too, by one small copy each.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from typing import Protocol

import torch
from torch import nn

from layerprof.machine import settle
from layerprof.measure.energy.base import (
    Captured,
    ReplayCopy,
    Saved,
    Undo,
    cloned,
    held_tensors,
    put_back,
    state_of,
    unchanged,
    weights_of,
)


class LotEvent(Protocol):
    """An event in a stream of work, as `torch.cuda.Event`."""

    def record(self) -> None:
        """Puts it behind what was launched until now."""
        ...

    def synchronize(self) -> None:
        """Waits until it is reached."""
        ...


def _new_event() -> LotEvent:
    event: LotEvent = torch.cuda.Event()
    return event


class ReplayLoad:
    """Calls of one unit, as `layerprof.energy.base.Load`.

    It must be `verified` before windows are taken, and windows are taken inside of `kept`.

    Args:
        captured: the call that is repeated.
        module: the unit, as the model calls it.
        device: the model's.
        copies: to be taken in turn with the unit itself.
        new_event: makes an event for the end of each lot; None where a launch returns when its work is done.

    Attributes:
        captured, device: as given.
    """

    def __init__(
        self,
        captured: Captured,
        module: nn.Module,
        device: torch.device,
        *,
        copies: Sequence[ReplayCopy] = (),
        new_event: Callable[[], LotEvent] | None = None,
    ) -> None:
        self.captured = captured
        self.device = device
        own = ReplayCopy(module=module, args=captured.args, kwargs=captured.kwargs)
        # Weights are cast once for each time that autocast is on: once for a unit that the model calls once.
        casts_anew = captured.conditions.is_casting and captured.wanted.calls == 1
        self._turns = [Turn(one, captured, casts_anew=casts_anew) for one in (own, *copies)]
        self._next = 0
        self._new_event = new_event
        self._before: LotEvent | None = None  # the end of the latest lot

    @property
    def copies(self) -> int:
        """Sets of weights and inputs that are taken in turn."""
        return len(self._turns)

    @property
    def turns(self) -> Sequence[Turn]:
        """Those, the unit itself first."""
        return self._turns

    def launch(self, calls: int) -> None:  # noqa: D102 - as `Load`
        turns, count, at = self._turns, len(self._turns), self._next
        with self._on_device(), self.captured.conditions.in_force():
            for _ in range(calls):
                turns[at].run()
                at = (at + 1) % count
            self._next = at
            self._await_lot_before()

    def settle(self) -> None:  # noqa: D102 - as `Load`
        settle(self.device)

    @contextmanager
    def kept(self) -> Iterator[Saved]:
        """The block of windows, after which the unit, its gradients and random generators are as before it."""
        own = self._turns[0]
        try:
            with unchanged(own.module, own.state, self.device, cloned) as saved:
                yield saved
        finally:
            own.restore()

    def run_once(self, turn: Turn) -> object:
        """One call that is not undone; gives what it returned."""
        with self._on_device(), self.captured.conditions.in_force():
            output = turn.call()
        self.settle()
        return output

    def _on_device(self) -> torch.cuda.device | nullcontext[None]:
        return torch.cuda.device(self.device) if self.device.type == "cuda" else nullcontext()

    def _await_lot_before(self) -> None:
        """Lets one lot be under way beside the one that runs, and no more."""
        if self._new_event is None:
            return
        before, self._before = self._before, self._new_event()
        self._before.record()
        if before is not None:
            before.synchronize()


class Turn:
    """One set of unit and inputs, and what puts them back after a call.

    Args:
        copy: the set.
        captured: that its inputs come from.
        casts_anew: whether each call casts its weights anew.

    Attributes:
        module: the unit.
        state: tensors of the unit whose values a call may change: all beside its weights, until it is known which.
        weights: its parameters, which a call must leave alone.
        inputs: the tensors among its inputs.
    """

    def __init__(self, copy: ReplayCopy, captured: Captured, *, casts_anew: bool) -> None:
        self.module = copy.module
        self._args: tuple[object, ...] = copy.args
        self._kwargs: Mapping[str, object] = copy.kwargs
        self._casts_anew = casts_anew
        self._undo = Undo((copy.args, copy.kwargs), modules=(copy.module,))
        self._numbers: list[tuple[torch.Tensor, torch.Tensor]] = []
        self.state = state_of(copy.module)
        self.weights = weights_of(copy.module)
        self.inputs = held_tensors((copy.args, copy.kwargs))

    def call(self) -> object:
        """One call."""
        if self._casts_anew:
            torch.clear_autocast_cache()
        output: object = self.module(*self._args, **self._kwargs)
        return output

    def run(self) -> None:
        """One call whose changes are put back; its output is gone."""
        self.call()
        self.restore()

    def restore(self) -> None:
        """Puts back entries, attributes, and single numbers."""
        self._undo.restore()
        for tensor, saved in self._numbers:
            put_back(tensor, saved)

    def learn(self, inputs: Saved, state: Saved) -> list[torch.Tensor]:
        """Takes note, after a first call, of what a call changes; gives the inputs that it wrote to.

        From now on it looks at those places alone.
        """
        written = inputs.written()
        self._numbers = [(tensor, inputs.value_of(tensor)) for tensor in written if tensor.numel() == 1]
        self._undo.watch_changed()
        self.state = state.written()
        return written


def replay_of(
    captured: Captured, callable_module: nn.Module, device: torch.device, *, copies: Sequence[ReplayCopy] = ()
) -> ReplayLoad:
    """The load of one captured call.

    Args:
        captured: the call.
        callable_module: the unit as the model calls it: of `Target.callables`.
        device: the model's.
        copies: from `rotated`, to be taken in turn with the unit itself.
    """
    new_event = _new_event if device.type == "cuda" else None
    return ReplayLoad(captured, callable_module, device, copies=copies, new_event=new_event)
