"""Where everything of a sweep lies in its folder, and what an executor hands over to be kept there.

sweep.json                              the plan, its cells as planned, the sessions and environments that count
cells/<cell>.<environment>.<repeat>.json            the truth of one run, at most 20 kB, written last
profiles/<cell>.<environment>.<repeat>.json         its layer profile; the timeline beside it
logs/<cell>.<environment>.<repeat>.txt              what its process wrote
evidence/<cell>.<environment>.<repeat>.json         what was in force, and what the model answered
leases/                                 who is on what; empty when nobody is
set-aside/                              files that could not be read
work/<owner>/                           where cells that run leave their results
index.json                              a cache of the summaries, which may be deleted

What lies beside the truth of a run is named in it. A run that takes the place of another of the same name does not
write over what that one has: its files have eight digits of its own before their suffix, and those of the one that was
replaced are removed once nothing names them any more.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from layerprof.records import EvidenceRecord, Profile, RunRecord

SWEEP_FILE = "sweep.json"
RUN_FILE, PROFILE_FILE, LOG_FILE = "run.json", "profile.json", "log.txt"  # in the folder of an outcome
EVIDENCE_FILE = "evidence.json"  # likewise

MOST_BYTES = 20_000  # of one run's file

NOWHERE_ID = "0" * 16  # the environment of runs that no device could take

_STEM = r"(?P<cell>[0-9a-f]{16})\.(?P<environment>[0-9a-f]{8,16})\.(?P<repeat>[0-9]+)"
_RUN_NAME = re.compile(rf"{_STEM}\.json")
_REPLACING_NAME = re.compile(rf"{_STEM}\.[0-9a-f]{{8}}\.(json|timeline\.npz|txt)")


@dataclass(frozen=True, slots=True, kw_only=True)
class RunKey:
    """What makes a result the same result: the cell, where it was measured, and which of its runs it is.

    Attributes:
        cell: the cell's id.
        environment: the environment's id.
        repeat: from 0.
    """

    cell: str
    environment: str
    repeat: int

    @property
    def stem(self) -> str:
        """The name of its files, without their suffix."""
        return f"{self.cell}.{self.environment}.{self.repeat}"


def key_of(name: str) -> RunKey | None:
    """The key that a file's name in ``cells/`` says, or None for any other file."""
    return _key(_RUN_NAME.fullmatch(name))


def key_of_replacing(name: str) -> RunKey | None:
    """The key of the run that a file beside a truth belongs to; None unless it was made for a run that replaces one."""
    return _key(_REPLACING_NAME.fullmatch(name))


def _key(found: re.Match[str] | None) -> RunKey | None:
    if found is None:
        return None
    return RunKey(cell=found["cell"], environment=found["environment"], repeat=int(found["repeat"]))


@dataclass(frozen=True, slots=True)
class Layout:
    """The places in a sweep's folder.

    Attributes:
        folder: of the sweep.
    """

    folder: Path

    @property
    def plan(self) -> Path:
        """The plan and the cells as planned."""
        return self.folder / SWEEP_FILE

    @property
    def cells(self) -> Path:
        """One file a run."""
        return self.folder / "cells"

    @property
    def leases(self) -> Path:
        """Who is on what."""
        return self.folder / "leases"

    @property
    def set_aside(self) -> Path:
        """Files that could not be read."""
        return self.folder / "set-aside"

    @property
    def work(self) -> Path:
        """A folder for each owner, with one for each of its runs."""
        return self.folder / "work"

    @property
    def index(self) -> Path:
        """The cache of summaries."""
        return self.folder / "index.json"

    def run(self, key: RunKey) -> Path:
        """The truth of one run."""
        return self.cells / f"{key.stem}.json"

    @property
    def beside_runs(self) -> tuple[Path, ...]:
        """The folders of what lies beside the runs' records."""
        return self.folder / "profiles", self.folder / "logs", self.folder / "evidence"

    def profile(self, key: RunKey, *, attempt: str = "") -> Path:
        """Its layer profile; of a run that replaces one, by the digits of its own."""
        return self.folder / "profiles" / f"{key.stem}{attempt and '.'}{attempt}.json"

    def log(self, key: RunKey, *, attempt: str = "") -> Path:
        """What its process wrote; likewise."""
        return self.folder / "logs" / f"{key.stem}{attempt and '.'}{attempt}.txt"

    def evidence(self, key: RunKey, *, attempt: str = "") -> Path:
        """What was in force and what the model answered; likewise."""
        return self.folder / "evidence" / f"{key.stem}{attempt and '.'}{attempt}.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What a run brought, before it is kept.

    Attributes:
        record: done or failed; the engine sets its session.
        profile: of the layers, where it is at hand; for a failed run the passes that were finished.
        evidence: what was in force and what the model answered, where it is at hand.
        folder: where ``profile.json``, ``profile.timeline.npz``, ``evidence.json`` and ``log.txt`` lie as far as there
            are any, to be kept in the sweep's folder; used for what is not at hand. It is nobody else's: on a full disk
            it is emptied.
    """

    record: RunRecord
    profile: Profile | None = None
    evidence: EvidenceRecord | None = None
    folder: Path | None = None
