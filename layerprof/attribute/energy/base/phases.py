"""The layers in each phase, the joules of each phase in pieces, and who gets what of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from layerprof.attribute.base import RawTrace
    from layerprof.attribute.energy.base.joules import Pool, Portions

OUTSIDE = -1  # of all units
UNTOLD = "rest_not_told"  # note and flag: work outside of units is counted at idle power


def uses_host_times(raw: RawTrace) -> bool:
    """Whether the host's time is the time that the work took: on the CPU."""
    return raw.environment.device == "cpu" or (raw.energy is not None and raw.energy.counter.domain == "cpu_package")


@dataclass(frozen=True, slots=True, kw_only=True)
class Times:
    """What each layer took by itself, by which joules are dealt out.

    Attributes:
        own_s: None for a layer whose calls nobody sees, since it is in the time of another's.  (phases, layers)
        unattributed_s: under no layer.  (phases,)
        is_of_device: whether it is the device's time; else the host's.
        root_share: of the step's time, what passed in calls of the root.
    """

    own_s: tuple[tuple[float | None, ...], ...]
    unattributed_s: tuple[float, ...]
    is_of_device: bool
    root_share: float


@dataclass(frozen=True, slots=True, kw_only=True)
class PhaseTree:
    """The layers in one phase: which unit each is in, and what it took.

    Attributes:
        parent: the nearest layer above by path, -1 for the root; parents stand before their children.  (layers,)
        head: the unit that each layer is or lies in, or `OUTSIDE`.  (layers,)
        may_run: whether it ran, or nobody can tell.  (layers,)
        is_hidden: whether it is in the time of another layer.  (layers,)
        own_s: by itself.  (layers,)
        below_s: by itself and all layers below it in the same unit, or outside as itself.  (layers,)
        unattributed_s: under no layer.
        outside_s: outside of all units, under no layer included.
        has_times: whether the times are known.
    """

    parent: Sequence[int]
    head: Sequence[int]
    may_run: Sequence[bool]
    is_hidden: Sequence[bool]
    own_s: Sequence[float]
    below_s: Sequence[float]
    unattributed_s: float
    outside_s: float
    has_times: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class PhasePools:
    """The joules of one phase.

    Attributes:
        units: by layer.
        work: of what ran outside of units, or None where nobody knows how much did.
        gap: of the time in which nothing ran, which is of no layer; None where there is none to tell.
        is_of_units: whether joules were measured of units at all, in this phase or another; else the step's are shared.
        is_rest_told: whether work outside of units is told apart from the gap; else the gap holds both at idle power.
    """

    units: Mapping[int, Pool]
    work: Pool | None
    gap: Pool | None
    is_of_units: bool
    is_rest_told: bool = True

    @property
    def all(self) -> tuple[Pool, ...]:
        """Every pool of the phase."""
        return (*self.units.values(), *(pool for pool in (self.work, self.gap) if pool is not None))


@dataclass(frozen=True, slots=True, kw_only=True)
class Shares:
    """Who gets what in one phase.

    Attributes:
        own: of each layer by itself; None where that is not known.  (layers,)
        total: of each layer and all that is below it by path.  (layers,)
        unattributed: under no layer, or None where that is not known.
    """

    own: Sequence[Portions | None]
    total: Sequence[Portions | None]
    unattributed: Portions | None
