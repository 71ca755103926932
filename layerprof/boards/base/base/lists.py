"""What an export wrote, in a list of its own in each run's folder, which is read with care.

``.layerprof-export.json`` names the run's files, and that of a sweep's report the folders of the sweep's other runs:
the next export removes what it does not write itself. Whatever a list says, only names that an export gives count.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

EVENT_FILE = "events.out.tfevents.0000000000.layerprof"
"""The one event file of a run: the name tells no time and no host, so that an export replaces the one before."""

LIST_FILE = ".layerprof-export.json"

RunKind = Literal["profile", "cell", "report"]

_FORMAT = "layerprof-export"
_OWN_FILE = re.compile(r"events\.out\.tfevents\.0{10}\.layerprof|[A-Za-z0-9._=,+~-]+\.trace\.json\.gz")
_OWN_RUN = re.compile(r"(?!\.)[A-Za-z0-9._=,+~-]+(/(?!\.)[A-Za-z0-9._=,+~-]+)?")


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportList:
    """What an export wrote.

    Attributes:
        kind: whether the run is a profile's, a sweep's cell's, or a sweep's report; "" where there was no export.
        files: names of the run's files.
        runs: the folders of a sweep's cells, from the logdir; only a report has any.
    """

    kind: RunKind | Literal[""] = ""
    files: tuple[str, ...] = ()
    runs: tuple[str, ...] = ()

    def to_bytes(self) -> bytes:
        """The list as a file."""
        runs = {"runs": self.runs} if self.runs else {}
        return json.dumps({"format": _FORMAT, "kind": self.kind, "files": self.files, **runs}, indent=1).encode("ascii")


def read_list(folder: Path) -> ExportList:
    """The list of the export that wrote to the folder; an empty one where none did, or where it is damaged."""
    try:
        content = json.loads((folder / LIST_FILE).read_bytes())
    except (OSError, ValueError, RecursionError):
        return ExportList()
    if not isinstance(content, dict) or content.get("format") != _FORMAT:
        return ExportList()
    kind = content.get("kind")
    return ExportList(
        kind=kind if kind in ("profile", "cell", "report") else "",
        files=_own(content.get("files"), _OWN_FILE),
        runs=_own(content.get("runs"), _OWN_RUN) if kind == "report" else (),
    )


def _own(names: object, pattern: re.Pattern[str]) -> tuple[str, ...]:
    found = names if isinstance(names, list) else []
    return tuple(name for name in found if isinstance(name, str) and pattern.fullmatch(name))


def remove_files(folder: Path, names: Iterable[str]) -> None:
    """Removes files of the folder; what is not there or cannot be removed stays."""
    for name in names:
        with suppress(OSError):
            (folder / name).unlink()
