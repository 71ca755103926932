"""A plan: which cells a sweep has, how often each is run, and what a run may take.

axes {a: 1 2, b: x y}              a=1 b=x    a=1 b=y    a=2 b=x    a=2 b=y     the first varies slowest
axes {a: 1 2, b: x y}, link a b    a=1 b=x    a=2 b=y
tests one {a: 1 2}, two {b: x y}   a=1        a=2        b=x        b=y         what is in both is one cell
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace

from layerprof.errors import InputError
from layerprof.records import AxisValue, CellFailure, FrozenMapping, PlanRecord, PlanTest
from layerprof.sweeping.base import PlannedCell, Settings, reason_to_skip
from layerprof.sweeping.plans.base.excluding import Exclude, checked_exclude, is_excluded, require_matches
from layerprof.sweeping.plans.base.points import (
    Subplan,
    checked_links,
    named,
    points_of,
    require_name,
    require_subplans,
    require_values,
    require_values_once,
    settings_once,
    union_of,
)

__all__ = ["Exclude", "Plan", "Subplan"]

_QUICK = "quick"
_LEFT_OUT = CellFailure(kind="excluded", text="the plan leaves this cell out")


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """A sweep over the product of its axes, or over several such products, its tests.

    Axes of the BLIP-2 presets: device, dtype, weights, dataset, source, batch_size, samples, text_tokens (exactly),
    seq_len (at most), total_tokens (at most, with the picture's), image_size, resized_to, new_tokens, seed, warmup,
    repeats, optimization, device_type, threads, quick, trace, allow_nan, quality, max_new_tokens, echo. Of any other
    model: device, dtype, seed, warmup, repeats, device_type, threads, quick, trace, allow_nan.

    Attributes:
        model: a preset's name, or ``package.module:callable`` that returns ``(model, inputs)``.
        axes: values by the axis's name; the first varies slowest. Of a plan with tests they are not given: there they
            are the values that any cell has.
        fixed: settings that all cells share.
        links: groups of axes that vary together, value by value, instead of each with each; they may have a value
            twice.
        exclude: which cells are to be skipped, each of which stays a visible row: a function that is True for the
            settings of such a cell, or a sequence of mappings from a setting to a value, or to a list of values. A
            cell that has what one of the mappings says, all of it, is skipped. What no cell has is an error, but
            for ``quick`` and ``trace``, which a plan may be given from outside.
        name: letters, digits, "-" and "_"; the tables of the sweep are called so.
        rounds: runs of each cell, each in a process of its own; every round runs all cells. From one process nobody
            can tell how much processes differ.
        timeout_s: the most that a run may take, in seconds; None is without limit.
        hang_s: the longest that a run may give no sign of life, in seconds; None is without limit.
        tests: `Subplan`s, each with axes of its own and a table of its own. A cell that is in several is measured once.

    Raises:
        InputError: for an axis or a value that there is not, and for two points that are the same cell.
    """

    model: str
    axes: Mapping[str, Sequence[AxisValue]] = field(default_factory=dict)
    fixed: Mapping[str, AxisValue] = field(default_factory=dict)
    links: Sequence[Sequence[str]] = ()
    exclude: Exclude | None = None
    name: str = "plan"
    rounds: int = 3
    timeout_s: float | None = 3600.0
    hang_s: float | None = 900.0
    tests: Sequence[Subplan] = ()
    _points: tuple[tuple[Settings, ...], ...] = field(init=False, repr=False, compare=False)  # by test, in order

    def __post_init__(self) -> None:
        _require_shape(self)
        _require_amounts(self)
        object.__setattr__(self, "fixed", named(self.fixed))
        object.__setattr__(self, "exclude", checked_exclude(self.model, self.exclude))
        object.__setattr__(self, "tests", tuple(self.tests))
        if self.tests:
            self._take_tests()
        else:
            self._take_axes()
        require_matches(self.exclude, self._settings)

    def _take_axes(self) -> None:
        given, axes = self.axes, named(self.axes)
        links = checked_links(axes, self.links)
        require_values_once(axes, links, given=given)
        object.__setattr__(self, "axes", axes)
        object.__setattr__(self, "links", links)
        points = points_of(axes, self.fixed, tuple(map(tuple, links)))
        object.__setattr__(self, "_points", (settings_once(self.model, points, axes),))

    def _take_tests(self) -> None:
        require_subplans(self.tests, fixed=self.fixed)
        union = union_of(self.tests)
        if self.links or (self.axes and named(self.axes) != union):
            raise InputError("a plan with tests has its axes and links in them; leave out those of the plan")
        object.__setattr__(self, "axes", union)
        points = tuple(
            settings_once(self.model, points_of(test.axes, {**self.fixed, **test.fixed}, test.groups), test.axes)
            for test in self.tests
        )
        object.__setattr__(self, "_points", points)

    @property
    def _settings(self) -> tuple[Settings, ...]:
        """Of every point, in order; each once."""
        return tuple(dict.fromkeys(itertools.chain.from_iterable(self._points)))

    def cells(self) -> tuple[PlannedCell, ...]:
        """Every cell in the plan's order, those that will be skipped among them.

        Raises:
            InputError: where the function that excludes cells raises.
        """
        return tuple(map(self._cell, self._settings))

    def quick(self) -> Plan:
        """The same plan for a quick look: one run of each cell, with one step to warm up and six to measure.

        Raises:
            InputError: where ``quick`` is one of its axes.
        """
        if _QUICK in self.axes:
            raise InputError(f"{_QUICK!r} is an axis of the plan {self.name!r} already; take the plan as it is")
        return replace(self, rounds=1, fixed={**self.fixed, _QUICK: True})

    def only(self, names: Collection[str]) -> Plan:
        """The same plan with some of its tests.

        Args:
            names: of the tests.

        Raises:
            InputError: for what is no list of names, a name that no test has, or none at all.
        """
        known = [test.name for test in self.tests]
        found = ", ".join(known) or "none"
        if isinstance(names, str) or not isinstance(names, Collection) or not names:
            raise InputError(f"a plan is taken with a list of at least one of its tests ({found}); found {names!r}")
        unknown = [name for name in names if name not in known]
        if unknown:
            raise InputError(f"the plan {self.name!r} has no test {unknown[0]!r}; its tests are {found}")
        return replace(self, axes={}, tests=tuple(test for test in self.tests if test.name in names))

    def record(self) -> PlanRecord:
        """The plan as the sweep's record keeps it."""
        return PlanRecord(
            name=self.name,
            model=self.model,
            axes=tuple((name, tuple(values)) for name, values in self.axes.items()),
            fixed=FrozenMapping(self.fixed),
            rounds=self.rounds,
            timeout_s=self.timeout_s,
            hang_s=self.hang_s,
            tests=tuple(map(self._test_record, self.tests, self._points if self.tests else ())),
        )

    def _test_record(self, test: Subplan, points: Sequence[Settings]) -> PlanTest:
        return PlanTest(
            name=test.name,
            axes=tuple((name, tuple(values)) for name, values in test.axes.items()),
            fixed=FrozenMapping({**self.fixed, **test.fixed}),
            cells=tuple(PlannedCell(model=self.model, settings=settings).id for settings in points),
        )

    def _cell(self, settings: Settings) -> PlannedCell:
        cell = PlannedCell(model=self.model, settings=settings)
        reason = reason_to_skip(cell)
        if reason is None and self.exclude is not None and is_excluded(cell, self.exclude):
            reason = _LEFT_OUT
        return cell if reason is None else replace(cell, skipped=reason)


def _require_shape(plan: Plan) -> None:
    if not isinstance(plan.model, str) or not plan.model:
        raise InputError(f"a plan's model is a preset's name or package.module:callable; found {plan.model!r}")
    require_name("a plan", plan.name)
    has_points = bool(plan.axes) or bool(plan.tests)
    if not isinstance(plan.axes, Mapping) or not isinstance(plan.fixed, Mapping) or not has_points:
        raise InputError("a plan has axes, such as {'batch_size': (1, 2)}, and fixed settings, such as {'seed': 0}")
    require_values(plan.axes, plan.fixed)


def _require_amounts(plan: Plan) -> None:
    if isinstance(plan.rounds, bool) or not isinstance(plan.rounds, int) or plan.rounds < 1:
        raise InputError(f"a plan's rounds are a whole number from 1 up; found {plan.rounds!r}")
    for name, seconds in (("timeout_s", plan.timeout_s), ("hang_s", plan.hang_s)):
        is_number = isinstance(seconds, int | float) and not isinstance(seconds, bool)
        if seconds is not None and not (is_number and 0.0 < seconds < math.inf):
            raise InputError(f"a plan's {name} is seconds above 0, or None for no limit; found {seconds!r}")
