"""From a trace's file to its content, and what a file is that is no trace of torch's profiler.

Kineto writes JSON that is not always strict: bare words for numbers, control characters and stray backslashes inside
strings. What the fast parser refuses is read by a slower one that takes these.
"""

from __future__ import annotations

import json
import re
import zlib
from collections.abc import Iterable, Mapping
from pathlib import Path

import orjson

from layerprof.errors import InputError, RecordError
from layerprof.store.files import where_in_json
from layerprof.traces.base import (
    DEVICE_CATEGORIES,
    LAUNCH_CATEGORIES,
    MODULE_CATEGORY,
    PLUGIN_LAUNCH_CATEGORY,
    SUFFIXES,
    usable_path,
)
from layerprof.traces.reading.base import Content, Json

EVENTS_KEY = "traceEvents"

MOST_UNPACKED_BYTES = 1 << 31
"""What a gzipped trace may unpack to: more is no trace that anyone can read, or was made to fill the memory."""

_GZIP = b"\x1f\x8b"
_GZIP_WINDOW = 31
_HEAD_BYTES = 1 << 16
_MOST_FILES_TRIED = 1000  # of a folder, the newest ones
_KEYS = (b'"traceEvents"', b'"baseTimeNanoseconds"', b'"deviceProperties"')  # the first may come late
_REMEDY = "give a file that torch.profiler's export_chrome_trace wrote"
_CATEGORIES = frozenset(
    {"cpu_op", "user_annotation", MODULE_CATEGORY, PLUGIN_LAUNCH_CATEGORY, *LAUNCH_CATEGORIES, *DEVICE_CATEGORIES}
)
_STRING_OR_WORD = re.compile(r'"(?:[^"\\]|\\.)*"|[-+]?\b(?:nan|inf(?:inity)?|n/a|none|undefined)\b', re.I | re.DOTALL)
_STRAY_BACKSLASH = re.compile(r'\\(?:(["\\/bfnrt]|u[0-9a-fA-F]{4})|)')
_XPLANE = re.compile(r"/(device|host):|^/host|XLA|TensorFlow", re.I)
_BROWSER = re.compile(r"blink|v8|devtools|toplevel|disabled-by-default|loading")


def read_content(path: Path) -> Content:
    """The content of a trace of torch's profiler.

    Raises:
        InputError: when there is no such file, or it is no such trace.
        RecordError: when it is cut off or damaged.
    """
    data = _parsed(_unpacked(path), path)
    if isinstance(data, list):
        data = {EVENTS_KEY: data}
    if not isinstance(data, dict):
        raise InputError(f"{path} is not a trace: it is not JSON of an object or a list; {_REMEDY}")
    if not isinstance(data.get(EVENTS_KEY), list):
        raise InputError(_no_events(path, data))
    events = data[EVENTS_KEY]
    if not events:
        raise InputError(f"{path} is a trace without any event; record at least one step and export it again")
    if all(isinstance(event, dict) and event.get("ph") == "M" for event in events):
        raise InputError(
            f"{path} is a trace with names of tracks and no event; record at least one step and export it again"
        )
    if not any(_is_torch(event) for event in events):
        raise InputError(f"{path} {_whose(data, events)}; {_REMEDY}")
    return data


def is_trace(path: str | Path) -> bool:
    """Whether a file looks like a Chrome trace, from its first 64 KB; False where it cannot be read."""
    try:
        with usable_path(path).open("rb") as file:
            head = file.read(_HEAD_BYTES)
    except (OSError, InputError):
        return False
    if head.startswith(_GZIP):
        try:
            head = zlib.decompressobj(_GZIP_WINDOW).decompress(head, _HEAD_BYTES)
        except zlib.error:
            return False
    text = head.lstrip(b"\xef\xbb\xbf \t\r\n")
    if text.startswith(b"["):
        return b'"ph"' in text and b'"ts"' in text
    is_object = text.startswith(b"{")
    return is_object and any(key in text for key in _KEYS)


def _unpacked(path: Path) -> bytes:
    try:
        content = path.read_bytes()
    except FileNotFoundError as error:
        raise InputError(f"there is no file {path}; {_REMEDY}") from error
    except IsADirectoryError as error:
        raise InputError(_folder_words(path)) from error
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror or error}") from error
    if not content.startswith(_GZIP):
        return content
    try:
        unpacked = _gunzipped(content, MOST_UNPACKED_BYTES)
    except EOFError as error:
        raise RecordError(f"{path} is cut off: its gzip stream does not end; copy or export it again") from error
    except zlib.error as error:
        raise RecordError(f"{path} is damaged: {error}; copy or export it again") from error
    if unpacked is None:
        raise RecordError(
            f"{path} unpacks to more than {MOST_UNPACKED_BYTES:,} bytes, too many to read; record fewer steps"
        )
    return unpacked


def _folder_words(folder: Path) -> str:
    """What to give in the place of a folder: the newest trace in it or right under it."""
    found = [path for depth in ("", "*/") for suffix in SUFFIXES for path in folder.glob(f"{depth}*{suffix}")]
    newest_first = sorted(found, key=_age_ns)[:_MOST_FILES_TRIED]
    newest = next(filter(is_trace, newest_first), None)
    if newest is None:
        return f"{folder} is a folder without traces in it or right under it; {_REMEDY}"
    return f"{folder} is a folder; give one of its traces, the newest of which is {newest}"


def _age_ns(path: Path) -> int:
    """How much older the file is than any other could be; one that is gone comes last."""
    try:
        return -path.stat().st_mtime_ns
    except OSError:
        return 0


def _gunzipped(content: bytes, most_bytes: int) -> bytes | None:
    """What gzip streams that follow one another hold; None where that is more than so many bytes.

    Raises:
        EOFError: where a stream does not end.
    """
    parts: list[bytes] = []
    left = most_bytes
    while content:
        stream = zlib.decompressobj(_GZIP_WINDOW)
        parts.append(stream.decompress(content, left + 1))
        left -= len(parts[-1])
        if left < 0:
            return None
        if not stream.eof:
            raise EOFError
        content = stream.unused_data.lstrip(b"\0")  # padding
    return b"".join(parts)


def _parsed(content: bytes, path: Path) -> Json:
    try:
        return orjson.loads(content)
    except ValueError:
        text = content.decode("utf-8-sig", errors="replace")
    if not text.lstrip().startswith(("{", "[")):
        raise InputError(f"{path} is not a trace: it is not JSON; {_REMEDY}")
    try:
        return json.loads(text, strict=False)
    except RecursionError as error:
        raise RecordError(f"{path} is damaged: its JSON is nested without end") from error
    except ValueError:
        return _mended(text, path)


def _mended(text: str, path: Path) -> Json:
    try:
        return json.loads(_STRING_OR_WORD.sub(_strict, text), strict=False)
    except json.JSONDecodeError as error:
        is_cut = not text.rstrip().endswith(("}", "]")) or error.pos >= len(text.rstrip())
        what = "is cut off" if is_cut else "is damaged"
        if f'"{EVENTS_KEY}"' not in text and not is_cut:
            raise InputError(f"{path} is not a trace: it is not JSON; {_REMEDY}") from error
        raise RecordError(f"{path} {what}: {where_in_json(error)}; copy or export it again") from error
    except (ValueError, RecursionError) as error:
        raise RecordError(f"{path} is damaged: {error}") from error


def _strict(found: re.Match[str]) -> str:
    """A string without stray backslashes; null for a bare word."""
    text = found.group()
    if not text.startswith('"'):
        return "null"
    return _STRAY_BACKSLASH.sub(lambda one: one.group() if one.group(1) else r"\\", text)


def _is_torch(event: Json) -> bool:
    if not isinstance(event, dict):
        return False
    category = event.get("cat")
    return isinstance(category, str) and category in _CATEGORIES


def _no_events(path: Path, data: Mapping[str, Json]) -> str:
    if data.get("format") == "layerprof":
        return f"{path} is not a trace but a record that layerprof saved; lp.load reads it"
    if "planes" in data:
        return f"{path} is an XPlane profile of XLA, not a trace; {_REMEDY}"
    return f'{path} is not a trace: it has no list "{EVENTS_KEY}"; {_REMEDY}'


def _whose(data: Mapping[str, Json], events: Iterable[Json]) -> str:
    """Which tool made a trace that torch's profiler did not make."""
    found = [event for event in events if isinstance(event, dict)]
    processes = [str(event.get("args")) for event in found if event.get("name") == "process_name"]
    categories = {str(event.get("cat")) for event in found}
    if any(_XPLANE.search(name.removeprefix("{'name': '")) for name in processes):
        return "is a trace of TensorFlow's or JAX's profiler, which layerprof does not read"
    if "metadata" in data or any(_BROWSER.search(category) for category in categories):
        return "is a trace of a browser, in which there is no op of torch"
    return f"is a trace of another tool: none of its {len(found)} events is an op, a module or a kernel of torch"
