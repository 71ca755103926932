"""Who gets what of a phase's joules.

a unit                 its own joules; by itself what its inside leaves, or all where it calls nobody
a layer inside         of the unit's joules, its share of the time that the unit's layers took by themselves
a layer outside        of the joules of work outside of units, its share of that time
a layer and all below  the sum over the layers below it by path, units as they were measured
"""

from __future__ import annotations

from layerprof.attribute.energy.base import (
    OUTSIDE,
    PhasePools,
    PhaseTree,
    Portion,
    Portions,
    Shares,
    by_time,
    whole,
)


def shares_of(tree: PhaseTree, pools: PhasePools) -> Shares:
    """The portions of every layer in one phase, and of no layer."""
    dealing = _Dealing(tree, pools)
    own = [dealing.own(index) for index in range(len(tree.parent))]
    below = dealing.totals()
    return Shares(
        own=own,
        total=[
            None if tree.is_hidden[index] and tree.may_run[index] and index not in pools.units else portions
            for index, portions in enumerate(below)
        ],
        unattributed=dealing.unattributed(),
    )


class _Dealing:
    """Deals out the pools of one phase."""

    def __init__(self, tree: PhaseTree, pools: PhasePools) -> None:
        self._tree, self._pools = tree, pools
        self._outside_s = tree.outside_s
        self._is_dealt = tree.has_times and pools.work is not None
        self._runs_below = _runs_below(tree)

    def own(self, index: int) -> Portions | None:
        """What a layer took by itself."""
        tree = self._tree
        head = tree.head[index]
        if not tree.may_run[index]:
            return ()
        if head == index and not self._runs_below[index]:
            return (whole(self._pools.units[index]),)
        if tree.is_hidden[index]:
            return None
        if head == OUTSIDE:
            return self._of_work(tree.own_s[index]) if self._is_dealt else None
        return self._of_unit(head, tree.own_s[index])

    def totals(self) -> list[Portions | None]:
        """What each layer and all below it took."""
        tree = self._tree
        found: list[Portions | None] = [() for _ in tree.parent]
        units_below: list[list[Portion]] = [[] for _ in tree.parent]
        is_open = [self._is_open(index) for index in range(len(tree.parent))]
        for index in range(len(tree.parent) - 1, -1, -1):
            head, above = tree.head[index], tree.parent[index]
            if head == index:
                units_below[index] = [whole(self._pools.units[index])]
                found[index] = tuple(units_below[index])
            elif head == OUTSIDE:
                work = self._of_work(tree.below_s[index]) if self._is_dealt else ()
                found[index] = None if is_open[index] else (*work, *units_below[index])
            else:
                runs = tree.may_run[index] or self._runs_below[index]
                found[index] = self._of_unit(head, tree.below_s[index]) if runs else ()
            if above >= 0 and head in (index, OUTSIDE):
                units_below[above].extend(units_below[index])
                is_open[above] = is_open[above] or (is_open[index] and head != index)
        return found

    def unattributed(self) -> Portions | None:
        """The gap, and what ran under no layer; without any times, all work of layers that have no joules."""
        pools, tree = self._pools, self._tree
        if not pools.is_of_units and not self._is_dealt:
            return None
        gap = () if pools.gap is None else (whole(pools.gap),)
        if pools.work is None:
            return gap
        if self._is_dealt and self._outside_s > 0.0:
            return (*gap, *by_time(pools.work, tree.unattributed_s, self._outside_s))
        return (*gap, whole(pools.work))

    def _is_open(self, index: int) -> bool:
        """Whether a layer outside of units took nobody knows how much."""
        tree = self._tree
        is_outside = tree.head[index] == OUTSIDE and tree.may_run[index]
        return is_outside and not self._is_dealt

    def _of_work(self, part_s: float) -> Portions:
        assert self._pools.work is not None  # or it is not dealt
        return by_time(self._pools.work, part_s, self._outside_s)

    def _of_unit(self, head: int, part_s: float) -> Portions | None:
        """A part of a unit's joules; None where its layers' times are not known, or are all 0."""
        whole_s = self._tree.below_s[head]
        return by_time(self._pools.units[head], part_s, whole_s) if whole_s > 0.0 else None


def _runs_below(tree: PhaseTree) -> list[bool]:
    """Whether any layer below each one ran, or may have."""
    found = [False] * len(tree.parent)
    for index in range(len(tree.parent) - 1, 0, -1):
        above = tree.parent[index]
        found[above] = found[above] or found[index] or tree.may_run[index]
    return found
