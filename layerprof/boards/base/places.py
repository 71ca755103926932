"""A run's folder: what is written there is whole or not there, and takes the place of what was exported there before.

The list of what was exported is written first: after a kill it names at most files that are not there. Files that it
does not name are nobody's business here.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from layerprof.boards.base.base import EVENT_FILE, LIST_FILE, ExportList, RunKind, read_list, remove_files
from layerprof.store.files import write_files


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """A run's files.

    Attributes:
        folder: of the run.
        kind: whether it is a profile's, a sweep's cell's, or a sweep's report.
        events: the whole event file.
        traces: further files by name.
    """

    folder: Path
    kind: RunKind
    events: bytes
    traces: Mapping[str, bytes] = field(default_factory=dict)


def write_run(run: Run) -> tuple[Path, ...]:
    """Writes a run and removes what an earlier export left in its folder besides.

    Returns:
        The files, the event file first.

    Raises:
        InputError: when the folder cannot be written.
    """
    contents = {run.folder / name: content for name, content in {EVENT_FILE: run.events, **run.traces}.items()}
    names, earlier, target = tuple(path.name for path in contents), read_list(run.folder), run.folder / LIST_FILE
    runs = earlier.runs if run.kind == "report" else ()
    stale = tuple(name for name in earlier.files if name not in names)
    write_files({target: ExportList(kind=run.kind, files=(*names, *stale), runs=runs).to_bytes(), **contents})
    if stale:
        remove_files(run.folder, stale)
        write_files({target: ExportList(kind=run.kind, files=names, runs=runs).to_bytes()})
    return tuple(contents)


def announce_runs(report: Path, names: Iterable[str]) -> None:
    """Adds the folders that an export is about to write to the list of its report.

    Args:
        report: the folder of the report.
        names: of the folders, from the logdir.

    Raises:
        InputError: when the folder cannot be written.
    """
    earlier = read_list(report)
    runs = tuple(dict.fromkeys((*earlier.runs, *names)))
    write_files({report / LIST_FILE: ExportList(kind="report", files=earlier.files, runs=runs).to_bytes()})
