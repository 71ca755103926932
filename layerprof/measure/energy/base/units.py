"""What is handed from one part of the energy pass to the next.

survey ─▶ Survey ─▶ distinct ─▶ UnitClass, Wanted ─▶ capture ─▶ Captured ─▶ rotation ─▶ ReplayCopy ─▶ replay ─▶ Verdict

A unit is a layer that is replayed whole. What it does in one phase is known by `UnitKey`; phases are those of the
record (`Phases.phase_of`), not the instruments'.
"""

from __future__ import annotations

import statistics
from collections.abc import Hashable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import torch
    from torch import nn

    from layerprof.measure.energy.base.conditions import Conditions
    from layerprof.records import Note


class UnitKey(NamedTuple):
    """A unit in one phase, by the layer's and the phase's index."""

    layer: int
    phase: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CallSignature:
    """What tells the work of one call from that of another.

    Attributes:
        work: shapes, dtypes and strides of tensors in and out, plain flags, autocast; types alone of other objects,
            for a cache that all layers share holds something else at each of them.
        held_bytes: of tensors in such objects; calls of one unit whose bytes differ do different work.
    """

    work: Hashable
    held_bytes: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class UnitCalls:
    """What one unit did in one phase of the surveyed steps; calls from inside another unit are not among it.

    Attributes:
        key: the unit and the phase.
        samples_s: time of all of its calls, for each step.
        calls: in one step.
        module: class, parameters, buffers, flags, train mode.
        signatures: of its calls, with how many there were of each.
        flags: ``varying_inputs``, ``calls_vary``, ``hooks_change_path``, ``user_hooks``.
        wanted_call: index of the call that stands for all; None is the middle one of all.
    """

    key: UnitKey
    samples_s: tuple[float, ...]
    calls: int
    module: Hashable
    signatures: Mapping[CallSignature, int]
    flags: tuple[str, ...] = ()
    wanted_call: int | None = None

    @property
    def seconds(self) -> float:
        """Time of all of its calls in one step, the mean."""
        return statistics.fmean(self.samples_s)

    @property
    def wanted(self) -> Wanted:
        """The call that stands for all."""
        call = self.calls // 2 if self.wanted_call is None else self.wanted_call
        return Wanted(key=self.key, call=call, calls=self.calls)


@dataclass(frozen=True, slots=True, kw_only=True)
class Survey:
    """Where the time of a step goes, by units.

    Attributes:
        units: those that were called, in definition order, then by phase.
        phase_s: phase -> its time in each step; phases that ran in no step are not in it.
        step_s: of each step.
        notes: what was noticed.
    """

    units: tuple[UnitCalls, ...]
    phase_s: Mapping[int, tuple[float, ...]]
    step_s: tuple[float, ...]
    notes: tuple[Note, ...] = ()

    def joined(self, later: Survey) -> Survey:
        """With the times of a later survey of the same units; what only one of the two saw stays as it is here."""
        times = {unit.key: unit.samples_s for unit in later.units}
        units = (replace(unit, samples_s=unit.samples_s + times.get(unit.key, ())) for unit in self.units)
        phase_s = {phase: times_s + later.phase_s.get(phase, ()) for phase, times_s in self.phase_s.items()}
        return replace(self, units=tuple(units), phase_s=phase_s, step_s=self.step_s + later.step_s)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """A call whose inputs are wanted.

    Attributes:
        key: the unit and the phase.
        call: its index among the unit's calls in that phase.
        calls: how many those are.
    """

    key: UnitKey
    call: int
    calls: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class UnitClass:
    """Units that do the same work in one phase; one measurement stands for all.

    Attributes:
        name: path of the first member.
        type_name: class of the members.
        phase: in which they do it.
        members: in definition order.
        sampled: calls of the first, the middle and the last member, or of as many as there are.
        calls: of all members in one step.
        samples_s: time of all members in each surveyed step.
        share: of the step's time.
        flags: of any member.
    """

    name: str
    type_name: str
    phase: int
    members: tuple[UnitKey, ...]
    sampled: tuple[Wanted, ...]
    calls: int
    samples_s: tuple[float, ...]
    share: float
    flags: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Captured:
    """One call as the model made it; replays give its arguments back to the unit.

    Attributes:
        wanted: which call.
        args, kwargs: copies of what the unit got.
        output: copies of the tensors that it gave.
        conditions: modes of torch that it ran under.
        direct_bytes: of the tensors among the arguments.
        input_bytes: of those in objects among them as well, such as the caches of all layers.
        has_written_weights: whether the call wrote to the unit's parameters.
    """

    wanted: Wanted
    args: tuple[object, ...]
    kwargs: Mapping[str, object]
    output: tuple[torch.Tensor, ...]
    conditions: Conditions
    direct_bytes: int
    input_bytes: int
    has_written_weights: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Missed:
    """Why a call was not captured.

    Attributes:
        flag: ``no_memory``, ``not_copyable`` or ``not_called``.
        reason: one sentence.
    """

    flag: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Captures:
    """What a step brought of the calls that were wanted; each key is in one of the two.

    Attributes:
        found: the captured ones.
        missed: the others.
    """

    found: Mapping[UnitKey, Captured]
    missed: Mapping[UnitKey, Missed]


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplayCopy:
    """A unit of its own with inputs of its own, to be taken in turn with others.

    Attributes:
        module: as it is called.
        args, kwargs: what it is called with.
    """

    module: nn.Module
    args: tuple[object, ...]
    kwargs: Mapping[str, object]


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """Whether replaying a unit does what the model did.

    Attributes:
        is_replayable: whether its joules may be measured by replay.
        flags: ``not_replayable``, ``no_memory``, ``writes_buffers``, ``writes_inputs``, ``draws_random``.
        reason: why it is not replayable, in one line, or None.
    """

    is_replayable: bool
    flags: tuple[str, ...] = ()
    reason: str | None = None
