"""The steps of a test's cells as stacked bars, one a cell: its stages, what is under no layer, and what is not told.

    batch size  1 │██████░░▒│ 31 ms
                4 │█████████████░░░▒│ 96 ms            every bar is as long as the cell's step
               16 │unsupported: …                      a cell without a result has its reason

The times are those of the kernels where every stage of every bar has them, else of the host, as in the layers' tables.
What compiled code took has no stage: it is hatched.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from matplotlib.figure import Figure

from layerprof import units
from layerprof.names import kind_of_device
from layerprof.records import Breakdown, CellRecord, SweepRecord
from layerprof.report.plots.base import (
    LABEL_SIZE,
    LONGEST_LABEL,
    MOST_COLUMNS,
    POINTS,
    TITLE_LINE,
    Drawing,
    PlotRow,
    PlotTest,
    add_legend,
    add_title,
    panels_below,
    panels_beside,
    shortened,
    subtitles,
    title_lines,
    width_of,
)
from layerprof.report.plots.stages.base import (
    Bar,
    Panel,
    bar_of,
    breakdowns_of,
    colours_of,
    end_of,
    is_of_kernels,
    kernels_bar_of,
)
from layerprof.report.plots.stages.drawing import draw, handles, set_scales

_DEVICE_TEST = "device"
_WIDTH, _ROW_HEIGHT, _EMPTY_ROW_HEIGHT, _LEAST_ROWS = 8.0, 0.36, 0.22, 3  # inches
_FRAME_HEIGHT, _PANEL_HEIGHT = 1.5, 0.65  # inches: of the title and the legend, and of each panel's name and scale
_EMPTY_HEIGHT, _TITLE_LINES = 0.25, 2  # inches: of a panel without a scale; lines that the frame has room for
_MARGIN, _GAP = 0.7, 0.35  # inches: beside the panels besides the rows' names, and between two panels
_INSTRUMENTED = "steps with the instruments on"
_TITLES = {
    "time": "Each step's time by stage and",
    "host time": "Each step's host time by stage and",
    "kernel time": "Each step's kernel time by stage and",
}


def stages_figure(record: SweepRecord, test: PlotTest, *, subject: str) -> Drawing | None:
    """Every cell's step by stage; None where no cell of the test has a time of a stage.

    Args:
        record: the sweep, analysed.
        test: whose cells they are.
        subject: of the title, such as ``batch size``.
    """
    is_stacked = test.name == _DEVICE_TEST  # each device on a scale of its own: one may be a hundred times the other
    panels = _panels(test, breakdowns_of(record), is_stacked=is_stacked)
    every = [bar for panel in panels for bar in panel.bars]
    if not any(bar.stages for bar in every):
        return None
    times = {panel.time for panel in panels if panel.has_bars}
    time = times.pop() if len(times) == 1 else "time"
    title = f"{record.plan.model}: a step's {time} in each stage, by {subject}"
    titles = title_lines([title, "; ".join([*subtitles(test), _INSTRUMENTED])], _WIDTH)
    heights = _heights(panels, is_stacked=is_stacked)
    height = _FRAME_HEIGHT + TITLE_LINE * max(0, len(titles) - _TITLE_LINES) + sum(heights)
    figure = Figure(figsize=(_WIDTH, height), layout="constrained")
    drawn = panels_below(figure, heights) if is_stacked else panels_beside(figure, [panel.name for panel in panels])
    colours = colours_of(record)
    for place, (axes, panel) in enumerate(zip(drawn, panels, strict=True)):
        draw(axes, panel, colours)
        has_title = panel.has_bars if is_stacked else place % MOST_COLUMNS == 0
        set_scales(axes, panel, test.row_title if has_title else "")
    add_title(figure, titles)
    add_legend(figure, list(handles(colours, every)))
    return Drawing(title=f"{_TITLES[time]} {subject}", figure=figure)


def _panels(test: PlotTest, found: Mapping[str, Breakdown], *, is_stacked: bool) -> list[Panel]:
    """The panels with common scales, or each with its own."""
    rows_of = test.panels
    every = [row for rows in rows_of.values() for row in rows]
    columns = 1 if is_stacked else min(MOST_COLUMNS, len(rows_of))
    names = max(width_of(shortened(row.label, LONGEST_LABEL), LABEL_SIZE) for row in every)
    width = (POINTS * (_WIDTH - _MARGIN - _GAP * (columns - 1)) - names) / columns
    common = _bars(every, found)
    panels = []
    for name, rows in rows_of.items():
        among = _bars(rows, found) if is_stacked else common
        panels.append(
            Panel(
                name=name,
                bars=[among.bars[row.cell.id] for row in rows],
                scale=units.scale_for([bar.length_s for bar in among.bars.values()], "s"),
                end_s=end_of(among.bars.values(), width),
                time=among.time,
                width=width,
            )
        )
    return panels


@dataclass(frozen=True, slots=True, kw_only=True)
class _Bars:
    """Bars by the cell's id, and what they are of."""

    bars: Mapping[str, Bar]
    time: str


def _bars(rows: Sequence[PlotRow], found: Mapping[str, Breakdown]) -> _Bars:
    """The rows' bars, of kernels where all of them can be: bars of two kinds of time cannot be compared."""
    make = kernels_bar_of if is_of_kernels(rows, found) else bar_of
    host = "host time" if any(_is_on_device(row.cell) for row in rows) else "time"
    return _Bars(
        bars={row.cell.id: make(row, found.get(row.cell.id)) for row in rows},
        time="kernel time" if make is kernels_bar_of else host,
    )


def _is_on_device(cell: CellRecord) -> bool:
    return cell.status == "done" and kind_of_device(str(cell.axes.get("device") or "cpu")) != "cpu"


def _heights(panels: Sequence[Panel], *, is_stacked: bool) -> list[float]:
    """Of each line of panels, in inches; a panel that has reasons alone takes as little as they need."""
    heights = [
        _PANEL_HEIGHT + _ROW_HEIGHT * max(len(panel.bars), _LEAST_ROWS)
        if panel.has_bars or not is_stacked
        else _EMPTY_HEIGHT + _EMPTY_ROW_HEIGHT * len(panel.bars)
        for panel in panels
    ]
    return heights if is_stacked else [max(heights)] * -(-len(panels) // MOST_COLUMNS)
