"""What is stored in a sweep's folder, read quickly: the summary of every run, and the files that are damaged.

Each file is looked at by name, size and time alone where the index knows it, and read where not. So 10,000 runs take a
fraction of a second with the index, and about a second without.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from layerprof.errors import InputError, RecordError
from layerprof.ledger.base import Layout, RunKey, key_of
from layerprof.ledger.folders.scanning.index import Known, Stamp, index_of, write_index
from layerprof.records import RunRecord, RunSummary
from layerprof.store import collection_later, from_data, is_newer, read_json

_LEAST_CHANGES = 100  # files that the index does not know, or knows otherwise, before it is written again
_LEAST_SHARE = 0.05  # likewise, of all: so that a long sweep does not write it for every few runs


@dataclass(frozen=True, slots=True, kw_only=True)
class Damaged:
    """A file that should hold a run and does not.

    Attributes:
        path: of the file.
        reason: one line.
    """

    path: Path
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Scan:
    """What is stored.

    Attributes:
        summaries: of all runs, by the name of their files.
        damaged: files that could not be read.
    """

    summaries: tuple[RunSummary, ...]
    damaged: tuple[Damaged, ...]


def scan(layout: Layout, *, updates_index: bool = True) -> Scan:
    """Everything that is stored under ``cells/``; files that have not the name of a run are none of its business.

    Args:
        layout: of the sweep's folder.
        updates_index: whether the index may be written where much has changed; a folder that cannot be written is fine.

    Raises:
        InputError: when a file cannot be read.
        RecordError: when one is of a newer layerprof, which must not be set aside.
    """
    stamps = _stamps(layout.cells)
    known = index_of(layout.index) if len(stamps) >= _LEAST_CHANGES else {}
    summaries: dict[str, RunSummary] = {}
    damaged: list[Damaged] = []
    with collection_later():
        for name, stamp in sorted(stamps.items()):
            entry = known.get(name)
            if entry is not None and entry.stamp == stamp:
                summaries[name] = entry.summary
                continue
            found = _read(layout.cells / name)
            if isinstance(found, RunSummary):
                summaries[name] = found
            elif found is not None:
                damaged.append(found)
    if updates_index:
        _update(layout, known, summaries, stamps)
    return Scan(summaries=tuple(summaries.values()), damaged=tuple(damaged))


def set_aside(layout: Layout, damaged: Iterable[Damaged]) -> tuple[Path, ...]:
    """Moves damaged files to a folder of their own, where nothing reads them and nothing is written over.

    Returns:
        Where they are now; a file that another worker has moved before is left out.

    Raises:
        InputError: when the folder cannot be written.
    """
    return tuple(moved for one in damaged if (moved := _moved(layout, one.path)) is not None)


def _moved(layout: Layout, path: Path) -> Path | None:
    try:
        layout.set_aside.mkdir(parents=True, exist_ok=True)
        for number in range(1, 1_000_000):
            target = layout.set_aside / (path.name if number == 1 else f"{path.stem}.{number}{path.suffix}")
            if target.exists():
                continue
            path.rename(target)
            return target
    except FileNotFoundError:
        return None
    except OSError as error:
        raise InputError(
            f"cannot set {path} aside, which is damaged: {error.strerror or error}; move it away by hand"
        ) from error
    return None


def _stamps(folder: Path) -> dict[str, Stamp]:
    """What tells whether a file has changed, by its name, for the files that are named as runs are."""
    stamps = {}
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                if key_of(entry.name) is not None and entry.is_file():
                    status = entry.stat()
                    stamps[entry.name] = Stamp(size_bytes=status.st_size, mtime_ns=status.st_mtime_ns)
    except FileNotFoundError:
        return stamps
    except OSError as error:
        raise InputError(f"cannot read {folder}: {error.strerror or error}") from error
    return stamps


def _read(path: Path) -> RunSummary | Damaged | None:
    """The summary of the run in a file; None where another worker has just moved it away.

    Raises:
        InputError: when it cannot be read.
        RecordError: when it is of a newer layerprof.
    """
    try:
        content = read_json(path)
    except RecordError as error:
        return Damaged(path=path, reason=str(error))
    except InputError as error:
        if isinstance(error.__cause__, FileNotFoundError):
            return None
        raise
    try:
        return _summary(content, path)
    except RecordError as error:
        if is_newer(content):
            raise
        return Damaged(path=path, reason=str(error))


def _summary(content: object, path: Path) -> RunSummary:
    record = from_data(content, source=str(path))
    if not isinstance(record, RunRecord):
        raise RecordError(f"{path} holds a {type(record).__name__}, not a RunRecord")
    summary = record.summary
    key = RunKey(cell=summary.cell, environment=summary.environment, repeat=summary.repeat)
    if key != key_of(path.name):
        raise RecordError(f"{path} is damaged: it holds the run {key.stem}, not the one of its name")
    return summary


def _update(
    layout: Layout, known: Mapping[str, Known], summaries: Mapping[str, RunSummary], stamps: Mapping[str, Stamp]
) -> None:
    changed = sum(1 for name in summaries if name not in known or known[name].stamp != stamps[name])
    gone = len(known.keys() - summaries.keys())
    if changed + gone >= max(_LEAST_CHANGES, _LEAST_SHARE * len(summaries)):
        write_index(layout.index, {name: Known(stamp=stamps[name], summary=one) for name, one in summaries.items()})
