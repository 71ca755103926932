"""``sweep.json``: the plan, its cells as planned, the session and the environments that count in it.

It is written when a sweep starts, and again when a worker joins whose environment is new; always in one stroke, and by
one process at a time where the file system can lock a folder.

    a new session        its own environments, and of those that workers had joined with before
                           kept      the same versions of layerprof, transformers and torch as the session's, whichever
                                     build of torch (2.13.0+cpu, 2.13.0+cu126)
                           dropped   other versions; and a place of the session's own: all its facts are the same but
                                     versions, so the session measures there itself, with what is installed now
    sessions that count  those of the new record; where it names none and the sweep was begun anew once: all since then
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from pathlib import Path

from layerprof.errors import InputError, RecordError
from layerprof.ledger.base import SWEEP_FILE, Layout, is_full, no_space
from layerprof.records import FrozenMapping, PlanRecord, SweepRecord
from layerprof.store import read_record, write_record

if sys.platform != "win32":
    import fcntl

_SAME_VERSIONS = ("layerprof", "transformers", "torch")
_SOFTWARE = frozenset({*_SAME_VERSIONS, "python", "cuda", "cudnn", "driver"})  # facts that an installation changes

_JOINS = 3  # times a lost addition is made again, where the folder cannot be locked


def read_plan(layout: Layout) -> SweepRecord:
    """The sweep as it was planned, its cells without what they have brought.

    Raises:
        InputError: when there is no sweep in the folder.
        RecordError: when its file is damaged, of a newer layerprof, or holds something else.
    """
    if not layout.plan.is_file():
        raise InputError(f"there is no {SWEEP_FILE} in {layout.folder}; give the folder of a sweep, or a .json file")
    planned = read_record(layout.plan)
    if not isinstance(planned, SweepRecord):
        raise RecordError(f"{layout.plan} holds a {type(planned).__name__}, not a SweepRecord; choose another folder")
    return planned


def require_startable(layout: Layout, plan: PlanRecord) -> SweepRecord | None:
    """Returns where a sweep of the plan may be begun in the folder: it has none, or one of the same name and model.

    Returns:
        The sweep that the folder has, or None.

    Raises:
        InputError: when it holds another sweep.
        RecordError: when the sweep in it is damaged, or of a newer layerprof.
    """
    if not layout.plan.is_file():
        return None
    stored = read_plan(layout)
    if (stored.plan.name, stored.plan.model) != (plan.name, plan.model):
        raise InputError(
            f"{layout.folder} holds the sweep {stored.plan.name!r} of {stored.plan.model}; "
            f"choose another folder for {plan.name!r} of {plan.model}"
        )
    return stored


def write_plan(layout: Layout, record: SweepRecord, *, software: Mapping[str, str] | None) -> None:
    """Writes the plan of a new session; of the one before stays what the description of this module says.

    Args:
        layout: of the sweep's folder, which is made where there is none.
        record: the plan, its cells, the session and its environments.
        software: facts of the session's machine, for one that has no environments of its own.

    Raises:
        InputError: when the folder cannot be written, or holds a sweep of another name or model.
        UnavailableError: when there is no space in it.
        RecordError: when its plan is damaged, or of a newer layerprof.
    """
    with suppress(OSError):  # the writing tells of it
        layout.folder.mkdir(parents=True, exist_ok=True)
    with _alone(layout.folder):
        stored = require_startable(layout, record.plan)
        _write(layout, record if stored is None else _continued(stored, record, software=software or {}))


def _continued(stored: SweepRecord, record: SweepRecord, *, software: Mapping[str, str]) -> SweepRecord:
    """The new session's record with what it takes over of the stored one."""
    own = tuple(record.environments.values())
    versions = [_versions(facts) for facts in own or (software,) if facts]
    places = [_place(facts) for facts in own]
    joined = {
        name: facts
        for name in stored.joined
        if (facts := stored.environments.get(name)) is not None
        and name not in record.environments
        and _versions(facts) in versions
        and _place(facts) not in places
    }
    is_since_anew = bool(stored.sessions) and not record.sessions
    return replace(
        record,
        sessions=tuple(dict.fromkeys((*stored.sessions, record.session))) if is_since_anew else record.sessions,
        environments=FrozenMapping({**record.environments, **joined}),
        joined=tuple(dict.fromkeys((*record.joined, *joined))),
    )


def _versions(facts: Mapping[str, str]) -> tuple[str | None, ...]:
    """Of the packages that must be the same for results to count together, without which build of torch it is."""
    return tuple(found and found.partition("+")[0] for found in map(facts.get, _SAME_VERSIONS))


def _place(facts: Mapping[str, str]) -> Mapping[str, str]:
    return {name: value for name, value in facts.items() if name not in _SOFTWARE}


def join(layout: Layout, environments: Mapping[str, FrozenMapping[str]]) -> None:
    """Adds environments to those that count in the current session; nothing is written where they do already.

    Args:
        layout: of the sweep's folder.
        environments: facts by id.

    Raises:
        InputError: when there is no sweep in the folder, or it cannot be written.
        UnavailableError: when there is no space in it.
        RecordError: when its plan is damaged, or of a newer layerprof.
    """
    for _ in range(_JOINS):  # two workers that add at once, where nothing can be locked: the later sees what it lost
        with _alone(layout.folder):
            stored = read_plan(layout)
            fresh = {name: facts for name, facts in environments.items() if name not in stored.environments}
            if not fresh:
                return
            known = FrozenMapping({**stored.environments, **fresh})
            _write(layout, replace(stored, environments=known, joined=(*stored.joined, *fresh)))


def _write(layout: Layout, record: SweepRecord) -> None:
    try:
        write_record(record, layout.plan)
    except InputError as error:
        if is_full(error):
            raise no_space(layout.folder) from error
        raise


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Waits until no other process is in here for the folder, where its file system can lock one."""
    with ExitStack() as stack:
        if sys.platform != "win32":
            with suppress(OSError):
                handle = os.open(folder, os.O_RDONLY)
                stack.callback(os.close, handle)  # which lets go of the lock
                fcntl.flock(handle, fcntl.LOCK_EX)
        yield
