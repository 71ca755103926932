"""One profile as stacked bars: its stages, in the whole step or in each phase."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from layerprof import units
from layerprof.errors import InputError
from layerprof.records import Profile, middle_steps, typical
from layerprof.report.base import OTHER_COLOUR, STAGE_COLOURS, inert


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


def _stack(axes: Axes, parts: Sequence[tuple[str, float]], scale: units.Scale) -> None:
    whole = sum(value for _, value in parts)
    left = 0.0
    for place, (name, value) in enumerate(parts):
        color = OTHER_COLOUR if place == len(parts) - 1 else STAGE_COLOURS[place % len(STAGE_COLOURS)]
        label = f"{inert(name)} {units.percent(value, whole)}".replace("$", r"\$")
        width = value / scale.divisor
        axes.barh([0], [width], left=left, color=color, edgecolor="white", label=label)
        left += width
