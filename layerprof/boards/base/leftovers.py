"""What earlier exports to a logdir left there: known and removed by their own lists, and never through a link."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from layerprof.boards.base.base import LIST_FILE, RunKind, read_list, remove_files
from layerprof.errors import InputError
from layerprof.store.files import write_files

REPORT = "report"
"""The name of a sweep's run that has what is of no single cell."""


def require_no_links(logdir: Path, names: Iterable[str]) -> None:
    """Returns where no folder of a run below the logdir is a link.

    Raises:
        InputError: when one is, since what it leads to may belong to another export.
    """
    for name in names:
        link = _link_in(logdir, name)
        if link is not None:
            raise InputError(f"cannot write a run through the link {link}; remove it or give another logdir")


def is_exported(path: Path) -> bool:
    """Whether an export wrote the file, by the list in its folder."""
    return path.name in read_list(path.parent).files


def remove_other_cells(logdir: Path, *, kept: Collection[str]) -> None:
    """Removes the runs of cells that the list of the report names.

    Args:
        logdir: of the sweep.
        kept: folders from the logdir that stay.
    """
    listed = read_list(logdir / REPORT)
    if listed.kind != "report" or _link_in(logdir, f"{REPORT}/{LIST_FILE}") is not None:
        return
    others = [name for name in listed.runs if name not in kept]
    for name in others:
        _remove_run(logdir, name, kind="cell")
    if others:
        write_files({logdir / REPORT / LIST_FILE: replace(listed, runs=tuple(kept)).to_bytes()})


def remove_earlier_sweep(logdir: Path) -> None:
    """Removes all runs of the sweep that was exported to the logdir."""
    remove_other_cells(logdir, kept=())
    _remove_run(logdir, REPORT, kind="report")


def remove_earlier_profile(logdir: Path) -> None:
    """Removes the run of the profile that was exported to the logdir itself."""
    earlier = read_list(logdir)
    if earlier.kind == "profile":
        remove_files(logdir, [*earlier.files, LIST_FILE])


def _remove_run(logdir: Path, name: str, *, kind: RunKind) -> None:
    """Removes a run, its folder and the one above it, where these have nothing else."""
    folder = logdir / name
    earlier = read_list(folder)
    if earlier.kind != kind or _link_in(logdir, f"{name}/{LIST_FILE}") is not None:
        return
    remove_files(folder, [*earlier.files, LIST_FILE])
    with suppress(OSError):  # there are other files too
        folder.rmdir()
        if folder.parent != logdir:
            folder.parent.rmdir()


def _link_in(logdir: Path, name: str) -> Path | None:
    """The first part of a path below the logdir that is a link."""
    path = logdir
    for part in Path(name).parts:
        path /= part
        if path.is_symlink():
            return path
    return None
