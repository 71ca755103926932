"""The executor ``ray`` on a real cluster of three nodes of two types, all on this machine, its cells torch-free.

What it shares with all executors, `test_sweeping_executors` asks of it.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

pytest.importorskip("ray")

from executor_runs import PATIENCE_S, ends_of, failure_text, job_on, wait_until_gone
from ray_cluster import SimulatedCluster, simulated_cluster
from ray_entries import GATE

from layerprof.host import default_threads
from layerprof.records import Note, SweepRecord
from layerprof.sweeping import Plan, sweep
from layerprof.sweeping.base import Beat, Event, Finished, Job, Slot
from layerprof.sweeping.executors.base import ExecutorOptions
from layerprof.sweeping.executors.ray import RayExecutor, ray_executor
from layerprof.sweeping.executors.ray.base import scratch_folder

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SimulatedCluster]:
    folder = tmp_path_factory.mktemp("ray")
    home = folder / "home"
    home.mkdir()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HOME", str(home))
        patch.setenv("OMP_NUM_THREADS", "")
        patch.delenv("OMP_NUM_THREADS")
        variables = {GATE: str(folder / "gate")}
        with simulated_cluster(["A100", "A100", "H200"], set_variable=patch.setenv, variables=variables) as simulated:
            yield simulated
    assert list(home.rglob("*")) == []


@contextmanager
def executor_on(cluster: SimulatedCluster, entry: str) -> Iterator[RayExecutor]:
    options = ExecutorOptions(entry=f"ray_entries:{entry}", preload=(), grace_s=0.2, address=cluster.address)
    with ray_executor(("cpu",), options) as executor:
        yield executor


def noted(notes: tuple[Note, ...], code: str) -> str:
    return next(note.text for note in notes if note.code == code)


def test_each_living_node_is_a_slot_of_the_type_that_it_tells_itself(cluster: SimulatedCluster) -> None:
    with executor_on(cluster, "seen") as executor:
        slots, problems = executor.slots(), executor.problems

    assert sorted(slot.device_type for slot in slots) == ["A100", "A100", "H200"]
    assert len({slot.name for slot in slots}) == 3
    assert len({slot.environment.id for slot in slots}) == 2
    assert problems == ()


def test_a_run_is_set_up_and_brings_its_files_as_on_the_sweeps_machine(
    cluster: SimulatedCluster, tmp_path: Path
) -> None:
    with executor_on(cluster, "seen") as executor:
        slot = executor.slots()[0]
        job = job_on(slot, tmp_path)
        executor.submit(job)
        (end,) = ends_of(executor, 1)

    assert end.job is job
    record = end.outcome.record
    assert record.summary.status == "done"
    assert record.summary.environment == slot.environment.id
    assert record.conditions is not None
    assert record.conditions.device_type == slot.device_type
    assert end.outcome.folder == Path(job.folder)
    assert (Path(job.folder) / "log.txt").read_text() == "written by the model\n"
    assert noted(record.summary.notes, "directory") == str(Path.cwd())
    assert noted(record.summary.notes, "niceness") == str(os.getpriority(os.PRIO_PROCESS, 0))
    assert noted(record.summary.notes, "threads") == str(default_threads())


def test_a_worker_of_rays_that_is_killed_is_a_lost_worker_and_its_node_stays(
    cluster: SimulatedCluster, tmp_path: Path
) -> None:
    with executor_on(cluster, "ends_rays_worker") as executor:
        slot = executor.slots()[0]
        executor.submit(job_on(slot, tmp_path))
        (end,) = ends_of(executor, 1)
        assert slot in executor.slots()

    assert slot.host in failure_text(end, "worker_lost")


class KillsANode:
    """An executor that lets a node die as soon as a run is under way on every one.

    The nodes of the simulated cluster share a host, on which a sweep measures one run at a time: here they are told
    apart, as they are on machines of their own.
    """

    def __init__(self, executor: RayExecutor, cluster: SimulatedCluster) -> None:
        self._executor, self._cluster = executor, cluster
        self._begun: dict[str, Beat] = {}
        self._jobs: dict[str, Job] = {}
        self.lost: list[str] = []
        self._end_s = time.monotonic() + PATIENCE_S

    def slots(self) -> tuple[Slot, ...]:
        return tuple(replace(slot, host=slot.name) for slot in self._executor.slots())

    def submit(self, job: Job) -> None:
        self._jobs[job.name] = job
        known = {slot.name: slot for slot in self._executor.slots()}
        self._executor.submit(replace(job, slot=known.get(job.slot.name, job.slot)))

    @property
    def pids(self) -> list[int]:
        return [beat.done for beat in self._begun.values()]

    def wait(self, timeout_s: float) -> tuple[Event, ...]:
        assert time.monotonic() < self._end_s, f"no end came; begun {set(self._begun)}, lost {self.lost}"
        events = tuple(replace(event, job=self._jobs[event.job.name]) for event in self._executor.wait(timeout_s))
        beats = [event for event in events if isinstance(event, Beat)]
        failures = [event.outcome.record.summary.failure for event in events if isinstance(event, Finished)]
        self.lost += [failure.text for failure in failures if failure is not None and failure.kind == "worker_lost"]
        self._begun |= {beat.job.slot.name: beat for beat in beats if beat.phase == "gated"}
        if len(self._begun) == 3 and len(self._cluster.nodes) == 3:
            self._cluster.kill(0)
        if self.lost:  # no sooner: its run could still bring its outcome
            Path(self._cluster.variables[GATE]).touch()
        return events


def test_a_node_that_dies_in_the_middle_of_a_sweep_loses_no_cell(cluster: SimulatedCluster, tmp_path: Path) -> None:
    watched = []

    @contextmanager
    def factory(devices: tuple[str, ...], options: ExecutorOptions, /) -> Iterator[KillsANode]:
        with executor_on(cluster, "gated") as executor:
            watched.append(KillsANode(executor, cluster))
            yield watched[0]

    plan = Plan(
        model="blip2-tiny",
        axes={"device_type": ["A100", "H200", "B200"], "seed": [0, 1]},
        fixed={"device": "cpu"},
        rounds=1,
    )

    record: SweepRecord = sweep(plan, tmp_path / "sweep", executor=factory, progress=False)

    assert len(cluster.nodes) == 2
    assert len(watched[0].lost) == 1, "a dead node was given work again"
    for cell in record.cells:
        asked = cell.axes["device_type"]
        if asked == "B200":
            assert cell.failure is not None
            assert cell.failure.kind == "unavailable"
            assert "B200" in cell.failure.text
        else:
            assert cell.status == "done"
            assert noted(cell.notes, "type") == asked
    wait_until_gone(*watched[0].pids)


SCRIPT = """
import sys
from pathlib import Path
from layerprof.sweeping.base import Job, Limits, PlannedCell, Settings
from layerprof.sweeping.executors.base import ExecutorOptions
from layerprof.sweeping.executors.ray import ray_executor

with ray_executor(("cpu",), ExecutorOptions(entry="sweep_entries:sleeps", preload=())) as executor:
    (slot,) = executor.slots()
    cell = PlannedCell(model="blip2-tiny", settings=Settings(device="cpu"))
    executor.submit(Job(cell=cell, repeat=0, attempt=0, slot=slot, limits=Limits(), folder=sys.argv[1]))
    while not executor.wait(1.0):
        pass
    print("beats", flush=True)
    while True:
        executor.wait(1.0)
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_the_end_of_a_sweep_takes_its_own_cluster_along(
    number: signal.Signals, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    home = tmp_path / "home"
    home.mkdir()
    folder = tempfile.mkdtemp(prefix="lpt-", dir="/tmp")  # a short name, for Ray's sockets
    request.addfinalizer(lambda: shutil.rmtree(folder))
    others = {name: word for name, word in os.environ.items() if not name.startswith("RAY_")}
    variables = {**others, "HOME": str(home), "TMPDIR": folder, "PYTHONPATH": str(Path(__file__).parent)}
    with subprocess.Popen(
        (sys.executable, "-c", SCRIPT, str(tmp_path / "work")),
        env=variables,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "beats\n"
        family = psutil.Process(process.pid).children(recursive=True)
        if number == signal.SIGKILL:  # Ray's agents look for a minute whether somebody takes their last words
            family = [child for child in family if not child.name().endswith("Agent")]
        os.kill(process.pid, number)
        out, errors = process.communicate(timeout=PATIENCE_S)

    assert len(family) > 5
    wait_until_gone(*(child.pid for child in family))
    assert out == ""
    assert number == signal.SIGKILL or errors.rstrip().endswith("KeyboardInterrupt")
    assert list(home.rglob("*")) == []
    if number == signal.SIGKILL:
        with scratch_folder("lpray-", place=Path(folder)) as next_one:
            assert [path for path in Path(folder).glob("lpray-*") if path != next_one] == []
    assert number == signal.SIGKILL or list(Path(folder).iterdir()) == []
