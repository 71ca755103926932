"""The cells of a plan's tests, and how one cell is shown: its settings, its numbers with their intervals, its end."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from layerprof.records import AxisValue, CellRecord, EvidenceRecord, PlanTest, SweepRecord
from layerprof.views.base import Amount, AmountForm, Cell, ColumnQuantity
from layerprof.views.base.sweeps import is_of_one_process

ECHOED = "WER, prompt echoed"
"""What the word error rate of prompt and answer together is called."""

_ENERGY, _ENERGY_PER_SAMPLE = "energy_j", "energy_j_per_sample"
_WITH_ENDS = ("wer", "wer_min", "wer_echo", "accuracy", "exact_match")
INTERVALS = {
    "latency_s": ("latency_low_s", "latency_high_s"),
    _ENERGY: ("energy_low_j", "energy_high_j"),
    **{name: (f"{name}_low", f"{name}_high") for name in _WITH_ENDS},
}
"""The names of the ends of a metric's 95 % interval."""

_MARKS = {  # of numbers that are weaker than the others, by the code of the note that says why
    "contended": "contended",
    "stolen": "stolen",
    "throttled": "throttled",
    "unsteady": "unsteady",
    "processes_differ": "processes differ",
    "source_changed": "source changed",
}
_SINGLE = "one process"
_SHARES = frozenset({"accuracy", "exact_match", "cut_share"})
_SUFFIXES: tuple[tuple[str, ColumnQuantity], ...] = (
    ("_s", "s"),
    ("flops", "flops"),
    ("flops_last_batch", "flops"),
    ("macs", "macs"),
    ("bytes", "bytes"),
    ("_j", "j"),
    ("_w", "w"),
    ("_hz", "hz"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class CellsOfTest:
    """A test of the plan with those of its cells that are shown.

    Attributes:
        test: of the plan.
        cells: in the test's order; one that was not in force has its reason and no numbers.
        hidden: how many more there are.
        shared: names of the settings that are the same in all tests of the plan.
    """

    test: PlanTest
    cells: tuple[CellRecord, ...]
    hidden: int = 0
    shared: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Results:
    """A sweep of several tests, made ready to be shown.

    Attributes:
        record: the sweep as it is.
        tests: in the plan's order.
        evidence: of the cells that are shown and have any that can be read, by id.
        shared: the settings that are the same in all tests.
        lost: how many of the cells that are shown name files beside them of which none is there.
    """

    record: SweepRecord
    tests: tuple[CellsOfTest, ...]
    evidence: Mapping[str, EvidenceRecord]
    shared: Mapping[str, AxisValue] = field(default_factory=dict)
    lost: int = 0

    @property
    def cells(self) -> tuple[CellRecord, ...]:
        """Every cell that is shown, once."""
        return tuple({cell.id: cell for each in self.tests for cell in each.cells}.values())


def axis_cell(cell: CellRecord, axis: str) -> Cell:
    """The cell's setting as text; None where it has no such setting."""
    return str(cell.axes[axis]) if axis in cell.axes else None


def metric_cell(cell: CellRecord, name: str, *, form: AmountForm | None = None) -> Cell:
    """The cell's number with its interval where it has one; None where it was not measured.

    Args:
        cell: of a sweep.
        name: of the metric.
        form: how it is written; None is joules with their error, and anything else with the ends of its interval. A
            number without an interval has three digits in any form.
    """
    value = cell.metrics.get(name)
    if value is not None and name == _ENERGY_PER_SAMPLE:
        return _per_sample(value, cell)
    if value is None or name not in INTERVALS:
        return value
    low, high = (cell.metrics.get(end) for end in INTERVALS[name])
    if name != _ENERGY and (low is None or high is None):
        return Amount(value=value)
    return Amount(value=value, low=low, high=high, form=form or ("plus_minus" if name == _ENERGY else "interval"))


def _per_sample(value: float, cell: CellRecord) -> Amount:
    """Joules of one sample, as uncertain as those of the step."""
    whole, *ends = (cell.metrics.get(name) for name in (_ENERGY, *INTERVALS[_ENERGY]))
    low, high = (end * value / whole if end is not None and whole else None for end in ends)
    return Amount(value=value, low=low, high=high, form="plus_minus")


def status_of(cell: CellRecord) -> str:
    """How the cell ended, with the reason where it brought nothing, and in what its numbers are weak."""
    return ending_of(cell) if cell.failure is None else f"{ending_of(cell)}: {cell.failure.text}"


def ending_of(cell: CellRecord) -> str:
    """How the cell ended, with the kind of its failure in the place of the whole reason."""
    marks = marks_of(cell)
    if cell.failure is not None:
        return f"{cell.status} ({', '.join((cell.failure.kind, *marks))})"
    is_begun = cell.status == "pending" and cell.runs_done > 0
    words = (*((f"{cell.runs_done} of {cell.runs_planned}",) if is_begun else ()), *marks)
    return f"{cell.status} ({', '.join(words)})" if words else cell.status


def marks_of(cell: CellRecord) -> tuple[str, ...]:
    """In what its numbers are weaker than others; nothing where there are none."""
    if not cell.metrics:
        return ()
    codes = {note.code for note in cell.notes}
    single = (_SINGLE,) if is_of_one_process(cell) else ()
    return (*single, *(_MARKS[code] for code in _MARKS if code in codes))


def weaknesses_of(cell: CellRecord) -> tuple[str, ...]:
    """The same, and what a table says below it: one process where no more were planned, and a quick look."""
    if not cell.metrics:
        return ()
    marks = marks_of(cell)
    is_single = any(note.code == "one_process" for note in cell.notes) and _SINGLE not in marks
    return (*((_SINGLE,) if is_single else ()), *marks, *(("quick",) if cell.axes.get("quick") is True else ()))


def has_echo(cells: Iterable[CellRecord]) -> bool:
    """Whether answers were also scored with their prompts, as the published ones are."""
    return any(cell.metrics.get("wer_echo") is not None for cell in cells)


def quantity_of(name: str) -> ColumnQuantity:
    """What a metric's name says it holds: its unit's suffix, "per sample" left out; a ratio where it has none."""
    if name in _SHARES:
        return "share"
    stem = name.replace("_per_sample", "")
    if "_per_" in stem:
        return "flops_per_s" if stem == "flops_per_s" else "ratio"
    return next((quantity for suffix, quantity in _SUFFIXES if stem.endswith(suffix)), "ratio")
