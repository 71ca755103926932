"""What the sweep, the server and the cells say to each other: lines of JSON.

sweep ─ {"run": request} + a pipe's end, {"kill": name, "signal": n} ─▶ server
sweep ◀─ {"ready": ...}, {"started": name, ...}, {"ended": name, "status": n, ...} ─ server
sweep ◀─ {"hello": ...}, {"phase": ..., "done": ..., "total": ...}, {"result": true} ─ cell, on its pipe
sweep ◀─ {"full": folder}, in the place of a result that found no space ─ cell
"""

from __future__ import annotations

import dataclasses
import importlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One cell to be measured in a process of its own.

    Attributes:
        name: of the run; unique among those of a server.
        cell: as `cell_to_json` wrote it.
        repeat: which of the cell's runs it is.
        device: of the slot, such as ``cpu`` or ``cuda:1``.
        folder: where the outcome and ``log.txt`` go; it exists.
        entry: ``module:function`` that measures.
        is_fresh: whether the interpreter is started anew, rather than forked with what the server has imported.
        threads: cores, and torch's intra-op threads, or None for all.
        memory_limit_bytes: that are left to allocate; None is what is available, 0 without limit.
        directory: that the process works in.
        path: entries of ``sys.path`` that the process has besides its own, after them.
        variables: of the environment, which are set in the process.
        submitted_s: moment of the monotonic clock, which all processes of a machine share.
    """

    name: str
    cell: str
    repeat: int
    device: str
    folder: str
    entry: str
    is_fresh: bool
    threads: int | None
    memory_limit_bytes: int | None
    directory: str
    path: tuple[str, ...]
    variables: Mapping[str, str]
    submitted_s: float

    def to_data(self) -> dict[str, Any]:
        """As plain data."""
        return dataclasses.asdict(self)

    @classmethod
    def from_data(cls, content: Mapping[str, Any]) -> Request:
        """The request that `to_data` gave."""
        return cls(**{**content, "path": tuple(content["path"])})


def encode(message: Mapping[str, object]) -> bytes:
    """A message as a line."""
    return json.dumps(message, separators=(",", ":")).encode() + b"\n"


def lines_of(buffer: bytearray) -> list[dict[str, Any]]:
    """The whole messages in a buffer, which keeps the beginning of the next; lines that are none are left out."""
    *whole, rest = bytes(buffer).split(b"\n")
    buffer[:] = rest
    return [message for line in whole if (message := _message(line)) is not None]


def _message(line: bytes) -> dict[str, Any] | None:
    try:
        content = json.loads(line)
    except ValueError:
        return None
    return content if isinstance(content, dict) else None


def resolve(name: str) -> Any:
    """The object that ``module:name`` stands for, or the module itself where there is no name.

    Raises:
        ImportError: when there is no such module.
        AttributeError: when it has no such name.
    """
    module, _, attribute = name.partition(":")
    found = importlib.import_module(module)
    return getattr(found, attribute) if attribute else found
