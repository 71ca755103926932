"""What of a folder the pages show: event files, and traces whose names end as the profiler plugin asks."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

_OF_EVENTS = "tfevents"  # stands somewhere in the name
_TRACE_SUFFIXES = (".pt.trace.json", ".pt.trace.json.gz")


def shown_files(folder: Path) -> Iterator[Path]:
    """The files below the folder that TensorBoard or the plugin shows.

    Links are followed, as both do, a folder's own folders first; no folder is looked into twice.
    """
    seen: set[str] = set()
    for place, folders, names in os.walk(folder, followlinks=True):
        real = os.path.realpath(place)
        if real in seen:
            folders.clear()
            continue
        seen.add(real)
        links = {name for name in folders if Path(place, name).is_symlink()}
        folders[:] = [*sorted({*folders} - links), *sorted(links)]
        yield from (Path(place, name) for name in sorted(names) if is_events(name) or name.endswith(_TRACE_SUFFIXES))


def is_events(name: str) -> bool:
    """Whether TensorBoard takes a file of this name for one of events."""
    return _OF_EVENTS in name
