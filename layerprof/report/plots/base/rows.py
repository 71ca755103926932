"""A test's cells as the rows and panels of a plot, and a metric with its interval.

test ``image_size``: row  = resized to 224, … true 448     what the test is about
                     panel = COCO, ScienceQA, TextVQA       what else varies in it
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from matplotlib.figure import Figure

from layerprof.records import AxisValue, CellRecord, PlanTest, SweepRecord

MOST_PANELS, MOST_ROWS = 6, 24  # beyond it the tables are easier to read

LENGTH_WORDS = {
    "seq_len": "text tokens at most",
    "total_tokens": "tokens at most, those of the picture included",
    "new_tokens": "tokens generated",
    "text_tokens": "text tokens",
}
_ROW_AXES: dict[str, tuple[str, ...]] = {
    "device": ("dtype",),
    "batch": ("batch_size",),
    "image_size": ("resized_to", "image_size"),
    "seq_len": tuple(LENGTH_WORDS),
    "optimization": ("optimization",),
}
_ROW_TITLES = {
    "device": "number format",
    "batch": "batch size",
    "image_size": "picture (pixels)",
    "optimization": "optimisation",
}
_INTERVALS = {  # of metrics whose ends are not named after themselves
    "latency_s": ("latency_low_s", "latency_high_s"),
    "energy_j": ("energy_low_j", "energy_high_j"),
}
_OWN = "own"  # of a setting that is left to the model


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """A cell's number with the ends of its 95 % interval, which are None where it has none."""

    value: float
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawing:
    """A figure, and what it shows, in words of ours alone."""

    title: str
    figure: Figure


@dataclass(frozen=True, slots=True, kw_only=True)
class PlotRow:
    """A cell and what it is called in its test's plots; names are as the plan has them, not yet inert."""

    label: str
    panel: str
    cell: CellRecord


@dataclass(frozen=True, slots=True, kw_only=True)
class PlotTest:
    """A test's rows.

    Attributes:
        name: of the test.
        rows: in the test's order.
        row_title: what the rows' labels are values of.
    """

    name: str
    rows: tuple[PlotRow, ...]
    row_title: str

    @property
    def panels(self) -> dict[str, tuple[PlotRow, ...]]:
        """The rows by panel, both in order, as many as can be drawn; one, "", where nothing varies besides the rows."""
        names = list(dict.fromkeys(row.panel for row in self.rows))[:MOST_PANELS]
        return {name: tuple(row for row in self.rows if row.panel == name)[:MOST_ROWS] for name in names}

    @property
    def hidden(self) -> int:
        """How many rows there is no room for."""
        return len(self.rows) - sum(len(rows) for rows in self.panels.values())


def plot_test(record: SweepRecord, name: str) -> PlotTest | None:
    """The test of that name with its rows; None where the plan has none, or none of its cells."""
    test = next((test for test in record.plan.tests if test.name == name), None)
    if test is None:
        return None
    cells = tuple(_cells_of(record, test))
    others = [axis for axis, _ in test.axes if axis not in _ROW_AXES.get(name, ()) and _varies(cells, axis)]
    rows = tuple(
        PlotRow(
            label=_label(cell, name),
            panel=", ".join(_word(cell.axes.get(axis)) for axis in others),
            cell=cell,
        )
        for cell in cells
    )
    title = LENGTH_WORDS[length_of(cells)] if name == "seq_len" else _ROW_TITLES.get(name, name)
    return PlotTest(name=name, rows=rows, row_title=title) if rows else None


def length_of(cells: Sequence[CellRecord]) -> str:
    """The setting that limits the text: the one that varies, else the first that is set."""
    varying = [name for name in LENGTH_WORDS if _varies(cells, name)]
    given = [name for name in LENGTH_WORDS if any(cell.axes.get(name) is not None for cell in cells)]
    return next(iter((*varying, *given)), "seq_len")


def reading(cell: CellRecord, metric: str) -> Reading | None:
    """The cell's number with its interval, per sample as sure as per batch; None where it has none or is not done."""
    value = cell.metrics.get(metric) if cell.status == "done" else None
    if value is None:
        return None
    if metric == "energy_j_per_sample":
        return _scaled(reading(cell, "energy_j"), value)
    low, high = (cell.metrics.get(end) for end in _INTERVALS.get(metric, (f"{metric}_low", f"{metric}_high")))
    return Reading(value=value, low=low, high=high)


def reason_of(cell: CellRecord) -> str:
    """Why the cell has no result: the failure's kind and text, or its status."""
    if cell.failure is None:
        return "not measured yet" if cell.status == "pending" else cell.status
    return f"{cell.failure.kind.replace('_', ' ')}: {cell.failure.text}"


def subtitles(test: PlotTest) -> Iterator[str]:
    """What the test's cells share, nothing where they differ; how they were measured; how many rows are not drawn."""
    cells = [row.cell for row in test.rows]
    shared = ", ".join(_shared(cells))
    if shared:
        yield shared
    yield from conditions(cells)
    if test.hidden:
        yield f"{test.hidden:,} more rows are in the tables"


def conditions(cells: Sequence[CellRecord]) -> Iterator[str]:
    """That the numbers are those of a quick look, or of one process each, where some are."""
    done = [cell for cell in cells if cell.status == "done"]
    quick = [cell for cell in done if cell.axes.get("quick") is True]
    single = [cell for cell in done if cell.runs_done == 1]
    if quick:
        some = "" if len(quick) == len(done) else " in part"
        yield f"quick{some}: {'one process, ' if len(single) == len(done) else ''}short windows"
    elif single:
        yield "one process a row" if len(single) == len(done) else "some rows of one process"


def _shared(cells: Sequence[CellRecord]) -> Iterator[str]:
    words = {"dataset": "{}", "batch_size": "batch size {}", "device": "{}", "dtype": "{}"}
    for name, text in words.items():
        if cells[0].axes.get(name) is not None and not _varies(cells, name):
            yield text.format(_word(cells[0].axes[name]))


def weights_line(test: PlotTest) -> Iterator[str]:
    """That the weights are random, where they are."""
    if any(row.cell.axes.get("weights") == "random" for row in test.rows):
        yield "weights random: the quality is that of an untrained model"


def _cells_of(record: SweepRecord, test: PlanTest) -> Iterator[CellRecord]:
    by_id = {cell.id: cell for cell in record.cells}
    return (by_id[name] for name in test.cells if name in by_id)


def _scaled(whole: Reading | None, value: float) -> Reading:
    if whole is None or not whole.value or whole.low is None or whole.high is None:
        return Reading(value=value)
    return Reading(value=value, low=whole.low * value / whole.value, high=whole.high * value / whole.value)


def _varies(cells: Sequence[CellRecord], axis: str) -> bool:
    return len({(type(cell.axes.get(axis)), cell.axes.get(axis)) for cell in cells}) > 1


def _label(cell: CellRecord, name: str) -> str:
    if name == "image_size":
        resized = cell.axes.get("resized_to")
        return f"resized {resized}" if resized is not None else f"true {_word(cell.axes.get('image_size'))}"
    values = [cell.axes[axis] for axis in _ROW_AXES.get(name, ()) if cell.axes.get(axis) is not None]
    return ", ".join(_word(value) for value in values) or _OWN


def _word(value: AxisValue) -> str:
    return _OWN if value is None else str(value)
