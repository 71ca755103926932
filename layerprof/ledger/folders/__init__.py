"""A sweep's folder as a whole: a sweep begun in it, or read from it with what its runs have brought so far.

sweep.json ── cells as planned ──┐
cells/ ────── scan ── runs that count in the session ── merged, cell by cell ─▶ SweepRecord
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from layerprof.errors import RecordError
from layerprof.ledger.base import Layout
from layerprof.ledger.folders.base import counts
from layerprof.ledger.folders.foreign import Foreign
from layerprof.ledger.folders.merging import merged
from layerprof.ledger.folders.planfile import join, read_plan, require_startable, write_plan
from layerprof.ledger.folders.scanning import Damaged, Scan, scan, set_aside
from layerprof.ledger.folders.tidying import remove_leavings
from layerprof.records import CellRecord, Note, RunSummary, SweepRecord
from layerprof.store import read_record

__all__ = [
    "Damaged",
    "Scan",
    "begin",
    "counts",
    "join",
    "load_sweep",
    "merged",
    "read_plan",
    "require_startable",
    "scan",
    "set_aside",
]

_RunsOfCells = Mapping[str, Sequence[RunSummary]]


def begin(
    layout: Layout, record: SweepRecord, *, is_alone: bool = False, software: Mapping[str, str] | None = None
) -> Scan:
    """Starts a session: writes the plan with its cells as planned; results that are there stay.

    Damaged results are set aside, with a note for each in the stored plan. Environments that workers have joined with
    earlier still count where their versions of layerprof, transformers and torch are the session's, but for those of a
    place that the session has itself. Where the sweep was once begun anew, that is with ``sessions`` of its own, and
    the record names none, the session is one more of these.

    Args:
        layout: of the sweep's folder, which is made where there is none.
        record: the plan, its cells as planned, the session and its environments.
        is_alone: whether it is known that nobody else writes there, so that all temporary files are leavings.
        software: facts of this machine, which tell the session's versions where it has no environments of its own.

    Returns:
        What is stored, all of it readable.

    Raises:
        InputError: when the folder cannot be written, or holds a sweep of another name or model.
        UnavailableError: when there is no space in it.
        RecordError: when its plan is damaged, or one of its files is of a newer layerprof.
    """
    found = scan(layout)
    notes = tuple(_note_set_aside(layout, one) for one in found.damaged)
    write_plan(layout, replace(record, notes=(*record.notes, *notes)), software=software)  # which refuses another's
    set_aside(layout, found.damaged)
    remove_leavings(layout, found.summaries, is_alone=is_alone)
    return replace(found, damaged=())


def _note_set_aside(layout: Layout, damaged: Damaged) -> Note:
    text = f"it could not be read, is in {layout.set_aside.name} now, and the run is measured again: {damaged.reason}"
    return Note(code="set_aside", quantity="", scope=damaged.path.name, text=text)


def load_sweep(folder: str | Path) -> SweepRecord:
    """The sweep in a folder, with what its cells have brought so far; nothing in the folder is changed.

    A cell whose runs do not all count, as `counts` tells, is pending: with a note on what differs where they were
    measured elsewhere, and on how it failed where it has failed before. So is one whose file is damaged, and the sweep
    has a note.

    Raises:
        InputError: when there is no sweep in the folder, or a file of it cannot be read.
        RecordError: when its plan is damaged, or one of its files is of a newer layerprof.
    """
    layout = Layout(Path(folder))
    sweep = read_plan(layout)
    found = scan(layout, updates_index=False)
    counted, others = _sorted_out(sweep, found.summaries)
    foreign = Foreign(layout, sweep)
    older = _older_results(layout, sweep.cells)
    cells = tuple(
        older[planned.id]
        if planned.id in older and planned.id not in counted
        else _cell(planned, counted.get(planned.id, ()), others.get(planned.id, ()), foreign, rounds=sweep.plan.rounds)
        for planned in sweep.cells
    )
    where = str(layout.folder.absolute())  # so that profiles are found after a change of directory
    cells = tuple(replace(cell, folder=where) for cell in cells)
    damaged = tuple(Note(code="damaged", quantity="", scope=one.path.name, text=one.reason) for one in found.damaged)
    return replace(sweep, cells=cells, notes=(*sweep.notes, *damaged))


def _sorted_out(sweep: SweepRecord, runs: Iterable[RunSummary]) -> tuple[_RunsOfCells, _RunsOfCells]:
    """The runs that count and those that do not, by cell."""
    counted: dict[str, list[RunSummary]] = defaultdict(list)
    others: dict[str, list[RunSummary]] = defaultdict(list)
    for run in runs:
        (counted if counts(run, sweep) else others)[run.cell].append(run)
    return counted, others


def _cell(
    planned: CellRecord, runs: Sequence[RunSummary], others: Sequence[RunSummary], foreign: Foreign, *, rounds: int
) -> CellRecord:
    """A cell with what its runs have brought, and why others that it has do not count."""
    cell = merged(planned, runs, rounds=rounds)
    if cell.status != "pending":
        return cell
    missing = set(range(rounds)) - {run.repeat for run in runs}
    notes = foreign.notes_on([run for run in others if run.repeat in missing])
    return replace(cell, notes=(*cell.notes, *notes))


def _older_results(layout: Layout, cells: Iterable[CellRecord]) -> Mapping[str, CellRecord]:
    """Results of cells as earlier versions stored them: a file a cell, taken as it is.

    Raises:
        RecordError: when one of them is damaged.
    """
    try:
        names = {path.name for path in layout.cells.iterdir()}
    except FileNotFoundError:
        return {}
    return {cell.id: _older_result(layout, cell.id) for cell in cells if f"{cell.id}.json" in names}


def _older_result(layout: Layout, cell: str) -> CellRecord:
    path = layout.cells / f"{cell}.json"
    record = read_record(path)
    if not isinstance(record, CellRecord):
        raise RecordError(f"{path} holds a {type(record).__name__}, not a CellRecord")
    return record
