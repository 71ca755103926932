"""``layerprof tensorboard``: TensorBoard over a folder, with traces that can be seen without a network."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Annotated

import typer

from layerprof.cli.base import BOARDS, Traceback, complain
from layerprof.errors import InputError, LayerprofError
from layerprof.ledger import SWEEP_FILE
from layerprof.viewer import is_events, require_folder, serve, shown_files

_PROFILE_FILES = ("profile.json", "*.profile.json")
_RESULTS = "cells"  # the folder of a sweep's results in that of the sweep
_MARK = b'"layerprof"'  # stands at the beginning of every record
_HEAD_BYTES = 200
_MOST_RUNS_TICKED = 40  # of more runs TensorBoard's pages show none at first

LogDir = Annotated[str, typer.Option("--logdir", metavar="DIR", help="Runs of TensorBoard, sweeps, or profiles.")]
Port = Annotated[
    int | None, typer.Option(help="To listen at; 0 for any.", show_default="6006, or the next that is free")
]
Host = Annotated[str, typer.Option(help="To listen at; 0.0.0.0 lets other machines in.")]
ReloadInterval = Annotated[
    float, typer.Option(help="Between two looks for new scalars.", metavar="SECONDS", min=0.1, max=86_400)
]


def tensorboard(
    logdir: LogDir,
    port: Port = None,
    host: Host = "127.0.0.1",
    reload_interval: ReloadInterval = 5.0,
    traceback: Traceback = False,
) -> int:
    """Show runs, sweeps and traces in TensorBoard until Ctrl-C; nothing is asked of the internet."""
    try:
        with _ended_by_any_signal():
            place = _with_files(_folder_of(logdir))
            with serve(place, host=host, port=port, reload_interval_s=reload_interval) as server:
                for note in (server.note, _note_on_runs(place)):
                    if note is not None:
                        complain(note, kind="note")
                print(f"TensorBoard of {place} at {server.url} (Ctrl-C ends it)", flush=True)
                server.wait()
    except KeyboardInterrupt:
        print()
    return 0


@dataclass(frozen=True, slots=True, kw_only=True)
class _Source:
    """What can be exported.

    Attributes:
        path: a sweep's folder, or a profile's file.
        target: the folder of its runs.
    """

    path: Path
    target: Path


@contextmanager
def _ended_by_any_signal() -> Iterator[None]:
    """Lets SIGTERM and SIGHUP do what Ctrl-C does, where nobody else handles them."""
    is_main = threading.current_thread() is threading.main_thread()
    endings = (signal.SIGTERM, signal.SIGHUP)
    ours = [number for number in endings if is_main and signal.getsignal(number) is signal.SIG_DFL]
    for number in ours:
        signal.signal(number, _interrupt)
    try:
        yield
    finally:
        for number in ours:
            signal.signal(number, signal.SIG_DFL)


def _interrupt(number: int, _: FrameType | None) -> None:
    raise KeyboardInterrupt(signal.Signals(number).name)


def _folder_of(given: str) -> Path:
    """The folder that is named, with the user's home in the place of ``~``.

    Raises:
        InputError: where there is none.
    """
    if not given.strip():
        raise InputError("--logdir is empty; give a folder with runs, traces, profiles or a sweep")
    try:
        folder = Path(given).expanduser()
    except RuntimeError as error:
        raise InputError(f"no folder {given}: {error}") from error
    require_folder(folder)
    return folder


def _with_files(logdir: Path) -> Path:
    """The folder for TensorBoard to look in: that of the export, or the one given where it has anything else.

    Raises:
        LayerprofError: where nothing can be shown.
    """
    exported = logdir / BOARDS
    sources = _sources(logdir, exported)
    if not sources:
        return logdir
    has_others = _has_others(logdir, exported, sources)
    failures = _export([source for source in sources if _is_stale(source)], exported)
    if len(failures) == len(sources) and not has_others:
        raise failures[0]
    for failure in failures:
        complain(f"not exported: {failure}", kind="note")
    return logdir if has_others or next(shown_files(exported), None) is None else exported


def _has_others(logdir: Path, exported: Path, sources: Iterable[_Source]) -> bool:
    """Whether the folder has runs or traces besides the exports of its sources, of which some lie beside these."""
    from layerprof.boards.base import is_exported

    beside = {(source.path if source.path.is_dir() else source.path.parent) / BOARDS for source in sources}
    return any(
        not path.is_relative_to(exported) and (beside.isdisjoint(path.parents) or not is_exported(path))
        for path in shown_files(logdir)
    )


def _sources(logdir: Path, exported: Path) -> list[_Source]:
    """The sweep of the folder; or the sweeps right under it, and the profiles in it and right under it."""
    if (logdir / SWEEP_FILE).is_file():
        return [_Source(path=logdir, target=exported)]
    sweeps = sorted(path.parent for path in logdir.glob(f"*/{SWEEP_FILE}") if path.is_file())
    profiles = [
        path
        for pattern in _PROFILE_FILES
        for path in sorted(path for depth in ("", "*/") for path in logdir.glob(depth + pattern))
        if path.is_file() and _is_of_layerprof(path)
    ]
    return [_Source(path=path, target=exported / _run_of(path, logdir)) for path in (*sweeps, *profiles)]


def _run_of(source: Path, logdir: Path) -> Path:
    """The run's folder below the export, as the source lies; that of the folder's own profile has its name."""
    if source.name == "profile.json" and source.parent != logdir:
        return source.parent.relative_to(logdir)
    own = source.name.removesuffix(".json").removesuffix(".profile")
    return source.relative_to(logdir).parent / own


def _is_of_layerprof(path: Path) -> bool:
    """Whether the file is a record of layerprof's; other programs write a profile.json too."""
    try:
        with path.open("rb") as file:
            return _MARK in file.read(_HEAD_BYTES)
    except OSError:
        return True  # what is wrong is told where it is read


def _is_stale(source: _Source) -> bool:
    """Whether the source has no whole export, or one that is older than something in it."""
    from layerprof.boards.base import EVENT_FILE, REPORT
    from layerprof.store import timeline_path

    if not source.path.is_dir():
        made = [source.target / EVENT_FILE]
        given = [source.path, timeline_path(source.path)]
    else:
        made = [source.target / REPORT / EVENT_FILE, *source.target.rglob(EVENT_FILE)]
        given = [source.path / SWEEP_FILE, *(source.path / _RESULTS).rglob("*")]
    try:
        oldest_ns = min(path.stat().st_mtime_ns for path in made)
        return any(path.stat().st_mtime_ns > oldest_ns for path in given if path.is_file())
    except FileNotFoundError:
        return True


def _export(sources: Sequence[_Source], exported: Path) -> list[LayerprofError]:
    """Exports them; one that is damaged does not keep the others back.

    Args:
        sources: that have no export, or an old one.
        exported: the folder of all exports.

    Returns:
        Why some could not be exported.
    """
    if not sources:
        return []
    told = f"{_told(sources)} for TensorBoard, as of now, in {exported}; start again for what is measured later"
    complain(told, kind="exporting")
    failures: list[LayerprofError] = []
    for source in sources:
        try:
            _export_one(source)
        except LayerprofError as error:
            failures.append(error)
    return failures


def _told(sources: Sequence[_Source]) -> str:
    if len(sources) == 1:
        return f"{'the sweep in' if sources[0].path.is_dir() else 'the profile'} {sources[0].path}"
    sweeps = sum(source.path.is_dir() for source in sources)
    counts = ((sweeps, "sweep"), (len(sources) - sweeps, "profile"))
    return " and ".join(f"{count} {kind}{'s' if count > 1 else ''}" for count, kind in counts if count)


def _export_one(source: _Source) -> None:
    from layerprof.boards import export_tensorboard
    from layerprof.output import load_but_timeline
    from layerprof.records import FlopReport, Profile
    from layerprof.store import why_no_timeline

    record = load_but_timeline(source.path)
    if isinstance(record, FlopReport):
        return
    export_tensorboard(record, source.target)
    reason = why_no_timeline(record) if isinstance(record, Profile) else None
    if reason is not None:
        complain(f"no trace of {source.path}: {reason}", kind="note")


def _note_on_runs(place: Path) -> str | None:
    """One line where the pages show nothing, or nothing at first."""
    shown = tuple(shown_files(place))
    runs = len({path.parent for path in shown if is_events(path.name)})
    if runs > _MOST_RUNS_TICKED:
        return (
            f"of more than {_MOST_RUNS_TICKED} runs, here {runs}, TensorBoard ticks none: "
            "tick those to see, or filter them by name, such as report"
        )
    if not shown:
        return f"nothing to show in {place}: no runs, traces, sweep or profiles in it, nor right under it"
    return None
