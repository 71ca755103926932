"""A sweep's folder of 10,000 stored runs: seconds and memory to resume the sweep, and to load it for a report.

Each number is of a fresh process, its imports included in the memory and left out of the time. As a program it is that
process: ``python tests/bench/ledger.py {scan,index,begin,resume,load} FOLDER``.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path

from lines import Goal, Line, as_seconds, line_of

from layerprof import units
from layerprof.ledger import Layout, RunKey, begin, load_sweep, read_plan, scan
from layerprof.records import (
    AxisValue,
    CellRecord,
    Distribution,
    FrozenMapping,
    Note,
    PlanRecord,
    RunConditions,
    RunRecord,
    RunSummary,
    SweepRecord,
)
from layerprof.store import to_bytes, write_record

CELLS = 10_000
ROUNDS = 3  # fresh processes of each kind
STEPS = 60  # samples a run

_SESSION = "0123456789abcdef"
_ENVIRONMENT = "e" * 16
_KIB = 1024
_WITHIN = {"scan": 2.0, "index": 1.0, "begin": 2.0, "resume": 2.0, "load": 2.0}  # seconds
_MEMORY = {"scan": 100e6, "index": 100e6, "begin": 300e6, "resume": 300e6, "load": 300e6}


def lines() -> Iterator[Line]:
    """Time and memory of each."""
    with tempfile.TemporaryDirectory() as name:
        folder = make_folder(Path(name), cells=CELLS)
        for what in ("scan", "index", "begin", "resume", "load"):
            measured = [_measured(what, folder) for _ in range(ROUNDS)]
            note = f"{CELLS:,} stored runs, a fresh process"
            taken_s = [one["seconds"] for one in measured]
            yield line_of(f"sweep folder, {what}", taken_s, as_seconds, goal=Goal(bound=_WITHIN[what]), note=note)
            peaks = [one["peak_bytes"] for one in measured]
            yield line_of(f"sweep folder, {what}, memory", peaks, as_memory, goal=Goal(bound=_MEMORY[what]), note=note)


def make_folder(folder: Path, *, cells: int, rounds: int = 1) -> Path:
    """A sweep's folder in which every run is stored."""
    layout = Layout(folder)
    layout.cells.mkdir(parents=True)
    planned = tuple(_planned(number) for number in range(cells))
    write_record(_sweep(planned, rounds=rounds), layout.plan)
    for cell in planned:
        for repeat in range(rounds):
            key = RunKey(cell=cell.id, environment=_ENVIRONMENT, repeat=repeat)
            layout.run(key).write_bytes(to_bytes(run_of(cell, key, number=int(cell.id, 16))))
    return folder


def _sweep(planned: tuple[CellRecord, ...], *, rounds: int) -> SweepRecord:
    axes = (("batch_size", tuple(range(1, 101))), ("seq_len", tuple(range(10, 110))))
    return SweepRecord(
        plan=PlanRecord(name="bench", model="blip2-tiny", axes=axes, rounds=rounds),
        cells=planned,
        session=_SESSION,
        environments=FrozenMapping({_ENVIRONMENT: FrozenMapping({"torch": "2.13.0", "cpu": "a processor"})}),
    )


def _planned(number: int) -> CellRecord:
    settings: dict[str, AxisValue] = {
        "device": "cpu",
        "dtype": "fp32",
        "weights": "random",
        "dataset": "sample",
        "batch_size": 1 + number // 100,
        "samples": 16,
        "text_tokens": None,
        "seq_len": 10 + number % 100,
        "image_size": None,
        "seed": 0,
        "warmup": None,
        "repeats": None,
    }
    return CellRecord(id=f"{number:016x}", axes=FrozenMapping(settings), status="pending")


def run_of(cell: CellRecord, key: RunKey, *, number: int) -> RunRecord:
    """A run with all that a real one has; numbers are different for each ``number``."""
    latency_s = 0.001 + number * 1.1e-6 + key.repeat * 1e-7
    metrics = {
        "latency_s": latency_s,
        "latency_low_s": latency_s * 0.99,
        "latency_high_s": latency_s * 1.01,
        "steps": STEPS,
        "flops": 1_000_000 + number,
        "peak_bytes": 10_000_000 + number,
        "batches": 1,
        "energy_j": 0.1 + number * 1e-6,
        "energy_low_j": 0.09 + number * 1e-6,
        "energy_high_j": 0.11 + number * 1e-6,
        "latency_per_sample_s": latency_s / 16,
        "flops_per_sample": (1_000_000 + number) / 16,
        "energy_j_per_sample": (0.1 + number * 1e-6) / 16,
    }
    note = Note(
        code="unsteady", quantity="latency_s", scope="step", text="an interval is wider than ±10% of its median"
    )
    summary = RunSummary(
        cell=key.cell,
        repeat=key.repeat,
        environment=key.environment,
        session=_SESSION,
        status="done",
        metrics=FrozenMapping(metrics),
        notes=(note,) if number % 10 == 0 else (),
        ended_at_s=1.7e9 + number,
        profile_path=f"profiles/{key.stem}.json",
        log_path=f"logs/{key.stem}.txt",
    )
    return RunRecord(
        summary=summary,
        axes=cell.axes,
        latency_s=Distribution(samples=tuple(latency_s * (1 + step * 1.2345e-5) for step in range(STEPS))),
        facts=FrozenMapping({"torch": "2.13.0", "cpu": "a processor", "python": "3.11"}),
        conditions=RunConditions(
            isolation="forked", host="host", device="cpu", pid=number % 32768, threads=2, cores=(0, 1)
        ),
        spans_s=FrozenMapping({"start": 0.5, "build": 0.2, "measure": 1.5, "engine": 0.1}),
    )


def as_memory(value: float) -> str:
    """In the unit that fits."""
    return units.with_unit(value, "bytes")


def _measured(what: str, folder: Path) -> Mapping[str, float]:
    """Seconds and most memory of doing it in a fresh process."""
    command = [sys.executable, __file__, what, str(folder)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    found: Mapping[str, float] = json.loads(done.stdout)
    return found


def _scan(folder: Path) -> int:
    Layout(folder).index.unlink(missing_ok=True)
    return len(scan(Layout(folder), updates_index=False).summaries)


def _index(folder: Path) -> int:
    return len(scan(Layout(folder)).summaries)


def _begin(folder: Path) -> int:
    return len(begin(Layout(folder), read_plan(Layout(folder))).summaries)


def _resume(folder: Path) -> int:
    """What a start does before its first run: the plan, the session, and what is left to do."""
    layout = Layout(folder)
    planned = read_plan(layout)
    begin(layout, replace(planned, session="f" * 16))
    stored = {(run.cell, run.repeat) for run in scan(layout).summaries if run.environment in planned.environments}
    pending = [cell for cell in planned.cells if (cell.id, 0) not in stored]
    assert not pending
    return len(stored)


def _load(folder: Path) -> int:
    return sum(1 for cell in load_sweep(folder).cells if cell.status == "done")


_DO: Mapping[str, Callable[[Path], int]] = {
    "scan": _scan,
    "index": _index,
    "begin": _begin,
    "resume": _resume,
    "load": _load,
}


def peak_bytes_of_this_process() -> int:
    """Most resident memory since the program began; ``ru_maxrss`` would be that of the process it was forked from."""
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    return int(status.split("VmHWM:")[1].split()[0]) * _KIB


def main(what: str, folder: str) -> None:
    """Does it once and prints what it took."""
    began = time.perf_counter()
    assert _DO[what](Path(folder))
    taken_s = time.perf_counter() - began
    peak_bytes = peak_bytes_of_this_process()
    sys.stdout.write(json.dumps({"seconds": taken_s, "peak_bytes": peak_bytes}))


if __name__ == "__main__":
    main(*sys.argv[1:])
