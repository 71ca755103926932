"""What each layer took by itself in each phase, and which unit it lies in."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING

from layerprof.attribute.base import RawTrace
from layerprof.attribute.energy.base import OUTSIDE, PhaseTree, Times, uses_host_times
from layerprof.records import Distribution, LayerProfile, PhaseProfile, typical

if TYPE_CHECKING:
    from layerprof.attribute.roofline import Rows


def times_of(raw: RawTrace, rows: Rows, steps: tuple[int, ...]) -> Times | None:
    """The times that joules are dealt out by; None where the pass that brings them did not run.

    Args:
        raw: for the phases.
        rows: as they were measured.
        steps: of the time pass that count, the same as in the tables.
    """
    layers, _, phases = rows
    is_host = uses_host_times(raw)
    own, total = ("self_s", "total_s") if is_host else ("device_self_s", "device_total_s")
    if all(getattr(layer, own) is None for layer in layers) or len(phases) != len(raw.phases):
        return None
    chosen = steps if is_host else ()
    own_s = tuple(_own_times(layers, phase.name, own, chosen) for phase in raw.phases)
    phase_s = [_seconds(getattr(phase, total), chosen) or 0.0 for phase in phases]
    left_s = [
        _left_s(phase, whole_s, times, chosen, is_host)
        for phase, whole_s, times in zip(phases, phase_s, own_s, strict=True)
    ]
    root_s = _seconds(getattr(layers[0], total), chosen) or 0.0
    if not sum(phase_s) > 0.0:
        return None
    return Times(
        own_s=own_s,
        unattributed_s=tuple(left_s),
        is_of_device=not is_host,
        root_share=root_s / sum(phase_s),
    )


def _own_times(
    layers: Sequence[LayerProfile], phase: str, name: str, steps: tuple[int, ...]
) -> tuple[float | None, ...]:
    return tuple(_own_s(layer, phase, name, steps) for layer in layers)


def _own_s(layer: LayerProfile, phase: str, name: str, steps: tuple[int, ...]) -> float | None:
    if getattr(layer, name) is None:
        return None
    part = layer.by_phase.get(phase)
    return 0.0 if part is None else _seconds(getattr(part, name), steps) or 0.0


def _left_s(
    phase: PhaseProfile, whole_s: float, own_s: Sequence[float | None], steps: tuple[int, ...], is_host: bool
) -> float:
    """Time of the phase under no layer; the device's follows from what its layers leave."""
    if is_host:
        return _seconds(phase.unattributed_s, steps) or 0.0
    return max(0.0, whole_s - sum(time_s for time_s in own_s if time_s is not None))


def _seconds(value: Distribution | None, steps: tuple[int, ...]) -> float | None:
    return None if value is None else typical(value, steps)


def parents_of(layers: Sequence[LayerProfile]) -> tuple[int, ...]:
    """The place of the nearest layer above each by path; -1 for the root."""
    places = {layer.path: place for place, layer in enumerate(layers)}
    return tuple(_parent(layer.path, places) for layer in layers)


def _parent(path: str, places: dict[str, int]) -> int:
    if not path:
        return -1
    above = path
    while "." in above:
        above = above.rpartition(".")[0]
        if above in places:
            return places[above]
    return 0


def ran_in(raw: RawTrace, layers: Sequence[LayerProfile], phase: str) -> tuple[bool, ...]:
    """Whether each layer ran in a phase; True also where no pass can tell."""
    passes = [one for one in (raw.time, raw.flops, raw.memory, raw.ops) if one is not None]
    unseen = frozenset.intersection(*(one.unseen.layers for one in passes)) if passes else None
    return tuple(phase in layer.by_phase or unseen is None or index in unseen for index, layer in enumerate(layers))


def phase_tree(
    parent: Sequence[int], units: Collection[int], ran: Sequence[bool], times: Times | None, number: int
) -> PhaseTree:
    """The layers in one phase.

    Args:
        parent: of each layer.
        units: layers that were measured by themselves in this phase.
        ran: of each layer, whether it ran in it, for all that is known.
        times: of all phases.
        number: of the phase.
    """
    own = times.own_s[number] if times is not None else (0.0,) * len(parent)
    own_s = [time_s or 0.0 for time_s in own]
    below_s = list(own_s)
    head: list[int] = []
    for index, above in enumerate(parent):
        head.append(index if index in units else head[above] if above >= 0 else OUTSIDE)
    for index in range(len(parent) - 1, 0, -1):
        if head[index] != index:  # the joules of a unit are its own, and so is its time
            below_s[parent[index]] += below_s[index]
    unattributed_s = times.unattributed_s[number] if times is not None else 0.0
    outside_s = sum(time_s for time_s, unit in zip(own_s, head, strict=True) if unit == OUTSIDE)
    return PhaseTree(
        parent=parent,
        head=head,
        may_run=[has_run or index in units for index, has_run in enumerate(ran)],
        is_hidden=[time_s is None for time_s in own],
        own_s=own_s,
        below_s=below_s,
        unattributed_s=unattributed_s,
        outside_s=unattributed_s + outside_s,
        has_times=times is not None,
    )
