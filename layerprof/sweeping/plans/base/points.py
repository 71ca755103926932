"""The points of a plan: the product of its axes, of which linked ones vary together, each point once."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, TypeGuard

from layerprof.errors import InputError
from layerprof.records import AxisValue, FrozenMapping
from layerprof.sweeping.base import Settings, one_name, settings_of

Axes = Mapping[str, Sequence[AxisValue]]
Links = tuple[tuple[str, ...], ...]


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
