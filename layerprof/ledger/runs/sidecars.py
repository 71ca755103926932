"""What lies beside a run's record: its layer profile with the timeline, its evidence, and what its process wrote.

They come to their places before the record does, and stay where they were until it has. What finds no space is left
out with a note: a result without its profile is better than none.

    profiles/<stem>.json               of the first run of its name
    profiles/<stem>.<8 digits>.json    of one that takes the place of another, whose own are there until it has

A file in an outcome's folder shares its space with its new name, so on a full disk both must go to give it back. The
profile stays there as an empty file, which says that there was one.
"""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from layerprof.errors import InputError
from layerprof.ledger.base import (
    EVIDENCE_FILE,
    LOG_FILE,
    MOST_BYTES,
    PROFILE_FILE,
    RUN_FILE,
    Layout,
    Outcome,
    RunKey,
    is_full,
    not_written,
    place_bytes,
    place_file,
    sync_folder,
)
from layerprof.records import Note, RunSummary
from layerprof.store import timeline_path, write_record

MOST_LOG_BYTES = 256_000

_BLOCK_BYTES = 512  # of st_blocks, stat(2)
_LEAST_FILES = 2  # that a record takes where a second name counts as one, as on tmpfs
_HEAD_BYTES = 64_000  # of a longer log: how it began; the rest is how it ended


@dataclass(frozen=True, slots=True, kw_only=True)
class Sidecars:
    """What was kept beside a record.

    Attributes:
        profile: where, or None.
        log: likewise.
        evidence: likewise.
        notes: why something is missing that there was.
    """

    profile: Path | None
    log: Path | None
    evidence: Path | None
    notes: tuple[Note, ...]

    @property
    def placed(self) -> tuple[Path, ...]:
        """All that was kept."""
        return tuple(path for path in (self.profile, self.log, self.evidence) if path is not None)

    def left_out(self, layout: Layout) -> Sidecars:
        """Nothing of it, and why."""
        found = (("profile", self.profile), ("log", self.log), ("evidence", self.evidence))
        notes = (_not_stored(what, layout) for what, path in found if path is not None)
        return Sidecars(profile=None, log=None, evidence=None, notes=(*self.notes, *notes))


def place_sidecars(layout: Layout, outcome: Outcome, key: RunKey, *, attempt: str) -> Sidecars:
    """Puts what an outcome has beside its record into the sweep's folder; its own folder is left as it is.

    Args:
        layout: of the sweep's folder.
        outcome: whose files they are.
        key: of the run.
        attempt: digits of the names, where those of the first run are taken; empty where nothing is to be kept of them.

    Raises:
        InputError: when a place cannot be written, other than for want of space.
    """
    notes: list[Note] = []

    def placed(what: str, target: Path, place: Callable[[Outcome, Path], bool]) -> Path | None:
        try:
            return target if place(outcome, target) else None
        except (OSError, InputError) as error:
            _remove(target)
            if is_full(error):
                notes.append(_not_stored(what, layout))
                return None
            raise (not_written(target, error) if isinstance(error, OSError) else error) from error

    is_taken = attempt and any(one.exists() for path in _places(layout, key) for one in (path, timeline_path(path)))
    places = _places(layout, key, attempt=attempt if is_taken else "")
    profile, log = placed("profile", places[0], _place_profile), placed("log", places[1], _place_log)
    evidence = placed("evidence", places[2], _place_evidence)
    found = Sidecars(profile=profile, log=log, evidence=evidence, notes=tuple(notes))
    for path in found.placed:
        sync_folder(path.parent)
    return found


def remove_sidecars(layout: Layout, key: RunKey, placed: Sidecars, *, there: RunSummary | None = None) -> None:
    """Takes back what was placed for a record that has not come, but for what the one that is there names as well."""
    named = _named_in(there, layout, key)
    for path in placed.placed:
        if path not in named:
            _remove(path)


def remove_replaced(layout: Layout, key: RunKey, *, now: RunSummary, before: RunSummary | None) -> None:
    """Removes what lay beside the run that was replaced, and what a killed attempt left, as far as that can be done."""
    for path in {*_places(layout, key), *_named_in(before, layout, key)} - _named_in(now, layout, key):
        _remove(path)


def give_up_copy(outcome: Outcome) -> None:
    """Makes space by the copy of the record that an outcome's folder has, as far as it can: the record is at hand."""
    if outcome.folder is not None:
        with suppress(OSError):
            (outcome.folder / RUN_FILE).unlink(missing_ok=True)


def give_up_rest(outcome: Outcome, layout: Layout) -> None:
    """Makes space by all else in an outcome's folder, where it is on the same disk and makes enough of it."""
    if outcome.folder is None:
        return
    profile = outcome.folder / PROFILE_FILE
    others = timeline_path(profile), outcome.folder / LOG_FILE, outcome.folder / EVIDENCE_FILE
    with suppress(OSError):
        found = [path for path in (profile, *others) if path.is_file()]
        if outcome.folder.stat().st_dev == layout.cells.stat().st_dev and _makes_enough(found, layout.cells):
            for path in others:
                path.unlink(missing_ok=True)
            if profile in found:
                os.truncate(profile, 0)


def _makes_enough(files: Sequence[Path], folder: Path) -> bool:
    """Whether the disk has no space for a record now, in bytes or in files, and has some without these."""
    if sys.platform == "win32":
        return False
    disk = os.statvfs(folder)
    free_bytes = disk.f_bavail * disk.f_frsize
    freed_bytes = sum(path.stat().st_blocks * _BLOCK_BYTES for path in files)
    has_no_files = disk.f_files > 0 and disk.f_favail < _LEAST_FILES
    return has_no_files or free_bytes < MOST_BYTES <= free_bytes + freed_bytes


def _named_in(summary: RunSummary | None, layout: Layout, key: RunKey) -> set[Path]:
    """The files that a run names, of those that can be its own."""
    if summary is None:
        return set()
    paths = summary.profile_path, summary.log_path, summary.evidence_path
    named = {layout.folder / path for path in paths if path is not None}
    folders = {path.parent for path in _places(layout, key)}
    return {path for path in named if path.parent in folders and path.name.startswith(f"{key.stem}.")}


def _places(layout: Layout, key: RunKey, *, attempt: str = "") -> tuple[Path, Path, Path]:
    """Where the profile, the log and the evidence of a run are kept."""
    return (
        layout.profile(key, attempt=attempt),
        layout.log(key, attempt=attempt),
        layout.evidence(key, attempt=attempt),
    )


def _not_stored(what: str, layout: Layout) -> Note:
    text = f"there was no space for it in {layout.folder}; measure again where there is some"
    return Note(code="not_stored", quantity=what, scope="", text=text)


def _remove(path: Path) -> None:
    for one in (path, timeline_path(path)):
        with suppress(OSError):
            one.unlink(missing_ok=True)


def _place_profile(outcome: Outcome, target: Path) -> bool:
    """The profile at hand, or that in the outcome's folder; its timeline first, so that it never points to none."""
    if outcome.profile is not None:
        write_record(outcome.profile, target)
        return True
    source = None if outcome.folder is None else outcome.folder / PROFILE_FILE
    if source is None or not source.is_file():
        return False
    if not source.stat().st_size:
        raise OSError(errno.ENOSPC, "it was given up when there was no space")
    if timeline_path(source).is_file():
        place_file(timeline_path(source), timeline_path(target))
        place_file(source, target)
    else:
        place_file(source, target)
        timeline_path(target).unlink(missing_ok=True)
    return True


def _place_evidence(outcome: Outcome, target: Path) -> bool:
    """The evidence at hand, or that in the outcome's folder."""
    if outcome.evidence is not None:
        write_record(outcome.evidence, target)
        return True
    source = None if outcome.folder is None else outcome.folder / EVIDENCE_FILE
    if source is None or not source.is_file():
        return False
    place_file(source, target)
    return True


def _place_log(outcome: Outcome, target: Path) -> bool:
    """The log, of a long one its beginning and its end; an empty one is none."""
    source = None if outcome.folder is None else outcome.folder / LOG_FILE
    size = source.stat().st_size if source is not None and source.is_file() else 0
    if source is None or size == 0:
        return False
    if size <= MOST_LOG_BYTES:
        place_file(source, target)
        return True
    with place_bytes(target, _head_and_tail(source, size)) as temporary:
        temporary.replace(target)
    return True


def _head_and_tail(source: Path, size: int) -> bytes:
    gap = b"\n... %d bytes left out ...\n"
    tail_bytes = MOST_LOG_BYTES - _HEAD_BYTES - len(gap % size)
    with source.open("rb") as file:
        head = file.read(_HEAD_BYTES)
        file.seek(-tail_bytes, os.SEEK_END)
        return head + gap % (size - _HEAD_BYTES - tail_bytes) + file.read(tail_bytes)
