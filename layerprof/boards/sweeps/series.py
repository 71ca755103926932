"""The metrics over each swept axis, as lines of scalars in the report's run.

by batch_size/latency_s/dtype=bf16        step = the batch size; one line for each setting of what else varies
└ test ┘axis  └ metric  └ the others
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from layerprof.boards.base import Charts, Point, digest_of, label, scalars, table_texts
from layerprof.boards.sweeps.base import Group, metric_names, metric_title, steps_of, value_text
from layerprof.records import CellRecord
from layerprof.views import Column, Row, Table

MOST_LINES = 64  # of one axis: a chart of more shows nothing


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """What the cells of a group say along one of its axes.

    Attributes:
        group: of cells.
        axis: that is swept.
        lines: (settings of the others in words, cells) pairs, of at least two cells each.
        left_out: lines beyond `MOST_LINES`.
    """

    group: Group
    axis: str
    lines: tuple[tuple[str, tuple[CellRecord, ...]], ...]
    left_out: int

    @property
    def name(self) -> str:
        """The beginning of its tags."""
        test = f"{label(self.group.name)}: " if self.group.name else ""
        return f"{test}by {label(self.axis)}"


def series_of(groups: Iterable[Group]) -> tuple[Series, ...]:
    """One for each axis along which at least two cells differ in nothing else."""
    found = (_series(group, axis) for group in groups for axis in group.axes)
    return tuple(each for each in found if each.lines)


def _series(group: Group, axis: str) -> Series:
    lines: dict[str, list[CellRecord]] = {}
    others = [other for other in group.axes if other != axis]
    for cell in group.cells:
        lines.setdefault(repr([cell.axes.get(other) for other in others]), []).append(cell)
    swept = {key: tuple(cells) for key, cells in lines.items() if len(cells) > 1}
    words = _words({key: cells[0] for key, cells in swept.items()}, others)
    named = tuple((words[key], cells) for key, cells in swept.items())
    return Series(group=group, axis=axis, lines=named[:MOST_LINES], left_out=len(named[MOST_LINES:]))


def _words(cells: Mapping[str, CellRecord], axes: Sequence[str]) -> Mapping[str, str]:
    """The settings of each line by its key; where a comma in a text makes two alike, with digests of their keys."""
    words = {
        key: ", ".join(f"{axis}={value_text(cell.axes.get(axis))}" for axis in axes) for key, cell in cells.items()
    }
    seen = Counter(words.values())
    return {key: label(text if seen[text] == 1 else f"{text} ~{digest_of(key)}") for key, text in words.items()}


def series_points(series: Series) -> Iterator[Point]:
    """Its scalars, and what the steps stand for; a cell without a number has no point."""
    steps = steps_of(series.group.cells, series.axis)
    for metric in metric_names(cell for _, cells in series.lines for cell in cells):
        for words, cells in series.lines:
            tag = f"{series.name}/{label(metric)}{f'/{words}' if words else ''}"
            yield from scalars(tag, _numbers(cells, metric, series.axis, steps), about=f"the x-axis is {series.axis!a}")
    if any(str(step) != key for key, step in steps.items()):
        yield from table_texts(series.name, [_steps_table(series)])


def _numbers(
    cells: Iterable[CellRecord], metric: str, axis: str, steps: Mapping[str, int]
) -> Iterator[tuple[int, float]]:
    for cell in cells:
        number = cell.metrics.get(metric)
        if number is not None:
            yield steps[repr(cell.axes.get(axis))], number


def series_charts(series: Series) -> Charts:
    """A chart for each metric with all of its lines."""
    names = metric_names(cell for _, cells in series.lines for cell in cells)
    return [(f"{metric_title(name)} {series.name}", [f"{series.name}/{label(name)}"]) for name in names]


def _steps_table(series: Series) -> Table:
    steps = steps_of(series.group.cells, series.axis)
    values = {repr(cell.axes.get(series.axis)): value_text(cell.axes.get(series.axis)) for cell in series.group.cells}
    return Table(
        title=f"steps of {series.axis}",
        columns=(Column(name="step", quantity="integer"), Column(name=series.axis, align="left")),
        rows=tuple(Row(cells=(steps[key], value)) for key, value in values.items()),
    )
