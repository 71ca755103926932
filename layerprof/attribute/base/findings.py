"""What attribution has found out about each pass, from which everything in the record is read off."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from layerprof.attribute.base.graph import Extent
    from layerprof.attribute.base.ops import OpEvents
    from layerprof.attribute.base.passes import RawTrace
    from layerprof.attribute.base.places import DevicePlaces, HostPlaces
    from layerprof.attribute.calls import Timed
    from layerprof.attribute.device import DeviceTimes
    from layerprof.attribute.ops import OpsBooks

BACKWARD_NAME = "backward"  # the phase whose calls are recomputation, not calls of the step's own


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """The ops pass, attributed.

    Attributes:
        events: of its steps.
        host, device: where they belong.
        books: the call graph, and what is under no layer.
        times: of the device, or None without one.
    """

    events: OpEvents
    host: HostPlaces
    device: DevicePlaces
    books: OpsBooks
    times: DeviceTimes | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Findings:
    """The trace, and its passes attributed; None for one that did not run.

    Attributes:
        raw: the trace.
        extent: how many phases and layers there are.
        timed: the time pass.
        recorded: the ops pass.
    """

    raw: RawTrace
    extent: Extent
    timed: Timed | None
    recorded: Recorded | None


def backward_phase(raw: RawTrace) -> int | None:
    """The number of the backward phase, where there is one."""
    return next((number for number, phase in enumerate(raw.phases) if phase.name == BACKWARD_NAME), None)
