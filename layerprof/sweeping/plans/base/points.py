"""The points of a plan: products of axes, of which linked ones vary together, each point once.

A plan is one such product, or several: its tests, which share a folder, a model and the cells that they have in common.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeGuard

from layerprof.errors import InputError
from layerprof.records import AxisValue, FrozenMapping
from layerprof.sweeping.base import Settings, one_name, settings_of

Axes = Mapping[str, Sequence[AxisValue]]
Links = tuple[tuple[str, ...], ...]

_FILE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*")  # tables are files and headings of that name


@dataclass(frozen=True, slots=True, kw_only=True)
class Subplan:
    """One of the tests that a plan is made of: a product of axes with a table of its own.

    Attributes:
        name: letters, digits, "-" and "_".
        axes: values by the axis's name; the first varies slowest.
        fixed: settings that its cells share, besides those of the plan.
        links: groups of axes that vary together, as those of a plan.

    Raises:
        InputError: where it has no axes, or a value that there is not.
    """

    name: str
    axes: Mapping[str, Sequence[AxisValue]]
    fixed: Mapping[str, AxisValue] = field(default_factory=dict)
    links: Sequence[Sequence[str]] = ()

    def __post_init__(self) -> None:
        require_name("a test", self.name)
        if not isinstance(self.axes, Mapping) or not isinstance(self.fixed, Mapping) or not self.axes:
            raise InputError(f"the test {self.name!r} has no axes; give some, such as {{'batch_size': (1, 2)}}")
        require_values(self.axes, self.fixed)
        given, axes = self.axes, named(self.axes)
        links = checked_links(axes, self.links)
        require_values_once(axes, links, given=given)
        object.__setattr__(self, "axes", axes)
        object.__setattr__(self, "fixed", named(self.fixed))
        object.__setattr__(self, "links", links)

    @property
    def groups(self) -> Links:
        """The groups of linked axes."""
        return tuple(map(tuple, self.links))


def require_name(whose: str, name: object) -> None:
    """Returns where it can be the name of a file.

    Raises:
        InputError: where it cannot.
    """
    if not isinstance(name, str) or not _FILE_NAME.fullmatch(name):
        raise InputError(f"{whose}'s name has letters, digits, '-' and '_', as a file's; found {name!r}")


def require_values(axes: Mapping[str, Sequence[AxisValue]], fixed: Mapping[str, AxisValue]) -> None:
    """Returns where each axis has a list of values, and none is fixed too.

    Raises:
        InputError: naming the axis.
    """
    for name, values in axes.items():
        if isinstance(values, str) or not isinstance(values, Sequence) or not values:
            raise InputError(f"the axis {name!r} takes a list of at least one value; found {values!r}")
    _require_apart(axes, fixed)


def require_subplans(tests: Sequence[Subplan], *, fixed: Mapping[str, AxisValue]) -> None:
    """Returns where they are tests with names of their own, that set nothing that the plan sets.

    Raises:
        InputError: where they are not.
    """
    for test in tests:
        if not isinstance(test, Subplan):
            raise InputError(f"a plan's tests are layerprof.plans.Subplan; found {type(test).__name__}")
        _require_apart({**test.axes, **test.fixed}, fixed)
    names = [test.name for test in tests]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise InputError(f"two tests of the plan are called {twice!r}; give each a name of its own")


def union_of(tests: Sequence[Subplan]) -> FrozenMapping[tuple[AxisValue, ...]]:
    """Every axis that a test has, with all values that any cell of the plan has of it, in their order."""
    names = dict.fromkeys(name for test in tests for name in test.axes)
    return FrozenMapping({name: _values_of(name, tests) for name in names})


def _values_of(name: str, tests: Sequence[Subplan]) -> tuple[AxisValue, ...]:
    found: dict[str, AxisValue] = {}  # by what they look like: True and 1 are two values
    for test in tests:
        values = test.axes[name] if name in test.axes else (test.fixed[name],) if name in test.fixed else ()
        for value in values:
            found.setdefault(repr(value), value)
    return tuple(found.values())


def _require_apart(axes: Mapping[str, object], fixed: Mapping[str, object]) -> None:
    both = [name for name in axes if name in fixed]
    if both:
        raise InputError(f"{both[0]!r} is an axis and fixed too; leave out one of the two")


def named(values: Mapping[str, Any]) -> FrozenMapping[Any]:
    """Settings, or axes with lists of them, with each value by its one name."""
    return FrozenMapping(
        {
            name: tuple(one_name(name, each) for each in value) if _is_list(value) else one_name(name, value)
            for name, value in values.items()
        }
    )


def checked_links(axes: Axes, links: object) -> Links:
    """The groups of axes that vary together.

    Raises:
        InputError: where they are no groups of axes, or their axes have not as many values each.
    """
    groups = tuple(tuple(link) if _is_list(link) else () for link in links) if _is_list(links) else ((),)
    linked = [name for link in groups for name in link]
    is_each_once = all(name in axes for name in linked) and len(set(linked)) == len(linked)
    if not is_each_once or any(len(link) < 2 for link in groups):
        raise InputError(f"each link names at least two of the axes {', '.join(axes)}, each once; found {links!r}")
    for link in groups:
        if len({len(axes[name]) for name in link}) > 1:
            raise InputError(f"linked axes have as many values each; {', '.join(link)} have not")
    return groups


def require_values_once(axes: Axes, links: Links, *, given: Axes) -> None:
    """Returns where no axis has a value twice, and no link a group of values.

    Args:
        axes: with each value by its one name.
        links: whose axes may have a value twice, as long as what it is linked with differs.
        given: the axes as the user wrote them.

    Raises:
        InputError: naming the axis or the link.
    """
    for group in _groups(axes, links):
        choices = list(zip(*(axes[name] for name in group), strict=True))
        if len(set(map(repr, choices))) == len(choices):
            continue
        if len(group) > 1:
            twice = next(choice for place, choice in enumerate(choices) if repr(choice) in map(repr, choices[:place]))
            raise InputError(f"the linked axes {', '.join(group)} have the values {twice!r} twice")
        raise InputError(f"the axis {group[0]!r} has a value twice: {list(given[group[0]])!r}")


def points_of(axes: Axes, fixed: Mapping[str, AxisValue], links: Links) -> Iterator[dict[str, AxisValue]]:
    """Every point, the first axis varying slowest."""
    groups = _groups(axes, links)
    choices = [list(zip(*(axes[name] for name in group), strict=True)) for group in groups]
    for choice in itertools.product(*choices):
        pairs = (zip(group, values, strict=True) for group, values in zip(groups, choice, strict=True))
        yield {**fixed, **dict(itertools.chain.from_iterable(pairs))}


def settings_once(model: str, points: Iterable[Mapping[str, AxisValue]], axes: Axes) -> tuple[Settings, ...]:
    """The settings of each point, in order.

    Raises:
        InputError: for a bad setting, or two points that are one cell.
    """
    found: dict[Settings, Mapping[str, AxisValue]] = {}
    for point in points:
        settings = settings_of(model, point)
        if settings in found:
            one, other = (", ".join(f"{name} {each[name]}" for name in axes) for each in (found[settings], point))
            raise InputError(f"two points of the plan are the same cell: {one} and {other}; leave out one of them")
        found[settings] = point
    return tuple(found)


def _groups(axes: Axes, links: Links) -> list[tuple[str, ...]]:
    """The axes in their order, linked ones together where the first of them stands."""
    group_of = {name: tuple(link) for link in links for name in link}
    return list(dict.fromkeys(group_of.get(name, (name,)) for name in axes))


def _is_list(value: object) -> TypeGuard[Sequence[Any]]:
    return isinstance(value, Sequence) and not isinstance(value, str)
