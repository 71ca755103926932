"""What each optimisation costs beside the baseline: latency and energy as ratios, a row each.

eager      │        1.21 ─●─
sdpa       │    ●                 the baseline, at 1
compile    │  ─●─ 0.83
flash      │ unsupported: …       a row without a result has its reason
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from layerprof.estimates import ratio_interval
from layerprof.records import CellRecord, SweepRecord
from layerprof.report.plots.base import (
    LABEL_SIZE,
    LEFT_COLOUR,
    MOST_COLUMNS,
    POINTS,
    QUIET,
    RIGHT_COLOUR,
    TITLE_LINE,
    Drawing,
    PlotRow,
    PlotTest,
    Reading,
    add_legend,
    add_title,
    fitted,
    name_panel,
    panels_beside,
    quieten,
    reading,
    reason_of,
    set_row_labels,
    subtitles,
    title_lines,
    write,
)

_BASELINE = "sdpa"
_WIDTH, _ROW_HEIGHT, _FRAME_HEIGHT, _MARGIN = 8.0, 0.4, 1.6, 2.0  # inches
_TITLE_LINES = 2  # that the frame has room for
_WORD_SIZE = 8.0  # points
_ROOM = 0.14  # of the range on both sides, for the numbers beside the dots


@dataclass(frozen=True, slots=True, kw_only=True)
class _Mark:
    """How one quantity is drawn: its metric, its name, its colour and marker, and how far off a row's middle."""

    metric: str
    name: str
    colour: str
    marker: str
    offset: float


_LATENCY = _Mark(metric="latency_s", name="latency", colour=LEFT_COLOUR, marker="o", offset=-0.17)
_ENERGY = _Mark(metric="energy_j_per_sample", name="energy per sample", colour=RIGHT_COLOUR, marker="s", offset=0.17)


def ratios_figure(record: SweepRecord, test: PlotTest) -> Drawing | None:
    """Latency and energy of each row over the baseline's; None where the baseline or all others have no latency."""
    panels = {name: rows for name, rows in test.panels.items() if _has_ratios(rows)}
    if not panels:
        return None
    has_energy = any(_ratios(rows, _ENERGY) for rows in panels.values())
    marks = [_LATENCY, _ENERGY] if has_energy else [_LATENCY]
    lines = -(-len(panels) // MOST_COLUMNS)
    height = _FRAME_HEIGHT + lines * _ROW_HEIGHT * max(len(rows) for rows in panels.values())
    what = " and ".join(mark.name for mark in marks)
    remarks = [*subtitles(test), "whiskers: 95 % intervals of the ratios"]
    titles = title_lines(
        [f"{record.plan.model}: {what} of optimisations beside {_BASELINE}", "; ".join(remarks)], _WIDTH
    )
    height += TITLE_LINE * (len(titles) - _TITLE_LINES)
    figure = Figure(figsize=(_WIDTH, height), layout="constrained")
    width = POINTS * (_WIDTH - _MARGIN) / min(MOST_COLUMNS, len(panels))
    ends = _ends([_ratios(rows, mark) for rows in panels.values() for mark in marks])
    for axes, (name, rows) in zip(panels_beside(figure, list(panels)), panels.items(), strict=True):
        for mark in marks:
            _draw(axes, rows, mark, is_alone=len(marks) == 1)
        set_row_labels(axes, [row.label for row in rows], title="")
        _explain(axes, rows, ends[0], width)
        axes.axvline(1.0, color="black", linewidth=0.8, zorder=1)
        axes.set_xlim(*ends)
        axes.set_xlabel(f"over that of {_BASELINE}; below 1 is better", fontsize=LABEL_SIZE)
        quieten(axes)
        axes.spines["left"].set_visible(False)
        axes.tick_params(axis="y", length=0)
        name_panel(axes, name, width)
    add_title(figure, titles)
    add_legend(figure, [_handle(mark) for mark in marks])
    return Drawing(title=f"{what[0].upper()}{what[1:]} of each optimisation over the baseline's", figure=figure)


def _handle(mark: _Mark) -> Line2D:
    return Line2D([], [], color=mark.colour, marker=mark.marker, linestyle="none", label=mark.name)


def _baseline_of(rows: Sequence[PlotRow]) -> CellRecord | None:
    return next((row.cell for row in rows if row.cell.axes.get("optimization") == _BASELINE), None)


def _has_ratios(rows: Sequence[PlotRow]) -> bool:
    return len(_ratios(rows, _LATENCY)) > 1  # the baseline's own is one


def _ratios(rows: Sequence[PlotRow], mark: _Mark) -> Mapping[int, Reading]:
    """The ratios by the row's place; none where the baseline has no number."""
    baseline = _baseline_of(rows)
    under = None if baseline is None else reading(baseline, mark.metric)
    if baseline is None or under is None or under.value <= 0.0:
        return {}
    found = ((place, row.cell, reading(row.cell, mark.metric)) for place, row in enumerate(rows))
    return {
        place: Reading(value=1.0) if cell.id == baseline.id else _ratio(over, under)
        for place, cell, over in found
        if over is not None
    }


def _ratio(over: Reading, under: Reading) -> Reading:
    """The ratio of two numbers that were measured apart, with its interval where both have one."""
    found = ratio_interval((over.value, over.low, over.high), (under.value, under.low, under.high))
    low, high = found or (None, None)
    return Reading(value=over.value / under.value, low=low, high=high)


def _ends(ratios: Sequence[Mapping[int, Reading]]) -> tuple[float, float]:
    """The least and the largest ratio in sight, 1 among them, with room for the numbers beside the dots."""
    points = [point for each in ratios for point in each.values()]
    low = min(1.0, *(point.value if point.low is None else point.low for point in points))
    high = max(1.0, *(point.value if point.high is None else point.high for point in points))
    room = _ROOM * max(high - low, 0.05)
    return low - room, high + room


def _draw(axes: Axes, rows: Sequence[PlotRow], mark: _Mark, *, is_alone: bool) -> None:
    baseline = _baseline_of(rows)
    for place, point in _ratios(rows, mark).items():
        height = place + (0.0 if is_alone else mark.offset)
        below = 0.0 if point.low is None else point.value - point.low
        above = 0.0 if point.high is None else point.high - point.value
        axes.errorbar(
            [point.value],
            [height],
            xerr=[[below], [above]],
            color=mark.colour,
            marker=mark.marker,
            markersize=5.0,
            capsize=2.5,
            ls="none",
        )
        is_baseline = baseline is not None and rows[place].cell.id == baseline.id
        text = "baseline" if is_baseline and mark is _LATENCY else "" if is_baseline else f"{point.value:.2f}"
        write(axes, text, (point.value + above, height), offset=(5, 0), fontsize=_WORD_SIZE, color=mark.colour)


def _explain(axes: Axes, rows: Sequence[PlotRow], left: float, width: float) -> None:
    """Why a row has no dot, from the left edge on."""
    for place, text in _reasons(rows):
        words = fitted(text, _WORD_SIZE, width)
        write(axes, words, (left, float(place)), fontsize=_WORD_SIZE, color=QUIET, backgroundcolor="white")


def _reasons(rows: Sequence[PlotRow]) -> Iterator[tuple[int, str]]:
    for place, row in enumerate(rows):
        if row.cell.status != "done":
            yield place, reason_of(row.cell)
        elif row.cell.metrics.get("latency_s") is None:
            yield place, "done, without a latency"
