"""A sweep's tests with their cells and what stands behind them, read once for all tables and all formats."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

from layerprof.errors import LayerprofError
from layerprof.records import AxisValue, CellFailure, CellRecord, EvidenceRecord, FrozenMapping, PlanTest, SweepRecord
from layerprof.store import load_evidence
from layerprof.views.sweeps.base.base import CellsOfTest, Results

_NOT_IN_FORCE = "not_in_force"
_MOST_KEPT = 256  # files of evidence: those of a plan of tests several times over, some tens of megabytes at most


def results_of(record: SweepRecord, *, most_rows: int | None = None) -> Results:
    """The sweep's tests, each with its first cells, and the evidence of those.

    A cell of which something was asked that was not in force is without its numbers: they are of something else.
    Evidence that has not changed since it was last read is not read again.

    Args:
        record: of a plan that has tests.
        most_rows: of cells, in each test. None is all.
    """
    cells = {cell.id: cell for cell in record.cells}
    known = [(test, [cells[id_] for id_ in test.cells if id_ in cells]) for test in record.plan.tests]
    shown = {cell.id: cell for _, members in known for cell in members[:most_rows]}
    evidence = dict(_evidence_of(shown.values()))
    shared = _shared(record.plan.tests)
    return Results(
        record=record,
        tests=tuple(
            CellsOfTest(
                test=test,
                cells=tuple(_in_force(cell, evidence.get(cell.id)) for cell in members[:most_rows]),
                hidden=0 if most_rows is None else len(members[most_rows:]),
                shared=frozenset(shared),
            )
            for test, members in known
        ),
        evidence=evidence,
        shared=shared,
        lost=sum(map(_is_lost, shown.values())),
    )


def _shared(tests: tuple[PlanTest, ...]) -> Mapping[str, AxisValue]:
    """The settings that are the same in all tests; none where there is one test alone."""
    if len(tests) < 2:
        return {}
    first, *others = (test.fixed for test in tests)
    return {
        name: value for name, value in first.items() if all(name in each and each[name] == value for each in others)
    }


def _evidence_of(cells: Iterable[CellRecord]) -> Iterator[tuple[str, EvidenceRecord]]:
    """What can be read; a damaged file leaves its cell without evidence and the report whole."""
    for cell in cells:
        if cell.evidence_path is None:
            continue
        path = Path(cell.folder) / cell.evidence_path
        with suppress(LayerprofError, OSError):
            state = path.stat()
            yield cell.id, _read(path, state.st_mtime_ns, state.st_size)


@lru_cache(maxsize=_MOST_KEPT)
def _read(path: Path, changed_ns: int, size_bytes: int) -> EvidenceRecord:
    """The file's evidence; when it was written and how long it is tell one state of it from the next."""
    return load_evidence(path)


def _is_lost(cell: CellRecord) -> bool:
    """Whether none of the files that the cell names is there, as beside a record that was copied alone."""
    paths = [path for path in (cell.profile_path, cell.evidence_path) if path is not None]
    return bool(paths) and not any((Path(cell.folder) / path).is_file() for path in paths)


def _in_force(cell: CellRecord, evidence: EvidenceRecord | None) -> CellRecord:
    truth = evidence.truth if evidence is not None else None
    if cell.failure is not None and cell.failure.kind == _NOT_IN_FORCE:
        return replace(cell, metrics=FrozenMapping())
    if cell.failure is None and truth is not None and truth.is_in_force is False:
        reasons = "; ".join(truth.reasons) or f"{truth.optimization} was asked for and is not what ran"
        return replace(cell, metrics=FrozenMapping(), failure=CellFailure(kind=_NOT_IN_FORCE, text=reasons))
    return cell
