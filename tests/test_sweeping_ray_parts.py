"""The parts of the executor ``ray`` that need no cluster: what errors mean, how files travel, which address is used."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from layerprof.errors import InputError, UnavailableError
from layerprof.ledger import read_outcome, write_outcome
from layerprof.sweeping.base import Job, Limits, PlannedCell, Settings
from layerprof.sweeping.base.options import START_S, ExecutorOptions
from layerprof.sweeping.executors import EXECUTORS
from layerprof.sweeping.executors.ray.base import Surroundings, pack, scratch_folder, unpack
from layerprof.sweeping.executors.ray.endings import failure_of_worker, has_lost_its_node, overdue_s
from layerprof.sweeping.executors.ray.node import _settle
from layerprof.testing.sweeping import done, slot


def job_in(folder: Path) -> Job:
    cell = PlannedCell(model="blip2-tiny", settings=Settings(device="cpu"))
    return Job(cell=cell, repeat=0, attempt=0, slot=slot(), limits=Limits(), folder=str(folder))


def error_named(*names: str, text: str = "") -> Exception:
    """An error whose class and its bases have the names of Ray's."""
    kind: type[Exception] = Exception
    for name in reversed(names):
        kind = type(name, (kind,), {})
    return kind(text)


@pytest.mark.parametrize(
    ("names", "kind", "text"),
    [
        (("NodeDiedError", "RayError"), "worker_lost", "the node gpu7 died: first"),
        (("TaskUnschedulableError", "RayError"), "worker_lost", "the node gpu7 died: first"),
        (("WorkerCrashedError", "RayError"), "worker_lost", "Ray lost the run on gpu7: first"),
        (("OutOfMemoryError", "RayError"), "oom_host", "Ray killed the run for want of memory on gpu7: first"),
        (("RayTaskError(TaskCancelledError)", "RayTaskError", "TaskCancelledError"), "worker_lost", "cancelled"),
        (("ObjectLostError", "RayError"), "worker_lost", "Ray lost the run on gpu7: first"),
        (("GetTimeoutError", "RayError"), "worker_lost", "Ray lost the run on gpu7: first"),
    ],
)
def test_what_ray_reports_has_a_kind_and_one_line(names: tuple[str, ...], kind: str, text: str) -> None:
    failure = failure_of_worker(error_named(*names, text="first\nsecond"), "gpu7")

    assert failure.kind == kind
    assert text in failure.text
    assert "second" not in failure.text


def test_an_error_of_our_own_on_a_node_is_told_by_its_cause() -> None:
    error = error_named("RayTaskError(OSError)", "RayTaskError", text="a page of traceback")
    error.cause = OSError("no space left on device")  # type: ignore[attr-defined]  # as Ray sets it

    failure = failure_of_worker(error, "gpu7")

    assert failure.kind == "exception"
    assert failure.text == "on gpu7: OSError: no space left on device"


def test_a_dead_node_is_told_from_a_dead_worker() -> None:
    assert has_lost_its_node(error_named("NodeDiedError"))
    assert not has_lost_its_node(error_named("WorkerCrashedError"))


def test_a_node_is_overdue_once_it_has_begun_and_all_its_limits_are_over() -> None:
    limit_s = START_S + 3600.0 + 60.0

    assert overdue_s(None, 3600.0, now_s=1e9) is None, "it waits behind other people's tasks"
    assert overdue_s(100.0, None, now_s=1e9) is None
    assert overdue_s(100.0, 3600.0, now_s=99.0 + limit_s) is None
    assert overdue_s(100.0, 3600.0, now_s=100.0 + limit_s) == limit_s


def test_a_nodes_own_modules_are_found_before_those_of_the_sweeps_machine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own, there = tmp_path / "own", tmp_path / "there"
    there.mkdir()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [str(own)])
    monkeypatch.setenv("OMP_NUM_THREADS", "3")

    _settle(Surroundings(directory=str(there), search_path=(str(there), str(tmp_path / "absent"))), 1.0)

    assert sys.path == [str(own), str(there)]
    assert Path.cwd() == there


def test_an_outcome_arrives_as_it_was_sent(tmp_path: Path) -> None:
    here, there = tmp_path / "here", tmp_path / "there"
    there.mkdir()
    outcome = done(job_in(here), latency_s=0.25)
    write_outcome(outcome, there)
    (there / "profile.json").write_text("{}")
    (there / "log.txt").write_text("written by the model")
    (there / "planned.json").write_text("no part of an outcome")

    unpack(pack(there), here)

    arrived = read_outcome(here)
    assert arrived is not None
    assert arrived.record == outcome.record
    assert sorted(path.name for path in here.iterdir()) == ["log.txt", "profile.json", "run.json"]
    assert (here / "log.txt").read_text() == "written by the model"


def test_of_a_log_without_end_head_and_tail_arrive(tmp_path: Path) -> None:
    (tmp_path / "log.txt").write_bytes(b"first" + bytes(5_000_000) + b"last")

    unpack(pack(tmp_path), tmp_path / "here")

    log = (tmp_path / "here" / "log.txt").read_bytes()
    assert log.startswith(b"first")
    assert log.endswith(b"last")
    assert len(log) < 2_000_000


HOLDS = """
import sys, time
from pathlib import Path
from layerprof.sweeping.executors.ray.base import scratch_folder

with scratch_folder("held-", place=Path(sys.argv[1])) as folder:
    print(folder, flush=True)
    time.sleep(600)
"""


def test_a_scratch_folder_goes_at_its_end_and_nobody_elses_with_it(tmp_path: Path) -> None:
    (tmp_path / "other-1").mkdir()
    with scratch_folder("held-", place=tmp_path) as first, scratch_folder("held-", place=tmp_path) as second:
        (first / "file").touch()
        assert first != second
        assert first.is_dir()
        assert second.is_dir()

    assert [path.name for path in tmp_path.iterdir()] == ["other-1"]


def test_what_a_killed_owner_leaves_goes_with_the_next_folder(tmp_path: Path) -> None:
    with subprocess.Popen((sys.executable, "-c", HOLDS, str(tmp_path)), stdout=subprocess.PIPE, text=True) as owner:
        assert owner.stdout is not None
        held = Path(owner.stdout.readline().strip())
        (held / "file").touch()
        with scratch_folder("held-", place=tmp_path):
            is_kept_for_the_living = held.is_dir()
        owner.kill()
    assert is_kept_for_the_living
    assert held.is_dir()

    with scratch_folder("held-", place=tmp_path):
        assert not held.exists()


def test_without_ray_the_remedy_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)

    with (
        pytest.raises(UnavailableError, match=r'needs Ray; pip install "layerprof\[ray\]"'),
        EXECUTORS["ray"](("cpu",), ExecutorOptions()),
    ):
        pass


@pytest.mark.parametrize(
    ("address", "error", "match"),
    [
        ("ray://10.0.0.1:10001", InputError, "client protocol"),
        ("head", InputError, "is host:port"),
        ("127.0.0.1:1", UnavailableError, "no Ray cluster answers at 127.0.0.1:1"),
    ],
)
def test_an_address_that_leads_nowhere_is_told_at_once(address: str, error: type[Exception], match: str) -> None:
    pytest.importorskip("ray")

    with pytest.raises(error, match=match), EXECUTORS["ray"](("cpu",), ExecutorOptions(address=address)):
        pass
