"""A sweep as runs: one a cell, written one at a time, and the report's, written last.

logdir/[test/]batch_size=4,dtype=bf16/    a cell's metrics, settings, layers, tables and trace
logdir/report/                            HParams, the metrics over each axis, all tables, figures, layouts
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from layerprof.boards.base import (
    REPORT,
    Charts,
    Content,
    Point,
    Run,
    RunKind,
    announce_runs,
    event_file,
    layout,
    remove_earlier_profile,
    remove_earlier_sweep,
    remove_other_cells,
    require_no_links,
    write_run,
)
from layerprof.boards.sweeps.base import Group, Setting, groups_of, run_names, steps_of
from layerprof.boards.sweeps.cells import cell_points, is_run, measured_at_s
from layerprof.boards.sweeps.hparams import experiment, session, settings_of
from layerprof.boards.sweeps.report import Omission, report_points
from layerprof.boards.sweeps.series import MOST_LINES, Series, series_charts, series_of, series_points
from layerprof.errors import LayerprofError
from layerprof.progress import Show
from layerprof.records import CellRecord, Profile, SweepRecord
from layerprof.report.base import with_analysis
from layerprof.store import collection_later


@dataclass(frozen=True, slots=True, kw_only=True)
class Making:
    """What an export is made with.

    Attributes:
        content_of: what a cell's profile brings to its run.
        layer_charts: of tags that it brings.
        show: is told how far the export is.
        now_s: the time of the export, seconds since 1970, for what does not say when it was measured.
    """

    content_of: Callable[[Profile], Content]
    layer_charts: Charts
    show: Show
    now_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class _CellRun:
    """A cell and its place in the export.

    Attributes:
        cell: that has something to show.
        name: of its run.
        step: of its metrics.
        settings: of its row on the HParams page; empty for a cell by itself.
    """

    cell: CellRecord
    name: str
    step: int = 0
    settings: Mapping[str, Setting] = field(default_factory=dict)


@dataclass(slots=True, kw_only=True)
class _Course:
    """What was met while the cells were written.

    Attributes:
        files: that were written.
        omissions: that the report tells.
        tags: that the cells' profiles brought.
        ended_at_s: the latest time in the cells' events, seconds since 1970.
    """

    files: list[Path] = field(default_factory=list)
    omissions: list[Omission] = field(default_factory=list)
    tags: set[str] = field(default_factory=set)
    ended_at_s: float = 0.0


def export_cell(cell: CellRecord, folder: Path, making: Making) -> tuple[Path, ...]:
    """One cell as a run of its own.

    Raises:
        LayerprofError: when its profile cannot be read, since there is nothing else to go on with.
    """
    content = _content_of(cell, making)
    files = _write(_CellRun(cell=cell, name=""), folder, content, wall_time_s=_time_of(cell, content, making))
    remove_earlier_sweep(folder)
    return files


def export_sweep(record: SweepRecord, logdir: Path, making: Making) -> tuple[Path, ...]:
    """Every cell, then the report; then nothing is left of what an earlier export had and this one has not.

    Returns:
        The files, those of the cells first.

    Raises:
        InputError: when a folder cannot be written, or is a link.
    """
    groups, course = groups_of(record), _Course()
    runs = _cell_runs(groups)
    names = tuple(run.name for run in runs)
    require_no_links(logdir, (*names, REPORT))
    announce_runs(logdir / REPORT, names)
    for done, run in enumerate(runs):
        making.show(run.name, done, len(runs) + 1)
        with collection_later():  # nothing of a cell is garbage before it is written
            _write_cell(run, logdir / run.name, making, course)
    making.show(REPORT, len(runs), len(runs) + 1)
    course.ended_at_s = course.ended_at_s or making.now_s
    events = event_file(_report(record, runs, groups, making.layer_charts, course), wall_time_s=course.ended_at_s)
    course.files.extend(write_run(Run(folder=logdir / REPORT, kind="report", events=events)))
    remove_other_cells(logdir, kept=names)
    remove_earlier_profile(logdir)
    return tuple(course.files)


def _cell_runs(groups: Sequence[Group]) -> tuple[_CellRun, ...]:
    """Each cell once, in the order of the groups."""
    names, settings, steps = run_names(groups), settings_of(groups), _metric_steps(groups)
    cells = {cell.id: cell for group in groups for cell in group.cells if is_run(cell)}
    return tuple(
        _CellRun(cell=cell, name=names[id_], step=steps[id_], settings=settings[id_]) for id_, cell in cells.items()
    )


def _metric_steps(groups: Sequence[Group]) -> Mapping[str, int]:
    """Where each cell's metrics stand on the x-axis: at its value of the first axis that varies."""
    places: dict[str, int] = {}
    for group in groups:
        axis = group.axes[0] if group.axes else ""
        steps = steps_of(group.cells, axis)
        for cell in group.cells:
            places.setdefault(cell.id, steps[repr(cell.axes.get(axis))])
    return places


def _content_of(cell: CellRecord, making: Making) -> Content:
    profile = cell.profile
    return Content(points=()) if profile is None else making.content_of(profile)


def _write_cell(run: _CellRun, folder: Path, making: Making, course: _Course) -> None:
    """Writes a cell's run; one whose profile or timeline cannot be read has the rest, and the report says so."""
    try:
        content = _content_of(run.cell, making)
    except LayerprofError as error:
        content = Content(points=())
        course.omissions.append(Omission(what=f"the layers of {run.name}", why=str(error)))
    if content.without_trace is not None:
        course.omissions.append(Omission(what=f"the trace of {run.name}", why=content.without_trace))
    wall_time_s = _time_of(run.cell, content, making)
    row = session(run.cell, run.settings, name=run.name, wall_time_s=wall_time_s)
    course.files.extend(_write(run, folder, content, row=row, wall_time_s=wall_time_s))
    course.tags.update(point.value.tag for point in content.points)
    course.ended_at_s = max(course.ended_at_s, wall_time_s)


def _write(
    run: _CellRun, folder: Path, content: Content, *, row: Sequence[Point] = (), wall_time_s: float
) -> tuple[Path, ...]:
    points = (*row, *cell_points(run.cell, step=run.step), *content.points)
    events = event_file(points, wall_time_s=wall_time_s)
    kind: RunKind = "cell" if row else "profile"  # one by itself is never removed with a sweep
    return write_run(Run(folder=folder, kind=kind, events=events, traces=content.traces))


def _time_of(cell: CellRecord, content: Content, making: Making) -> float:
    """When the cell was measured; when it is exported where nothing says so."""
    return content.ended_at_s or measured_at_s(cell) or making.now_s


def _report(
    record: SweepRecord, runs: Sequence[_CellRun], groups: Sequence[Group], charts: Charts, course: _Course
) -> Iterator[Point]:
    series = series_of(groups)
    course.omissions.extend(_cut(series))
    cells = [run.cell for run in runs]
    yield experiment(record, [run.settings for run in runs], cells, wall_time_s=course.ended_at_s)
    for each in series:
        yield from series_points(each)
    yield _layout(series, charts, course.tags)
    yield from report_points(_analysed(record, course), course.omissions)


def _analysed(record: SweepRecord, course: _Course) -> SweepRecord:
    """The record with its analysis, which needs the layers of every cell."""
    try:
        analysed = with_analysis(record)
    except LayerprofError as error:
        course.omissions.append(Omission(what="the findings", why=str(error)))
        return record
    return analysed if isinstance(analysed, SweepRecord) else record


def _cut(series: Sequence[Series]) -> Iterator[Omission]:
    for each in series:
        if each.left_out:
            why = f"{each.left_out:,} lines beyond the first {MOST_LINES}; the runs of the cells have their metrics"
            yield Omission(what=f"the metrics {each.name}", why=why)


def _layout(series: Sequence[Series], layer_charts: Charts, tags: set[str]) -> Point:
    """The charts of the custom scalars page: one a metric and axis, and those of the layers that there are any of."""
    by_layer = [(title, [tag for tag in of_layers if tag in tags]) for title, of_layers in layer_charts]
    sweeps = [(f"Sweep {each.name}", series_charts(each)) for each in series]
    return layout([*sweeps, ("by layer", [(title, found) for title, found in by_layer if found])])
