"""What the isolation asks of the system, and what it sets for a cell's process."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from layerprof.errors import InputError
from layerprof.sweeping.base import PlannedCell, settings_of
from layerprof.sweeping.base.places import working_directory
from layerprof.sweeping.isolation.base import (
    Request,
    available_bytes,
    born_at,
    encode,
    kill_group,
    lines_of,
    oom_kills,
    system,
)
from layerprof.sweeping.isolation.variables import variables_for

KIB = 1024


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def machine(folder: Path, *, available_kib: int = 1000, group: str = "/a/b") -> tuple[Path, Path]:
    write(folder / "proc/meminfo", f"MemTotal: 9999 kB\nMemAvailable: {available_kib} kB\n")
    write(folder / "proc/self/cgroup", f"0::{group}\n")
    return folder / "proc", folder / "cgroup"


def set_group(folder: Path, *, limit: str, used: int, droppable: int = 0, kills: int = 0) -> None:
    write(folder / "memory.max", limit)
    write(folder / "memory.current", str(used))
    write(folder / "memory.stat", f"anon 5\ninactive_file {droppable}\n")
    write(folder / "memory.events", f"oom 3\noom_kill {kills}\n")


def test_without_control_groups_the_machine_tells_what_is_available(tmp_path: Path) -> None:
    assert available_bytes(*machine(tmp_path)) == 1000 * KIB


def test_the_tightest_control_group_tells_what_is_available(tmp_path: Path) -> None:
    proc, groups = machine(tmp_path)
    set_group(groups / "a/b", limit="max", used=700)
    set_group(groups / "a", limit="900", used=700, droppable=100)

    assert available_bytes(proc, groups) == 900 - 700 + 100


def test_where_nothing_tells_the_available_memory_is_unknown(tmp_path: Path) -> None:
    assert available_bytes(tmp_path, tmp_path) is None


def test_kills_are_counted_in_the_control_groups(tmp_path: Path) -> None:
    proc, groups = machine(tmp_path)
    assert oom_kills(proc, groups) is None
    set_group(groups / "a/b", limit="max", used=0, kills=2)

    assert oom_kills(proc, groups) == 2


def test_groups_of_the_first_version_are_looked_at_from_the_own_one_on(tmp_path: Path) -> None:
    proc, groups = machine(tmp_path)
    write(proc / "self/cgroup", "4:memory:/outer/own\n1:cpu:/\n")
    for name, limit in (("outer/own", "900"), ("outer", "5000")):
        write(groups / "memory" / name / "memory.limit_in_bytes", limit)
        write(groups / "memory" / name / "memory.usage_in_bytes", "700")
        write(groups / "memory" / name / "memory.stat", "total_inactive_file 50\n")
        write(groups / "memory" / name / "memory.oom_control", f"oom_kill_disable 0\noom_kill {limit}\n")

    assert available_bytes(proc, groups) == 900 - 700 + 50
    assert oom_kills(proc, groups) == 900, "strangers in the group around are killed too"


def test_cores_are_chosen_one_of_each_physical_one_first(monkeypatch: pytest.MonkeyPatch) -> None:
    siblings = {0: {0, 1}, 1: {0, 1}, 2: {2, 3}, 3: {2, 3}}
    monkeypatch.setattr(system, "allowed_cores", lambda: (0, 1, 2, 3))
    monkeypatch.setattr(system, "siblings_of", lambda core: frozenset(siblings[core]))

    assert system.chosen_cores(2) == (0, 2)
    assert system.chosen_cores(3) == (0, 1, 2)
    assert system.chosen_cores(None) == (0, 1, 2, 3)


def test_a_working_directory_that_was_deleted_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()

    with pytest.raises(InputError, match="working directory was deleted"):
        working_directory()


def test_a_group_is_left_alone_whose_number_is_another_process_by_now(monkeypatch: pytest.MonkeyPatch) -> None:
    killed: list[tuple[int, int]] = []
    monkeypatch.setattr(os, "killpg", lambda pid, number: killed.append((pid, number)))
    with subprocess.Popen((sys.executable, "-S", "-c", "input()"), stdin=subprocess.PIPE) as it:
        born = born_at(it.pid)
        assert born is not None
        kill_group(it.pid, born - 1)
        of_another = list(killed)
        kill_group(it.pid, born)
        it.kill()

    assert of_another == []
    assert killed == [(it.pid, signal.SIGKILL)]


def cell(model: str = "blip2-tiny", **values: str | int) -> PlannedCell:
    return PlannedCell(model=model, settings=settings_of(model, values))


def test_a_cell_has_the_usual_threads_or_as_many_as_it_asks_for() -> None:
    names = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")

    every = variables_for(cell(), usual=8, theirs={})
    two = variables_for(cell(), usual=8, theirs={}, threads=2)

    assert [every[name] for name in names] == ["8"] * 3
    assert [two[name] for name in names] == ["2"] * 3


def test_the_hub_is_out_of_reach_unless_it_is_needed_or_the_user_says_so() -> None:
    offline = {"HF_HUB_OFFLINE": "1", "HF_DATASETS_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1"}

    assert offline.items() <= variables_for(cell(), usual=1, theirs={}).items()
    assert not offline.keys() & variables_for(cell(weights="pretrained"), usual=1, theirs={}).keys()
    assert not offline.keys() & variables_for(cell(dataset="TextVQA"), usual=1, theirs={}).keys()
    assert not offline.keys() & variables_for(cell(dataset="COCO", source="hub@abc"), usual=1, theirs={}).keys()
    assert offline.items() <= variables_for(cell(dataset="TextVQA", source="sample"), usual=1, theirs={}).items()
    assert not offline.keys() & variables_for(cell("package.module:function"), usual=1, theirs={}).keys()
    assert "HF_HUB_OFFLINE" not in variables_for(cell(), usual=1, theirs={"HF_HUB_OFFLINE": "0"})


def test_messages_come_back_whole_however_they_are_cut() -> None:
    sent = [{"phase": "time", "done": number} for number in range(3)]
    wire = b"".join(map(encode, sent))
    buffer, heard = bytearray(), []

    for place in range(0, len(wire), 7):
        buffer += wire[place : place + 7]
        heard += lines_of(buffer)

    assert heard == sent
    assert not buffer


def test_what_is_no_message_is_left_out() -> None:
    assert lines_of(bytearray(b'noise\n[1]\n{"done":1}\n{"half')) == [{"done": 1}]


def test_a_request_comes_back_equal() -> None:
    request = Request(
        name="a.0.0",
        cell="{}",
        repeat=1,
        device="cpu",
        folder="/tmp",
        entry="module:function",
        is_fresh=False,
        threads=2,
        memory_limit_bytes=None,
        directory="/",
        path=("/a", "/b"),
        variables={"A": "1"},
        submitted_s=1.5,
    )
    (message,) = lines_of(bytearray(encode({"run": request.to_data()})))

    assert Request.from_data(message["run"]) == request


@pytest.mark.parametrize("module", ["layerprof.sweeping.executors", "layerprof.sweeping.isolation.server"])
def test_no_torch_is_loaded_to_run_cells(module: str) -> None:
    code = f"import sys, {module}; sys.exit('torch' in sys.modules or 'numpy' in sys.modules)"

    assert subprocess.run((sys.executable, "-c", code), check=False).returncode == 0
