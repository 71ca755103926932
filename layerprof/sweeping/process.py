"""One cell in a fresh process, so that no cell warms up, fills or crashes another.

The parent sleeps until the child has ended; what it measured comes back in files.
"""

from __future__ import annotations

import signal
import subprocess
import sys
import tempfile
from pathlib import Path

from layerprof.records import CellFailure, CellRecord
from layerprof.sweeping.base import Outcome, PlannedCell, cell_to_json, read_outcome

_WORKER = "layerprof.sweeping.worker"
_CELL_FILE = "planned.json"


def run_in_process(cell: PlannedCell) -> Outcome:
    """Measures the cell in a process of its own; one that dies is a failed cell of kind ``crash``."""
    with tempfile.TemporaryDirectory(prefix="layerprof-") as name:
        folder = Path(name)
        (folder / _CELL_FILE).write_text(cell_to_json(cell), encoding="utf-8")
        # -P: files in the working directory must not stand in for the standard library's.
        command = (sys.executable, "-P", "-m", _WORKER, str(folder / _CELL_FILE), name)
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
            check=False,
        )
        outcome = read_outcome(folder)
    return crash_of(cell, done.returncode, done.stderr) if outcome is None else outcome


def crash_of(cell: PlannedCell, returncode: int, errors: str) -> Outcome:
    """The failed cell of a process that ended without a result.

    Args:
        cell: that was to be measured.
        returncode: of the process; below 0 it is a signal's number.
        errors: what it wrote to standard error.
    """
    last_line = next((line.strip() for line in reversed(errors.splitlines()) if line.strip()), "it said nothing")
    text = f"the cell's process ended {_ending(returncode)}: {last_line}"
    failure = CellFailure(kind="crash", text=text)
    return Outcome(record=CellRecord(id=cell.id, axes=cell.axes, status="failed", failure=failure))


def _ending(returncode: int) -> str:
    if returncode >= 0:
        return f"with exit status {returncode} and no result"
    try:
        name = signal.Signals(-returncode).name
    except ValueError:
        name = "unknown"
    remedy = ", as when memory runs out" if name == "SIGKILL" else ""
    return f"by signal {-returncode} ({name}{remedy})"
