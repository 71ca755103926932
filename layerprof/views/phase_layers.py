"""What each layer took in each phase, and the two phases that readers want side by side.

A layer has no numbers of a phase in which it did not run; such a cell is missing, not 0. A row of several layers sums
those that ran.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from layerprof.records import LayerProfile, PhaseProfile, Profile
from layerprof.views.base import (
    DECODE,
    Cell,
    Column,
    Forest,
    Group,
    Metric,
    RoofReading,
    Row,
    Table,
    above_footnotes,
    forest_of,
    groups_of,
    layer_metrics,
    measured,
    roof_readings,
    time_footnotes,
)

_DEVICE_FOOTNOTE = "device: durations of what the layer's calls launched; means over the steps of the ops pass."


@dataclass(frozen=True, slots=True, kw_only=True)
class _Contrast:
    """Two phases that readers want side by side.

    Attributes:
        first, second: the phases' names.
        run: what one run of the second makes, where the second is compared by its runs; else "".
        ratio: what the ratio divides, in words.
    """

    first: str
    second: str
    run: str
    ratio: str


_CONTRASTS = (
    _Contrast(first="prefill", second=DECODE, run="token", ratio="prefill over one token"),
    _Contrast(first="forward", second="backward", run="", ratio="backward over forward"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class _PhaseColumn:
    """One metric of the layers in one phase.

    Attributes:
        column: its heading.
        phase: whose numbers it shows.
        metric: what is read of them.
        runs: by which they are divided.
    """

    column: Column
    phase: PhaseProfile
    metric: Metric
    runs: int = 1

    def over(self, layers: Sequence[LayerProfile]) -> Cell:
        """The value of those ``layers`` that ran in the phase; None where none did, or one was not measured."""
        name = self.phase.name
        return self._of_one_run(self.metric.over([layer.by_phase[name] for layer in layers if name in layer.by_phase]))

    def closing(self) -> tuple[Cell, Cell]:
        """The part under no layer, which is known for host time alone, and the whole phase."""
        whole = self._of_one_run(self.metric.over([self.phase]))
        if self.metric.attribute != "total_s":
            return "", whole
        return self._of_one_run(replace(self.metric, attribute="unattributed_s").over([self.phase])), whole

    def _of_one_run(self, value: float | None) -> float | None:
        if value is None or not self.runs:
            return None
        return value if self.runs == 1 else value / self.runs


@dataclass(frozen=True, slots=True, kw_only=True)
class _RatioColumn:
    """One column over another."""

    column: Column
    upper: _PhaseColumn
    lower: _PhaseColumn

    def over(self, layers: Sequence[LayerProfile]) -> Cell:
        """The ratio in these layers; "" where both are 0 or the lower one is, for then there is none."""
        return _ratio(self.upper.over(layers), self.lower.over(layers))

    def closing(self) -> tuple[Cell, Cell]:
        """Nothing for the part under no layer, and the ratio of the whole phases."""
        return "", _ratio(self.upper.closing()[1], self.lower.closing()[1])


@dataclass(frozen=True, slots=True, kw_only=True)
class _PlaceColumn:
    """The place of the layers under the roofline in one phase: its intensity, its efficiency, or what bounds it."""

    column: Column
    phase: PhaseProfile
    reading: RoofReading

    def over(self, layers: Sequence[LayerProfile]) -> Cell:
        """The place of those ``layers`` that ran in the phase; None where none did, or it is not known."""
        return self.reading.over_phase(layers, self.phase.name)

    def closing(self) -> tuple[Cell, Cell]:
        """Nothing for the part under no layer, and the place of the whole phase."""
        return "", self.reading.over([self.phase])


_Shown = _PhaseColumn | _RatioColumn | _PlaceColumn


def phase_layers_table(profile: Profile, *, max_depth: int | None = None, most_rows: int | None = None) -> Table:
    """The layers that ran in any phase, folded like the tree, with their total time and FLOPs in each phase.

    It is empty where the step is one phase.

    Args:
        profile: whose layers are shown.
        max_depth: of the deepest rows; None shows all.
        most_rows: how many rows of layers there may be; then only so deep as they fit. None has no limit.
    """
    phases = profile.phases if len(profile.phases) > 1 else ()
    columns = [column for phase in phases for column in _columns_of(phase, profile)]
    return _layers_table("Layers by phase", profile, columns, max_depth=max_depth, most_rows=most_rows)


def _columns_of(phase: PhaseProfile, profile: Profile) -> Iterator[_PhaseColumn]:
    available = layer_metrics(profile)
    yield _column(phase, available["total_s"], f"{phase.name} time")
    if phase.steps > 1:
        yield _column(phase, available["total_s"], f"time/{_run_of(phase)}", runs=phase.steps)
    yield _column(phase, available["device_total_s"], f"{phase.name} device")
    yield _column(phase, available["flops"], f"{phase.name} FLOPs")


def _run_of(phase: PhaseProfile) -> str:
    return "token" if phase.name == DECODE else f"run of {phase.name}"


def _column(phase: PhaseProfile, metric: Metric, name: str, *, runs: int = 1) -> _PhaseColumn:
    return _PhaseColumn(column=replace(metric.column, name=name), phase=phase, metric=metric, runs=runs)


def phase_contrast_table(profile: Profile, *, max_depth: int | None = None, most_rows: int | None = None) -> Table:
    """Prefill against one decoded token, or backward against forward, for the layers that ran in one of the two.

    Beside times and FLOPs it has what tells the two apart: FLOPs for each byte, and what bounds the layer in each.

    Times are those of the device where they were measured: there, the host only launches. It is empty where the
    profile has no such pair of phases.

    Args:
        profile: whose layers are shown.
        max_depth: of the deepest rows; None shows all.
        most_rows: how many rows of layers there may be; then only so deep as they fit. None has no limit.
    """
    phases = {phase.name: phase for phase in profile.phases}
    contrast = next((one for one in _CONTRASTS if one.first in phases and one.second in phases), None)
    if contrast is None:
        return Table(title="Layers by phase", columns=(Column(name="layer", align="left"),), rows=())
    title = f"{contrast.first.capitalize()} against {contrast.second}"
    pair = phases[contrast.first], phases[contrast.second]
    columns = (*_contrast_columns(contrast, *pair, profile), *_place_columns(pair, profile))
    table = _layers_table(title, profile, columns, max_depth=max_depth, most_rows=most_rows)
    marked = above_footnotes(profile, [cell for row in table.rows for cell in row.cells])
    return replace(table, footnotes=(f"ratio: {contrast.ratio}.", *table.footnotes, *marked))


def _is_of(column: _Shown, attribute: str) -> bool:
    return isinstance(column, _PhaseColumn) and column.metric.attribute == attribute


def _contrast_columns(
    contrast: _Contrast, first: PhaseProfile, second: PhaseProfile, profile: Profile
) -> tuple[_Shown, ...]:
    available = layer_metrics(profile)
    runs = [phase for layer in profile.layers for phase in layer.by_phase.values()]
    has_device = bool(measured([available["device_total_s"]], runs))
    metric, what = (available["device_total_s"], "device") if has_device else (available["total_s"], "time")
    flops = available["flops"]
    time = _column(first, metric, f"{first.name} {what}"), _column(second, metric, f"{second.name} {what}")
    work = _column(first, flops, f"{first.name} FLOPs"), _column(second, flops, f"{second.name} FLOPs")
    if not contrast.run:
        return *time, _over("time ratio", time[1], time[0]), *work, _over("FLOPs ratio", work[1], work[0])
    token_time = _column(second, metric, f"{what}/{contrast.run}", runs=second.steps)
    token_work = _column(second, flops, f"FLOPs/{contrast.run}", runs=second.steps)
    ratios = _over("time ratio", time[0], token_time), _over("FLOPs ratio", work[0], token_work)
    return *time, token_time, ratios[0], work[0], token_work, ratios[1]


def _place_columns(phases: Sequence[PhaseProfile], profile: Profile) -> Iterator[_PlaceColumn]:
    readings = roof_readings(profile)
    for name in ("intensity", "efficiency", "bound"):
        for phase in phases:
            column = replace(readings[name].column, name=f"{phase.name} {name}")
            yield _PlaceColumn(column=column, phase=phase, reading=readings[name])


def _over(name: str, upper: _PhaseColumn, lower: _PhaseColumn) -> _RatioColumn:
    return _RatioColumn(column=Column(name=name, quantity="ratio"), upper=upper, lower=lower)


def _ratio(upper: Cell, lower: Cell) -> Cell:
    if not isinstance(upper, int | float) or not isinstance(lower, int | float):
        return None
    return upper / lower if lower else ""


def _layers_table(
    title: str, profile: Profile, wanted: Sequence[_Shown], *, max_depth: int | None, most_rows: int | None
) -> Table:
    columns = [column for column in wanted if any(_is_number(column.over([layer])) for layer in profile.layers)]
    forest = forest_of(profile.layers)
    visible = _visible(forest, [column.phase.name for column in columns if isinstance(column, _PhaseColumn)])
    groups, is_cut = _fitting(forest, visible, max_depth=max_depth, most_rows=most_rows)
    notes = {
        f"At most {most_rows} rows of layers; the HTML report has all.": is_cut,
        _DEVICE_FOOTNOTE: any(_is_of(column, "device_total_s") for column in columns),
    }
    host = time_footnotes(profile) if any(_is_of(column, "total_s") for column in columns) else ()
    return Table(
        title=title,
        columns=(Column(name="layer", align="left"), *(column.column for column in columns)),
        rows=(
            *(_row(group, forest, columns) for group in groups),
            *(_closing_rows(columns) if groups else ()),
        ),
        footnotes=(*host, *(note for note, applies in notes.items() if applies)),
    )


def _closing_rows(columns: Sequence[_Shown]) -> Iterator[Row]:
    """The part under no layer, where it is known, and the whole phase."""
    rows = zip(*(column.closing() for column in columns), strict=True)
    for label, cells in zip(("(unattributed)", "whole phase"), rows, strict=True):
        if any(cell != "" for cell in cells):
            yield Row(cells=(label, *cells), role="closing")


def _is_number(cell: Cell) -> bool:
    return cell is not None and cell != ""


def _row(group: Group, forest: Forest, columns: Sequence[_Shown]) -> Row:
    layers = [forest.layers[place] for place in group.members]
    return Row(cells=(group.label, *(column.over(layers) for column in columns)), depth=group.depth)


def _visible(forest: Forest, phases: Sequence[str]) -> frozenset[int]:
    """The places of the layers that ran in one of the phases, and of those above them."""
    ran = {place for place, layer in enumerate(forest.layers) if any(name in layer.by_phase for name in phases)}
    above = {child: place for place, children in forest.children.items() for child in children}
    visible: set[int] = set()
    for place in ran:
        while place not in visible:
            visible.add(place)
            place = above.get(place, place)
    return frozenset(visible)


def _fitting(
    forest: Forest, visible: frozenset[int], *, max_depth: int | None, most_rows: int | None
) -> tuple[list[Group], bool]:
    """The rows as deep as they fit, one level at least, and whether something was left out for want of rows."""
    if most_rows is None:
        return _groups(forest, visible, max_depth), False
    deepest = max((layer.depth for layer in forest.layers), default=0)
    deepest = deepest if max_depth is None else min(deepest, max_depth)
    chosen: list[Group] = _groups(forest, visible, min(1, deepest))
    for depth in range(2, deepest + 1):
        deeper = _groups(forest, visible, depth)
        if len(deeper) > most_rows:
            return chosen[:most_rows], True
        chosen = deeper
    return chosen[:most_rows], len(chosen) > most_rows


def _groups(forest: Forest, visible: frozenset[int], max_depth: int | None) -> list[Group]:
    groups = groups_of(forest, max_depth=max_depth, is_folded=True)
    return [group for group in groups if any(place in visible for place in group.members)]
