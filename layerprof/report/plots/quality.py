"""Quality against the size of the picture or the length of the text: word error rate and the data sets' own metric.

Points that belong to the same setting stand beside each other, so that their 95 % intervals can be seen apart; every
line has its name at its end.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from layerprof.records import CellRecord, SweepRecord
from layerprof.report.base import OTHER_COLOUR, STAGE_COLOURS
from layerprof.report.plots.base import (
    POINTS,
    TITLE_LINE,
    Drawing,
    PlotRow,
    PlotTest,
    Reading,
    add_title,
    apart,
    length_of,
    quieten,
    reading,
    shortened,
    subtitles,
    title_lines,
    weights_line,
    width_of,
    write,
)

_METRICS = (  # with what a number is multiplied by, and the heading of its axis
    ("wer", 1.0, "word error rate"),
    ("accuracy", 100.0, "data set's own metric (%)"),
)
_TITLES = {"wer": "word error rate", "accuracy": "the data sets' own metric"}
_WIDTH, _FRAME_HEIGHT, _PANEL_HEIGHT = 8.0, 0.9, 2.1  # inches
_LEFT, _SIDE = 0.75, 0.2  # inches beside the panels, without the room of the names
_BOTTOM, _BETWEEN = 0.5, 0.25  # inches
_NAME_SIZE, _LINE_HEIGHT, _LONGEST_NAME = 8.0, 10.5, 36  # points, points, characters
_MOST_LINES = 12
_DODGE = 0.45  # of the distance between two settings: what the points of one take
_NAMES_FROM = 10.0  # points behind the last setting


@dataclass(frozen=True, slots=True, kw_only=True)
class _Line:
    """One data set's readings by setting, of one kind of setting."""

    name: str
    colour: str
    is_resized: bool
    cells: Mapping[int, CellRecord]


def quality_figure(record: SweepRecord, test: PlotTest, *, subject: str) -> Drawing | None:
    """A panel for each metric, a line for each data set; None where no cell of the test was scored.

    Args:
        record: the sweep.
        test: whose cells they are, of the picture's size or the text's length.
        subject: of the title, such as ``image size``.
    """
    lines = list(_lines(test))
    metrics = [each for each in _METRICS if any(_points(line, each[0]) for line in lines)]
    if not metrics:
        return None
    settings = sorted({setting for line in lines for setting in line.cells})
    titles = title_lines([f"{record.plan.model}: quality by {subject}", *_subtitles(test, len(lines))], _WIDTH)
    room = max(width_of(line.name, _NAME_SIZE) for line in lines) + 2 * _NAMES_FROM
    height = _FRAME_HEIGHT + TITLE_LINE * (len(titles) - 1) + _PANEL_HEIGHT * len(metrics)
    figure = Figure(figsize=(_WIDTH, height))
    figure.subplots_adjust(
        left=_LEFT / _WIDTH,
        right=1.0 - _SIDE / _WIDTH - room / POINTS / _WIDTH,
        bottom=_BOTTOM / height,
        top=1.0 - (TITLE_LINE * len(titles) + _BETWEEN) / height,
        hspace=_BETWEEN / _PANEL_HEIGHT,
    )
    drawn = figure.subplots(len(metrics), 1, sharex=True, squeeze=False).ravel()
    for axes, (metric, factor, heading) in zip(drawn, metrics, strict=True):
        _draw(axes, lines[:_MOST_LINES], settings, metric=metric, factor=factor)
        axes.set_ylabel(heading, fontsize=9)
    drawn[-1].set_xticks(range(len(settings)), labels=[str(setting) for setting in settings])
    drawn[-1].set_xlabel(test.row_title, fontsize=9)
    add_title(figure, titles)
    shown = " and ".join(_TITLES[metric] for metric, _, _ in metrics)
    return Drawing(title=f"{shown[0].upper()}{shown[1:]} by {subject}", figure=figure)


def _subtitles(test: PlotTest, lines: int) -> Iterator[str]:
    yield from weights_line(test)
    counts = {row.cell.metrics.get("scored_samples") for row in test.rows if row.cell.status == "done"} - {None}
    samples = f" over {counts.pop()} samples" if len(counts) == 1 else ""
    yield "; ".join((*subtitles(test), f"95 % intervals{samples}", "new words against the first reference"))
    failed = [f"{row.label} {row.panel}".strip() for row in test.rows if row.cell.status != "done"]
    if failed:
        yield f"without a result: {', '.join(failed[:6])}{f' and {len(failed) - 6:,} more' if len(failed) > 6 else ''}"
    if lines > _MOST_LINES:
        yield f"the first {_MOST_LINES} of {lines} lines"


def _lines(test: PlotTest) -> Iterator[_Line]:
    """A line for each panel's name and kind of setting, in the order in which the data sets come."""
    has_kinds = len({_is_resized(row) for row in test.rows}) > 1
    length = length_of([row.cell for row in test.rows])
    panels = list(dict.fromkeys(row.panel for row in test.rows))
    for place, panel in enumerate(panels):
        colour = STAGE_COLOURS[place] if place < len(STAGE_COLOURS) else OTHER_COLOUR
        for is_resized in (True, False):
            rows = [row for row in test.rows if row.panel == panel and _is_resized(row) is is_resized]
            cells = {setting: row.cell for row in rows if (setting := _setting(row, test.name, length)) is not None}
            kind = ("resized" if is_resized else "true size") if has_kinds else ""
            if cells:
                name = shortened(", ".join(filter(None, (panel, kind))), _LONGEST_NAME)
                yield _Line(name=name, colour=colour, is_resized=is_resized and has_kinds, cells=cells)


def _is_resized(row: PlotRow) -> bool:
    return row.cell.axes.get("resized_to") is not None


def _setting(row: PlotRow, test: str, length: str) -> int | None:
    axes = row.cell.axes
    if test == "image_size":
        value = axes.get("resized_to") if _is_resized(row) else axes.get("image_size")
    else:
        value = axes.get(length)
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _points(line: _Line, metric: str) -> list[tuple[int, Reading]]:
    found = [(setting, reading(cell, metric)) for setting, cell in sorted(line.cells.items())]
    return [(setting, point) for setting, point in found if point is not None]


def _draw(axes: Axes, lines: Sequence[_Line], settings: Sequence[int], *, metric: str, factor: float) -> None:
    step = _DODGE / max(1, len(lines) - 1)
    ends: list[tuple[_Line, tuple[float, float]]] = []
    for place, line in enumerate(lines):
        points = _points(line, metric)
        if not points:
            continue
        across = [
            settings.index(setting) + step * place - (_DODGE / 2 if len(lines) > 1 else 0) for setting, _ in points
        ]
        heights = [factor * point.value for _, point in points]
        axes.errorbar(
            across,
            heights,
            yerr=_whiskers([point for _, point in points], factor),
            color=line.colour,
            marker="s" if line.is_resized else "o",
            markerfacecolor="white" if line.is_resized else line.colour,
            ls="--" if line.is_resized else "-",
            linewidth=1.2,
            markersize=4.5,
            elinewidth=1.0,
            capsize=2.0,
        )
        ends.append((line, (across[-1], heights[-1])))
    axes.set_xlim(-0.5, len(settings) - 0.5)
    axes.set_ylim(0.0, 1.08 * max(axes.get_ylim()[1], 1e-9))
    quieten(axes, grid="y")
    _name_ends(axes, ends)


def _whiskers(points: Sequence[Reading], factor: float) -> list[list[float]]:
    below = [0.0 if point.low is None else factor * max(0.0, point.value - point.low) for point in points]
    above = [0.0 if point.high is None else factor * max(0.0, point.high - point.value) for point in points]
    return [below, above]


def _name_ends(axes: Axes, ends: Sequence[tuple[_Line, tuple[float, float]]]) -> None:
    """The lines' names at the right edge, beside their last points, or as near as their neighbours allow."""
    top = axes.get_ylim()[1]
    line = top * _LINE_HEIGHT / (POINTS * _PANEL_HEIGHT)
    heights = apart([height for _, (_, height) in ends], line, most=top)
    edge = axes.get_xlim()[1]
    for (each, (across, height)), moved in zip(ends, heights, strict=True):
        axes.plot([across, edge], [height, moved], color=each.colour, linewidth=0.5, alpha=0.6, clip_on=False)
        write(axes, each.name, (edge, moved), fontsize=_NAME_SIZE, color=each.colour)
