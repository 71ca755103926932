"""A cache of summaries, which may be deleted at any time: never the truth, only a quicker way to it.

    {"format":"layerprof-index","version":1,"crc32":"89abcdef","content":{...}}

The content has the schema of the records, the files' names, sizes and times, and the summaries as rows by column. An
index that is damaged, of another version or not there is as good as none: every file is read then.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import orjson

from layerprof.ledger.base import place_bytes
from layerprof.records import SCHEMA, RunSummary
from layerprof.store import collection_later, rows_from_data, rows_to_data

VERSION = 1

_HEAD = '{{"format":"layerprof-index","version":{version},"crc32":"{crc32:08x}","content":'
_TAIL = b"}"


@dataclass(frozen=True, slots=True)
class Stamp:
    """What changes when a file does.

    Attributes:
        size_bytes: of the file.
        mtime_ns: when it was written.
    """

    size_bytes: int
    mtime_ns: int


@dataclass(frozen=True, slots=True)
class Known:
    """What the index has of a file.

    Attributes:
        stamp: of the file that was read.
        summary: of the run in it.
    """

    stamp: Stamp
    summary: RunSummary


def index_of(path: Path) -> Mapping[str, Known]:
    """What the index has, by the files' names; nothing where it cannot be used, for whatever reason."""
    try:
        return _read(path.read_bytes())
    except (OSError, ValueError, TypeError, KeyError, RecursionError):
        return {}


def _read(stored: bytes) -> Mapping[str, Known]:
    length = len(_head(b""))
    content = stored[length : -len(_TAIL)]
    if stored[:length] != _head(content) or not stored.endswith(_TAIL):
        raise ValueError("no index of this version, or a damaged one")
    with collection_later():
        data = orjson.loads(content)
        if data["schema"] != SCHEMA:
            raise ValueError("its summaries are of another schema")
        stamps = map(Stamp, data["sizes_bytes"], data["mtimes_ns"])
        summaries = rows_from_data(data["summaries"], RunSummary)
        return {
            name: Known(stamp=stamp, summary=cast("RunSummary", summary))
            for name, stamp, summary in zip(data["names"], stamps, summaries, strict=True)
        }


def write_index(path: Path, known: Mapping[str, Known]) -> None:
    """Writes the index as far as that can be done."""
    data = {
        "schema": SCHEMA,
        "names": list(known),
        "sizes_bytes": [one.stamp.size_bytes for one in known.values()],
        "mtimes_ns": [one.stamp.mtime_ns for one in known.values()],
    }
    with suppress(OSError, TypeError, ValueError):
        summaries = rows_to_data([one.summary for one in known.values()], RunSummary)
        content = orjson.dumps({**data, "summaries": summaries})
        with place_bytes(path, _head(content), content, _TAIL) as temporary:
            temporary.replace(path)


def _head(content: bytes) -> bytes:
    return _HEAD.format(version=VERSION, crc32=zlib.crc32(content)).encode("ascii")
