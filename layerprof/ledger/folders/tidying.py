"""What killed writers left in a sweep's folder, and nobody will come back for.

Temporary files that were not moved to their places, and files that were to lie beside a run which replaces another and
has not come.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path

from layerprof.errors import LayerprofError
from layerprof.ledger.base import Layout, RunKey, file_clock_ns, key_of, key_of_replacing, named_by
from layerprof.records import RunRecord, RunSummary
from layerprof.store import read_record, timeline_path

_WRITING_S = 300.0  # the longest that a living writer leaves a temporary file without adding to it
_PROBE = ".clock"
_NS_PER_S = 1e9


def remove_leavings(layout: Layout, stored: Iterable[RunSummary], *, is_alone: bool) -> None:
    """Removes temporary files, and those of replacing runs that no record names, as far as that can be done.

    Args:
        layout: of the sweep's folder.
        stored: all runs, as they were read a moment ago.
        is_alone: whether it is known that nobody else writes there; otherwise those that are older than five minutes by
            the file system's clock.
    """
    probe = layout.folder / _PROBE
    now_ns = file_clock_ns(probe)
    with suppress(OSError):
        probe.unlink(missing_ok=True)
    for path in _leavings(layout):
        with suppress(OSError):
            if is_alone or (now_ns - path.stat().st_mtime_ns) / _NS_PER_S > _WRITING_S:
                path.unlink(missing_ok=True)
    for path, key in _unnamed(layout, stored):
        with suppress(OSError):
            placed_ns = path.stat().st_ctime_ns  # another name of a file does not change when it was written
            if (is_alone or (now_ns - placed_ns) / _NS_PER_S > _WRITING_S) and not _is_named_now(layout, path, key):
                path.unlink(missing_ok=True)


def _unnamed(layout: Layout, stored: Iterable[RunSummary]) -> Iterator[tuple[Path, RunKey]]:
    """What lies beside the runs, made for one that replaces another, and is named by none; with whose it would be."""
    found = [
        (path, key)
        for folder in layout.beside_runs
        for path in _files(folder)
        if (key := key_of_replacing(path.name)) is not None
    ]
    named = _names(layout, stored) if found else set()
    yield from ((path, key) for path, key in found if path not in named)


def _is_named_now(layout: Layout, path: Path, key: RunKey) -> bool:
    """Whether a record names it that has come since, or that cannot be read."""
    try:
        record = read_record(layout.run(key))
    except LayerprofError:
        return layout.run(key).exists()
    return not isinstance(record, RunRecord) or path in _names(layout, (record.summary,))


def _names(layout: Layout, runs: Iterable[RunSummary]) -> set[Path]:
    places = (path for run in runs for path in (run.profile_path, run.log_path, run.evidence_path))
    paths = {layout.folder / path for path in places if path is not None}
    return paths | set(map(timeline_path, paths))


def _files(folder: Path) -> list[Path]:
    try:
        return list(folder.iterdir())
    except OSError:
        return []


def _leavings(layout: Layout) -> Iterator[Path]:
    whole = {layout.plan.name, layout.index.name}
    yield from (path for path in _files(layout.folder) if named_by(path.name) in whole)
    for folder in (layout.cells, *layout.beside_runs):
        yield from (path for path in _files(folder) if _is_of_run(named_by(path.name)))


def _is_of_run(name: str | None) -> bool:
    stem = "" if name is None else ".".join(name.split(".")[:3])
    return key_of(f"{stem}.json") is not None
