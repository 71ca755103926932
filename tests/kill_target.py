"""A sweep that tests kill: as a program it sweeps or helps; as a module it has the entry that its runs call.

python kill_target.py sweep|work FOLDER
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

import layerprof as lp
from layerprof.ledger import Outcome
from layerprof.records import FrozenMapping, RunRecord, RunSummary
from layerprof.sweeping import ExecutorOptions, PlannedCell, work
from layerprof.sweeping.executors import process_executor

CELLS = 150
ROUNDS = 2
EXECUTIONS = "executions.log"
_RUN_S = 0.02  # so that kills fall into runs as well as between them


def measure(cell: PlannedCell, tell: Callable[[str, int, int | None], None]) -> Outcome:
    """Tells in a file that it ran, and is done."""
    handle = os.open(os.environ["KILL_LOG"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(handle, f"{cell.id}\n".encode())
    os.close(handle)
    tell("time", 1, 2)
    time.sleep(_RUN_S)
    summary = RunSummary(cell=cell.id, status="done", metrics=FrozenMapping({"latency_s": 1.0}))
    return Outcome(record=RunRecord(summary=summary, axes=cell.axes))


def plan() -> lp.Plan:
    """Many cells of no time."""
    return lp.Plan(model="blip2-tiny", axes={"seed": tuple(range(CELLS))}, rounds=ROUNDS)


def main(what: str, folder: str) -> None:
    """Sweeps the folder, or helps with it."""
    options = ExecutorOptions(entry="kill_target:measure", preload=())

    def make(devices: tuple[str, ...], _: object) -> object:
        return process_executor(devices, options)

    if what == "sweep":
        lp.sweep(plan(), folder, executor=make, progress=False)  # type: ignore[arg-type]  # a factory
    else:
        work(folder, executor=make, progress=False)  # type: ignore[arg-type]  # a factory


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parent))
    main(*sys.argv[1:3])
