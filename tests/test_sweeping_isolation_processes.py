"""The isolation's processes as a whole: what is left when a sweep is killed, what it costs, what it withstands."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import psutil
import pytest
from store_records import full_profile

import layerprof as lp
from layerprof.host import default_threads
from layerprof.ledger import Outcome
from layerprof.records import AxisValue, FrozenMapping
from layerprof.sweeping.base import Beat, Finished, Job, Limits, PlannedCell, settings_of
from layerprof.sweeping.base.options import ExecutorOptions
from layerprof.sweeping.isolation import Isolation, run_blocking
from layerprof.testing.sweeping import slot

TESTS = Path(__file__).parent
PATIENCE_S = 30.0
MIB = 1 << 20

SWEEP = """
import json, os, sys
from pathlib import Path
from layerprof.records import FrozenMapping
from layerprof.sweeping.base import EnvironmentKey, Job, Limits, PlannedCell, Slot, settings_of
from layerprof.sweeping.base.options import ExecutorOptions
from layerprof.sweeping.isolation import Isolation

sys.path.append({tests!r})
cell = PlannedCell(model="blip2-tiny", settings=settings_of("blip2-tiny", {{}}))
environment = EnvironmentKey(id="0" * 16, facts=FrozenMapping())
slot = Slot(name="a", host="a", device={device!r}, device_type="a", environment=environment)
job = Job(cell=cell, repeat=0, attempt=0, slot=slot, limits=Limits(), folder={folder!r})
with Isolation(ExecutorOptions(entry="sweep_entries:leaves_a_child_and_sleeps", preload=())) as isolation:
    isolation.start(job)
    (beat,) = isolation.wait(30.0)
    print(json.dumps([*isolation.pids, int(beat.phase.removeprefix("child "))]), flush=True)
    isolation.wait(600.0)
"""


def job_in(folder: Path, *, limits: Limits | None = None, size: int = 1, threads: int | None = None) -> Job:
    values: dict[str, AxisValue] = {"batch_size": size, "threads": threads}
    cell = PlannedCell(model="blip2-tiny", settings=settings_of("blip2-tiny", values))
    place = folder / str(size)
    place.mkdir()
    return Job(
        cell=cell,
        repeat=0,
        attempt=0,
        slot=slot(),
        limits=limits or Limits(timeout_s=PATIENCE_S),
        folder=str(place),
    )


def options(entry: str, preload: tuple[str, ...] = ()) -> ExecutorOptions:
    return ExecutorOptions(entry=f"sweep_entries:{entry}", preload=preload, grace_s=0.2, memory_limit_bytes=0)


def is_running(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def wait_until_gone(*pids: int) -> None:
    end_s = time.monotonic() + PATIENCE_S
    while any(map(is_running, pids)):
        assert time.monotonic() < end_s, f"of {pids} some still run"
        time.sleep(0.01)


@pytest.fixture(scope="module")
def shared() -> Iterator[Isolation]:
    """For runs of which each is another entry's; its servers are there by then."""
    with Isolation(options("as_source_says")) as isolation:
        yield isolation


def outcome_on(isolation: Isolation, job: Job, entry: str) -> Outcome:
    settings = replace(job.cell.settings, dataset="TextVQA", source=entry)
    isolation.start(replace(job, cell=replace(job.cell, settings=settings)))
    (end,) = ends_of(isolation)
    return end.outcome


@contextmanager
def sweeping(folder: Path, device: str) -> Iterator[tuple[subprocess.Popen[str], list[int]]]:
    """A process that runs a cell, and the ids of its server, its cell, and what the cell has started."""
    code = SWEEP.format(tests=str(TESTS), device=device, folder=str(folder))
    with subprocess.Popen(
        (sys.executable, "-c", code), stdout=subprocess.PIPE, text=True, stderr=subprocess.DEVNULL
    ) as sweep:
        assert sweep.stdout is not None
        pids = json.loads(sweep.stdout.readline())
        assert len(pids) == 3
        assert all(map(is_running, pids))
        try:
            yield sweep, pids
        finally:
            sweep.kill()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("device", "number"),
    [("cpu", signal.SIGKILL), ("fake:0", signal.SIGKILL), ("cpu", signal.SIGINT), ("cpu", signal.SIGTERM)],
)
def test_nothing_is_left_of_a_sweep_that_is_ended(device: str, number: int, tmp_path: Path) -> None:
    with sweeping(tmp_path, device) as (sweep, pids):
        os.kill(sweep.pid, number)
        sweep.wait(timeout=PATIENCE_S)
        wait_until_gone(*pids)


def test_run_blocking_measures_one_cell_and_tells_of_it(tmp_path: Path) -> None:
    told: list[tuple[str, int, int | None]] = []

    outcome = run_blocking(
        job_in(tmp_path), tell=lambda phase, done, total: told.append((phase, done, total)), options=options("quick")
    )

    assert outcome.record.summary.status == "done"
    assert ("time", 3, 4) in told


@pytest.mark.slow
def test_a_cell_with_torch_is_forked_from_a_server_that_has_imported_it(tmp_path: Path) -> None:
    outcomes: list[Outcome] = []
    with Isolation(options("with_pid", preload=("torch", "a_module_that_is_not_there"))) as isolation:
        for size, threads in ((1, 1), (2, None)):
            isolation.start(job_in(tmp_path, size=size, threads=threads))
            while len(outcomes) < size:
                outcomes += [event.outcome for event in isolation.wait(PATIENCE_S) if isinstance(event, Finished)]

    conditions = [outcome.record.conditions for outcome in outcomes]
    assert all(outcome.record.summary.metrics["has_torch"] == 1 for outcome in outcomes)
    assert [each.isolation for each in conditions if each] == ["forked", "forked"]
    assert [each.threads for each in conditions if each] == [1, default_threads()]
    assert all(each.peak_bytes is not None for each in conditions if each)
    first, second = (outcome.record.spans_s["start"] for outcome in outcomes)
    assert second < first  # the imports were there


@pytest.mark.slow
def test_torch_that_finds_no_memory_raises_in_the_cell(tmp_path: Path) -> None:
    made = replace(options("eats_memory_with_torch", preload=("torch",)), memory_limit_bytes=500 * MIB)

    failure = run_blocking(job_in(tmp_path), options=made).record.summary.failure

    assert failure is not None
    assert failure.kind == "oom_host"
    assert "DefaultCPUAllocator" in failure.text


def test_a_server_whose_libraries_have_threads_starts_its_cells_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", str(TESTS), prepend=os.pathsep)

    outcome = run_blocking(job_in(tmp_path), options=options("quick", preload=("sweep_with_a_thread",)))

    assert outcome.record.summary.status == "done"
    assert outcome.record.conditions is not None
    assert outcome.record.conditions.isolation == "fresh"


def test_a_server_that_hangs_while_it_imports_is_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "never_imported.py").write_text("import time\ntime.sleep(600)\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path), prepend=os.pathsep)

    monkeypatch.setattr("layerprof.sweeping.isolation.watching.runs.START_S", 0.5)

    outcome = run_blocking(job_in(tmp_path), options=options("quick", preload=("never_imported",)))

    failure = outcome.record.summary.failure
    assert failure is not None
    assert failure.kind == "worker_lost"
    assert "the process with the imports did not start within 0.5 s" in failure.text


def test_the_imports_of_the_server_take_nothing_of_a_runs_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "slowly_imported.py").write_text("import time\ntime.sleep(0.8)\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path), prepend=os.pathsep)

    outcome = run_blocking(
        job_in(tmp_path, limits=Limits(timeout_s=0.7, hang_s=0.7)),
        options=options("quick", preload=("slowly_imported",)),
    )

    assert outcome.record.summary.status == "done"


def test_what_a_cell_has_started_ends_with_a_server_that_is_killed(tmp_path: Path) -> None:
    with Isolation(options("leaves_a_child_and_sleeps")) as isolation:
        isolation.start(job_in(tmp_path))
        (beat,) = isolation.wait(PATIENCE_S)
        server, cell = isolation.pids
        assert isinstance(beat, Beat)
        child = int(beat.phase.removeprefix("child "))
        os.kill(server, signal.SIGKILL)
        (end,) = isolation.wait(PATIENCE_S)
        wait_until_gone(cell, child)

    assert isinstance(end, Finished)


def test_the_servers_of_a_round_are_kept_and_those_of_others_dropped(tmp_path: Path) -> None:
    parents = []
    with Isolation(options("with_pid")) as isolation:
        for size, weights, repeat in ((1, "random", 0), (2, "pretrained", 0), (3, "random", 0), (4, "random", 1)):
            job = job_in(tmp_path, size=size)
            cell = PlannedCell(model="blip2-tiny", settings=replace(job.cell.settings, weights=weights))
            isolation.start(replace(job, cell=cell, repeat=repeat))
            parents += [end.outcome.record.summary.metrics["parent"] for end in ends_of(isolation)]
        servers = isolation.pids

    first, online, again, next_round = parents
    assert first == again != online
    assert servers == (next_round,)


def ends_of(isolation: Isolation) -> list[Finished]:
    while True:
        ends = [event for event in isolation.wait(PATIENCE_S) if isinstance(event, Finished)]
        if ends:
            return ends


def test_memory_that_ran_out_names_the_sweeps_limit(tmp_path: Path) -> None:
    made = replace(options("eats_memory"), memory_limit_bytes=200 * MIB)

    failure = run_blocking(job_in(tmp_path), options=made).record.summary.failure

    assert failure is not None
    assert failure.kind == "oom_host"
    assert "limit of memory was" in failure.text
    assert "as the sweep was asked" in failure.text


def test_the_threads_are_those_that_were_in_force_while_it_measured(shared: Isolation, tmp_path: Path) -> None:
    conditions = outcome_on(shared, job_in(tmp_path), "tells_its_threads").record.conditions

    assert conditions is not None
    assert conditions.threads == 7
    assert conditions.pid is not None


@pytest.mark.parametrize("device", ["cpu", "fake:0"])
def test_a_cell_knows_that_it_is_one(shared: Isolation, device: str, tmp_path: Path) -> None:
    job = job_in(tmp_path)

    outcome = outcome_on(shared, replace(job, slot=slot(device=device)), "with_pid")

    assert outcome.record.summary.metrics["is_cell"] == 1


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of its own of 300 kB, in memory."""
    folder = tmp_path / "disk"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=300k", "tmpfs", str(folder)]
    if sys.platform != "linux" or os.geteuid() or subprocess.run(command, capture_output=True).returncode:
        pytest.skip("only root may mount a file system")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_a_disk_too_full_for_the_profile_costs_the_profile_alone(
    shared: Isolation, small_disk: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    profile, labels = full_profile(), FrozenMapping({f"label {number}": "x" * 100 for number in range(400)})
    lp.save(replace(profile, spec=replace(profile.spec, labels=labels)), tmp_path / "profile.json")
    monkeypatch.chdir(tmp_path)

    outcome = outcome_on(shared, job_in(small_disk), "leaves_space_for_a_record")

    assert outcome.record.summary.status == "done"
    notes = [(note.code, note.quantity) for note in outcome.record.summary.notes if note.quantity != "latency_s"]
    assert notes == [("not_stored", "profile")]  # how busy the machine is stands beside it
    assert outcome.folder is not None
    assert not (outcome.folder / "profile.json").exists()


@pytest.mark.parametrize("entry", ["leaves_no_space", "prints_on_a_full_disk"])
def test_a_disk_too_full_for_anything_is_no_crash(shared: Isolation, entry: str, small_disk: Path) -> None:
    failure = outcome_on(shared, job_in(small_disk), entry).record.summary.failure

    assert failure is not None
    assert failure.kind == "unavailable"
    assert "no space left" in failure.text.lower()


def test_the_log_of_a_failed_run_is_handed_over(shared: Isolation, tmp_path: Path) -> None:
    outcome = outcome_on(shared, job_in(tmp_path), "raises")

    assert outcome.folder is not None
    assert "Traceback" in (outcome.folder / "log.txt").read_text()


@pytest.mark.slow
def test_waiting_for_a_cell_takes_no_time_of_the_processor(tmp_path: Path) -> None:
    with Isolation(options("spins")) as isolation:
        isolation.start(job_in(tmp_path))
        isolation.wait(PATIENCE_S)
        before_s, begun_s = time.process_time(), time.monotonic()
        while not any(isinstance(event, Finished) for event in isolation.wait(PATIENCE_S)):
            pass
        share = (time.process_time() - before_s) / (time.monotonic() - begun_s)

    assert share < 0.1  # a loop that polls has 1; what is seen is a hundredth
