"""Entries of cells that measure nothing, in the ways in which a cell's process can behave. They import no torch."""

from __future__ import annotations

import atexit
import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import layerprof as lp
from layerprof.ledger import Outcome
from layerprof.records import FrozenMapping, RunConditions, RunRecord, RunSummary
from layerprof.sweeping.base import PlannedCell

Tell = Callable[[str, int, int | None], None]

FOR_EVER_S = 600.0  # a test's process that is not killed ends all the same
MIB = 1 << 20


def quick(cell: PlannedCell, tell: Tell) -> Outcome:
    """Brings a latency at once."""
    tell("build", 0, None)
    tell("time", 3, 4)
    metrics = FrozenMapping[float | int | None]({"latency_s": float(cell.settings.batch_size)})
    spans_s = FrozenMapping({"build": 0.0, "measure": 0.0})
    summary = RunSummary(cell=cell.id, status="done", metrics=metrics)
    return Outcome(record=RunRecord(summary=summary, axes=cell.axes, spans_s=spans_s))


def as_source_says(cell: PlannedCell, tell: Tell) -> Outcome:
    """The entry that the cell names as its source, so that one executor runs them all."""
    entry: Callable[[PlannedCell, Tell], Outcome] = globals()[str(cell.settings.source)]
    return entry(cell, tell)


def with_pid(cell: PlannedCell, tell: Tell) -> Outcome:
    """Tells who measured it, and from where."""
    return told(
        cell,
        pid=os.getpid(),
        parent=os.getppid(),
        group=os.getpgid(0),
        cores=len(os.sched_getaffinity(0)),
        has_torch=int("torch" in sys.modules),
        omp_threads=int(os.environ["OMP_NUM_THREADS"]),
        is_cell=int(os.environ.get("LAYERPROF_CELL") == "1"),
        is_offline=int(os.environ.get("HF_HUB_OFFLINE") == "1"),
    )


def told(cell: PlannedCell, **metrics: float | int | None) -> Outcome:
    outcome = quick(cell, lambda phase, done, total: None)
    summary = replace(outcome.record.summary, metrics=FrozenMapping(metrics))
    return replace(outcome, record=replace(outcome.record, summary=summary))


def tells_its_threads(cell: PlannedCell, tell: Tell) -> Outcome:
    outcome = quick(cell, tell)
    conditions = RunConditions(isolation="forked", threads=7)
    return replace(outcome, record=replace(outcome.record, conditions=conditions))


def leaves_space_for_a_record(cell: PlannedCell, tell: Tell) -> Outcome:
    """Fills the disk of its log but for three pages, and brings the profile in its directory, which takes more."""
    profile = lp.load("profile.json")
    assert isinstance(profile, lp.Profile)
    _fill_disk(left_bytes=3 * 4096)
    return replace(quick(cell, tell), profile=profile)


def leaves_no_space(cell: PlannedCell, tell: Tell) -> Outcome:
    _fill_disk(left_bytes=0)
    return quick(cell, tell)


def prints_on_a_full_disk(cell: PlannedCell, tell: Tell) -> Outcome:
    _fill_disk(left_bytes=0)
    for _ in range(1000):
        sys.stderr.write("x" * 100)
        sys.stderr.flush()
    return quick(cell, tell)


def _fill_disk(*, left_bytes: int) -> None:
    """Of the disk that the process's log lies on."""
    folder = Path("/proc/self/fd/2").readlink().parent
    free = os.statvfs(folder)
    (folder / "filler").write_bytes(b"x" * (free.f_bavail * free.f_frsize - left_bytes))


def raises(cell: PlannedCell, tell: Tell) -> Outcome:
    raise ValueError("this model is out of luck")


def exits(cell: PlannedCell, tell: Tell) -> Outcome:
    raise SystemExit(3)


def returns_nothing(cell: PlannedCell, tell: Tell) -> None:
    return None


def ends_with_7(cell: PlannedCell, tell: Tell) -> Outcome:
    sys.stderr.write("the library gave up\n")
    sys.stderr.flush()
    os._exit(7)


def kills_itself(cell: PlannedCell, tell: Tell) -> Outcome:
    tell("memory", 1, 2)
    os.kill(os.getpid(), signal.SIGKILL)
    return sleeps(cell, tell)


def reads_address_0(cell: PlannedCell, tell: Tell) -> Outcome:
    ctypes.string_at(0)
    return sleeps(cell, tell)


def aborts(cell: PlannedCell, tell: Tell) -> Outcome:
    os.abort()


def sleeps(cell: PlannedCell, tell: Tell) -> Outcome:
    tell("time", 1, None)
    time.sleep(FOR_EVER_S)
    return quick(cell, tell)


def sleeps_through_sigterm(cell: PlannedCell, tell: Tell) -> Outcome:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    return sleeps(cell, tell)


def beats_for_ever(cell: PlannedCell, tell: Tell) -> Outcome:
    for step in range(round(FOR_EVER_S * 100)):
        tell("time", step, None)
        time.sleep(0.01)
    return quick(cell, tell)


def eats_memory(cell: PlannedCell, tell: Tell) -> Outcome:
    eaten = [bytearray(16 * MIB) for _ in range(1 << 14)]
    return told(cell, eaten_bytes=len(eaten))


def writes_much(cell: PlannedCell, tell: Tell) -> Outcome:
    for number in range(20_000):
        sys.stderr.write(f"warning {number}: something is deprecated, and has been for years\n")
    return quick(cell, tell)


def prints(cell: PlannedCell, tell: Tell) -> Outcome:
    sys.stdout.write("printed by the model\n")
    sys.stderr.write("complained by the model\n")
    return quick(cell, tell)


def crashes_at_exit(cell: PlannedCell, tell: Tell) -> Outcome:
    atexit.register(os._exit, 9)
    return quick(cell, tell)


def reads_input(cell: PlannedCell, tell: Tell) -> Outcome:
    return told(cell, characters=len(sys.stdin.read()))


def leaves_a_child(cell: PlannedCell, tell: Tell) -> Outcome:
    child = subprocess.Popen((sys.executable, "-S", "-c", f"import time; time.sleep({FOR_EVER_S})"))
    return told(cell, child=child.pid)


def leaves_a_child_and_sleeps(cell: PlannedCell, tell: Tell) -> Outcome:
    child = subprocess.Popen((sys.executable, "-S", "-c", f"import time; time.sleep({FOR_EVER_S})"))
    tell(f"child {child.pid}", 0, None)
    time.sleep(FOR_EVER_S)
    return quick(cell, tell)


def spins(cell: PlannedCell, tell: Tell) -> Outcome:
    """Works for two seconds, with signs of life as a profile gives them."""
    return spins_briefly(cell, tell, seconds=2.0)


def spins_briefly(cell: PlannedCell, tell: Tell, *, seconds: float = 0.1) -> Outcome:
    end_s = time.monotonic() + seconds
    step = 0
    while time.monotonic() < end_s:
        step += 1
        tell("time", step, None)
    return quick(cell, tell)


def imports_a_neighbour(cell: PlannedCell, tell: Tell) -> Outcome:
    """Imports a module that lies in the working directory, and one whose name hides the standard library's."""
    import colorsys

    import neighbour_of_the_sweep  # type: ignore[import-not-found]

    is_standard = Path(colorsys.__file__).parent == Path(os.__file__).parent
    return told(cell, value=neighbour_of_the_sweep.VALUE, is_standard=int(is_standard))


def eats_memory_with_torch(cell: PlannedCell, tell: Tell) -> Outcome:
    import torch

    eaten = [torch.zeros(16 * MIB) for _ in range(1 << 10)]
    return told(cell, eaten_bytes=len(eaten))
