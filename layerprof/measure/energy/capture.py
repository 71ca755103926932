"""Captures what sampled units are given in one more step of the model: replay needs the real values.

Source:
    The values of inputs alone change a GPU's power by up to 40 % (Gregersen et al., SC24 workshops, arXiv 2409.18324),
    so neither zeros nor random numbers stand for activations.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch.utils._pytree import tree_leaves

from layerprof.instruments.base import tensors_in
from layerprof.measure.energy.base import (
    Captured,
    Captures,
    Conditions,
    Missed,
    StepFollower,
    UnitKey,
    Versions,
    Wanted,
    bytes_of,
    cloned,
    conditions_now,
    copies_budget_bytes,
    held_tensors,
    structural_copy,
    weights_of,
)

if TYPE_CHECKING:
    from layerprof.measure.base import Target
    from layerprof.measure.phases import Phases
    from layerprof.measure.runner import StepRunner


def capture_inputs(
    runner: StepRunner,
    target: Target,
    phases: Phases,
    wanted: Sequence[Wanted],
    *,
    budget_bytes: int | None = None,
) -> Captures:
    """Runs one step and keeps copies of what the wanted calls get and give.

    Args:
        runner: of the step.
        target: the model, resolved.
        phases: the account of phases, which has seen a step already.
        wanted: which call of which unit; one a key.
        budget_bytes: of all copies together; None is a quarter of what is free on the device.
    """
    if not wanted:
        return Captures(found={}, missed={})
    if budget_bytes is None:
        budget_bytes = copies_budget_bytes(target.device)
    step = _CapturingStep(target, wanted, phases.phase_of(), budget_bytes)
    StepFollower(target, sorted({one.key.layer for one in wanted}), phases, step).run(runner)
    not_called = Missed(flag="not_called", reason="the call that was surveyed did not come again")
    missed = {one.key: step.missed.get(one.key, not_called) for one in wanted if one.key not in step.found}
    return Captures(found=step.found, missed=missed)


class _CapturingStep:
    """Copies what the wanted calls get when they begin, and what they give when they end."""

    def __init__(self, target: Target, wanted: Sequence[Wanted], phase_of: Sequence[int], budget_bytes: int) -> None:
        self._target = target
        self._wanted = {one.key: one for one in wanted}
        self._phase_of = phase_of
        self._left_bytes = budget_bytes
        self._calls: Counter[UnitKey] = Counter()
        self._begun: _Begun | None = None
        self.found: dict[UnitKey, Captured] = {}
        self.missed: dict[UnitKey, Missed] = {}

    def began(self, phase: int) -> None:
        """Nothing of phases is wanted here."""

    def entered(self, layer: int, phase: int, args: tuple[object, ...], kwargs: Mapping[str, object]) -> None:
        key = UnitKey(layer, self._phase_of[phase])
        wanted = self._wanted.get(key)
        if wanted is not None and wanted.call == self._calls[key]:
            try:
                self._begun = self._copy_of_inputs(wanted, args, dict(kwargs))
            except Exception as error:  # whatever an object's own way of being copied raises
                self.missed[key] = _missed("an input", error)
        self._calls[key] += 1

    def left(self, layer: int, phase: int, output: object) -> None:
        begun, self._begun = self._begun, None
        if begun is None:
            return
        key, has_written_weights = begun.wanted.key, begun.weights.have_changed()
        try:
            tensors = list(tensors_in(output))
            if self._has_room(key, bytes_of(tensors)):
                own = tuple(cloned(tensor) for tensor in tensors)
                self.found[key] = begun.captured(own, has_written_weights=has_written_weights)
        except Exception as error:  # the model itself can go on without a copy
            self.missed[key] = _missed("an output", error)

    def _copy_of_inputs(self, wanted: Wanted, args: tuple[object, ...], kwargs: dict[str, object]) -> _Begun | None:
        input_bytes = bytes_of(held_tensors((args, kwargs)))
        if not self._has_room(wanted.key, input_bytes):
            return None
        own_args, own_kwargs = structural_copy((args, kwargs))
        return _Begun(
            wanted=wanted,
            args=own_args,
            kwargs=own_kwargs,
            conditions=conditions_now(self._target.device),
            input_bytes=input_bytes,
            weights=Versions(weights_of(self._target.callables[wanted.key.layer])),
        )

    def _has_room(self, key: UnitKey, wanted_bytes: int) -> bool:
        if wanted_bytes > self._left_bytes:
            reason = f"copies of it take {wanted_bytes} bytes, and {self._left_bytes} of those set aside are left"
            self.missed[key] = Missed(flag="no_memory", reason=reason)
            return False
        self._left_bytes -= wanted_bytes
        return True


@dataclass(frozen=True, slots=True, kw_only=True)
class _Begun:
    """A wanted call that has not returned: copies of what it got, and how often the unit's weights were written to."""

    wanted: Wanted
    args: tuple[object, ...]
    kwargs: dict[str, object]
    conditions: Conditions
    input_bytes: int
    weights: Versions

    def captured(self, output: tuple[torch.Tensor, ...], *, has_written_weights: bool) -> Captured:
        direct = (leaf for leaf in tree_leaves((self.args, self.kwargs)) if isinstance(leaf, torch.Tensor))
        return Captured(
            wanted=self.wanted,
            args=self.args,
            kwargs=self.kwargs,
            output=output,
            conditions=self.conditions,
            direct_bytes=bytes_of(direct),
            input_bytes=self.input_bytes,
            has_written_weights=has_written_weights,
        )


def _missed(what: str, error: Exception) -> Missed:
    first_line = next(iter(str(error).splitlines()), "")
    return Missed(
        flag="no_memory" if isinstance(error, torch.OutOfMemoryError | MemoryError) else "not_copyable",
        reason=f"{what} cannot be copied ({type(error).__name__}: {first_line})",
    )
