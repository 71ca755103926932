"""Export to TensorBoard: seconds for a sweep of 1,000 cells, the memory that it takes and what it leaves on disk.

Every cell has the layer profile of a real step in a file of its own. Each export is of a fresh process, its imports
included in both. As a program it is that process: ``python tests/bench/boards.py FOLDER LOGDIR``.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

from ledger import as_memory, make_folder, peak_bytes_of_this_process
from lines import Goal, Line, as_seconds, line_of

from layerprof.ledger import load_sweep
from layerprof.store import timeline_path, write_record

CELLS, CELLS_WITH_TRACE = 1000, 50
ROUNDS = 2  # fresh processes of each kind

_WITHIN_S = 30.0
_PASSES = ("time", "flops", "memory")  # of a sweep's cell, without --trace and on a CPU


def lines() -> Iterator[Line]:
    """Of cells without and with a trace."""
    with tempfile.TemporaryDirectory() as name:
        yield from _lines(Path(name) / "plain", cells=CELLS, has_trace=False)
        yield from _lines(Path(name) / "traced", cells=CELLS_WITH_TRACE, has_trace=True)


def _lines(folder: Path, *, cells: int, has_trace: bool) -> Iterator[Line]:
    layers = make_runs(folder / "runs", cells=cells, has_trace=has_trace)
    measured = [_measured(folder / "runs", folder / f"logs{turn}") for turn in range(ROUNDS)]
    what = f"{cells:,} cells to TensorBoard{', with traces' if has_trace else ''}"
    note = f"{layers} layers a cell, {measured[0]['files']:,.0f} files"
    goal = None if has_trace else Goal(bound=_WITHIN_S)
    yield line_of(what, [each["seconds"] for each in measured], as_seconds, goal=goal, note=note)
    yield line_of(f"{what}, memory", [each["peak_bytes"] for each in measured], as_memory, note=note)
    yield line_of(f"{what}, on disk", [each["disk_bytes"] for each in measured], as_memory, note=note)


def make_runs(folder: Path, *, cells: int, has_trace: bool) -> int:
    """A sweep's folder with a layer profile for each cell; returns how many layers it has."""
    from blip2 import tiny  # which loads torch, and this module is also the process that is measured

    import layerprof as lp

    model, inputs = tiny()
    passes = (*_PASSES, "ops") if has_trace else _PASSES
    profile = lp.profile(model, inputs, warmup=1, repeats=6, passes=passes)
    make_folder(folder, cells=cells)
    first, *others = [Path(cell.folder) / str(cell.profile_path) for cell in load_sweep(folder).cells]
    write_record(profile if has_trace else replace(profile, timeline=None), first)
    for path in others:
        shutil.copy(first, path)
        if has_trace:
            shutil.copy(timeline_path(first), timeline_path(path))
    return len(profile.layers)


def _measured(folder: Path, logdir: Path) -> Mapping[str, float]:
    """What a fresh process takes, and what it leaves."""
    command = [sys.executable, __file__, str(folder), str(logdir)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    found: Mapping[str, float] = json.loads(done.stdout)
    return found


def main(folder: str, logdir: str) -> None:
    """Exports once and prints what it took."""
    began = time.perf_counter()
    from layerprof.boards import export_tensorboard

    files = export_tensorboard(load_sweep(Path(folder)), logdir)
    taken_s = time.perf_counter() - began
    disk_bytes = sum(path.stat().st_size for path in files)
    found = {"seconds": taken_s, "files": len(files), "disk_bytes": disk_bytes}
    sys.stdout.write(json.dumps({**found, "peak_bytes": peak_bytes_of_this_process()}))


if __name__ == "__main__":
    main(*sys.argv[1:])
