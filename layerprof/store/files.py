"""Files that are whole or not there: JSON read with care, and content written beside its place and moved into it."""

from __future__ import annotations

import errno
import json
import os
import stat
import tempfile
from collections.abc import Mapping
from pathlib import Path

import orjson

from layerprof.errors import InputError, RecordError
from layerprof.store.base import Data

_GZIP = b"\x1f\x8b"
_EVENTS = "traceEvents"  # the key of a Chrome trace
_HEAD_BYTES = 200  # of which a record's have its "format"
_MOST_BYTES_SEARCHED = 1 << 16
_TRACE_WORDS = "is a Chrome trace, not a layerprof record; lp.load_trace reads it"


def write_text(path: str | Path, text: str) -> Path:
    """Writes a whole file or none: what stood there before stays until the new text is safe on disk.

    A link stays as it is, and the file that it leads to is the one that is written.

    Raises:
        InputError: when the place cannot be written, or what is there is no regular file.
    """
    target = Path(path)
    write_files({target: text.encode("utf-8")})
    return target


def write_files(contents: Mapping[Path, bytes]) -> None:
    """Writes whole files or none: all of them are safe on disk before the first takes its place, in this order.

    A link stays as it is, and the file that it leads to is the one that is written.

    Raises:
        InputError: when a place cannot be written, or what is there is no regular file.
    """
    staged: dict[Path, Path] = {}
    target = Path()
    try:
        for target, content in contents.items():
            _require_replaceable(target)
            place = Path(os.path.realpath(target))
            place.parent.mkdir(parents=True, exist_ok=True)
            staged[place] = _staged(place, content)
        for target, temporary in staged.items():
            temporary.replace(target)
    except OSError as error:
        reason = error.strerror or str(error)
        raise InputError(f"cannot write {target}: {reason}; choose a place you may write to") from error
    finally:
        for temporary in staged.values():
            temporary.unlink(missing_ok=True)


def _require_replaceable(target: Path) -> None:
    """Returns where a file may take the place: nothing is there, or a regular file, or a link to one of the two.

    Raises:
        InputError: for a pipe, a socket or a device, which a file that is moved there would destroy.
        OSError: for a folder, and for a place that cannot be looked at.
    """
    try:
        mode = target.stat().st_mode  # of what links lead to
    except (FileNotFoundError, NotADirectoryError):
        return
    if stat.S_ISDIR(mode):
        raise IsADirectoryError(errno.EISDIR, "it is a folder")
    if not stat.S_ISREG(mode):
        raise InputError(f"cannot write {target}: it is no regular file; redirect standard output there instead")


def _staged(target: Path, content: bytes) -> Path:
    """A file beside its place, safe on disk, with the permissions that a new file gets."""
    handle, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
    temporary = Path(name)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.chmod(0o666 & ~_umask())  # mkstemp makes files that only their owner may read
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    return temporary


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def to_json(data: Mapping[str, Data]) -> bytes:
    """The data as JSON; what the fast writer does not take is marked, since the fast reader would not take it either.

    Raises:
        TypeError: when it is no plain data.
        ValueError: when a number in it is not finite.
    """
    try:
        return orjson.dumps(data)
    except TypeError:  # an integer beyond 64 bits, a lone surrogate in a name, or a float of a subclass
        return json.dumps({"wide": True, **data}, allow_nan=False, separators=(",", ":")).encode("ascii")


def read_json(source: Path) -> object:
    """What a JSON file holds.

    Raises:
        InputError: when there is no such file, or it cannot be read.
        RecordError: when it is cut off or damaged.
    """
    try:
        content = source.read_bytes()
    except FileNotFoundError as error:
        raise InputError(f"there is no file {source}; give one that layerprof saved") from error
    except OSError as error:
        raise InputError(f"cannot read {source}: {error.strerror or error}") from error
    if content.startswith(_GZIP):
        raise RecordError(f"{source} is gzipped, as traces may be and records are not; lp.load_trace reads traces")
    try:
        data = orjson.loads(content)
    except ValueError:
        return _parsed_if_no_trace(content, source)  # which takes more, and tells better what is wrong
    is_beyond = isinstance(data, dict) and ("wide" in data or data.get("schema") == 1)  # which had no such mark
    return _parsed(content, source) if is_beyond else data


def require_no_trace(data: object, *, source: str) -> None:
    """Returns where parsed content that is no record is no Chrome trace either.

    Raises:
        RecordError: where it looks like one: that has another reader.
    """
    events = data.get(_EVENTS) if isinstance(data, dict) else data
    if isinstance(events, list) and any(isinstance(event, dict) and "ph" in event for event in events[:1]):
        raise RecordError(f"{source} {_TRACE_WORDS}")


def _parsed_if_no_trace(content: bytes, source: Path) -> object:
    try:
        return _parsed(content, source)
    except RecordError as error:
        is_of_events = f'"{_EVENTS}"'.encode() in content[:_MOST_BYTES_SEARCHED]
        if is_of_events and b'"format"' not in content[:_HEAD_BYTES]:
            raise RecordError(f"{source} {_TRACE_WORDS}") from error
        raise


def where_in_json(error: json.JSONDecodeError) -> str:
    """What is wrong and where, in words; some of the parser's own end where the place is to follow."""
    return f"{error.msg.removesuffix(' at')} at line {error.lineno}, column {error.colno}"


def _parsed(content: bytes, source: Path) -> object:
    """What the JSON holds, read by the reader that takes integers of any length."""
    try:
        text = content.decode("utf-8")
        return json.loads(text, parse_constant=_refuse_constant)
    except UnicodeDecodeError as error:
        what = "truncated" if error.reason == "unexpected end of data" else "damaged"
        raise RecordError(f"{source} is {what}: it is not whole UTF-8 text") from error
    except json.JSONDecodeError as error:
        what = "truncated" if _is_cut(text, error.pos) else "damaged"
        raise RecordError(f"{source} is {what}: {where_in_json(error)}") from error
    except (ValueError, RecursionError) as error:
        raise RecordError(f"{source} is damaged: {error}") from error


def _is_cut(text: str, error_at: int) -> bool:
    """Whether the text ended too early: where the error is, or before the brace that a record ends with."""
    stripped = text.strip()
    return error_at >= len(text.rstrip()) - 1 or (stripped.startswith("{") and not stripped.endswith("}"))


def _refuse_constant(name: str) -> float:
    raise ValueError(f"{name} is no number that a record may hold")
