"""What the commands share: options, the console, one-line errors, and the files of a sweep."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast

import typer

from layerprof.cli.base.files import BOARDS, write_boards, write_sweep_files
from layerprof.cli.base.outcomes import BAD_INPUT, CHECK_FAILED, DONE, INTERRUPTED, TERMINATED, exit_status
from layerprof.errors import InputError

if TYPE_CHECKING:
    from rich.console import Console

    from layerprof.records import SweepRecord

__all__ = [
    "BAD_INPUT",
    "BOARDS",
    "CHECK_FAILED",
    "DONE",
    "GOES_ON",
    "INTERRUPTED",
    "TERMINATED",
    "Device",
    "Dtype",
    "ShowsProgress",
    "Traceback",
    "complain",
    "console",
    "exit_status",
    "is_progress_shown",
    "is_told",
    "keep_what_is_done",
    "require_place",
    "say_boards",
    "say_saved",
    "show_sweep",
    "write_boards",
    "write_sweep_files",
]

GOES_ON = "the same command goes on where this one stopped"

_PIPED_WIDTH = 120  # characters; a log has no width of its own, and remarks are folded to it


def _remember_traceback(context: typer.Context, value: bool) -> bool:
    if value and isinstance(context.obj, dict):
        context.obj["traceback"] = True
    return value


Device = Annotated[str | None, typer.Option(help="Such as cpu, cuda or cuda:1.", show_default="cpu")]
Dtype = Annotated[str | None, typer.Option(help="fp32, bf16 or fp16.", show_default="the model's own")]
ShowsProgress = Annotated[
    bool | None,
    typer.Option("--progress/--no-progress", help="Draw a bar on standard error.", show_default="if it is a terminal"),
]
Traceback = Annotated[
    bool, typer.Option("--traceback", help="Show where an error came from.", callback=_remember_traceback)
]


def complain(text: str, *, kind: str = "error") -> None:
    """One line on standard error, whatever the text has."""
    print(f"layerprof: {kind}: {' '.join(text.split())}", file=sys.stderr)


def console() -> Console:
    """Standard output, as wide as the terminal; a pipe or a file has a fixed width unless COLUMNS says otherwise."""
    from rich.console import Console

    is_sized = sys.stdout.isatty() or "COLUMNS" in os.environ
    return Console(width=None if is_sized else _PIPED_WIDTH)


def is_progress_shown(asked: bool | None) -> bool:
    """As asked; where nothing was asked, whether somebody is looking."""
    return sys.stderr.isatty() if asked is None else asked


def is_told(asked: bool | None) -> bool:
    """As asked; where nothing was asked, yes: a sweep tells a log in plain lines what it shows to a terminal."""
    return asked is not False


def require_place(folder: Path, names: Sequence[str]) -> None:
    """Returns where files of those names can be written into the folder, or will be once it is made; makes nothing.

    Raises:
        InputError: where they cannot.
    """
    existing = next(place for place in (folder, *folder.absolute().parents) if os.path.lexists(place))
    reason = None
    if not existing.is_dir():
        reason = f"{existing} is a file"
    elif not os.access(existing, os.W_OK | os.X_OK):
        reason = f"{existing} is not yours to write"
    else:
        taken = next((path for path in (folder / name for name in names) if path.exists() and not path.is_file()), None)
        kind = "a folder" if taken is not None and taken.is_dir() else "no regular file"
        reason = None if taken is None else f"{taken} is {kind}"
    if reason is not None:
        raise InputError(f"cannot write to {folder}: {reason}; choose another --out")


def say_saved(folder: Path, paths: Sequence[Path]) -> None:
    """Names the files that were written."""
    print(f"\nSaved in {folder}: {', '.join(path.name for path in paths)}")


def say_boards(folder: Path) -> None:
    """Names the folder of TensorBoard's files, and how to look at them."""
    print(f"TensorBoard: {folder / BOARDS}; look with: layerprof tensorboard --logdir {shlex.quote(str(folder))}")


def show_sweep(record: SweepRecord, folder: Path) -> None:
    """The sweep's tables on standard output, and then its files in the folder.

    Raises:
        InputError: when the folder cannot be written; the tables have been seen by then.
    """
    from layerprof.report.base import with_analysis
    from layerprof.report.text import print_record

    record = cast("SweepRecord", with_analysis(record))  # once for the tables and all files
    print_record(record, console())
    sys.stdout.flush()  # before what is said of the files on standard error
    say_saved(folder, write_sweep_files(record, folder))


def keep_what_is_done(folder: Path, interrupt: KeyboardInterrupt, *, advice: str = GOES_ON) -> int:
    """Shows what a sweep that was interrupted has brought so far; gives the exit status.

    Args:
        folder: of the sweep.
        interrupt: Ctrl-C, or SIGTERM.
        advice: how to go on, where there is something to go on with.

    Raises:
        InputError: when the folder cannot be written; all else has been said by then.
    """
    from layerprof.ledger import SWEEP_FILE, load_sweep
    from layerprof.sweeping import Terminated

    is_terminated = isinstance(interrupt, Terminated)
    is_begun = (folder / SWEEP_FILE).is_file()
    try:
        if is_begun:
            show_sweep(load_sweep(folder), folder)
    finally:
        by = "SIGTERM" if is_terminated else "Ctrl-C"
        complain(f"by {by}; {advice if is_begun else 'nothing was begun'}", kind="interrupted")
    return TERMINATED if is_terminated else INTERRUPTED
