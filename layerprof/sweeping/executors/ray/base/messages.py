"""What the sweep's process and the nodes of a Ray cluster say to each other: plain data, and files as bytes.

    sweep ── Errand ─▶ node        sweep ◀─ Started, Sign, Sign, …, Brought ── node

Nothing needs a file system that both see. Both sides need the same layerprof.
"""

from __future__ import annotations

import os
import sys
import time
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from layerprof.ledger import EVIDENCE_FILE, LOG_FILE, PROFILE_FILE, RUN_FILE, Outcome
from layerprof.records import CellFailure, RunRecord, RunSummary
from layerprof.store import timeline_path
from layerprof.sweeping.base import Job
from layerprof.sweeping.base.places import working_directory
from layerprof.sweeping.executors.base import ExecutorOptions

_MOST_LOG_BYTES = 1 << 20  # of which the folder keeps less; what crosses the network is bounded here
_CUT = b"\n[...]\n"
_LONGEST_TEXT = 300  # characters of an error's
_FASTEST = 1  # of zlib's levels: JSON shrinks to a fifth at 100 MB/s


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """Where the sweep was started, so that a node finds the user's modules as the sweep's own machine does.

    Attributes:
        directory: current.
        search_path: of modules.
    """

    directory: str
    search_path: tuple[str, ...]

    @classmethod
    def here(cls) -> Surroundings:
        """Those of this process.

        Raises:
            InputError: when its directory was deleted.
        """
        directory = working_directory()
        return cls(directory=directory, search_path=tuple(place or directory for place in sys.path))


@dataclass(frozen=True, slots=True, kw_only=True)
class Errand:
    """A run for a node.

    Attributes:
        job: what, where and how long; its folder is of the sweep's machine, and not touched.
        options: of the executor.
        surroundings: of the sweep.
        cpus: that Ray counts the node to have, all of which the run takes.
    """

    job: Job
    options: ExecutorOptions
    surroundings: Surroundings
    cpus: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Started:
    """The run has its node for itself.

    Attributes:
        pid: of Ray's worker process there.
    """

    pid: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Sign:
    """A sign of life, as in `Beat`.

    Attributes:
        phase: what the run is doing.
        done, total: steps of it.
    """

    phase: str
    done: int
    total: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Brought:
    """The run's outcome as the files of its folder.

    Attributes:
        files: by name, compressed.
    """

    files: Mapping[str, bytes]


Message = Started | Sign | Brought


def pack(folder: Path) -> Brought:
    """The files of an outcome; of a long log the head and the tail."""
    names = (RUN_FILE, PROFILE_FILE, timeline_path(Path(PROFILE_FILE)).name, EVIDENCE_FILE, LOG_FILE)
    contents = {name: (folder / name).read_bytes() for name in names if (folder / name).is_file()}
    if LOG_FILE in contents:
        contents[LOG_FILE] = _cut(contents[LOG_FILE])
    return Brought(files={name: zlib.compress(content, _FASTEST) for name, content in contents.items()})


def unpack(brought: Brought, folder: Path) -> None:
    """Writes the files into a folder, the run's truth last."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in sorted(brought.files, key=lambda name: name == RUN_FILE):
        (folder / os.path.basename(name)).write_bytes(zlib.decompress(brought.files[name]))  # noqa: PTH119 - no path of theirs


def _cut(log: bytes) -> bytes:
    if len(log) <= _MOST_LOG_BYTES:
        return log
    half = _MOST_LOG_BYTES // 2
    return log[:half] + _CUT + log[-half:]


def without_result(job: Job, failure: CellFailure) -> Outcome:
    """The failed run of a worker that brought nothing."""
    summary = RunSummary(
        cell=job.cell.id,
        repeat=job.repeat,
        environment=job.slot.environment.id,
        status="failed",
        failure=failure,
        ended_at_s=time.time(),
    )
    return Outcome(record=RunRecord(summary=summary, axes=job.cell.axes, facts=job.slot.environment.facts))


def first_line(error: BaseException) -> str:
    """The first line of an error's text, and no more of it than people read."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return (lines[0] if lines else type(error).__name__)[:_LONGEST_TEXT]
