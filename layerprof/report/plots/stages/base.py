"""A cell's step as a bar of stages, and the panels that bars stand in."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from layerprof import units
from layerprof.records import OTHER_STAGE, Breakdown, CellRecord, StageTime, SweepRecord
from layerprof.report.base import OTHER_COLOUR, STAGE_COLOURS
from layerprof.report.plots.base import PlotRow, fitted, reason_of, width_of

UNATTRIBUTED, OTHERS_COLOUR = "(unattributed)", "#666666"
WORD_SIZE, PADDING = 8.0, 8.0  # points: of the words behind a bar, and on both sides of a text together

_LEAST_SHARE = 0.01  # of a bar: a stage that is below it in all bars cannot be seen
_LARGEST_WORDS = 0.6  # of a panel's width
_ROUNDING = 1e-6  # of a step: what sums of it may be off by


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """A row's bar: seconds by stage, seconds that are not told by stage, and the words that stand behind it."""

    label: str
    stages: Mapping[str, float]
    untold_s: float
    words: str

    @property
    def length_s(self) -> float:
        """Of the whole bar."""
        return sum(self.stages.values()) + self.untold_s


@dataclass(frozen=True, slots=True, kw_only=True)
class Panel:
    """The bars of one panel, and the room they have.

    Attributes:
        name: of the panel.
        bars: from the top down.
        scale: of the times.
        end_s: where the panel ends.
        time: what the bars are of, such as ``host time``.
        width: of the panel, in points.
    """

    name: str
    bars: Sequence[Bar]
    scale: units.Scale
    end_s: float
    time: str
    width: float

    @property
    def has_bars(self) -> bool:
        """Whether one of its rows has a bar at all."""
        return any(bar.length_s for bar in self.bars)

    def room(self, seconds: float) -> float:
        """The points that so many seconds take."""
        return self.width * seconds / self.end_s


def breakdowns_of(record: SweepRecord) -> Mapping[str, Breakdown]:
    """The sweep's breakdowns by the cell's id; none where it was not analysed."""
    return {} if record.analysis is None else {each.cell: each for each in record.analysis.breakdowns}


def colours_of(record: SweepRecord) -> Mapping[str, str]:
    """Stage to colour, the same in all plots of a sweep; where colours do not suffice, the least stages share grey."""
    largest: dict[str, float] = {}
    for breakdown in breakdowns_of(record).values():
        kernels_s = sum(stage.device_s or 0.0 for stage in breakdown.stages)
        for stage in breakdown.stages:
            share = _share(stage.self_s, breakdown.step_s), _share(stage.device_s, kernels_s)
            largest[stage.stage] = max(largest.get(stage.stage, 0.0), *share)
    named = {stage: share for stage, share in largest.items() if stage not in (UNATTRIBUTED, OTHER_STAGE)}
    seen = [stage for stage, share in named.items() if share >= _LEAST_SHARE]
    ranked = sorted(seen, key=lambda stage: -named[stage])[: len(STAGE_COLOURS)]
    palette = iter(STAGE_COLOURS)
    colours = {stage: next(palette) if stage in ranked else OTHERS_COLOUR for stage in named}
    return {**colours, OTHER_STAGE: OTHERS_COLOUR, UNATTRIBUTED: OTHER_COLOUR}


def _share(part: float | None, whole: float | None) -> float:
    return part / whole if part and whole else 0.0


def is_of_kernels(rows: Sequence[PlotRow], breakdowns: Mapping[str, Breakdown]) -> bool:
    """Whether every stage of every bar has the time of its kernels, so that the bars can be of those."""
    found = [breakdowns.get(row.cell.id) for row in rows if row.cell.status == "done"]
    return bool(found) and all(each is not None and _has_kernels(each.stages) for each in found)


def _has_kernels(stages: Sequence[StageTime]) -> bool:
    return bool(stages) and all(stage.device_s is not None for stage in stages)


def kernels_bar_of(row: PlotRow, breakdown: Breakdown | None) -> Bar:
    """The row's bar, as long as all kernels of the cell's step; only the reason where the cell has no result."""
    if row.cell.status != "done" or breakdown is None:
        return Bar(label=row.label, stages={}, untold_s=0.0, words=reason_of(row.cell))
    known = {stage.stage: stage.device_s for stage in breakdown.stages if stage.device_s is not None}
    return Bar(label=row.label, stages=known, untold_s=0.0, words=units.with_unit(sum(known.values()), "s"))


def bar_of(row: PlotRow, breakdown: Breakdown | None) -> Bar:
    """The row's bar, as long as the cell's step; only the reason where the cell has no result."""
    cell = row.cell
    if cell.status != "done":
        return Bar(label=row.label, stages={}, untold_s=0.0, words=reason_of(cell))
    if breakdown is None or breakdown.step_s is None:
        latency_s = cell.metrics.get("latency_s") or 0.0
        words = f"{units.with_unit(latency_s or None, 's')}: no layer profile"
        return Bar(label=row.label, stages={}, untold_s=latency_s, words=words)
    known = {stage.stage: stage.self_s for stage in breakdown.stages if stage.self_s is not None}
    missing = len(breakdown.stages) - len(known)
    if missing:
        known.pop(OTHER_STAGE, None)  # where the time of compiled parts is, whose stages have none
    rest_s = breakdown.step_s - sum(known.values())
    untold_s = rest_s if rest_s > _ROUNDING * breakdown.step_s else 0.0
    words = units.with_unit(breakdown.step_s, "s")
    if missing:
        words += ": compiled, not told by stage" if _is_compiled(cell) else f": {missing} stages without a time"
    return Bar(label=row.label, stages=known if any(known.values()) else {}, untold_s=untold_s, words=words)


def _is_compiled(cell: CellRecord) -> bool:
    return str(cell.axes.get("optimization")).startswith("compile")


def end_of(bars: Collection[Bar], width: float) -> float:
    """Where a panel has to end so that every bar has its words behind it."""
    longest_s = max(bar.length_s for bar in bars)
    ends = [bar.length_s / (1.0 - _room_of_words(bar, width) / width) for bar in bars]
    return max(*ends, longest_s) or 1.0


def _room_of_words(bar: Bar, width: float) -> float:
    return width_of(words_of(bar, width), WORD_SIZE) + PADDING if bar.length_s else 0.0


def words_of(bar: Bar, width: float) -> str:
    """The words in the room they have: all of the panel where there is no bar."""
    room = width * (_LARGEST_WORDS if bar.length_s else 1.0)
    return fitted(bar.words, WORD_SIZE, room - PADDING)
