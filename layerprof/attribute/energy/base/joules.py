"""Pools of joules, portions of them, and how portions become an `Energy`.

A pool is an amount of joules that was measured or worked out in one piece: a unit in one phase, the work outside of
units in a phase, the gap in a phase. Everything in the record is a sum of portions of pools. So what is dealt out adds
up to the pools exactly, and two sums that share a pool are wrong in the same direction.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from layerprof.estimates import Estimate, weighted
from layerprof.records import Energy, EnergyKind

if TYPE_CHECKING:
    from layerprof.attribute.base import StepEnergy

LEAST_OF_KIND = 1.0 / 20.0  # of a sum's joules, from which on a kind can be the sum's kind

_WEAKEST_FIRST: tuple[EnergyKind, ...] = ("estimated", "time_share", "regressed", "replayed", "measured")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Pool:
    """Joules that were got in one piece.

    Attributes:
        joules: per step.
        seconds: that they were spent in.
        kind: how they were got.
        quantisation_rel: bound of what the tick adds or takes, as a fraction.
        window_s, windows: length and number of the windows that they rest on.
        flags: stable words for what weakens them.
        power_w: mean power, where it was measured better than as joules over seconds.
        half_width_j: half of the 95 % interval.
    """

    joules: Estimate
    seconds: float
    kind: EnergyKind
    quantisation_rel: float
    window_s: float
    windows: int
    flags: tuple[str, ...] = ()
    power_w: float | None = None
    half_width_j: float = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "half_width_j", self.joules.half_width)
        object.__setattr__(self, "flags", tuple(sorted(self.flags)))


def step_pool(step: StepEnergy, *, kind: EnergyKind = "measured", share: float = 1.0) -> Pool:
    """The joules of the whole step, or of a share of it."""
    return Pool(
        joules=step.joules.scaled(share),
        seconds=share * step.seconds.value,
        kind=kind,
        quantisation_rel=step.quantisation_rel,
        window_s=step.window_s,
        windows=step.windows,
        flags=step.flags,
        power_w=None if step.power_w is None else step.power_w.value,
    )


@dataclass(frozen=True, slots=True)
class Portion:
    """A part of a pool, known exactly as a fraction.

    Attributes:
        pool: of which.
        factor: how much of it, from 0 to 1.
        kind: the pool's own for all of it, ``time_share`` for a part.
    """

    pool: Pool
    factor: float
    kind: EnergyKind


Portions = tuple[Portion, ...]  # none at all is 0 J; what is not known is None in place of the tuple


def whole(pool: Pool) -> Portion:
    """All of a pool."""
    return Portion(pool, 1.0, pool.kind)


def by_time(pool: Pool, part_s: float, whole_s: float) -> Portions:
    """The part of a pool that goes with a part of the time; nothing where it took no time."""
    return (Portion(pool, part_s / whole_s, "time_share"),) if part_s > 0.0 else ()


def together(parts: Iterable[Portions | None]) -> Portions | None:
    """The portions of all, those of one pool as one; None as soon as one part is not known."""
    found: dict[tuple[int, EnergyKind], Portion] = {}
    for portions in parts:
        if portions is None:
            return None
        for one in portions:
            key = id(one.pool), one.kind
            known = found.get(key)
            found[key] = one if known is None else Portion(one.pool, known.factor + one.factor, one.kind)
    return tuple(found.values())


@dataclass(frozen=True, slots=True, kw_only=True)
class Meter:
    """What all joules of one pass have in common.

    Attributes:
        source: the counter's name.
        is_estimated: whether nothing was measured: then every kind is ``estimated``.
        resolution_s: how often the counter moves; 0.0 where that is not known.
        sensor_rel: bound of the error of its gain.
        idle_w: power without work, or None where it is not known.
        window_s, windows: of the whole step.
    """

    source: str
    is_estimated: bool
    resolution_s: float
    sensor_rel: float
    idle_w: float | None
    window_s: float
    windows: int

    def energy(self, portions: Portions) -> Energy:
        """The joules of some portions, with their errors put together."""
        if len(portions) == 1:
            return self._of_one(portions[0])
        if not portions:
            return self._nothing()
        joules = weighted((one.factor, one.pool.joules) for one in portions)
        seconds = sum(one.factor * one.pool.seconds for one in portions)
        return Energy(
            total_j=joules.value,
            kind=self._kind(portions, joules.value),
            source=self.source,
            ci95_j=joules.ci95,
            window_s=min(one.pool.window_s for one in portions),
            resolution_s=self.resolution_s,
            power_w=joules.value / seconds if seconds > 0.0 else None,
            idle_j=None if self.idle_w is None else self.idle_w * seconds,
            quantisation_j=sum(one.factor * one.pool.quantisation_rel * one.pool.joules.value for one in portions),
            sensor_rel=self.sensor_rel,
            windows=min(one.pool.windows for one in portions),
            flags=tuple(sorted({flag for one in portions for flag in one.pool.flags})),
        )

    def _of_one(self, portion: Portion) -> Energy:
        """The joules of a part of one pool, which is as uncertain as the pool."""
        pool, factor = portion.pool, portion.factor
        total_j, half_width_j, seconds = factor * pool.joules.value, factor * pool.half_width_j, factor * pool.seconds
        mean_w = total_j / seconds if seconds > 0.0 else None
        return Energy(
            total_j=total_j,
            kind="estimated" if self.is_estimated else portion.kind,
            source=self.source,
            ci95_j=(total_j - half_width_j, total_j + half_width_j),
            window_s=pool.window_s,
            resolution_s=self.resolution_s,
            power_w=mean_w if pool.power_w is None else pool.power_w,
            idle_j=None if self.idle_w is None else self.idle_w * seconds,
            quantisation_j=pool.quantisation_rel * total_j,
            sensor_rel=self.sensor_rel,
            windows=pool.windows,
            flags=pool.flags,
        )

    def _kind(self, portions: Portions, total_j: float) -> EnergyKind:
        """The weakest kind that makes up enough of the joules."""
        if self.is_estimated:
            return "estimated"
        joules = dict.fromkeys(_WEAKEST_FIRST, 0.0)
        for one in portions:
            joules[one.kind] += one.factor * one.pool.joules.value
        shown = (kind for kind in _WEAKEST_FIRST if joules[kind] > 0.0 and joules[kind] >= LEAST_OF_KIND * total_j)
        return next(shown, "time_share")

    def _nothing(self) -> Energy:
        """Of a layer that did nothing: 0 J, which is known exactly."""
        return Energy(
            total_j=0.0,
            kind="estimated" if self.is_estimated else "time_share",
            source=self.source,
            ci95_j=(0.0, 0.0),
            window_s=self.window_s,
            resolution_s=self.resolution_s,
            idle_j=None if self.idle_w is None else 0.0,
            quantisation_j=0.0,
            sensor_rel=self.sensor_rel,
            windows=self.windows,
        )
