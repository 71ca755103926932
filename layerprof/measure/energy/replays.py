"""The loads of a pass: a verified replay of each sampled member, and why there is none of others."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from layerprof.measure.energy.base import Survey, UnitClass, UnitKey
from layerprof.records import LayerInfo, Note

if TYPE_CHECKING:
    from layerprof.measure.energy.replay import ReplayLoad


@dataclass(slots=True)
class Replays:
    """Loads by unit and phase.

    Attributes:
        loads: verified ones.
        footprint_bytes: weights and inputs of one call.
        flags: of capture, replay and rotation.
        reasons: why a member has no load.
    """

    loads: dict[UnitKey, ReplayLoad] = field(default_factory=dict)
    footprint_bytes: dict[UnitKey, int] = field(default_factory=dict)
    flags: dict[UnitKey, tuple[str, ...]] = field(default_factory=dict)
    reasons: dict[UnitKey, str] = field(default_factory=dict)

    def add(self, key: UnitKey, load: ReplayLoad, footprint_bytes: int, flags: Sequence[str]) -> None:
        """A member that can be replayed."""
        self.loads[key], self.footprint_bytes[key], self.flags[key] = load, footprint_bytes, tuple(flags)

    def leave_out(self, key: UnitKey, flags: Sequence[str], reason: str) -> None:
        """A member that cannot."""
        self.flags[key], self.reasons[key] = tuple(flags), reason

    def flags_of(self, unit: UnitClass) -> tuple[str, ...]:
        """The flags of any sampled member."""
        return tuple(sorted({flag for one in unit.sampled for flag in self.flags.get(one.key, ())}))

    def copies_of(self, key: UnitKey) -> int:
        """Sets of weights and inputs that a member's load takes in turn."""
        return self.loads[key].copies if key in self.loads else 1

    def missing(self, classes: Sequence[UnitClass]) -> list[UnitClass]:
        """Those of which no member has a load."""
        return [one for one in classes if not any(sample.key in self.loads for sample in one.sampled)]

    def notes(self, classes: Sequence[UnitClass], layers: Sequence[LayerInfo]) -> Iterator[Note]:
        """Why layers were not replayed."""
        for unit in self.missing(classes):
            reason = next(
                (self.reasons[one.key] for one in unit.sampled if one.key in self.reasons), "no call was kept"
            )
            path = layers[unit.members[0].layer].path
            yield Note(code="not_replayed", quantity="energy", scope=path, text=f"{reason}; its joules are no replay's")


@dataclass(frozen=True, slots=True, kw_only=True)
class Surveyed:
    """What is known before the windows.

    Attributes:
        units: indices of the layers that are measured by themselves.
        survey: where a step's time goes.
        classes: distinct layers worth a replay.
        replays: their loads.
        around: modules around those that cannot be replayed, in the phases that they ran in, with their seconds.
    """

    units: tuple[int, ...]
    survey: Survey
    classes: tuple[UnitClass, ...]
    replays: Replays
    around: Mapping[UnitKey, float]
