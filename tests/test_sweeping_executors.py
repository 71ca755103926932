"""Executors: one contract for all, and what those must withstand that give each run a process of its own.

``ray`` has a simulated cluster of one node. What is asked of one kind alone says why.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

import psutil
import pytest
from executor_runs import (
    CPU,
    FRESH,
    PATIENCE_S,
    ends_of,
    events_until_end,
    executor_of,
    failure_text,
    finished,
    finished_on,
    first_event,
    job_on,
    options,
    slot_of,
    summary_of,
    wait_until_gone,
)
from ray_cluster import simulated_cluster

from layerprof.sweeping.base import Beat, Executor, Finished, Limits, Slot
from layerprof.testing.sweeping import FakeExecutor, done

MIB = 1 << 20

ANEW = pytest.param("fresh", marks=pytest.mark.slow)  # each starts an interpreter
RAY = pytest.param("ray", marks=pytest.mark.slow)  # each has workers of Ray started
EVERY = pytest.mark.parametrize("kind", ["inline", "process", ANEW, RAY], indirect=True)
ISOLATED = pytest.mark.parametrize("kind", ["process", ANEW, RAY], indirect=True)
FORKED = pytest.mark.parametrize("kind", ["process", RAY], indirect=True)  # on the CPU, from a server


@pytest.fixture(scope="module")
def cluster() -> Iterator[None]:
    """A connection to a cluster of one node, which the executor ``ray`` finds and leaves as it is."""
    pytest.importorskip("ray")
    from layerprof.sweeping.executors.ray.cluster import connected

    with (
        pytest.MonkeyPatch.context() as patch,
        simulated_cluster(["A100"], set_variable=patch.setenv) as simulated,
        connected(simulated.address),
    ):
        yield


@pytest.fixture
def kind(request: pytest.FixtureRequest) -> str:
    if request.param == "ray":
        request.getfixturevalue("cluster")
    return str(request.param)


class Finish(Protocol):
    def __call__(self, kind: str, folder: Path, entry: str, *, limits: Limits | None = None) -> Finished: ...


@pytest.fixture(scope="module")
def finish() -> Iterator[Finish]:
    """Gives the end of one run; those in processes have one executor together, whose servers are there by then."""
    with executor_of("process", options("as_source_says")) as shared:

        def called(kind: str, folder: Path, entry: str, *, limits: Limits | None = None) -> Finished:
            if kind in ("process", "fresh"):
                return finished_on(shared, kind, folder, entry, limits=limits)
            return finished(kind, folder, entry, limits=limits)

        yield called


@EVERY
def test_a_run_brings_its_metrics_its_environment_and_its_conditions(finish: Finish, kind: str, tmp_path: Path) -> None:
    end = finish(kind, tmp_path, "quick")

    record, place = end.outcome.record, end.job.slot
    assert record.summary.status == "done"
    assert record.summary.metrics["latency_s"] == 1.0
    assert record.summary.environment == place.environment.id
    assert record.facts == place.environment.facts
    assert record.conditions is not None
    assert record.conditions.isolation == {"inline": "inline", "fresh": "fresh"}.get(kind, "forked")
    assert record.conditions.device == place.device


@EVERY
def test_an_exception_is_a_failed_run(finish: Finish, kind: str, tmp_path: Path) -> None:
    end = finish(kind, tmp_path, "raises")

    assert failure_text(end, "exception") == "ValueError: this model is out of luck"


@EVERY
def test_an_entry_that_exits_is_a_failed_run(finish: Finish, kind: str, tmp_path: Path) -> None:
    assert failure_text(finish(kind, tmp_path, "exits"), "exception") == "SystemExit: 3"


@EVERY
def test_an_entry_that_returns_no_outcome_is_a_failed_run(finish: Finish, kind: str, tmp_path: Path) -> None:
    assert "found NoneType" in failure_text(finish(kind, tmp_path, "returns_nothing"), "exception")


@EVERY
def test_an_entry_that_is_not_there_is_a_failed_run(kind: str, tmp_path: Path) -> None:
    assert "has no attribute 'absent'" in failure_text(finished(kind, tmp_path, "absent"), "exception")


@EVERY
def test_a_sign_of_life_comes_before_the_end(kind: str, tmp_path: Path) -> None:
    with executor_of(kind, options("quick")) as executor:
        job = job_on(slot_of(kind, executor), tmp_path)
        executor.submit(job)
        *before, last = events_until_end(executor)

    assert Beat(job=job, phase="time", done=3, total=4) in before
    assert isinstance(last, Finished)


@EVERY
def test_each_run_ends_once_and_its_slot_is_free_for_the_next(kind: str, tmp_path: Path) -> None:
    with executor_of(kind, options("quick")) as executor:
        place = slot_of(kind, executor)
        ended = []
        for size in (1, 2, 4):
            executor.submit(job_on(place, tmp_path, size=size))
            ended += [end.job for end in ends_of(executor, 1)]
        rest = executor.wait(0.0)
        after = slot_of(kind, executor)

    assert [job.cell.settings.batch_size for job in ended] == [1, 2, 4]
    assert rest == ()
    assert after == place


@pytest.mark.parametrize("kind", ["inline", "process"])  # on Ray the nodes are the slots, and none can be given
def test_slots_that_are_given_are_those_that_there_are(kind: str) -> None:
    with executor_of(kind, options("quick")) as executor:
        assert executor.slots() == (CPU, FRESH)


def test_the_executor_of_workers_has_no_slot_and_sleeps() -> None:
    with executor_of("workers", options("quick")) as executor:
        begun_s = time.monotonic()
        events = executor.wait(0.05)

        assert time.monotonic() - begun_s >= 0.05
        assert executor.slots() == ()
        assert events == ()


def test_this_process_is_a_cells_while_it_measures_one_inline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "1")

    metrics = summary_of(finished("inline", tmp_path, "with_pid")).metrics

    assert metrics["is_cell"] == 1
    assert "LAYERPROF_CELL" not in os.environ


def test_a_run_in_this_process_is_looked_at_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    short = finished("inline", tmp_path / "short", "quick")
    monkeypatch.setattr("layerprof.sweeping.isolation.watching.conditions.LEAST_S", 0.05)
    long = finished("inline", tmp_path / "long", "spins_briefly")

    assert "contention_unseen" in [note.code for note in summary_of(short).notes]
    assert long.outcome.record.conditions is not None
    if sys.platform == "linux":
        assert long.outcome.record.conditions.others_share is not None


@EVERY
def test_the_threads_of_a_run_are_those_while_it_measured(finish: Finish, kind: str, tmp_path: Path) -> None:
    conditions = finish(kind, tmp_path, "tells_its_threads").outcome.record.conditions

    assert conditions is not None
    assert conditions.threads == 7


@ISOLATED
def test_each_run_has_a_process_and_a_group_of_its_own(kind: str, tmp_path: Path) -> None:
    with executor_of(kind, options("with_pid")) as executor:
        for size in (1, 2):
            executor.submit(job_on(slot_of(kind, executor), tmp_path, size=size))
        ends = ends_of(executor, 2)

    metrics = [summary_of(end).metrics for end in ends]
    assert len({each["pid"] for each in metrics} - {os.getpid()}) == 2
    assert all(each["group"] == each["pid"] for each in metrics)
    assert not any(each["has_torch"] for each in metrics)
    assert [end.outcome.record.conditions.pid for end in ends if end.outcome.record.conditions] == [
        each["pid"] for each in metrics
    ]


@FORKED
def test_each_round_has_a_server_of_its_own(kind: str, tmp_path: Path) -> None:
    with executor_of(kind, options("with_pid")) as executor:
        for size, repeat in ((1, 0), (2, 0), (1, 1)):
            executor.submit(job_on(slot_of(kind, executor), tmp_path, size=size, repeat=repeat))
        ends = ends_of(executor, 3)

    first, second, third = (summary_of(end).metrics["parent"] for end in ends)
    assert third not in (first, second)
    assert (first == second) is (kind == "process"), "each run on Ray has a worker of its own, and so a server"


@FORKED
def test_runs_are_measured_one_at_a_time_on_a_host(kind: str, tmp_path: Path) -> None:
    with executor_of(kind, options("quick")) as executor:
        executor.submit(job_on(slot_of(kind, executor), tmp_path))
        executor.submit(job_on(slot_of(kind, executor), tmp_path, size=2))
        told = events_until_end(executor, 2)

    sizes = [event.job.cell.settings.batch_size for event in told]
    assert sizes == sorted(sizes)
    assert set(sizes) == {1, 2}


@pytest.mark.slow  # of ``process`` alone: a node of Ray measures one run at a time, whatever is asked for
def test_the_slots_of_a_host_are_measured_together_where_it_is_asked_for(tmp_path: Path) -> None:
    with executor_of("process", options("sleeps", is_exclusive=False)) as executor:
        executor.submit(job_on(CPU, tmp_path / "cpu"))
        executor.submit(job_on(FRESH, tmp_path / "fresh"))
        seen: set[Slot] = set()
        while len(seen) < 2:
            seen |= {event.job.slot for event in executor.wait(PATIENCE_S)}

    assert seen == {CPU, FRESH}


@ISOLATED
def test_an_exit_status_without_a_result_is_a_crash_with_its_last_words(
    finish: Finish, kind: str, tmp_path: Path
) -> None:
    text = failure_text(finish(kind, tmp_path, "ends_with_7"), "crash")

    assert "exit status 7 before it began to measure and no result: the library gave up" in text


@ISOLATED
def test_a_kill_from_outside_without_evidence_of_want_of_memory_is_a_crash(
    finish: Finish, kind: str, tmp_path: Path
) -> None:
    text = failure_text(finish(kind, tmp_path, "kills_itself"), "crash")

    assert "was killed by signal 9 from outside while it did: memory 1 of 2; nothing tells that memory ran out" in text


@ISOLATED
def test_a_segmentation_fault_is_told_with_its_place(finish: Finish, kind: str, tmp_path: Path) -> None:
    text = failure_text(finish(kind, tmp_path, "reads_address_0"), "segv")

    assert "SIGSEGV" in text
    assert "in string_at (__init__.py" in text


@ISOLATED
def test_an_abort_is_a_crash(finish: Finish, kind: str, tmp_path: Path) -> None:
    assert "ended by SIGABRT" in failure_text(finish(kind, tmp_path, "aborts"), "crash")


@ISOLATED
@pytest.mark.parametrize("entry", ["beats_for_ever", pytest.param("sleeps_through_sigterm", marks=pytest.mark.slow)])
def test_a_run_that_takes_too_long_is_stopped(finish: Finish, kind: str, entry: str, tmp_path: Path) -> None:
    end = finish(kind, tmp_path, entry, limits=Limits(timeout_s=0.4))

    text = failure_text(end, "timeout")
    assert "longer than 0.4 s and was stopped" in text
    assert end.outcome.record.conditions is not None
    wait_until_gone(end.outcome.record.conditions.pid or 0)


@ISOLATED
def test_a_run_without_a_sign_of_life_is_stopped_and_told_where_it_stood(
    finish: Finish, kind: str, tmp_path: Path
) -> None:
    limit_s = 2.0 if kind == "fresh" else 0.6  # a fresh process imports layerprof before its first sign

    text = failure_text(finish(kind, tmp_path, "sleeps", limits=Limits(hang_s=limit_s)), "hang")

    assert f"no sign of life for {limit_s:g} s and was stopped while it did: time 1: in sleeps (sweep_entries" in text


@pytest.mark.slow
@ISOLATED
def test_signs_of_life_keep_a_run_going(finish: Finish, kind: str, tmp_path: Path) -> None:
    end = finish(kind, tmp_path, "spins", limits=Limits(hang_s=1.5))

    assert summary_of(end).status == "done"


@FORKED
def test_too_much_memory_is_an_error_in_the_cell_alone(kind: str, tmp_path: Path) -> None:
    end = finished(kind, tmp_path, "eats_memory", memory_limit_bytes=200 * MIB)

    assert "MemoryError" in failure_text(end, "oom_host")
    conditions = end.outcome.record.conditions
    assert conditions is not None
    assert conditions.memory_limit_bytes is not None
    assert conditions.memory_limit_bytes > 200 * MIB


@ISOLATED
def test_a_result_before_a_crash_is_kept_with_a_note(finish: Finish, kind: str, tmp_path: Path) -> None:
    summary = summary_of(finish(kind, tmp_path, "crashes_at_exit"))

    assert summary.status == "done"
    assert summary.metrics["latency_s"] == 1.0
    (note,) = [note for note in summary.notes if note.quantity != "latency_s"]  # of how busy the machine is
    assert note.code == "crashed_after"
    assert "ended with exit status 9" in note.text


@ISOLATED
def test_what_a_run_writes_goes_to_its_log(kind: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    end = finished(kind, tmp_path, "prints")

    assert end.outcome.folder is not None
    log = (end.outcome.folder / "log.txt").read_text()
    assert "printed by the model" in log
    assert "complained by the model" in log
    assert capfd.readouterr() == ("", "")


@ISOLATED
def test_much_output_does_not_hold_a_run_up(finish: Finish, kind: str, tmp_path: Path) -> None:
    assert summary_of(finish(kind, tmp_path, "writes_much")).status == "done"


@ISOLATED
def test_a_run_that_asks_for_input_finds_its_end(finish: Finish, kind: str, tmp_path: Path) -> None:
    assert summary_of(finish(kind, tmp_path, "reads_input")).metrics == {"characters": 0}


@ISOLATED
def test_what_a_run_leaves_behind_is_ended_with_it(finish: Finish, kind: str, tmp_path: Path) -> None:
    child = summary_of(finish(kind, tmp_path, "leaves_a_child")).metrics["child"]

    wait_until_gone(int(child or 0))


def family_of_the_run(executor: Executor) -> tuple[int, int, int]:
    """Of a run of ``leaves_a_child_and_sleeps``: the child that it leaves, its own process, and the server."""
    beat = first_event(executor)
    assert isinstance(beat, Beat)
    child = psutil.Process(int(beat.phase.removeprefix("child ")))
    cell, server, *_ = child.parents()
    return child.pid, cell.pid, server.pid


@ISOLATED
def test_the_end_of_the_context_leaves_nothing_running(kind: str, tmp_path: Path) -> None:
    with executor_of(kind, options("leaves_a_child_and_sleeps")) as executor:
        executor.submit(job_on(slot_of(kind, executor), tmp_path))
        family = family_of_the_run(executor)

    wait_until_gone(*family)


@ISOLATED
def test_modules_beside_the_sweep_are_found_and_hide_none_of_the_standard_library(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "neighbour_of_the_sweep.py").write_text("VALUE = 42\n")
    (tmp_path / "colorsys.py").write_text("raise ImportError('not this one')\n")
    monkeypatch.chdir(tmp_path)

    metrics = summary_of(finished(kind, tmp_path, "imports_a_neighbour")).metrics

    assert metrics == {"value": 42, "is_standard": 1}


@ISOLATED
def test_a_cells_number_of_threads_is_the_number_of_its_cores(kind: str, tmp_path: Path) -> None:
    with executor_of(kind, options("with_pid")) as executor:
        executor.submit(job_on(slot_of(kind, executor), tmp_path, threads=1))
        (end,) = ends_of(executor, 1)

    metrics, conditions = summary_of(end).metrics, end.outcome.record.conditions
    assert conditions is not None
    assert metrics["cores"] == len(conditions.cores) == 1
    assert metrics["omp_threads"] == 1
    assert conditions.variables["OMP_NUM_THREADS"] == "1"
    assert metrics["is_offline"] == 1


@FORKED
def test_a_server_that_dies_is_a_lost_worker_and_the_next_run_has_another(kind: str, tmp_path: Path) -> None:
    with executor_of(kind, options("leaves_a_child_and_sleeps")) as executor:
        executor.submit(job_on(slot_of(kind, executor), tmp_path))
        _, cell, server = family_of_the_run(executor)
        os.kill(server, signal.SIGKILL)
        (end,) = ends_of(executor, 1)
        executor.submit(job_on(slot_of(kind, executor), tmp_path, size=2))
        event = first_event(executor)

    assert "the server of the cells' processes is gone: it ended with status -9" in failure_text(end, "worker_lost")
    wait_until_gone(cell)
    assert isinstance(event, Beat)


def test_the_fake_executor_runs_in_virtual_time(tmp_path: Path) -> None:
    executor = FakeExecutor([CPU], run_s=60.0)
    job = job_on(CPU, tmp_path)

    with executor:
        executor.submit(job)
        beats, nothing, ends = (executor.wait(45.0) for _ in range(3))

    assert beats == (Beat(job=job, phase="build"),)
    assert nothing == ()
    assert ends == (Finished(job=job, outcome=done(job)),)
    assert executor.now_s == 60.0


def test_the_fake_executor_refuses_a_slot_that_is_busy(tmp_path: Path) -> None:
    executor = FakeExecutor([CPU])
    executor.submit(job_on(CPU, tmp_path))

    with pytest.raises(AssertionError, match="here/cpu is busy"):
        executor.submit(job_on(CPU, tmp_path, size=2))
