"""Latency per batch and energy per sample against the batch size, on two axes; every line is labelled at an end."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from layerprof import units
from layerprof.errors import InputError
from layerprof.records import CellRecord, PlanTest, SweepRecord
from layerprof.report.plots.base import (
    GRID_COLOUR,
    LEFT_COLOUR,
    RIGHT_COLOUR,
    Reading,
    add_title,
    conditions,
    fitted,
    reading,
)

_BATCH_AXIS, _TEST = "batch_size", "batch"
_ENERGY = "energy_j_per_sample"
_LINE_STYLES = ("-", "--", ":", "-.")
_MOST_LINES = 12  # on each axis: more cannot be told apart, and thousands take minutes to draw
_MOST_SIZES = 12  # that a title names
_LABEL_SIZE, _LONGEST_LABEL = 9.0, 280.0  # points


@dataclass(frozen=True, slots=True, kw_only=True)
class _Series:
    """One quantity against the batch size, in its base unit."""

    label: str
    quantity: units.Quantity
    sizes: tuple[int, ...]
    readings: tuple[Reading, ...]

    @property
    def has_intervals(self) -> bool:
        """Whether one of its points has an interval."""
        return any(point.low is not None or point.high is not None for point in self.readings)


def has_latency_energy(record: SweepRecord) -> bool:
    """Whether there is something to draw: a test or a plan over batch sizes with a latency in it."""
    test = _test_of(record)
    return any(name == _BATCH_AXIS for name, _ in (record.plan if test is None else test).axes) and bool(
        _groups(record)
    )


def latency_energy_plot(record: SweepRecord) -> Figure:
    """Latency per batch on the left, energy per sample on the right, against the batch size.

    Of a plan of several tests it is drawn of the test ``batch``. Where no cell has an energy, the right axis shows the
    latency per sample, and the title says why. Of many lines only the first are drawn, and the title says how many
    there are.

    Raises:
        InputError: where no cell that is done has both a batch size and a latency.
    """
    groups = _groups(record)
    if not groups:
        raise InputError(
            f"the sweep {record.plan.name!r} has no finished cell with {_BATCH_AXIS} and latency_s; "
            "finish it first, or plot a sweep over batch sizes"
        )
    every, groups = len(groups), dict(list(groups.items())[:_MOST_LINES])
    has_energy = _has_energy(groups)
    metric, name = (_ENERGY, "energy per sample") if has_energy else ("latency_per_sample_s", "latency per sample")
    left = [_series(f"latency per batch{group}", "latency_s", cells) for group, cells in groups.items()]
    right = [_series(f"{name}{group}", metric, cells) for group, cells in groups.items()]
    figure = Figure(figsize=(8.0, 4.8), layout="constrained")
    axes = figure.add_subplot()
    _draw(axes, left, color=LEFT_COLOUR, is_left=True)
    _draw(axes.twinx(), [series for series in right if series.readings], color=RIGHT_COLOUR, is_left=False)
    _set_batch_ticks(axes, sorted({size for series in left for size in series.sizes}))
    add_title(figure, list(_titles(record, has_energy=has_energy, lines=every)))
    return figure


def latency_energy_title(record: SweepRecord) -> str:
    """What is on the two axes, in words of ours alone."""
    drawn = dict(list(_groups(record).items())[:_MOST_LINES])
    return f"Latency per batch and {'energy' if _has_energy(drawn) else 'latency'} per sample against the batch size"


def _has_energy(groups: Mapping[str, Sequence[CellRecord]]) -> bool:
    return any(cell.metrics.get(_ENERGY) is not None for cells in groups.values() for cell in cells)


def _test_of(record: SweepRecord) -> PlanTest | None:
    return next((test for test in record.plan.tests if test.name == _TEST), None)


def _cells(record: SweepRecord) -> Iterator[CellRecord]:
    """Those of the test over batch sizes; all of a plan that is one product."""
    test = _test_of(record)
    chosen = None if test is None else set(test.cells)
    if test is None and record.plan.tests:
        return iter(())
    return (cell for cell in record.cells if chosen is None or cell.id in chosen)


def _groups(record: SweepRecord) -> dict[str, list[CellRecord]]:
    """The finished cells by the axes other than the batch size that vary; the key is a suffix for labels."""
    test = _test_of(record)
    axes = record.plan.axes if test is None else test.axes
    varying = [name for name, values in axes if len(values) > 1 and name != _BATCH_AXIS]
    groups: dict[str, list[CellRecord]] = {}
    for cell in _cells(record):
        if _batch_size(cell) is not None and cell.metrics.get("latency_s") is not None:
            settings = ", ".join(f"{name} {cell.axes.get(name)}" for name in varying)
            groups.setdefault(f" ({settings})" if settings else "", []).append(cell)
    return {key: sorted(cells, key=lambda cell: _batch_size(cell) or 0) for key, cells in groups.items()}


def _batch_size(cell: CellRecord) -> int | None:
    value = cell.axes.get(_BATCH_AXIS)
    return value if cell.status == "done" and isinstance(value, int) else None


def _series(label: str, metric: str, cells: Sequence[CellRecord]) -> _Series:
    points = [(_batch_size(cell), reading(cell, metric)) for cell in cells]
    known = [(size, point) for size, point in points if size is not None and point is not None]
    return _Series(
        label=label,
        quantity="j" if metric.startswith("energy_j") else "s",
        sizes=tuple(size for size, _ in known),
        readings=tuple(point for _, point in known),
    )


def _draw(axes: Axes, series: Sequence[_Series], *, color: str, is_left: bool) -> None:
    """The lines of one axis in one colour, in one unit, each labelled at an end."""
    if not series:
        axes.set_axis_off()
        return
    scale = units.scale_for([point.value for line in series for point in line.readings], series[0].quantity)
    marker = "o" if is_left else "s"
    for place, line in enumerate(series):
        style = _LINE_STYLES[place % len(_LINE_STYLES)]
        points = [_in_unit(point, scale) for point in line.readings]
        whiskers = _whiskers(points) if line.has_intervals else None
        heights = [point.value for point in points]
        axes.errorbar(line.sizes, heights, yerr=whiskers, color=color, marker=marker, ls=style, capsize=4)
        _label(axes, replace(line, readings=tuple(points)), color=color, is_left=is_left)
    axes.set_ylabel(f"{series[0].label.split(' (')[0]} ({scale.label})", color=color)
    axes.tick_params(axis="y", colors=color)
    axes.set_ylim(bottom=0.0, top=1.15 * max(axes.get_ylim()[1], 0.0))
    axes.spines[["top"]].set_visible(False)


def _in_unit(point: Reading, scale: units.Scale) -> Reading:
    low, high = (None if end is None else end / scale.divisor for end in (point.low, point.high))
    return Reading(value=point.value / scale.divisor, low=low, high=high)


def _whiskers(points: Sequence[Reading]) -> list[list[float]]:
    below = [0.0 if point.low is None else max(0.0, point.value - point.low) for point in points]
    above = [0.0 if point.high is None else max(0.0, point.high - point.value) for point in points]
    return [below, above]


def _label(axes: Axes, line: _Series, *, color: str, is_left: bool) -> None:
    """Names a left line at its last point and a right one at its first, so that both are legible."""
    place = -1 if is_left else 0
    point = line.readings[place]
    axes.annotate(
        fitted(line.label, _LABEL_SIZE, _LONGEST_LABEL),
        (line.sizes[place], point.value if point.high is None else max(point.value, point.high)),  # above the whisker
        xytext=(0, 8),
        textcoords="offset points",
        ha="right" if is_left else "left",
        color=color,
        fontsize=_LABEL_SIZE,
        parse_math=False,
    )


def _set_batch_ticks(axes: Axes, sizes: Sequence[int]) -> None:
    axes.set_xscale("log", base=2)
    axes.set_xticks(sizes, labels=[str(size) for size in sizes])
    axes.set_xticks([], minor=True)
    axes.margins(x=0.08)
    axes.set_xlabel("batch size")
    axes.grid(axis="y", color=GRID_COLOUR, linewidth=0.6)


def _titles(record: SweepRecord, *, has_energy: bool, lines: int) -> Iterator[str]:
    yield f"{record.plan.model}: latency and {'energy' if has_energy else 'latency per sample'} by batch size"
    cells = tuple(_cells(record))
    yield from conditions(cells)
    if not has_energy:
        notes = (note.text for cell in cells for note in cell.notes if note.quantity == "energy")
        yield (f"no energy: {next(notes, 'it was not measured')}")
    if lines > _MOST_LINES:
        yield (f"the first {_MOST_LINES} of {lines:,} lines; {record.plan.name}.csv has all")
    absent = [str(cell.axes.get(_BATCH_AXIS)) for cell in cells if cell.status != "done"]
    if absent:
        more = f" and {len(absent) - _MOST_SIZES:,} more" if len(absent) > _MOST_SIZES else ""
        yield (f"without a result: batch size {', '.join(absent[:_MOST_SIZES])}{more}")
