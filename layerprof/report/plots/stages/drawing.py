"""Bars of stages on a panel's axes, each stage in its colour, what is not told hatched."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from matplotlib.axes import Axes
from matplotlib.patches import Patch

from layerprof.report.base import OTHER_COLOUR
from layerprof.report.plots.base import (
    LABEL_SIZE,
    LONGEST_LABEL,
    QUIET,
    ink_on,
    legend_text,
    name_panel,
    quieten,
    set_row_labels,
    shortened,
    width_of,
    write,
)
from layerprof.report.plots.stages.base import (
    OTHERS_COLOUR,
    PADDING,
    UNATTRIBUTED,
    WORD_SIZE,
    Bar,
    Panel,
    words_of,
)

_UNTOLD = "(not told by stage)"
_UNTOLD_LOOKS: Mapping[str, object] = {"facecolor": "white", "edgecolor": "#888888", "hatch": "////", "linewidth": 0.6}
_BAR_HEIGHT, _NAME_SIZE = 0.66, 7.5


def draw(axes: Axes, panel: Panel, colours: Mapping[str, str]) -> None:
    """Draws the bars with their words behind them, and names the stages of the longest where there is room."""
    longest = max(panel.bars, key=lambda bar: bar.length_s)
    for place, bar in enumerate(panel.bars):
        left_s = 0.0
        for stage, seconds in bar.stages.items():
            color = colours.get(stage, OTHERS_COLOUR)
            _add_part(axes, panel, place, (left_s, seconds), {"color": color, "edgecolor": "white", "linewidth": 0.4})
            if bar is longest and _fits(panel, stage, seconds):
                _name_part(axes, stage, ((left_s + seconds / 2) / panel.scale.divisor, place), color)
            left_s += seconds
        if bar.untold_s:
            _add_part(axes, panel, place, (left_s, bar.untold_s), _UNTOLD_LOOKS)
        at = (bar.length_s / panel.scale.divisor, float(place))
        write(axes, words_of(bar, panel.width), at, fontsize=WORD_SIZE, color="black" if bar.length_s else QUIET)


def set_scales(axes: Axes, panel: Panel, row_title: str) -> None:
    """Sets what stands around the bars: the rows' names, the scale from zero, the panel's name."""
    set_row_labels(axes, [bar.label for bar in panel.bars], title=row_title)
    quieten(axes)
    axes.set_xlim(0.0, panel.end_s / panel.scale.divisor)
    axes.spines["left"].set_visible(False)
    axes.tick_params(axis="y", length=0)
    if not panel.has_bars:
        axes.set_xticks([])
        axes.spines["bottom"].set_visible(False)
    else:
        axes.set_xlabel(f"{panel.time} of a step ({panel.scale.label})", fontsize=LABEL_SIZE)
    name_panel(axes, panel.name, panel.width)


def handles(colours: Mapping[str, str], bars: Sequence[Bar]) -> Iterator[Patch]:
    """A patch a colour, in the order of the bars; stages that share grey share a patch."""
    present = dict.fromkeys(stage for bar in bars for stage in bar.stages if bar.stages[stage])
    grey = [stage for stage in present if colours.get(stage, OTHERS_COLOUR) == OTHERS_COLOUR]
    for stage in present:
        if stage not in grey and stage != UNATTRIBUTED:
            yield Patch(color=colours[stage], label=legend_text(stage))
    if grey:
        yield Patch(
            color=OTHERS_COLOUR, label=legend_text(grey[0]) if len(grey) == 1 else f"({len(grey)} other stages)"
        )
    if UNATTRIBUTED in present:
        yield Patch(color=OTHER_COLOUR, label=UNATTRIBUTED)
    if any(bar.untold_s for bar in bars):
        yield Patch(**_UNTOLD_LOOKS, label=_UNTOLD)  # type: ignore[arg-type]


def _add_part(axes: Axes, panel: Panel, place: int, part: tuple[float, float], looks: Mapping[str, object]) -> None:
    left_s, seconds = part
    divisor = panel.scale.divisor
    axes.barh([place], [seconds / divisor], left=left_s / divisor, height=_BAR_HEIGHT, **looks)  # type: ignore[arg-type]


def _fits(panel: Panel, stage: str, seconds: float) -> bool:
    return width_of(shortened(stage, LONGEST_LABEL), _NAME_SIZE) + PADDING <= panel.room(seconds)


def _name_part(axes: Axes, stage: str, place: tuple[float, float], colour: str) -> None:
    write(
        axes,
        shortened(stage, LONGEST_LABEL),
        place,
        offset=(0, 0),
        ha="center",
        fontsize=_NAME_SIZE,
        color=ink_on(colour),
    )
