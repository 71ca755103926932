"""``layerprof worker``: this process, on this or another machine, helps with the sweep in a folder."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from layerprof.cli.base import ShowsProgress, Traceback, exit_status, is_told, keep_what_is_done

if TYPE_CHECKING:
    from layerprof.records import SweepRecord

_LEFT = "no device for them here, or others are on them"

Folder = Annotated[Path, typer.Argument(metavar="DIR", help="The sweep's folder, on a file system that all share.")]
ExecutorName = Annotated[str, typer.Option("--executor", help="process, or inline.")]


def worker(
    folder: Folder, executor: ExecutorName = "process", progress: ShowsProgress = None, traceback: Traceback = False
) -> int:
    """Help with the sweep in a folder until there is nothing left to take; start as many as there are machines."""
    from layerprof import sweeping

    try:
        record = sweeping.work(folder, executor=executor, progress=is_told(progress))
    except KeyboardInterrupt as interrupt:
        return keep_what_is_done(folder, interrupt)
    print(f"{folder}: {_told(record)}; layerprof report {folder} shows the table")
    return exit_status(record)


def _told(record: SweepRecord) -> str:
    """How many cells ended how, and why those that are left were."""
    counts = [(status, sum(cell.status == status for cell in record.cells)) for status in ("done", "failed", "pending")]
    told = ", ".join(f"{count} {status}" for status, count in counts if count) or "nothing to do"
    return f"{told}: {_LEFT}" if counts[-1][1] else told
