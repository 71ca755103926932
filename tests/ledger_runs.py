"""Runs of a sweep's cells made by hand, for the tests of its folder."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path

from layerprof.ledger import Layout, Outcome, RunKey
from layerprof.records import (
    CellFailure,
    CellRecord,
    Distribution,
    FrozenMapping,
    Note,
    PlanRecord,
    RunConditions,
    RunRecord,
    RunSummary,
    SweepRecord,
)

HERE, ELSEWHERE = "a" * 16, "b" * 16
FACTS_HERE = FrozenMapping({"torch": "2.13.0", "cpu": "a processor"})
FACTS_ELSEWHERE = FrozenMapping({"torch": "2.12.0", "cpu": "a processor"})
NOW, BEFORE = "session-now", "session-before"
NOTE = Note(code="unsteady", quantity="latency_s", scope="step", text="the machine was busy")


def cell_id(number: int) -> str:
    return f"{number:016x}"


def key(number: int = 1, repeat: int = 0, *, environment: str = HERE) -> RunKey:
    return RunKey(cell=cell_id(number), environment=environment, repeat=repeat)


def planned(number: int = 1) -> CellRecord:
    return CellRecord(id=cell_id(number), axes=FrozenMapping({"batch_size": number}), status="pending")


def sweep(cells: Iterable[CellRecord], *, rounds: int = 1, session: str = NOW) -> SweepRecord:
    """A sweep that counts what was measured here."""
    return SweepRecord(
        plan=PlanRecord(name="plan", model="net", axes=(("batch_size", (1, 2)),), rounds=rounds),
        cells=tuple(cells),
        session=session,
        environments=FrozenMapping({HERE: FACTS_HERE}),
    )


def summary(
    of: RunKey | None = None,
    *,
    metrics: Mapping[str, float | int | None] | None = None,
    failed: str | None = None,
    session: str = NOW,
    ended_at_s: float = 100.0,
) -> RunSummary:
    """A done run, or one that failed for the kind of reason."""
    of = key() if of is None else of
    return RunSummary(
        cell=of.cell,
        repeat=of.repeat,
        environment=of.environment,
        session=session,
        status="done" if failed is None else "failed",
        metrics=FrozenMapping({"latency_s": 1.0} if metrics is None else metrics),
        failure=None if failed is None else CellFailure(kind=failed, text=f"it failed by {failed}"),
        ended_at_s=ended_at_s,
    )


def run(of: RunSummary | None = None, *, samples: Iterable[float] = (1.0, 2.0)) -> RunRecord:
    of = summary() if of is None else of
    return RunRecord(
        summary=of,
        axes=FrozenMapping({"batch_size": 1}),
        latency_s=Distribution(samples=tuple(samples)),
        facts=FACTS_HERE if of.environment == HERE else FACTS_ELSEWHERE,
        conditions=RunConditions(isolation="forked", host="host"),
    )


def outcome(of: RunSummary | None = None, *, folder: Path | None = None, **changes: object) -> Outcome:
    record = run(of)
    return Outcome(record=replace(record, **changes), folder=folder)  # type: ignore[arg-type]  # by the field's name


def files_in(layout: Layout) -> set[str]:
    """Everything in the sweep's folder, by its path from there."""
    return {path.relative_to(layout.folder).as_posix() for path in layout.folder.rglob("*") if path.is_file()}
