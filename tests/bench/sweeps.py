"""Sweeps: what the engine costs a run, what the parent takes of a core, and plans of 10,000 cells from end to end.

Planning, resuming and reporting are each done by a fresh process as a user does them: ``lp.Plan``, ``lp.sweep`` where
every run is stored, ``layerprof report``. The time is what the process tells of itself, imports of layerprof included.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from pathlib import Path

import psutil
from ledger import as_memory, run_of
from lines import Goal, Line, as_seconds, line_of

import layerprof as lp
from layerprof.ledger import Layout, Outcome, RunKey, read_run
from layerprof.records import FrozenMapping, RunRecord, RunSummary
from layerprof.store import to_bytes
from layerprof.sweeping import EXECUTORS, Executor, ExecutorOptions, PlannedCell
from layerprof.sweeping.environments import environment_of_cpu

SEEDS, SIZES = 1000, 10
RUNS, BUSY_S, ROUNDS = 20, 5.0, 3

_PLAN = (
    f"lp.Plan(model='blip2-tiny', axes={{'seed': tuple(range({SEEDS})), 'batch_size': tuple(range(1, {SIZES + 1}))}}, "
    f"fixed={{'samples': 16}}, rounds=1, name='large')"
)
_PROGRAMS = {
    "plan": f"assert len({_PLAN}.cells()) == {SEEDS * SIZES}",
    "resume": f"assert all(cell.status == 'done' for cell in lp.sweep({_PLAN}, sys.argv[1], progress=False).cells)",
    "report": "from layerprof.cli.main import main; assert main(['report', sys.argv[1]]) == 0",
}
_BEGIN = "import sys, time; began = time.perf_counter(); import layerprof as lp"
_END = (
    "peak = int(open('/proc/self/status').read().split('VmHWM:')[1].split()[0]) * 1024; "
    'print(\'{"seconds": %r, "peak_bytes": %r}\' % (time.perf_counter() - began, peak), file=sys.stderr)'
)


def quick(cell: PlannedCell, tell: Callable[[str, int, int | None], None]) -> Outcome:
    """A run of no work."""
    return _done(cell)


def busy(cell: PlannedCell, tell: Callable[[str, int, int | None], None]) -> Outcome:
    """A run that keeps a core busy and tells of itself all the time, as a cell with quick steps does."""
    began = time.perf_counter()
    while time.perf_counter() - began < BUSY_S:
        tell("time", 1, None)
    return _done(cell)


def _done(cell: PlannedCell) -> Outcome:
    summary = RunSummary(cell=cell.id, status="done", metrics=FrozenMapping({"latency_s": 1.0}))
    return Outcome(record=RunRecord(summary=summary, axes=cell.axes))


def lines() -> Iterator[Line]:
    """The engine's cost, the parent's, and those of large folders."""
    with tempfile.TemporaryDirectory() as name:
        yield _overhead(Path(name) / "quick")
        yield _share_of_parent(Path(name) / "busy")
        yield from _large(Path(name) / "large")


def _overhead(folder: Path) -> Line:
    """Of runs without import, build or measurement, all is the engine's: process, lease, files."""
    plan = lp.Plan(model="blip2-tiny", axes={"seed": tuple(range(RUNS))}, rounds=1)
    lp.sweep(plan, folder, executor=_running("quick"), progress=False)
    spans = [read_run(path).spans_s for path in Layout(folder).cells.iterdir()]
    taken_s = [one["engine"] + one.get("start", 0.0) for one in spans]
    note = f"{RUNS} runs of no work, the process's start included"
    return line_of("sweep, engine's cost a run", taken_s, as_seconds, goal=Goal(bound=0.3), note=note)


def _share_of_parent(folder: Path) -> Line:
    me, shares = psutil.Process(), []
    for number in range(ROUNDS):
        plan = lp.Plan(model="blip2-tiny", axes={"seed": (number,)}, rounds=1)
        before, began = me.cpu_times(), time.perf_counter()
        lp.sweep(plan, folder / str(number), executor=_running("busy"), progress=False)
        after, taken_s = me.cpu_times(), time.perf_counter() - began
        shares.append((after.user + after.system - before.user - before.system) / taken_s)
    note = (
        f"of a core, over a run of {BUSY_S:.0f} s that tells of itself all the time, the sweep's start and end included"
    )
    return line_of("sweep, the parent's share", shares, _as_percent, goal=Goal(bound=0.01), note=note)


def _running(entry: str) -> Callable[[tuple[str, ...], ExecutorOptions], AbstractContextManager[Executor]]:
    options = ExecutorOptions(entry=f"sweeps:{entry}", preload=())
    return lambda devices, _: EXECUTORS["process"](devices, options)


def _large(folder: Path) -> Iterator[Line]:
    plan = lp.Plan(
        model="blip2-tiny",
        axes={"seed": tuple(range(SEEDS)), "batch_size": tuple(range(1, SIZES + 1))},
        fixed={"samples": 16},
        rounds=1,
        name="large",
    )
    environment, layout = environment_of_cpu(isolation="process").id, Layout(folder)
    layout.cells.mkdir(parents=True)
    for number, cell in enumerate(plan.cells()):
        key = RunKey(cell=cell.id, environment=environment, repeat=0)
        layout.run(key).write_bytes(to_bytes(run_of(cell.planned(), key, number=number)))
    os.sync()  # the folder's files are not written to disk while others are measured
    for what, program in _PROGRAMS.items():
        measured = [_measured(program, folder) for _ in range(ROUNDS)]
        note = f"{SEEDS * SIZES:,} stored cells, a fresh process with its imports"
        taken_s = [one["seconds"] for one in measured]
        yield line_of(f"sweep of 10,000, {what}", taken_s, as_seconds, goal=Goal(bound=2.0), note=note)
        peaks = [one["peak_bytes"] for one in measured]
        yield line_of(f"sweep of 10,000, {what}, memory", peaks, as_memory, goal=Goal(bound=300e6), note=note)


def _as_percent(value: float) -> str:
    return f"{value:.2%}"


def _measured(program: str, folder: Path) -> Mapping[str, float]:
    command = (sys.executable, "-c", "\n".join((_BEGIN, program, _END)), str(folder))
    done = subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    found: Mapping[str, float] = json.loads(done.stderr.splitlines()[-1])
    return found
