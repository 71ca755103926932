"""TensorBoard on this machine, with the profiler plugin mended so that its pages work without a network.

    serve ─ choice (which profiler plugin, and what it cannot do) ─ server (TensorBoard in a thread of its own)
         │     └─ plugin: pages and static files ─ loading, in processes that know today's categories
         ├─ settings (TensorBoard's own pages, nothing smoothed and nothing cut off)
         └─ signals (kept until what is being begun or closed is whole)
    contents ─ what of a folder there is to show

Nothing that is installed is changed: a subclass and a copy of the pages take the places in this one server.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from layerprof.errors import InputError
from layerprof.viewer.base import Choice
from layerprof.viewer.choice import chosen_plugin
from layerprof.viewer.contents import is_events, shown_files
from layerprof.viewer.server import Installation, Options, Server, running
from layerprof.viewer.settings import NOTE, plain_pages
from layerprof.viewer.signals import kept_back

__all__ = ["Choice", "Server", "chosen_plugin", "is_events", "serve", "shown_files"]


@contextmanager
def serve(
    logdir: Path, *, host: str = "127.0.0.1", port: int | None = None, reload_interval_s: float = 5.0
) -> Iterator[Server]:
    """TensorBoard over a folder, until the block is left; Ctrl-C counts once it is up, or all of it is closed.

    Args:
        logdir: a folder that is there; TensorBoard looks for runs below it.
        host: to listen at.
        port: to listen at, 0 for any that is free; None takes 6006 or the first free one after it.
        reload_interval_s: between two looks for new scalars. New traces are found within ten seconds, in new folders
            alone: the plugin reads a folder once.

    Raises:
        InputError: where the folder or the port cannot be had.
        UnavailableError: where TensorBoard is missing or too old.

    Limits:
        Traces are read in processes that import the program's main file once more: a script that calls this needs
        ``if __name__ == "__main__":`` around what it does. Other signals that end the program, such as SIGTERM, leave
        a process behind unless they have a handler that raises.
    """
    require_folder(logdir)
    choice = chosen_plugin()
    options = Options(logdir=logdir, host=host, port=port, reload_interval_s=reload_interval_s)
    with kept_back() as let_through:
        pages = plain_pages()
        notes = [choice.note, None if pages else NOTE]
        installation = Installation(plugin=_mended_plugin() if choice.is_mended else None, pages=pages)
        with running(installation, options) as url, let_through():
            yield Server(url=url, note="; ".join(note for note in notes if note) or None)


def _mended_plugin() -> type:
    from layerprof.viewer.plugin import OfflineProfilerPlugin

    return OfflineProfilerPlugin


def require_folder(logdir: Path) -> None:
    """Returns where the folder is there.

    Raises:
        InputError: where it is not.
    """
    if not logdir.exists():
        raise InputError(f"no folder {logdir} to show; give --logdir a folder with runs, traces or a sweep")
    if not logdir.is_dir():
        raise InputError(f"{logdir} is a file; give --logdir the folder it is in")
