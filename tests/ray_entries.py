"""What cells do in the tests on a Ray cluster: torch-free entries, run by name in processes on its nodes."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import psutil
import sweep_entries

from layerprof.ledger import Outcome
from layerprof.records import Note
from layerprof.sweeping.base import PlannedCell

GATE = "LAYERPROF_TEST_GATE"  # a file that gated cells wait for

Tell = Callable[[str, int, int | None], None]


def seen(cell: PlannedCell, tell: Tell) -> Outcome:
    """Notes on which type of node it was, and how its process was set up; writes a line to its log."""
    os.write(1, b"written by the model\n")
    facts = {
        "type": os.environ.get("LAYERPROF_DEVICE_TYPE", ""),
        "directory": str(Path.cwd()),
        "niceness": str(os.getpriority(os.PRIO_PROCESS, 0)),
        "threads": os.environ.get("OMP_NUM_THREADS", ""),
    }
    outcome = sweep_entries.quick(cell, tell)
    notes = tuple(Note(code=code, quantity="", scope="*", text=text) for code, text in facts.items())
    return replace(outcome, record=replace(outcome.record, summary=replace(outcome.record.summary, notes=notes)))


def gated(cell: PlannedCell, tell: Tell) -> Outcome:
    """Likewise, once the gate is there; its sign of life says its process's number."""
    tell("gated", os.getpid(), None)
    end_s = time.monotonic() + sweep_entries.FOR_EVER_S
    while not Path(os.environ[GATE]).exists() and time.monotonic() < end_s:
        time.sleep(0.02)
    return seen(cell, tell)


def ends_rays_worker(cell: PlannedCell, tell: Tell) -> Outcome:
    """Kills the worker of Ray that waits for it."""
    next(ancestor for ancestor in psutil.Process().parents() if ancestor.name().startswith("ray::")).kill()
    return sweep_entries.sleeps(cell, tell)
