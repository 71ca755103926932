"""Kill -9 at random moments: what is stored stays, nothing is half-written, nothing stored is measured again."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import psutil
import pytest
from kill_target import CELLS, ROUNDS

from layerprof.ledger import Layout, load_sweep

HERE = Path(__file__).parent
KILLS = 25
LATEST_S = 1.5  # after its start, that a process is killed


class Folder:
    """A sweep's folder with programs working on it, and the log of what they ran."""

    def __init__(self, place: Path) -> None:
        self.layout = Layout(place / "swept")
        self.log = place / "executions.log"
        self.log.touch()

    def start(self, what: str) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            (sys.executable, str(HERE / "kill_target.py"), what, str(self.layout.folder)),
            env={**os.environ, "KILL_LOG": str(self.log), "PYTHONPATH": str(HERE)},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        )

    def executions(self) -> Counter[str]:
        return Counter(self.log.read_text().split())

    def stored(self) -> Counter[str]:
        """How many runs each cell has stored, every file of them whole."""
        names = sorted(self.layout.cells.glob("*.json")) if self.layout.cells.is_dir() else []
        return Counter(json.loads(path.read_text())["record"]["summary"]["cell"] for path in names)


def kill_at_random(process: subprocess.Popen[bytes], chance: random.Random) -> None:
    """After a random time, unless it has ended by itself."""
    try:
        process.wait(chance.uniform(0.05, LATEST_S))
    except subprocess.TimeoutExpired:
        process.kill()
    process.communicate()


def finish(folder: Folder) -> None:
    done = folder.start("sweep")
    _, errors = done.communicate(timeout=120)
    assert (done.returncode, errors) == (0, b"")


def require_all_there(folder: Folder) -> None:
    """One valid result a run, and nothing left lying about."""
    record = load_sweep(folder.layout.folder)
    assert {cell.status for cell in record.cells} == {"done"}
    assert set(folder.stored().values()) == {ROUNDS}
    assert len(folder.stored()) == CELLS
    left = [path for path in folder.layout.folder.rglob("*") if path.name.startswith(".") or "set-aside" in str(path)]
    assert left == []
    assert list(folder.layout.leases.iterdir()) == []
    assert list(folder.layout.work.iterdir()) == []


def require_no_process_left(folder: Folder) -> None:
    """Neither a server nor a run outlives the process that started it for long."""
    name = str(folder.log)
    deadline = time.monotonic() + 10.0
    while left := [process for process in psutil.process_iter() if _logs_to(process, name)]:
        assert time.monotonic() < deadline, f"{left} are left"
        time.sleep(0.05)


def _logs_to(process: psutil.Process, log: str) -> bool:
    try:
        return process.environ().get("KILL_LOG") == log
    except psutil.Error:
        return False


@pytest.mark.slow
def test_a_sweep_killed_at_random_moments_measures_exactly_the_rest(tmp_path: Path) -> None:
    folder, chance = Folder(tmp_path), random.Random(20)
    repeated = 0

    for _ in range(KILLS):
        stored, before = folder.stored(), folder.executions()
        kill_at_random(folder.start("sweep"), chance)
        require_no_process_left(folder)
        ran = folder.executions() - before
        complete = {cell for cell, count in stored.items() if count == ROUNDS}
        assert not complete & set(ran), "a stored run was measured again"
        repeated += max(0, sum(ran.values()) - sum((folder.stored() - stored).values()))
    finish(folder)

    require_all_there(folder)
    assert repeated <= KILLS
    assert sum(folder.executions().values()) <= CELLS * ROUNDS + KILLS


@pytest.mark.slow
def test_workers_killed_at_random_moments_share_the_sweep_all_the_same(tmp_path: Path) -> None:
    folder, chance = Folder(tmp_path), random.Random(21)
    kill_at_random(folder.start("sweep"), chance)
    while not folder.layout.plan.is_file():
        kill_at_random(folder.start("sweep"), chance)

    started = 0
    running: list[subprocess.Popen[bytes]] = []
    for _ in range(KILLS):
        while len(running) < 2:
            running.append(folder.start(chance.choice(("work", "sweep")) if not started % 5 else "work"))
            started += 1
        kill_at_random(running.pop(chance.randrange(len(running))), chance)
    for process in running:
        process.kill()
        process.communicate()
    require_no_process_left(folder)
    finish(folder)

    require_all_there(folder)
    kills = KILLS + 3
    assert sum(folder.executions().values()) <= CELLS * ROUNDS + kills
