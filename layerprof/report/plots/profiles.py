"""One profile as stacked bars: its stages, in the whole step or in each phase."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from layerprof import units
from layerprof.errors import InputError
from layerprof.records import Profile, middle_steps, typical
from layerprof.report.base import OTHER_COLOUR, STAGE_COLOURS
from layerprof.report.plots.base import LONGEST_LABEL, fitted, shortened, width_of

_LEGEND_SIZE, _LEGEND_WIDTH = 8.0, 145.0  # points: of its text, and of a third of its line behind the colour
_OTHERS_COLOUR = "#666666"  # of the stages that no colour is left for


@dataclass(frozen=True, slots=True, kw_only=True)
class _Part:
    """A stage in every bar, or what stands for several stages or none; seconds by bar."""

    name: str
    values_s: Sequence[float]
    color: str


def stage_bars(profile: Profile) -> Figure:
    """One stacked bar: the own time of every stage and what is under no layer, which together are the step.

    Where there are more stages than colours, the smallest share one and a name that says how many they are.

    Raises:
        InputError: where the profile has no time of its stages.
    """
    steps = middle_steps(profile.step_s)
    stages = [(stage.name, [typical(stage.self_s, steps)]) for stage in profile.stages if stage.self_s is not None]
    if not stages:
        raise InputError("the profile has no time of its stages; profile with the pass 'time'")
    unattributed_s = typical(profile.unattributed_s, steps) if profile.unattributed_s is not None else 0.0
    parts = _parts(stages, [unattributed_s])
    whole_s = sum(part.values_s[0] for part in parts)
    scale = units.scale_for([whole_s], "s")
    figure = Figure(figsize=(8.0, 2.6), layout="constrained")
    axes = figure.add_subplot()
    _stack(axes, parts, scale, [units.percent(part.values_s[0], whole_s) for part in parts])
    axes.set_yticks([])
    axes.set_xlabel(f"self time ({scale.label})")
    axes.spines[["top", "right", "left"]].set_visible(False)
    figure.legend(loc="outside lower center", ncols=3, fontsize=_LEGEND_SIZE, frameon=False)
    return figure


def phase_bars(profile: Profile) -> Figure:
    """A stacked bar for each phase: the own time of every stage in it and what is under no layer.

    Where there are more stages than colours, the smallest share one and a name that says how many they are.

    Raises:
        InputError: where the step is one phase, or its layers have no time by phase.
    """
    steps = middle_steps(profile.step_s)
    phases = [phase for phase in profile.phases if phase.total_s is not None]
    if len(phases) < 2:
        raise InputError("the profile has no times of several phases; profile a generation or training, with 'time'")
    names = [phase.name for phase in phases]
    stages = [(stage.name, _stage_times(profile, stage.paths, names)) for stage in profile.stages]
    outside = [phase.unattributed_s for phase in phases]
    parts = _parts(stages, [0.0 if value is None else typical(value, steps) for value in outside])
    scale = units.scale_for([sum(values) for values in zip(*(part.values_s for part in parts), strict=True)], "s")
    figure = Figure(figsize=(8.0, 1.6 + 0.5 * len(phases)), layout="constrained")
    axes = figure.add_subplot()
    _stack(axes, parts, scale, [""] * len(parts))
    axes.set_yticks(range(len(phases)), labels=[shortened(name, LONGEST_LABEL) for name in names], parse_math=False)
    axes.invert_yaxis()  # the first phase on top
    axes.set_xlabel(f"self time ({scale.label})")
    axes.spines[["top", "right"]].set_visible(False)
    figure.legend(loc="outside lower center", ncols=3, fontsize=_LEGEND_SIZE, frameon=False)
    return figure


def _stage_times(profile: Profile, paths: Sequence[str], phases: Sequence[str]) -> list[float]:
    """What a stage's layers took by themselves in each phase; those that did not run in it took nothing."""
    steps, members = middle_steps(profile.step_s), set(paths)
    layers = [layer for layer in profile.layers if layer.path in members]
    parts = [[layer.by_phase[phase].self_s for layer in layers if phase in layer.by_phase] for phase in phases]
    return [sum(typical(part, steps) for part in each if part is not None) for each in parts]


def _parts(stages: Sequence[tuple[str, Sequence[float]]], outside_s: Sequence[float]) -> list[_Part]:
    """The largest stages in their order, the others as one, and what is under no layer."""
    most = len(STAGE_COLOURS)
    ranked = sorted(range(len(stages)), key=lambda place: -sum(stages[place][1]))
    named = [stages[place] for place in sorted(ranked[:most])]
    parts = [_Part(name=name, values_s=values, color=STAGE_COLOURS[at]) for at, (name, values) in enumerate(named)]
    others = [stages[place][1] for place in ranked[most:]]
    if others:
        values_s = [sum(values) for values in zip(*others, strict=True)]
        parts.append(_Part(name=f"({len(others):,} other stages)", values_s=values_s, color=_OTHERS_COLOUR))
    return [*parts, _Part(name="(unattributed)", values_s=outside_s, color=OTHER_COLOUR)]


def _stack(axes: Axes, parts: Sequence[_Part], scale: units.Scale, remarks: Sequence[str]) -> None:
    """One bar below the other, each part in its own colour, its remark behind its name in the legend."""
    lefts = [0.0 for _ in parts[0].values_s]
    for part, remark in zip(parts, remarks, strict=True):
        widths = [value / scale.divisor for value in part.values_s]
        name = fitted(part.name, _LEGEND_SIZE, _LEGEND_WIDTH - width_of(f" {remark}", _LEGEND_SIZE))
        label = f"{name} {remark}".rstrip().replace("$", r"\$")
        axes.barh(range(len(widths)), widths, left=lefts, color=part.color, edgecolor="white", label=label)
        lefts = [left + width for left, width in zip(lefts, widths, strict=True)]
