"""Which cells a plan leaves out: by a function, or by mappings, which are checked: a misspelt one leaves out none."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from layerprof.errors import InputError
from layerprof.names import kind_of_device
from layerprof.records import AxisValue, FrozenMapping
from layerprof.sweeping.base import PlannedCell, Settings, one_name, require_names

Excluded = Mapping[str, AxisValue | Sequence[AxisValue]]
Exclude = Callable[[Mapping[str, AxisValue]], bool] | Sequence[Excluded]

_SET_FROM_OUTSIDE = frozenset({"quick", "trace"})  # by the command's options, for a plan that may have neither
_MOST_NAMED = 8  # values that a message spells out


def checked_exclude(model: str, exclude: Exclude | None) -> Exclude | None:
    """What a plan excludes, with each value by its one name.

    Raises:
        InputError: where it is of another form, or has names or values that no setting has.
    """
    if exclude is None or callable(exclude):
        return exclude
    is_list = isinstance(exclude, Sequence) and not isinstance(exclude, str)
    if not is_list or not all(isinstance(each, Mapping) and each for each in exclude):
        raise InputError(
            f"exclude is a function of a cell's settings, or a list of mappings such as {{'batch_size': 8, 'dtype': "
            f"['fp16', 'bf16']}}; found {exclude!r}"
        )
    for each in exclude:
        require_names(model, each)
    return tuple(
        FrozenMapping({name: tuple(_checked(name, value) for value in _choices(asked)) for name, asked in each.items()})
        for each in exclude
    )


def require_matches(exclude: Exclude | None, cells: Sequence[Settings]) -> None:
    """Returns where each mapping, and each value in it, is that of a cell of the plan.

    Raises:
        InputError: naming the first that is not, and what the cells have.
    """
    if exclude is None or callable(exclude):
        return
    for each in exclude:
        if _SET_FROM_OUTSIDE.isdisjoint(each):
            for name, asked in each.items():
                _require_had(name, _choices(asked), tuple(dict.fromkeys(getattr(cell, name) for cell in cells)))
            if not any(all(getattr(cell, name) in _choices(asked) for name, asked in each.items()) for cell in cells):
                said = ", ".join(f"{name} {_in_words(_choices(asked))}" for name, asked in each.items())
                raise InputError(f"exclude: no cell of the plan has all of {said}; correct it or leave it out")


def is_excluded(cell: PlannedCell, exclude: Exclude) -> bool:
    """Whether the plan leaves a cell out.

    Raises:
        InputError: where the function that says so raises.
    """
    axes = cell.axes
    if not callable(exclude):
        return any(all(axes[name] in _choices(asked) for name, asked in each.items()) for each in exclude)
    try:
        return bool(exclude(axes))
    except Exception as error:  # a user's function may raise anything
        settings = ", ".join(f"{name} {value}" for name, value in axes.items() if value is not None)
        raise InputError(f"exclude raised {type(error).__name__}: {error}; for the cell with {settings}") from error


def _choices(asked: AxisValue | Sequence[AxisValue]) -> Sequence[AxisValue]:
    return (asked,) if asked is None or isinstance(asked, str | int | float) else asked


def _checked(name: str, value: AxisValue) -> AxisValue:
    """The value by its one name; True is then never taken for 1, as no setting takes both."""
    given: dict[str, Any] = {name: value}  # types are checked by Settings
    try:
        Settings(**given)
    except InputError as error:
        raise InputError(f"exclude: {error}") from error
    return one_name(name, value)


def _require_had(name: str, asked: Sequence[AxisValue], had: Sequence[AxisValue]) -> None:
    missing = [value for value in asked if value not in had]
    if missing or not asked:
        found = _in_words(had[:_MOST_NAMED]) + (", …" if len(had) > _MOST_NAMED else "")
        raise InputError(
            f"exclude: no cell of the plan has {name} {_in_words(missing) or 'of an empty list'}; they have {found}"
            f"{_hint(name, missing, had)}"
        )


def _hint(name: str, missing: Iterable[AxisValue], had: Iterable[AxisValue]) -> str:
    """What is said of devices, whose names look as though one held another."""
    if name != "device":
        return ""
    numbered = [f"{value}" for value in had if value is not None and kind_of_device(str(value)) in missing]
    return f"; a kind alone does not stand for {numbered[0]}, so name that" if numbered else ""


def _in_words(values: Iterable[AxisValue]) -> str:
    return ", ".join(str(value) for value in values)
