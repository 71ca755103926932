"""Units that do the same work, put together: one measurement stands for all of a class."""

from __future__ import annotations

import math
import statistics
from collections import defaultdict
from collections.abc import Hashable, Sequence

from layerprof.measure.energy.base import Survey, UnitCalls, UnitClass, Wanted
from layerprof.records import LayerInfo


def distinct_units(survey: Survey, layers: Sequence[LayerInfo], least_share: float = 0.002) -> tuple[UnitClass, ...]:
    """The classes of a survey's units that take a share of the step, in order of their phase and first member.

    Two units are of one class when phase, module and the signatures of their calls are equal. What objects among the
    arguments hold does not count: a cache that all layers share is longer at the later ones.

    Args:
        survey: of the step.
        layers: the model's.
        least_share: of the step's time; a class all of whose members together take less is left out.
    """
    groups: defaultdict[Hashable, list[UnitCalls]] = defaultdict(list)
    for unit in survey.units:
        groups[_work_of(unit)].append(unit)
    step_s = statistics.fmean(survey.step_s)
    classes = [_class_of(units, layers, step_s) for units in groups.values()]
    found = [one for one in classes if one.calls and one.share >= least_share]
    return tuple(sorted(found, key=lambda one: (one.phase, one.members[0].layer)))


def _work_of(unit: UnitCalls) -> Hashable:
    counts: defaultdict[Hashable, int] = defaultdict(int)
    for signature, calls in unit.signatures.items():
        counts[signature.work] += calls
    return unit.key.phase, unit.module, frozenset(counts.items())


def _class_of(units: Sequence[UnitCalls], layers: Sequence[LayerInfo], step_s: float) -> UnitClass:
    first = layers[units[0].key.layer]
    samples_s = tuple(math.fsum(one) for one in zip(*(unit.samples_s for unit in units), strict=True))
    return UnitClass(
        name=first.path,
        type_name=first.type_name,
        phase=units[0].key.phase,
        members=tuple(unit.key for unit in units),
        sampled=_sampled(units),
        calls=sum(unit.calls for unit in units),
        samples_s=samples_s,
        share=statistics.fmean(samples_s) / step_s if step_s > 0.0 else 0.0,
        flags=tuple(sorted(frozenset[str]().union(*(unit.flags for unit in units)))),
    )


def _sampled(units: Sequence[UnitCalls]) -> tuple[Wanted, ...]:
    """The first, the middle and the last; both of two."""
    places = sorted({0, len(units) // 2, len(units) - 1})
    return tuple(units[place].wanted for place in places)
