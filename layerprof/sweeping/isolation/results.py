"""The outcome of a run: what its process has left, or why it has left nothing."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from layerprof.errors import LayerprofError
from layerprof.ledger import Outcome, read_outcome
from layerprof.records import CellFailure, Note, RunConditions
from layerprof.sweeping.base.failures import failure
from layerprof.sweeping.base.jobs import Job
from layerprof.sweeping.isolation.base import failed_outcome
from layerprof.units import with_unit


def outcome_of(
    job: Job,
    *,
    failed: CellFailure,
    after: Note | None,
    conditions: RunConditions,
    notes: tuple[Note, ...],
    is_asked_limit: bool = False,
) -> Outcome:
    """The outcome in a job's folder, with how it was set up and what was seen; else its failure.

    Args:
        job: that has ended.
        failed: why it has no result, where it has none.
        after: what is to be known of an end that was not well, where it has one.
        conditions: of its process.
        notes: on what was seen beside it.
        is_asked_limit: whether its limit of memory was asked for, rather than what was free.
    """
    folder = Path(job.folder)
    outcome = _left_in(folder, job, failed)
    record = outcome.record
    summary = record.summary
    if summary.status == "done":
        more = (*notes, *(() if after is None else (after,)))
        summary = replace(summary, notes=(*summary.notes, *more))
    if summary.failure is not None and summary.failure.kind == "oom_host" and conditions.memory_limit_bytes:
        limit = with_unit(conditions.memory_limit_bytes, "bytes")
        why = "as the sweep was asked" if is_asked_limit else "what was free when it started"
        text = f"{summary.failure.text}; the process's limit of memory was {limit}, {why}"
        summary = replace(summary, failure=replace(summary.failure, text=text))
    if record.conditions is not None and record.conditions.threads is not None:  # while it measured
        conditions = replace(conditions, threads=record.conditions.threads)
    summary = replace(summary, repeat=job.repeat, environment=job.slot.environment.id)
    record = replace(record, summary=summary, facts=job.slot.environment.facts, conditions=conditions)
    return replace(outcome, record=record, folder=folder)


def _left_in(folder: Path, job: Job, failed: CellFailure) -> Outcome:
    try:
        outcome = read_outcome(folder)
    except LayerprofError as error:
        failed = failure("crash", f"what the process has left cannot be read: {error}")
        outcome = None
    return failed_outcome(job.cell, failed, repeat=job.repeat) if outcome is None else outcome
