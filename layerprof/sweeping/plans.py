"""Plans: which cells a sweep has, and the built-in ones.

axes {a: 1 2, b: x y}              a=1 b=x    a=1 b=y    a=2 b=x    a=2 b=y     the first varies slowest
axes {a: 1 2, b: x y}, link a b    a=1 b=x    a=2 b=y
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from layerprof.errors import InputError
from layerprof.records import AxisValue, CellFailure, FrozenMapping, PlanRecord
from layerprof.sweeping.base import PlannedCell, Settings, settings_of

__all__ = ["batch"]  # Plan is public as layerprof.Plan

_FILE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*")  # the plan's tables are files of that name


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """A sweep over the product of its axes.

    Axes of the BLIP-2 presets: device, dtype, weights, dataset, batch_size, samples, text_tokens (exactly), seq_len (at
    most), image_size, seed, warmup, repeats. Of any other model: device, dtype, seed, warmup, repeats.

    Attributes:
        model: a preset's name, or ``package.module:callable`` that returns ``(model, inputs)``.
        axes: values by the axis's name; the first varies slowest.
        fixed: settings that all cells share.
        links: groups of axes that vary together, value by value, instead of each with each.
        exclude: True for the settings of a cell that is to be skipped; it stays a visible row.
        name: letters, digits, "-" and "_"; the tables of the sweep are called so.

    Raises:
        InputError: for an axis or a value that there is not.
    """

    model: str
    axes: Mapping[str, Sequence[AxisValue]]
    fixed: Mapping[str, AxisValue] = field(default_factory=dict)
    links: Sequence[Sequence[str]] = ()
    exclude: Callable[[Mapping[str, AxisValue]], bool] | None = None
    name: str = "plan"

    def __post_init__(self) -> None:
        _require_shape(self)
        object.__setattr__(self, "axes", FrozenMapping({name: tuple(values) for name, values in self.axes.items()}))
        object.__setattr__(self, "fixed", FrozenMapping(self.fixed))
        object.__setattr__(self, "links", tuple(map(tuple, self.links)))
        _require_links(self.axes, self.links)
        for point in self._points():
            settings_of(self.model, point)

    def cells(self) -> tuple[PlannedCell, ...]:
        """Every cell in the plan's order, those that will be skipped among them."""
        return tuple(self._cell(settings_of(self.model, point)) for point in self._points())

    def record(self) -> PlanRecord:
        """The plan as the sweep's record keeps it."""
        axes = tuple((name, tuple(values)) for name, values in self.axes.items())
        return PlanRecord(name=self.name, model=self.model, axes=axes, fixed=FrozenMapping(self.fixed))

    def _points(self) -> Iterator[dict[str, AxisValue]]:
        groups = _groups(self.axes, self.links)
        choices = [list(zip(*(self.axes[name] for name in group), strict=True)) for group in groups]
        for choice in itertools.product(*choices):
            pairs = (zip(group, values, strict=True) for group, values in zip(groups, choice, strict=True))
            yield {**self.fixed, **dict(itertools.chain.from_iterable(pairs))}

    def _cell(self, settings: Settings) -> PlannedCell:
        cell = PlannedCell(model=self.model, settings=settings)
        return PlannedCell(model=self.model, settings=settings, skipped=_reason_to_skip(cell, self.exclude))


def _reason_to_skip(cell: PlannedCell, exclude: Callable[[Mapping[str, AxisValue]], bool] | None) -> CellFailure | None:
    settings = cell.settings
    if settings.samples is not None and settings.samples < settings.batch_size:
        text = f"{settings.samples} samples do not fill a batch of {settings.batch_size}; ask for more samples"
        return CellFailure(kind="invalid", text=text)
    if exclude is not None and exclude(cell.axes):
        return CellFailure(kind="excluded", text="the plan leaves this cell out")
    return None


def _groups(axes: Mapping[str, Sequence[AxisValue]], links: Sequence[Sequence[str]]) -> list[tuple[str, ...]]:
    """The axes in their order, linked ones together where the first of them stands."""
    group_of = {name: tuple(link) for link in links for name in link}
    return list(dict.fromkeys(group_of.get(name, (name,)) for name in axes))


def _require_shape(plan: Plan) -> None:
    if not isinstance(plan.model, str) or not plan.model:
        raise InputError(f"a plan's model is a preset's name or package.module:callable; found {plan.model!r}")
    if not isinstance(plan.name, str) or not _FILE_NAME.fullmatch(plan.name):
        raise InputError(f"a plan's name has letters, digits, '-' and '_', as a file's; found {plan.name!r}")
    if not isinstance(plan.axes, Mapping) or not isinstance(plan.fixed, Mapping) or not plan.axes:
        raise InputError("a plan has axes, such as {'batch_size': (1, 2)}, and fixed settings, such as {'seed': 0}")
    for name, values in plan.axes.items():
        if isinstance(values, str) or not isinstance(values, Sequence) or not values:
            raise InputError(f"the axis {name!r} takes a list of at least one value; found {values!r}")
        if len(set(map(repr, values))) < len(values):
            raise InputError(f"the axis {name!r} has a value twice: {list(values)!r}")
    both = [name for name in plan.axes if name in plan.fixed]
    if both:
        raise InputError(f"{both[0]!r} is an axis and fixed too; leave out one of the two")


def _require_links(axes: Mapping[str, Sequence[AxisValue]], links: Sequence[Sequence[str]]) -> None:
    linked = [name for link in links for name in link]
    if len(set(linked)) < len(linked) or not set(linked) <= set(axes) or any(len(link) < 2 for link in links):
        raise InputError(f"each link names at least two of the axes {', '.join(axes)}, each once; found {links!r}")
    for link in links:
        if len({len(axes[name]) for name in link}) > 1:
            raise InputError(f"linked axes have as many values each; {', '.join(link)} have not")


def batch(
    model: str = "blip2-tiny",
    *,
    sizes: Sequence[int] = (1, 4, 8, 16),
    samples: int = 16,
    device: str = "cpu",
    dtype: str | None = None,
) -> Plan:
    """The reference report's batch test: the same samples in batches of growing size.

    Args:
        model: a preset.
        sizes: samples of a step; one that is above ``samples`` is a skipped row.
        samples: how many of the sample data are used.
        device: such as ``cpu`` or ``cuda``.
        dtype: ``fp32``, ``bf16`` or ``fp16``; None is the preset's own.

    Raises:
        InputError: for a bad value.
    """
    fixed: dict[str, AxisValue] = {"samples": samples, "device": device, **({} if dtype is None else {"dtype": dtype})}
    return Plan(name="batch", model=model, axes={"batch_size": tuple(sizes)}, fixed=fixed)
