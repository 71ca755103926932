"""Power of units that cannot be replayed, from replays of larger modules around them.

    power of a module = sum over what is in it of (share of its time) x power

Units in it that were replayed are known, and so is the rest of it (small layers, its own work), at the units' mean
power; what is left is the power of the others.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from layerprof.energy import Mix, regressed_powers
from layerprof.estimates import Estimate, summed
from layerprof.measure.energy.base import UnitCalls, UnitClass, UnitKey
from layerprof.records import LayerInfo

_REST = "rest"  # what is in a module beside its units


@dataclass(frozen=True, slots=True, kw_only=True)
class Around:
    """A module around units, replayed.

    Attributes:
        key: the module and the phase.
        power_w: of its windows.
        seconds: of its calls in one step.
    """

    key: UnitKey
    power_w: Estimate
    seconds: float


def modules_around(
    missing: Sequence[UnitClass], layers: Sequence[LayerInfo], reachable: frozenset[int]
) -> tuple[int, ...]:
    """The smallest module around the first member of each class that hooks reach; never the root."""
    index_of = {layer.path: index for index, layer in enumerate(layers)}
    found = {_above(layers[one.members[0].layer].path, index_of, reachable) for one in missing}
    return tuple(sorted(index for index in found if index is not None))


def _above(path: str, index_of: Mapping[str, int], reachable: frozenset[int]) -> int | None:
    while path:
        path = path.rpartition(".")[0]
        index = index_of.get(path)
        if path and index is not None and index in reachable:
            return index
    return None


def regressed(
    around: Sequence[Around],
    missing: Sequence[UnitClass],
    known: Mapping[UnitKey, Estimate],
    calls: Sequence[UnitCalls],
    layers: Sequence[LayerInfo],
) -> Mapping[str, Estimate]:
    """Powers of classes by name and phase, where the modules around them determine these.

    Args:
        around: replayed modules.
        missing: classes without power.
        known: powers of replayed units.
        calls: of all units, from the survey.
        layers: the model's.
    """
    if not around or not known:
        return {}
    name_of = {key: f"{one.name} in {one.phase}" for one in missing for key in one.members}
    times = {one.key: one.seconds for one in calls}
    rest = summed(known.values()).scaled(1.0 / len(known))
    mixes = [_mix(one, name_of, known, times, layers) for one in around]
    own = {str(key): power for key, power in known.items()}
    return regressed_powers(mixes, {**own, _REST: rest})


def _mix(
    around: Around,
    name_of: Mapping[UnitKey, str],
    known: Mapping[UnitKey, Estimate],
    times: Mapping[UnitKey, float],
    layers: Sequence[LayerInfo],
) -> Mix:
    """The shares of a module's time by what is in it."""
    inside = f"{layers[around.key.layer].path}."
    shares: dict[str, float] = {}
    for key, seconds in times.items():
        if key.phase == around.key.phase and layers[key.layer].path.startswith(inside):
            name = str(key) if key in known else name_of.get(key, _REST)
            shares[name] = shares.get(name, 0.0) + seconds / around.seconds
    shares[_REST] = shares.get(_REST, 0.0) + max(0.0, 1.0 - sum(shares.values()))
    return Mix(power_w=around.power_w, fractions=shares)
