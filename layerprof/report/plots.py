"""Plots as matplotlib figures, by its object interface alone: no window, no global figure, no global setting changed.

Every line is labelled at one of its ends.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from layerprof import units
from layerprof.errors import InputError
from layerprof.records import CellRecord, Profile, SweepRecord, middle_steps, typical
from layerprof.report.base import OTHER_COLOUR, STAGE_COLOURS, inert, without_glyph_warnings

_BATCH_AXIS = "batch_size"
_LEFT_COLOUR, _RIGHT_COLOUR = "#0072B2", "#D55E00"  # blue, vermilion
_LINE_STYLES = ("-", "--", ":", "-.")
_MOST_LINES = 12  # on each axis: more cannot be told apart, and thousands take minutes to draw
_MOST_SIZES = 12  # that a title names
_SUFFIXES = (".png", ".svg")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Series:
    """One quantity against the batch size, in its base unit; the intervals have the points' length, or are empty."""

    label: str
    quantity: units.Quantity
    sizes: tuple[int, ...]
    values: tuple[float, ...]
    intervals: tuple[tuple[float, float], ...] = ()


def latency_energy_plot(record: SweepRecord) -> Figure:
    """Latency per batch on the left, energy per sample on the right, against the batch size.

    Where no cell has an energy, the right axis shows the latency per sample, and the title says why. Of many lines only
    the first are drawn, and the title says how many there are.

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
    energy = "energy_j_per_sample"
    has_energy = any(cell.metrics.get(energy) is not None for cells in groups.values() for cell in cells)
    metric, name = (energy, "energy per sample") if has_energy else ("latency_per_sample_s", "latency per sample")
    left = [_latency_series(f"latency per batch{group}", cells) for group, cells in groups.items()]
    right = [_series(f"{name}{group}", metric, cells) for group, cells in groups.items()]
    figure = Figure(figsize=(8.0, 4.8), layout="constrained")
    axes = figure.add_subplot()
    _draw(axes, left, color=_LEFT_COLOUR, marker="o")
    _draw(axes.twinx(), [series for series in right if series.values], color=_RIGHT_COLOUR, marker="s")
    _set_batch_ticks(axes, sorted({size for series in left for size in series.sizes}))
    axes.set_title(
        "\n".join(_titles(record, has_energy=has_energy, lines=every)), fontsize=10, loc="left", parse_math=False
    )
    return figure


def stage_bars(profile: Profile) -> Figure:
    """One stacked bar: the own time of every stage and what is under no layer, which together are the step.

    Raises:
        InputError: where the profile has no time of its stages.
    """
    steps = middle_steps(profile.step_s)
    parts = [(stage.name, typical(stage.self_s, steps)) for stage in profile.stages if stage.self_s is not None]
    if not parts:
        raise InputError("the profile has no time of its stages; profile with the pass 'time'")
    unattributed_s = typical(profile.unattributed_s, steps) if profile.unattributed_s is not None else 0.0
    parts = [*parts, ("(unattributed)", unattributed_s)]
    scale = units.scale_for([sum(value for _, value in parts)], "s")
    figure = Figure(figsize=(8.0, 2.6), layout="constrained")
    axes = figure.add_subplot()
    _stack(axes, parts, scale)
    axes.set_yticks([])
    axes.set_xlabel(f"self time ({scale.label})")
    axes.spines[["top", "right", "left"]].set_visible(False)
    figure.legend(loc="outside lower center", ncols=3, fontsize=8, frameon=False)
    return figure


def phase_bars(profile: Profile) -> Figure:
    """A stacked bar for each phase: the own time of every stage in it and what is under no layer.

    Raises:
        InputError: where the step is one phase, or its layers have no time by phase.
    """
    steps = middle_steps(profile.step_s)
    phases = [phase for phase in profile.phases if phase.total_s is not None]
    if len(phases) < 2:
        raise InputError("the profile has no times of several phases; profile a generation or training, with 'time'")
    names = [phase.name for phase in phases]
    bars = {stage.name: _stage_times(profile, stage.paths, names) for stage in profile.stages}
    outside = [phase.unattributed_s for phase in phases]
    bars["(unattributed)"] = [0.0 if value is None else typical(value, steps) for value in outside]
    scale = units.scale_for([sum(values) for values in zip(*bars.values(), strict=True)], "s")
    figure = Figure(figsize=(8.0, 1.6 + 0.5 * len(phases)), layout="constrained")
    axes = figure.add_subplot()
    _stack_each(axes, bars, scale)
    axes.set_yticks(range(len(phases)), labels=[inert(name) for name in names], parse_math=False)
    axes.invert_yaxis()  # the first phase on top
    axes.set_xlabel(f"self time ({scale.label})")
    axes.spines[["top", "right"]].set_visible(False)
    figure.legend(loc="outside lower center", ncols=3, fontsize=8, frameon=False)
    return figure


def _stage_times(profile: Profile, paths: Sequence[str], phases: Sequence[str]) -> list[float]:
    """What a stage's layers took by themselves in each phase; those that did not run in it took nothing."""
    steps, members = middle_steps(profile.step_s), set(paths)
    layers = [layer for layer in profile.layers if layer.path in members]
    parts = [[layer.by_phase[phase].self_s for layer in layers if phase in layer.by_phase] for phase in phases]
    return [sum(typical(part, steps) for part in each if part is not None) for each in parts]


def _stack_each(axes: Axes, bars: Mapping[str, Sequence[float]], scale: units.Scale) -> None:
    """One bar below the other, each part in its own colour; the last part is what has no name."""
    lefts = [0.0 for _ in next(iter(bars.values()))]
    for place, (name, values) in enumerate(bars.items()):
        color = OTHER_COLOUR if place == len(bars) - 1 else STAGE_COLOURS[place % len(STAGE_COLOURS)]
        widths = [value / scale.divisor for value in values]
        label = inert(name).replace("$", r"\$")
        axes.barh(range(len(values)), widths, left=lefts, color=color, edgecolor="white", label=label)
        lefts = [left + width for left, width in zip(lefts, widths, strict=True)]


@without_glyph_warnings()
def save_figure(figure: Figure, path: str | Path) -> Path:
    """Writes the figure as PNG or SVG, by the path's suffix; the same figure gives the same bytes.

    Returns:
        The path that was written.

    Raises:
        InputError: where the suffix is neither ``.png`` nor ``.svg``.
    """
    target = Path(path)
    if target.suffix not in _SUFFIXES:
        raise InputError(f"cannot save a figure as {target.suffix or 'a file without a suffix'!r}; use .png or .svg")
    metadata = {"Software": None} if target.suffix == ".png" else {"Date": None, "Creator": None}
    with matplotlib.rc_context({"svg.hashsalt": "layerprof"}):  # else the ids in an SVG are random
        figure.savefig(target, dpi=150, metadata=metadata)
    return target


def _groups(record: SweepRecord) -> dict[str, list[CellRecord]]:
    """The finished cells by the axes other than the batch size that vary; the key is a suffix for labels."""
    varying = [name for name, values in record.plan.axes if len(values) > 1 and name != _BATCH_AXIS]
    groups: dict[str, list[CellRecord]] = {}
    for cell in record.cells:
        if _batch_size(cell) is not None and cell.metrics.get("latency_s") is not None:
            settings = ", ".join(f"{name} {cell.axes.get(name)}" for name in varying)
            groups.setdefault(f" ({settings})" if settings else "", []).append(cell)
    return {key: sorted(cells, key=lambda cell: _batch_size(cell) or 0) for key, cells in groups.items()}


def _batch_size(cell: CellRecord) -> int | None:
    value = cell.axes.get(_BATCH_AXIS)
    return value if cell.status == "done" and isinstance(value, int) else None


def _series(label: str, metric: str, cells: Sequence[CellRecord]) -> _Series:
    points = [(_batch_size(cell), cell.metrics.get(metric)) for cell in cells]
    known = [(size, value) for size, value in points if size is not None and value is not None]
    return _Series(
        label=label,
        quantity="j" if metric.startswith("energy_j") else "s",
        sizes=tuple(size for size, _ in known),
        values=tuple(value for _, value in known),
    )


def _latency_series(label: str, cells: Sequence[CellRecord]) -> _Series:
    series = _series(label, "latency_s", cells)
    ends = zip(
        series.values,
        (cell.metrics.get("latency_low_s") for cell in cells),
        (cell.metrics.get("latency_high_s") for cell in cells),
        strict=True,
    )
    intervals = [(value if low is None else low, value if high is None else high) for value, low, high in ends]
    return _Series(label=label, quantity="s", sizes=series.sizes, values=series.values, intervals=tuple(intervals))


def _draw(axes: Axes, series: Sequence[_Series], *, color: str, marker: str) -> None:
    """The lines of one axis in one colour, in one unit, each labelled at an end."""
    if not series:
        axes.set_axis_off()
        return
    scale = units.scale_for([value for line in series for value in line.values], series[0].quantity)
    for place, line in enumerate(series):
        style = _LINE_STYLES[place % len(_LINE_STYLES)]
        heights = [value / scale.divisor for value in line.values]
        axes.errorbar(
            line.sizes, heights, yerr=_error_bars(line, scale), color=color, marker=marker, ls=style, capsize=4
        )
        _label(axes, line, scale, color=color)
    axes.set_ylabel(f"{series[0].label.split(' (')[0]} ({scale.label})", color=color)
    axes.tick_params(axis="y", colors=color)
    axes.set_ylim(bottom=0.0, top=1.15 * max(axes.get_ylim()[1], 0.0))
    axes.spines[["top"]].set_visible(False)


def _error_bars(line: _Series, scale: units.Scale) -> list[list[float]] | None:
    if not line.intervals:
        return None
    pairs = list(zip(line.values, line.intervals, strict=True))
    below = [max(0.0, value - low) / scale.divisor for value, (low, _) in pairs]
    above = [max(0.0, high - value) / scale.divisor for value, (_, high) in pairs]
    return [below, above]


def _label(axes: Axes, line: _Series, scale: units.Scale, *, color: str) -> None:
    """Names a left line (with intervals) at its last point and a right one at its first, so that both are legible."""
    is_left = bool(line.intervals)
    place = -1 if is_left else 0
    height = line.intervals[place][1] if is_left else line.values[place]  # above the whisker
    axes.annotate(
        line.label,
        (line.sizes[place], height / scale.divisor),
        xytext=(0, 8),
        textcoords="offset points",
        ha="right" if is_left else "left",
        color=color,
        fontsize=9,
        parse_math=False,
    )


def _set_batch_ticks(axes: Axes, sizes: Sequence[int]) -> None:
    axes.set_xscale("log", base=2)
    axes.set_xticks(sizes, labels=[str(size) for size in sizes])
    axes.set_xticks([], minor=True)
    axes.margins(x=0.08)
    axes.set_xlabel("batch size")
    axes.grid(axis="y", color="#DDDDDD", linewidth=0.6)


def _titles(record: SweepRecord, *, has_energy: bool, lines: int) -> list[str]:
    titles = [f"{record.plan.model}: latency and {'energy' if has_energy else 'latency per sample'} by batch size"]
    if not has_energy:
        notes = (note.text for cell in record.cells for note in cell.notes if note.quantity == "energy")
        titles.append(f"no energy: {next(notes, 'it was not measured')}")
    if lines > _MOST_LINES:
        titles.append(f"the first {_MOST_LINES} of {lines:,} lines; {record.plan.name}.csv has all")
    absent = [str(cell.axes.get(_BATCH_AXIS)) for cell in record.cells if cell.status != "done"]
    if absent:
        more = f" and {len(absent) - _MOST_SIZES:,} more" if len(absent) > _MOST_SIZES else ""
        titles.append(f"without a result: batch size {', '.join(absent[:_MOST_SIZES])}{more}")
    return [inert(title) for title in titles]


def _stack(axes: Axes, parts: Sequence[tuple[str, float]], scale: units.Scale) -> None:
    whole = sum(value for _, value in parts)
    left = 0.0
    for place, (name, value) in enumerate(parts):
        color = OTHER_COLOUR if place == len(parts) - 1 else STAGE_COLOURS[place % len(STAGE_COLOURS)]
        label = f"{inert(name)} {units.percent(value, whole)}".replace("$", r"\$")
        width = value / scale.divisor
        axes.barh([0], [width], left=left, color=color, edgecolor="white", label=label)
        left += width
