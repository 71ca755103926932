"""Files that are whole or not there: JSON read with care, and text written beside its place and moved into it."""

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path

from layerprof.errors import InputError, RecordError
from layerprof.store.base import from_data, to_data


def write_text(path: str | Path, text: str) -> Path:
    """Writes a whole file or none: what stood there before stays until the new text is safe on disk.

    Raises:
        InputError: when the place cannot be written.
    """
    target = Path(path)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        _replace(target, text.encode("utf-8"))
    except OSError as error:
        reason = error.strerror or str(error)
        raise InputError(f"cannot write {target}: {reason}; choose a place you may write to") from error
    return target


def _replace(target: Path, content: bytes) -> None:
    if target.is_dir():
        raise IsADirectoryError(21, "it is a folder")
    handle, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
    temporary = Path(name)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.chmod(0o666 & ~_umask())  # mkstemp makes files that only their owner may read
        temporary.replace(target)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def write_record(record: object, path: str | Path) -> Path:
    """Writes a record as JSON, whole or not at all.

    Raises:
        InputError: when the place cannot be written.
    """
    return write_text(path, json.dumps(to_data(record), allow_nan=False, separators=(",", ":"), ensure_ascii=False))


def read_record(path: str | Path) -> object:
    """The record in a JSON file.

    Raises:
        InputError: when there is no such file.
        RecordError: when it is cut off, damaged, not ours, or of a newer layerprof.
    """
    source = Path(path)
    try:
        text = source.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise InputError(f"there is no file {source}; give one that layerprof saved") from error
    except UnicodeDecodeError as error:
        what = "truncated" if error.reason == "unexpected end of data" else "damaged"
        raise RecordError(f"{source} is {what}: it is not whole UTF-8 text") from error
    except OSError as error:
        raise InputError(f"cannot read {source}: {error.strerror or error}") from error
    return from_data(_parsed(text, source), source=str(source))


def _parsed(text: str, source: Path) -> object:
    try:
        return json.loads(text, parse_constant=_refuse_constant)
    except json.JSONDecodeError as error:
        what = "truncated" if _is_cut(text, error.pos) else "damaged"
        raise RecordError(f"{source} is {what}: {error.msg} at line {error.lineno}, column {error.colno}") from error
    except (ValueError, RecursionError) as error:
        raise RecordError(f"{source} is damaged: {error}") from error


def _is_cut(text: str, error_at: int) -> bool:
    """Whether the text ended too early: where the error is, or before the brace that a record ends with."""
    stripped = text.strip()
    return error_at >= len(text.rstrip()) - 1 or (stripped.startswith("{") and not stripped.endswith("}"))


def _refuse_constant(name: str) -> float:
    raise ValueError(f"{name} is no number that a record may hold")
