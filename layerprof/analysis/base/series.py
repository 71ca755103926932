"""Tests of a plan as series: the cells that differ in one axis alone, in the order of its values.

    test image_size ─▶ image_size 224, 336, 448   of each data set, the picture as it is
                    └▶ resized_to 224, 336, 448   of each data set, the model's size the same

Linked axes, which change together, fall apart into series of their own in this way.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from layerprof.records import AxisValue, CellRecord, EvidenceRecord, PlanTest, SweepRecord

if TYPE_CHECKING:
    from layerprof.analysis.base.layers import CellLayers

NUMERIC_AXES = (
    "batch_size",
    "image_size",
    "resized_to",
    "seq_len",
    "text_tokens",
    "total_tokens",
    "new_tokens",
    "samples",
    "threads",
)
"""Axes whose values are amounts, so that something may grow along them."""

_SAYS_NOTHING = ("seed", "quick")  # a series along them would compare what is meant to be the same
_FEWEST_PROCESSES = 3  # that a verdict may rest on; two agree by chance too often to tell how processes differ
_WEAK_CODES = {
    "one_process": "one process",
    "contended": "contended",
    "stolen": "stolen time",
    "throttled": "throttled",
    "unsteady": "unsteady",
    "processes_differ": "processes differ",
    "source_changed": "source changed",
    "mixed_environments": "several environments",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Study:
    """A sweep's test with what is known of its cells.

    Attributes:
        test: its name.
        axes: that vary in it.
        cells: in the table's order.
        layers: by a cell's id, of those that have a profile.
        evidence: likewise, of those whose answers are kept.
    """

    test: str
    axes: tuple[str, ...]
    cells: tuple[CellRecord, ...]
    layers: Mapping[str, CellLayers]
    evidence: Mapping[str, EvidenceRecord]

    def is_done(self, cell: CellRecord) -> bool:
        """Whether it has numbers to speak of."""
        return cell.status == "done" and bool(cell.metrics)


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """Finished cells of a test that differ in one axis.

    Attributes:
        study: the test.
        axis: in which they differ.
        cells: by the axis' values, the smallest amount first, names in the plan's order.
        scope: the other settings that vary in the test, in words, such as ``TextVQA``.
        rank: of the series among those along its axis.
    """

    study: Study
    axis: str
    cells: tuple[CellRecord, ...]
    scope: str
    rank: int = 0

    @property
    def first(self) -> CellRecord:
        """The cell of the smallest value."""
        return self.cells[0]

    @property
    def last(self) -> CellRecord:
        """The cell of the largest value."""
        return self.cells[-1]

    @property
    def is_amount(self) -> bool:
        """Whether its values are amounts."""
        return self.axis in NUMERIC_AXES

    @property
    def name(self) -> str:
        """The ends of it in words, such as ``batch_size 1 to 16, TextVQA``."""
        ends = f"{self.axis} {value_words(self.first, self.axis)} to {value_words(self.last, self.axis)}"
        return f"{ends}, {self.scope}" if self.scope else ends


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """Two cells of a series, the one against the other."""

    series: Series
    before: CellRecord
    after: CellRecord

    @property
    def name(self) -> str:
        """What is compared in words, such as ``optimization eager against sdpa``."""
        axis, scope = self.series.axis, self.series.scope
        words = f"{axis} {value_words(self.after, axis)} against {value_words(self.before, axis)}"
        return f"{words}, {scope}" if scope else words

    @property
    def weakness(self) -> str:
        """Why no verdict can rest on it; "" where one can."""
        return weakness_of((self.before, self.after))


def series_of(study: Study) -> Iterator[Series]:
    """The series of a test with at least two finished cells each, by axis, in the order of its cells."""
    varying = tuple(name for name in study.axes if len({cell.axes.get(name) for cell in study.cells}) > 1)
    settings = [(cell, tuple(sorted(cell.axes.items()))) for cell in study.cells if study.is_done(cell)]
    for axis in (name for name in study.axes if name not in _SAYS_NOTHING):
        groups: dict[tuple[tuple[str, AxisValue], ...], list[CellRecord]] = {}
        for cell, items in settings:
            is_own = axis in NUMERIC_AXES and cell.axes.get(axis) is None  # no amount that could stand in the order
            if not is_own:
                others = tuple(item for item in items if item[0] != axis)
                groups.setdefault(others, []).append(cell)
        whole = [cells for cells in groups.values() if len({cell.axes.get(axis) for cell in cells}) > 1]
        for rank, cells in enumerate(whole):
            scope = _scope(varying, cells[0], axis)
            yield Series(study=study, axis=axis, cells=_ordered(cells, axis), scope=scope, rank=rank)


def trials_of(series: Series, baseline: CellRecord) -> Iterator[Trial]:
    """Every other cell of the series against one of them."""
    for cell in series.cells:
        if cell.id != baseline.id:
            yield Trial(series=series, before=baseline, after=cell)


def value_words(cell: CellRecord, axis: str) -> str:
    """A cell's value of an axis in words; the model's own where none was asked for."""
    value = cell.axes.get(axis)
    if value is None:
        return "not at all" if axis == "resized_to" else "own"
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else f"{value}"


def setting_words(cell: CellRecord, axes: Iterable[str]) -> str:
    """A cell by the settings that tell it from its neighbours, such as ``device cuda, dtype fp16``."""
    return ", ".join(f"{axis} {value_words(cell, axis)}" for axis in axes)


def shared_settings(cells: Iterable[CellRecord], name: str) -> tuple[AxisValue, ...]:
    """The values that a setting takes in the cells, each once."""
    return tuple(dict.fromkeys(cell.axes.get(name) for cell in cells))


def weakness_of(cells: Iterable[CellRecord]) -> str:
    """What keeps a verdict from resting on these cells, each reason once; "" where nothing does."""
    reasons: dict[str, None] = {}
    environments = set()
    for cell in cells:
        environments.add(cell.environment)
        if cell.axes.get("quick") is True:
            reasons["quick"] = None
        if 0 < cell.runs_done < _FEWEST_PROCESSES:
            reasons["one process" if cell.runs_done == 1 else f"{cell.runs_done} processes"] = None
        codes = {note.code for note in cell.notes}
        reasons |= {words: None for code, words in _WEAK_CODES.items() if code in codes}
    if len(environments) > 1:
        reasons["several environments"] = None
    return ", ".join(reasons)


def studies_of(
    record: SweepRecord, layers: Mapping[str, CellLayers], evidence: Mapping[str, EvidenceRecord]
) -> Iterator[Study]:
    """The tests of a sweep; a plan without any is one test by its own name."""
    by_id = {cell.id: cell for cell in record.cells}
    whole = PlanTest(name=record.plan.name, axes=record.plan.axes, fixed=record.plan.fixed, cells=tuple(by_id))
    for test in record.plan.tests or (whole,):
        cells = tuple(by_id[id_] for id_ in test.cells if id_ in by_id)
        axes = tuple(name for name, values in test.axes if len(values) > 1)
        yield Study(test=test.name, axes=axes, cells=cells, layers=layers, evidence=evidence)


def _ordered(cells: Iterable[CellRecord], axis: str) -> tuple[CellRecord, ...]:
    def amount(cell: CellRecord) -> float:
        value = cell.axes.get(axis)
        return float(value) if isinstance(value, int | float) else 0.0

    return tuple(sorted(cells, key=amount)) if axis in NUMERIC_AXES else tuple(cells)


def _scope(varying: Iterable[str], cell: CellRecord, axis: str) -> str:
    """The settings besides the axis that tell this series from the others of the test."""
    words = []
    for name in varying:
        if name == axis or _goes_without_saying(name, axis, cell):
            continue
        value = value_words(cell, name)
        words.append(value if name == "dataset" else f"{name} {value}")
    return ", ".join(words)


def _goes_without_saying(name: str, axis: str, cell: CellRecord) -> bool:
    """Of the two picture sizes, the one that is as it always is."""
    return (name == "resized_to" and cell.axes.get(name) is None) or (name == "image_size" and axis == "resized_to")
