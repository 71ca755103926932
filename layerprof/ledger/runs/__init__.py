"""The truth of every run in a file of its own, which is there only when all that belongs to it is.

    profile, log, evidence ─▶ their places ─▶ safe on disk ─▶ cells/<cell>.<environment>.<repeat>.json, in one stroke
                                                                └─▶ what lay beside a run that was replaced is removed

A kill at any moment leaves the run measured or not measured, and never half of it: where it replaces one, what lies
beside either has names of its own, and the one that is in ``cells/`` then is whole.

Limits:
    Two processes that keep the same run within the same milliseconds where there is none, which leases prevent, may
    leave the record of one and the profile of the other.
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from layerprof.errors import InputError, RecordError
from layerprof.ledger.base import (
    Layout,
    Outcome,
    RunKey,
    is_full,
    key_of,
    no_space,
    not_written,
    place_bytes,
    sync_folder,
)
from layerprof.ledger.runs.fitting import fitted
from layerprof.ledger.runs.sidecars import (
    MOST_LOG_BYTES,
    Sidecars,
    give_up_copy,
    give_up_rest,
    place_sidecars,
    remove_replaced,
    remove_sidecars,
)
from layerprof.records import RunRecord
from layerprof.store import is_newer, read_json, read_record

__all__ = ["MOST_LOG_BYTES", "Replaces", "is_of_newer", "keep", "read_run"]

Replaces = Callable[[RunRecord], bool]

_DIGITS = 8  # that tell what lies beside a run from what lies beside the one that it replaces


def keep(layout: Layout, outcome: Outcome, *, key: RunKey, replaces: Replaces | None = None) -> RunRecord:
    """Stores what a run brought, where none is stored, or only one that it may replace.

    A damaged file is always replaced. On a full disk the record comes first: what lies beside it is left out, with a
    note, where it does not fit or takes the record's space.

    Args:
        layout: of the sweep's folder.
        outcome: done or failed; what lies in its folder is left there, to be removed by the caller once this returns,
            but for what must go on a full disk to make space.
        key: what it is a result of; the record says the same afterwards.
        replaces: whether it takes the place of a run that is stored. None stands for: a failure always gives way, and
            a result gives way to one of another session, which was measured anew on purpose, but to no failure.

    Returns:
        The run as it is stored now, be it this one or the one that was there.

    Raises:
        InputError: when the folder cannot be written.
        UnavailableError: when there is no space even for the record alone; it may be tried again.
        RecordError: when a newer layerprof has stored a result there.
        ValueError: for the outcome of another cell, or a key that is no file's name.
    """
    target = layout.run(key)
    if outcome.record.summary.cell != key.cell or key_of(target.name) != key:
        raise ValueError(f"a run of {outcome.record.summary.cell} is no result for {target.name}")
    there = _stored(target)
    if there is not None and not (_gives_way(there, outcome.record) if replaces is None else replaces(there)):
        return there
    beside = place_sidecars(layout, outcome, key, attempt="" if there is None else uuid.uuid4().hex[:_DIGITS])
    try:
        record = _placed(target, layout, outcome, key, beside, is_first=there is None and not target.exists())
    except BaseException:  # also by Ctrl-C, after which the record may be there or not
        _take_back(layout, key, beside)
        raise
    if record is None:  # somebody else was first, just now
        _take_back(layout, key, beside)
        return keep(layout, outcome, key=key, replaces=replaces)
    remove_replaced(layout, key, now=record.summary, before=None if there is None else there.summary)
    return record


def read_run(path: Path) -> RunRecord:
    """The run in a file.

    Raises:
        InputError: when there is no such file, or it cannot be read.
        RecordError: when it is empty, cut off or damaged, of a newer layerprof, or not what its name says.
    """
    record = read_record(path)
    if not isinstance(record, RunRecord):
        raise RecordError(f"{path} holds a {type(record).__name__}, not a RunRecord")
    if _key(record) != key_of(path.name):
        raise RecordError(f"{path} is damaged: it holds the run {_key(record).stem}, not the one of its name")
    return record


def is_of_newer(path: Path) -> bool:
    """Whether a file is of a newer layerprof, and so to be left alone; one that is damaged or not there is not."""
    try:
        return is_newer(read_json(path))
    except (RecordError, InputError):
        return False


def _key(record: RunRecord) -> RunKey:
    summary = record.summary
    return RunKey(cell=summary.cell, environment=summary.environment, repeat=summary.repeat)


def _stored(path: Path) -> RunRecord | None:
    """The run that is there; None where there is none that can be read.

    Raises:
        RecordError: when it is of a newer layerprof.
    """
    if not path.exists():
        return None
    try:
        return read_run(path)
    except RecordError:
        if is_of_newer(path):
            raise
        return None


def _take_back(layout: Layout, key: RunKey, beside: Sidecars) -> None:
    """Removes what was placed for a record that has not come, as far as that is certain."""
    with suppress(RecordError, InputError):
        there = _stored(layout.run(key))
        remove_sidecars(layout, key, beside, there=None if there is None else there.summary)


def _gives_way(there: RunRecord, record: RunRecord) -> bool:
    is_anew = record.summary.status == "done" and record.summary.session != there.summary.session
    return there.summary.status == "failed" or is_anew


def _placed(
    target: Path, layout: Layout, outcome: Outcome, key: RunKey, beside: Sidecars, *, is_first: bool
) -> RunRecord | None:
    """Puts the record in its place; on a full disk once more with more space, and then without what lies beside it.

    Returns:
        The record as it is stored; None where it was to be the first and another was.

    Raises:
        InputError: when it cannot be written.
        UnavailableError: when it finds no space.
    """

    def give_up_sidecars() -> None:
        remove_sidecars(layout, key, beside)
        give_up_rest(outcome, layout)

    def give_up_nothing() -> None:
        pass

    without = beside.left_out(layout)
    full: OSError | None = None
    for kept, make_space in (
        (beside, give_up_nothing),
        (beside, lambda: give_up_copy(outcome)),
        (without, give_up_sidecars),
    ):
        make_space()
        record, content = fitted(_complete(outcome.record, layout, key, kept))
        try:
            return record if _write(target, content, is_first=is_first) else None
        except OSError as error:
            if not is_full(error):
                raise not_written(target, error) from error
            full = error
    raise no_space(target.parent) from full


def _complete(record: RunRecord, layout: Layout, key: RunKey, beside: Sidecars) -> RunRecord:
    summary = replace(
        record.summary,
        environment=key.environment,
        repeat=key.repeat,
        notes=(*record.summary.notes, *beside.notes),
        profile_path=_relative(beside.profile, layout),
        log_path=_relative(beside.log, layout),
        evidence_path=_relative(beside.evidence, layout),
    )
    return replace(record, summary=summary)


def _relative(path: Path | None, layout: Layout) -> str | None:
    return None if path is None else path.relative_to(layout.folder).as_posix()


def _write(target: Path, content: bytes, *, is_first: bool) -> bool:
    """Puts the content there in one stroke; False where it was to be the first and somebody else has been.

    Raises:
        OSError: when it cannot be written.
    """
    with place_bytes(target, content) as temporary:
        if is_first:
            try:
                os.link(temporary, target)
            except FileExistsError:
                return False
            except OSError:  # a file system that has no links, or no space for a second name
                is_first = False
        if not is_first:
            temporary.replace(target)
    sync_folder(target.parent)
    return True
