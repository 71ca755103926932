"""What every view is made of: inert tables of raw values, and the measured columns that the views of layers share.

A `Table` holds numbers, not text: a report turns a whole column into text at once, so that its rows share one scale and
all formats agree. A cell that was not measured is None; a cell that makes no sense in its row is "".

The closing rows keep the books in sight: in every column of ``self`` quantities

    sum of the rows + (on other threads) + (difference) + (unattributed) = step

where time on other threads is subtracted, and the difference is what medians leave, since they do not add up.
"""

from __future__ import annotations

import re
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from layerprof.records import Distribution, Energy, Profile, Quantities
from layerprof.units import Quantity

ColumnQuantity = Quantity | Literal["share", "integer"] | None
Role = Literal["body", "closing", "problem"]

CLOSING_LABELS = ("(on other threads)", "(difference)", "(unattributed)", "step")
DIFFERENCE_FOOTNOTE = (
    "(difference): medians of parts do not add up to the median of the whole; each step's own books are in the checks."
)
_VISIBLE_DIFFERENCE = 0.0005  # of the step; what is less cannot be seen in a share printed to 0.1 %
_ADDING_ATTRIBUTES = frozenset({"self_s", "device_self_s", "self_flops"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Amount:
    """A number with its interval, or with a unit of its own.

    Attributes:
        value: in the base unit of its quantity.
        low, high: the ends of its 95 % interval, or None.
        quantity: where it differs from its column's, as in a list of unlike numbers.
    """

    value: float
    low: float | None = None
    high: float | None = None
    quantity: ColumnQuantity = None


Cell = str | int | float | Amount | None
_Value = Distribution | Energy | int | float


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """A table's column.

    Attributes:
        name: of what it holds, without the unit.
        quantity: decides the unit; ``share`` is a fraction shown in percent, ``integer`` is never scaled, None is text.
        align: the side its cells stand on.
    """

    name: str
    quantity: ColumnQuantity = None
    align: Literal["left", "right"] = "right"


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A table's row.

    Attributes:
        cells: one for each column.
        depth: how far the first cell is indented.
        role: ``closing`` rows sum up the body; ``problem`` rows are what went wrong.
    """

    cells: tuple[Cell, ...]
    depth: int = 0
    role: Role = "body"


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """A titled table of raw values.

    Attributes:
        title: one line.
        columns, rows: of equal width.
        footnotes: sentences below it, such as why a column is missing.

    Raises:
        ValueError: when a row has more or fewer cells than there are columns.
    """

    title: str
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    footnotes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if any(len(row.cells) != len(self.columns) for row in self.rows):
            raise ValueError(f"a row of the table {self.title!r} does not have {len(self.columns)} cells")


@dataclass(frozen=True, slots=True, kw_only=True)
class Closing:
    """What closes a column: the step and what of it lies outside the layers' rows; None where not measured."""

    unattributed: float | None = None
    step: float | None = None
    concurrent: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """A measured column of a table of layers, stages or phases.

    Attributes:
        column: its heading; a ``share`` is one of the closing's step.
        attribute: of the records it reads; a distribution counts with its median, an energy with its joules.
        explained_by: what a footnote calls it, then the names by which notes speak of it.
        closing: the profile's closing numbers, in the attribute's unit.
        is_largest: whether several records make a maximum; else they make a sum.
    """

    column: Column
    attribute: str
    explained_by: tuple[str, ...] = ()
    closing: Closing = field(default_factory=Closing)
    is_largest: bool = False

    @property
    def adds_up(self) -> bool:
        """Whether its rows and the unattributed part make up the step."""
        return self.attribute in _ADDING_ATTRIBUTES

    def over(self, records: Sequence[Quantities]) -> float | None:
        """The value of one row made of ``records``; None as soon as one of them was not measured."""
        values: list[_Value | None] = [getattr(record, self.attribute, None) for record in records]
        known = [value for value in values if value is not None]
        if not known or len(known) < len(values):
            return None
        return self.shown(_combined(known, is_largest=self.is_largest))

    def shown(self, value: float | None) -> float | None:
        """The value as the column has it: itself, or its share of the step."""
        if self.column.quantity != "share" or value is None:
            return value
        return value / self.closing.step if self.closing.step else None


def _combined(values: list[_Value], *, is_largest: bool) -> float:
    if is_largest:
        return max(_number(value) for value in values)
    distributions = [value for value in values if isinstance(value, Distribution)]
    if len(distributions) == len(values) and len({value.n for value in distributions}) == 1:
        # The same index is the same step in every row, so steps are summed before the median is taken.
        return statistics.median(map(sum, zip(*(value.samples for value in distributions), strict=True)))
    return sum(_number(value) for value in values)


def _number(value: _Value) -> float:
    if isinstance(value, Distribution):
        return value.median
    return value.total_j if isinstance(value, Energy) else value


def layer_metrics(profile: Profile) -> Mapping[str, Metric]:
    """Every column that a table of layers or stages may have, by name, with the profile's closing numbers."""
    host, device, counted = _host_closing(profile), _device_closing(profile), _flops_closing(profile)
    peak = Closing(step=profile.memory.step_peak_bytes if profile.memory else None)
    time, work = ("time", "total_s", "self_s", "step_s"), ("FLOPs", "flops", "self_flops")
    kernels, joules = ("device time", "device_total_s", "device_self_s"), ("energy", "energy", "self_energy")
    return {
        "calls": Metric(column=Column(name="calls", quantity="integer"), attribute="calls"),
        "total_s": Metric(
            column=Column(name="total time", quantity="s"), attribute="total_s", explained_by=time, closing=host
        ),
        "self_s": Metric(
            column=Column(name="self time", quantity="s"), attribute="self_s", explained_by=time, closing=host
        ),
        "share": Metric(column=Column(name="share", quantity="share"), attribute="self_s", closing=host),
        "device_self_s": Metric(
            column=Column(name="device self time", quantity="s"),
            attribute="device_self_s",
            explained_by=kernels,
            closing=device,
        ),
        "device_share": Metric(
            column=Column(name="device share", quantity="share"), attribute="device_self_s", closing=device
        ),
        "flops": Metric(
            column=Column(name="FLOPs", quantity="flops"), attribute="flops", explained_by=work, closing=counted
        ),
        "self_flops": Metric(
            column=Column(name="self FLOPs", quantity="flops"),
            attribute="self_flops",
            explained_by=work,
            closing=counted,
        ),
        "flops_share": Metric(
            column=Column(name="FLOPs share", quantity="share"), attribute="self_flops", closing=counted
        ),
        "param_count": Metric(column=Column(name="params", quantity="count"), attribute="param_count"),
        "peak_bytes": Metric(
            column=Column(name="peak memory", quantity="bytes"),
            attribute="peak_bytes",
            explained_by=("memory", "peak_bytes", "memory"),
            closing=peak,
            is_largest=True,
        ),
        "energy": Metric(column=Column(name="energy", quantity="j"), attribute="energy", explained_by=joules),
        "self_energy": Metric(
            column=Column(name="self energy", quantity="j"), attribute="self_energy", explained_by=joules
        ),
    }


def _host_closing(profile: Profile) -> Closing:
    concurrent = (layer.concurrent_s for layer in profile.layers)
    return Closing(
        unattributed=_median(profile.unattributed_s),
        step=_median(profile.step_s),
        concurrent=sum(value.median for value in concurrent if value is not None),
    )


def _device_closing(profile: Profile) -> Closing:
    """The device's step is what its rows sum to: nothing measures it from outside."""
    unattributed = _median(profile.unattributed_device_s)
    kernels = [layer.device_self_s.median for layer in profile.layers if layer.device_self_s is not None]
    if unattributed is None or not kernels:
        return Closing()
    return Closing(unattributed=unattributed, step=unattributed + sum(kernels))


def _flops_closing(profile: Profile) -> Closing:
    if profile.root.flops is None and profile.root.self_flops is None:
        return Closing()
    return Closing(unattributed=profile.unattributed_flops, step=profile.step_flops)


def _median(value: Distribution | None) -> float | None:
    return None if value is None else value.median


def measured(metrics: Sequence[Metric], records: Sequence[Quantities]) -> tuple[Metric, ...]:
    """Those of ``metrics`` that at least one record has a number for; counts of calls need one that is not 0."""
    return tuple(metric for metric in metrics if any(_is_measured(metric, record) for record in records))


def _is_measured(metric: Metric, record: Quantities) -> bool:
    value = metric.over([record])
    return bool(value) if metric.attribute == "calls" else value is not None


def missing_footnotes(profile: Profile, wanted: Sequence[Metric], shown: Sequence[Metric]) -> tuple[str, ...]:
    """Why columns were left out: the notes of the whole record about a wanted metric that is not shown."""
    footnotes = [
        f"{metric.explained_by[0]}: {note.text}"
        for metric in wanted
        if metric not in shown and metric.explained_by
        for note in profile.notes
        if note.quantity in metric.explained_by[1:] and note.scope in ("*", "", "step")
    ]
    return tuple(dict.fromkeys(footnotes))


def closing_rows(metrics: Sequence[Metric], body: Sequence[Row], *, labels: int) -> tuple[Row, ...]:
    """The rows that close the books below ``body``, whose first ``labels`` cells are not metrics.

    The rows of other threads and of the difference appear only where there is something to show.
    """
    columns = [
        _closing_cells(metric, [row.cells[labels + place] for row in body]) for place, metric in enumerate(metrics)
    ]
    blank: tuple[Cell, ...] = ("",) * (labels - 1)
    rows = [
        Row(cells=(label, *blank, *(column[place] for column in columns)), role="closing")
        for place, label in enumerate(CLOSING_LABELS)
    ]
    return tuple(row for row in rows if any(cell not in ("", None) for cell in row.cells[labels:]))


def _closing_cells(metric: Metric, body: Sequence[Cell]) -> tuple[Cell, Cell, Cell, Cell]:
    closing = metric.closing
    step, unattributed = metric.shown(closing.step), metric.shown(closing.unattributed)
    if not metric.adds_up:
        return "", "", "" if unattributed is None else unattributed, "" if step is None else step
    concurrent = metric.shown(closing.concurrent) or 0.0
    values = [value for value in body if isinstance(value, int | float)]
    difference = 0.0
    if step is not None and unattributed is not None and len(values) == len(body):
        difference = step - unattributed + concurrent - sum(values)
    is_visible = abs(difference) > _VISIBLE_DIFFERENCE * (step or 0.0)
    return -concurrent if concurrent else "", difference if is_visible else "", unattributed, step


def family_of(path: str) -> str:
    """The path with every index replaced by a star: layers of one family differ in nothing else."""
    return re.sub(r"(?<![^.])\d+(?![^.])", "*", path)
