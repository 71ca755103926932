"""Stored records: versioned JSON, data only, readable on a machine without torch.

A profile's timeline lies beside it: ``x.timeline.npz`` beside ``x.json``. It is written first, and the profile's file
has its digest, so a profile never points to a timeline that is not there or not its own.

A sweep is a folder of such files; `layerprof.ledger` knows which.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Literal

from layerprof.errors import InputError, LayerprofError, RecordError
from layerprof.records import SCHEMA, EvidenceRecord, Note, Profile, Timeline
from layerprof.store import decode, encode, first
from layerprof.store.base import FORMAT, Data
from layerprof.store.decode import rows_from_data
from layerprof.store.encode import rows_to_data
from layerprof.store.files import read_json, require_no_trace, to_json, write_files, write_text
from layerprof.store.timeline import digest_of, from_npz, timeline_path, to_npz

__all__ = [
    "collection_later",
    "from_data",
    "is_newer",
    "load_evidence",
    "load_profile",
    "read_json",
    "read_record",
    "rows_from_data",
    "rows_to_data",
    "timeline_path",
    "to_bytes",
    "why_no_timeline",
    "with_no_timeline",
    "write_record",
    "write_text",
]

OnDamage = Literal["raise", "note"]

_DAMAGED_TIMELINE = "damaged_timeline"  # the code of the note on one
_DECODERS: Mapping[int, Callable[[Mapping[str, Data]], object]] = {
    1: first.from_content,
    2: decode.from_content,
    3: decode.from_content,
    4: decode.from_content,
    5: decode.from_content,
    SCHEMA: decode.from_content,
}


def load_profile(path: str | Path) -> Profile:
    """The profile in a file; where its timeline cannot be read, without one and with a note that says why.

    Raises:
        InputError: when there is no such file.
        RecordError: when it holds something else, or is damaged.
    """
    record = read_record(path, on_damaged_timeline="note")
    if not isinstance(record, Profile):
        raise RecordError(f"{path} holds a {type(record).__name__}, not a Profile")
    return record


def load_evidence(path: str | Path) -> EvidenceRecord:
    """What stands behind a run's row, from its file.

    Raises:
        InputError: when there is no such file.
        RecordError: when it holds something else, or is damaged.
    """
    record = read_record(path)
    if not isinstance(record, EvidenceRecord):
        raise RecordError(f"{path} holds a {type(record).__name__}, not an EvidenceRecord")
    return record


def write_record(record: object, path: str | Path) -> Path:
    """Writes a record as JSON, whole or not at all, and a profile's timeline beside it.

    A timeline that lies there from a record before is removed: afterwards, since until then it is that record's.

    Raises:
        InputError: when the place cannot be written.
    """
    target = Path(path)
    timeline = record.timeline if isinstance(record, Profile) else None
    packed = None if timeline is None else to_npz(timeline)
    content = to_bytes(record, timeline=None if packed is None else digest_of(packed))
    if packed is not None:
        write_files({timeline_path(target): packed, target: content})
        return target
    write_files({target: content})
    with suppress(OSError):  # harmless where it stays: the record does not point to it
        timeline_path(target).unlink(missing_ok=True)
    return target


def to_bytes(record: object, *, timeline: str | None = None) -> bytes:
    """The whole file of a record.

    Args:
        record: of a class that a file may hold.
        timeline: the digest of the file that lies beside it, or None.
    """
    return to_json(encode.to_data(record, timeline=timeline))


def read_record(path: str | Path, *, on_damaged_timeline: OnDamage = "raise") -> object:
    """The record in a JSON file, a profile with the timeline beside it.

    Args:
        path: of the file.
        on_damaged_timeline: what becomes of a profile whose timeline cannot be read: an error, or a profile without
            one and with a note that says why, for who can go on with that.

    Raises:
        InputError: when there is no such file.
        RecordError: when it is cut off, damaged, not ours, or of a newer layerprof, or its timeline is.
    """
    source = Path(path)
    with collection_later():
        content = read_json(source)
        record = from_data(content, source=str(source))
    digest = content.get("timeline") if isinstance(content, dict) else None
    if digest is None or not isinstance(record, Profile):
        return record
    try:
        return replace(record, timeline=_timeline_beside(source, digest))
    except LayerprofError as error:
        if on_damaged_timeline == "raise":
            raise
        return with_no_timeline(record, error)


def with_no_timeline(profile: Profile, error: LayerprofError) -> Profile:
    """The profile without its timeline, and with a note on what is wrong with that."""
    note = Note(code=_DAMAGED_TIMELINE, quantity="timeline", scope="*", text=str(error))
    return replace(profile, timeline=None, notes=(*profile.notes, note))


def why_no_timeline(profile: Profile) -> str | None:
    """What is wrong with the timeline that the profile was to have; None where nothing is."""
    return next((note.text for note in profile.notes if note.code == _DAMAGED_TIMELINE), None)


@contextmanager
def collection_later() -> Iterator[None]:
    """Keeps the garbage collector from looking through a record that is being made, and through all else each time.

    Nothing of it is garbage, and in a process with torch these looks were 70 of the 100 ms for 1,000 layers.
    """
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def _timeline_beside(source: Path, digest: object) -> Timeline | None:
    """The timeline of the profile in a file; None where it was taken away."""
    path = timeline_path(source)
    try:
        packed = path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror or error}") from error
    timeline = from_npz(packed, source=str(path))
    if digest_of(packed) != digest:
        raise RecordError(f"{path} is not the timeline that {source} was saved with; save it again or delete {path}")
    return timeline


def from_data(data: object, *, source: str) -> object:
    """The record that a file holds, without what lies beside it.

    Args:
        data: the parsed file.
        source: how error messages name the file.

    Raises:
        RecordError: when it is not ours, of a newer layerprof, or its parts do not make a record.
    """
    if not isinstance(data, dict) or data.get("format") != FORMAT:
        require_no_trace(data, source=source)
        raise RecordError(f"{source} is not a layerprof record; give a .json file that layerprof saved")
    schema = data.get("schema")
    if not isinstance(schema, int) or isinstance(schema, bool) or schema < 1:
        raise RecordError(f"{source} is damaged: its schema is {schema!r}, which is no version")
    if is_newer(data):
        raise RecordError(f"{source} has schema {schema}, newer than this layerprof's {SCHEMA}; upgrade layerprof")
    try:
        return _DECODERS[schema](data)
    except (TypeError, ValueError, KeyError, AttributeError, OverflowError, RecursionError) as error:
        raise RecordError(f"{source} is damaged: {error}") from error


def is_newer(data: object) -> bool:
    """Whether a parsed file is a record of a newer layerprof, which this one must neither read nor change."""
    schema = data.get("schema") if isinstance(data, dict) and data.get("format") == FORMAT else None
    return isinstance(schema, int) and not isinstance(schema, bool) and schema > SCHEMA
