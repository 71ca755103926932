"""`Profiler`: the steps of a loop of one's own, dealt to the passes in turn."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import TracebackType
from typing import Self

from torch import nn

from layerprof.clock import Clock, SystemClock
from layerprof.errors import InputError
from layerprof.measure import LoopMeasurement, require_no_profiler
from layerprof.profiling.base import (
    AskedCeilings,
    attributed,
    checked_ceilings,
    checked_passes,
    described,
    spec_of,
)
from layerprof.records import Profile
from layerprof.tree import StageRules

_PASSES = ("bare", "time", "ops", "flops", "memory")  # those that exist for a loop
_ONCE = ("ops", "flops", "memory")  # passes that one step is enough for


class Profiler:
    """Profiles the steps of a loop of one's own.

    Steps are dealt to the passes in turn. With one pass every step is instrumented; without bare steps ``overhead``
    is empty and ``latency_s`` None. Mode and gradients are the loop's own affair and stay as they are.

    Args:
        model: any module, or what ``torch.compile`` returned.
        passes: of bare, time, ops, flops, memory. One step is enough for the last three; their later turns go to the
            others. Energy does not exist in this version: its quantities are None, with a note.
        stages: name to globs over paths; None takes the model's own, or the top-level children.
        ceilings: what efficiencies are measured against, as for `layerprof.profile`.
        clock: where time comes from; None is the process's performance counter.

    Raises:
        InputError: for unknown passes, or none that a loop can have.
        MeasurementError: for the ops pass while a torch profiler is running.
    """

    def __init__(
        self,
        model: nn.Module,
        *,
        passes: Sequence[str] = ("bare", "time", "ops", "flops", "memory"),
        stages: StageRules | None = None,
        ceilings: AskedCeilings = "auto",
        clock: Clock | None = None,
    ) -> None:
        asked = checked_passes(passes)
        self._turns = [name for name in asked if name in _PASSES]
        if not self._turns:
            raise InputError(f"a loop's steps go to {', '.join(_PASSES)}; found {passes!r}")
        if "ops" in asked:
            require_no_profiler()
        known = described(model, stages=stages, runs_step=False)
        self._device, self._ceilings = known.target.device, checked_ceilings(ceilings)
        self._measurement = LoopMeasurement(known.target, clock or SystemClock(), known.phases)
        self._spec = spec_of(model, known, asked)
        self._is_open = False
        self._is_in_step = False

    def __enter__(self) -> Self:
        self._is_open = True
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._is_open = False

    @contextmanager
    def step(self) -> Iterator[None]:
        """The block of one step, under the instruments of the pass whose turn it is.

        A step whose body raises is not kept, and its exception comes out as it is.

        Raises:
            InputError: outside the profiler's ``with`` block, or inside another step.
        """
        if not self._is_open or self._is_in_step:
            where = "inside another step" if self._is_in_step else "outside `with layerprof.Profiler(...)`"
            raise InputError(f"a step was begun {where}; begin it in the loop's body, one at a time")
        name = self._take_turn()
        self._is_in_step = True
        try:
            with self._measurement.block(name):
                yield
        except BaseException:
            self._give_turn_back(name)
            raise
        finally:
            self._is_in_step = False

    def result(self) -> Profile:
        """The record of all steps so far.

        Raises:
            InputError: when no step was run.
        """
        if not self._measurement.steps:
            raise InputError("no step was profiled; put the loop's body into `with profiler.step():`")
        return attributed(self._measurement.trace(self._spec), self._device, self._ceilings)

    def _take_turn(self) -> str:
        """The pass of the next step; with nothing but finished ones left it is theirs again."""
        name = self._turns.pop(0)
        if name not in _ONCE or not self._turns:
            self._turns.append(name)
        return name

    def _give_turn_back(self, name: str) -> None:
        """A step that was not kept does not use up its pass's turn."""
        if name not in self._turns:
            self._turns.insert(0, name)
