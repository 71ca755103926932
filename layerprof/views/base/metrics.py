"""The measured columns that the views of layers, stages, phases and ops share, and the rows that close their books.

The closing rows keep the books in sight: in every column of ``self`` quantities

    sum of the rows + (on other threads) + (unattributed) = step

where time on other threads is subtracted. So that this holds to the last digit, a time in a table is not a median,
for medians do not add up: it is the mean over the middle half of the steps, the same steps in every row.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeVar

from layerprof.records import Distribution, LayerProfile, Profile, family_of, middle_steps, typical
from layerprof.views.base.base import Cell, Column, ColumnQuantity, Measured, Reading, Row

CLOSING_LABELS = ("(on other threads)", "(unattributed)", "step")
# What a footnote calls a missing quantity, then the names by which notes speak of it.
_TIME = ("time", "total_s", "self_s", "step_s")
_DEVICE = ("device time", "device_total_s", "device_self_s")
_FLOPS = ("FLOPs", "flops", "self_flops")
_MEMORY = ("memory", "peak_bytes", "memory")
_OF_SOME_CODE = "no_work"  # of notes on layers that have none of a quantity: no reason for a whole column
_ADDING_ATTRIBUTES = frozenset({"self_s", "device_self_s", "self_flops"})

_Value = Distribution | int | float
_Reading = TypeVar("_Reading", bound=Reading)


@dataclass(frozen=True, slots=True, kw_only=True)
class Closing:
    """What closes a column: the step and what of it lies outside the layers' rows; None where not measured.

    Attributes:
        unattributed, step, concurrent: in the unit of the column's attribute.
        steps: which samples of a distribution count; none chosen means all.
    """

    unattributed: float | None = None
    step: float | None = None
    concurrent: float = 0.0
    steps: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric(Reading):
    """A measured column of numbers in a table of layers, stages, phases or ops.

    Attributes:
        column: its heading; a ``share`` is one of the closing's step.
        attribute: of the records it reads; a distribution counts with its typical value.
        explained_by: what a footnote calls it, then the names by which notes speak of it.
        closing: the profile's closing numbers, in the attribute's unit.
        is_largest: whether several records make a maximum; else they make a sum.
    """

    closing: Closing = field(default_factory=Closing)
    is_largest: bool = False

    @property
    def adds_up(self) -> bool:  # noqa: D102 - as `Reading`
        return self.attribute in _ADDING_ATTRIBUTES

    def over(self, records: Sequence[Measured]) -> float | None:  # noqa: D102 - as `Reading`
        values: list[_Value | None] = [getattr(record, self.attribute, None) for record in records]
        known = [value for value in values if value is not None]
        if not known or len(known) < len(values):
            return None
        return self.shown(_combined(known, steps=self.closing.steps, is_largest=self.is_largest))

    def shown(self, value: float | None) -> float | None:
        """The value as the column has it: itself, or its share of the step."""
        if self.column.quantity != "share" or value is None:
            return value
        return value / self.closing.step if self.closing.step else None

    def closing_cells(self) -> tuple[Cell, Cell, Cell]:  # noqa: D102 - as `Reading`
        closing = self.closing
        step, unattributed = self.shown(closing.step), self.shown(closing.unattributed)
        if not self.adds_up:
            return "", "" if unattributed is None else unattributed, "" if step is None else step
        concurrent = self.shown(closing.concurrent) or 0.0
        return -concurrent if concurrent else "", unattributed, step


def _combined(values: list[_Value], *, steps: tuple[int, ...], is_largest: bool) -> float:
    numbers = [_number(value, steps) for value in values]
    return max(numbers) if is_largest else sum(numbers)


def _number(value: _Value, steps: tuple[int, ...]) -> float:
    if isinstance(value, Distribution):
        return typical(value, steps)
    return value


def layer_metrics(profile: Profile) -> Mapping[str, Metric]:
    """Every column that a table of layers or stages may have, by name, with the profile's closing numbers."""
    host, device, counted = _host_closing(profile), _device_closing(profile), _flops_closing(profile)
    peak = Closing(step=profile.memory.step_peak_bytes if profile.memory else None)
    return {
        "calls": _metric("calls", "integer", "calls"),
        "total_s": _metric("total time", "s", "total_s", _TIME, host),
        "total_share": _metric("of step", "share", "total_s", (), host),
        "self_s": _metric("self time", "s", "self_s", _TIME, host),
        "share": _metric("share", "share", "self_s", (), host),
        "device_total_s": _metric("device total", "s", "device_total_s", _DEVICE, device),
        "device_total_share": _metric("of device", "share", "device_total_s", (), device),
        "device_self_s": _metric("device self", "s", "device_self_s", _DEVICE, device),
        "device_share": _metric("device share", "share", "device_self_s", (), device),
        "flops": _metric("FLOPs", "flops", "flops", _FLOPS, counted),
        "self_flops": _metric("self FLOPs", "flops", "self_flops", _FLOPS, counted),
        "flops_share": _metric("FLOPs share", "share", "self_flops", (), counted),
        "param_count": _metric("params", "count", "param_count"),
        "peak_bytes": replace(_metric("peak memory", "bytes", "peak_bytes", _MEMORY, peak), is_largest=True),
    }


def _metric(
    name: str,
    quantity: ColumnQuantity,
    attribute: str,
    explained_by: tuple[str, ...] = (),
    closing: Closing | None = None,
) -> Metric:
    column = Column(name=name, quantity=quantity)
    return Metric(column=column, attribute=attribute, explained_by=explained_by, closing=closing or Closing())


def _host_closing(profile: Profile) -> Closing:
    steps = middle_steps(profile.step_s)
    concurrent = (layer.concurrent_s for layer in profile.layers)
    return Closing(
        unattributed=_typical(profile.unattributed_s, steps),
        step=_typical(profile.step_s, steps),
        concurrent=sum(typical(value, steps) for value in concurrent if value is not None),
        steps=steps,
    )


def _device_closing(profile: Profile) -> Closing:
    """The device's step is what its rows sum to: nothing measures it from outside."""
    unattributed = _typical(profile.unattributed_device_s, ())
    kernels = [typical(layer.device_self_s, ()) for layer in profile.layers if layer.device_self_s is not None]
    if unattributed is None or not kernels:
        return Closing()
    return Closing(unattributed=unattributed, step=unattributed + sum(kernels))


def _flops_closing(profile: Profile) -> Closing:
    if profile.root.flops is None and profile.root.self_flops is None:
        return Closing()
    return Closing(unattributed=profile.unattributed_flops, step=profile.step_flops)


def _typical(value: Distribution | None, steps: tuple[int, ...]) -> float | None:
    return None if value is None else typical(value, steps)


def time_footnotes(profile: Profile) -> tuple[str, ...]:
    """What a time in a table of layers is."""
    steps = middle_steps(profile.step_s)
    if profile.step_s is None or len(steps) < 2:
        return ()
    return (f"times: means over the middle {len(steps)} of {profile.step_s.n} steps, so that rows add up to the step.",)


def measured(metrics: Sequence[_Reading], records: Sequence[Measured]) -> tuple[_Reading, ...]:
    """Those of ``metrics`` that at least one record has a value for; counts of calls need one that is not 0."""
    return tuple(metric for metric in metrics if any(_is_measured(metric, record) for record in records))


def _is_measured(metric: Reading, record: Measured) -> bool:
    value = metric.over([record])
    return bool(value) if metric.attribute == "calls" else value not in (None, "")


def missing_footnotes(profile: Profile, wanted: Sequence[Reading], shown: Sequence[Reading]) -> tuple[str, ...]:
    """Why columns were left out: the notes of the whole record about a wanted metric that is not shown."""
    footnotes = [
        f"{metric.explained_by[0]}: {note.text}"
        for metric in wanted
        if metric not in shown and metric.explained_by
        for note in profile.notes
        if note.quantity in metric.explained_by[1:] and note.scope in ("*", "", "step")
        if note.code != _OF_SOME_CODE
    ]
    return tuple(dict.fromkeys(footnotes))


def closing_rows(metrics: Sequence[Reading], *, labels: int) -> tuple[Row, ...]:
    """The rows that close the books, with ``labels`` cells that are not metrics in front.

    The row of other threads appears only where there is something to show.
    """
    columns = [metric.closing_cells() for metric in metrics]
    blank: tuple[Cell, ...] = ("",) * (labels - 1)
    rows = [
        Row(cells=(label, *blank, *(column[place] for column in columns)), role="closing")
        for place, label in enumerate(CLOSING_LABELS)
    ]
    return tuple(row for row in rows if any(cell not in ("", None) for cell in row.cells[labels:]))


def likeness_of(layer: LayerProfile) -> Hashable:
    """What layers have in common that may share a row: a family, a class, and a number of parameters."""
    return family_of(layer.path), layer.type_name, layer.param_count
