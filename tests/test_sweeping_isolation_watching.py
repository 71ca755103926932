"""A run as the sweep watches it: its limits, what other processes took, a GPU that slowed down. All of it is faked."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from layerprof.records import RunConditions
from layerprof.sweeping.base import Beat, Job, Limits, PlannedCell, settings_of
from layerprof.sweeping.base.options import START_S
from layerprof.sweeping.isolation.base import BoardReading
from layerprof.sweeping.isolation.watching import BoardReader, Boards, CellRun, Observer
from layerprof.sweeping.isolation.watching.asking import SILENT_S
from layerprof.sweeping.isolation.watching.runs import TEARDOWN_S
from layerprof.testing.energy.nvml import FakeBoard, FakeNvml
from layerprof.testing.sweeping import slot

TICKS_PER_S = 100
PID = 4242
PATIENCE_S = 30.0


def job(timeout_s: float | None = None, hang_s: float | None = None) -> Job:
    cell = PlannedCell(model="blip2-tiny", settings=settings_of("blip2-tiny", {}))
    limits = Limits(timeout_s=timeout_s, hang_s=hang_s)
    return Job(cell=cell, repeat=0, attempt=0, slot=slot(), limits=limits, folder="")


def run(timeout_s: float | None = None, hang_s: float | None = None) -> CellRun:
    made = CellRun(job(timeout_s, hang_s), now_s=0.0, grace_s=5.0)
    made.start(PID, 10.0)
    return made


def test_a_run_whose_server_still_imports_has_the_servers_limit_alone() -> None:
    waiting = CellRun(job(timeout_s=1.0, hang_s=1.0), now_s=0.0, grace_s=5.0)

    assert waiting.due_s() == START_S
    assert waiting.signal_at(START_S - 0.1) is None
    assert waiting.signal_at(START_S) == signal.SIGTERM
    assert waiting.stop == "start"


def test_a_run_without_limits_is_never_due() -> None:
    assert run().due_s() == float("inf")
    assert run().signal_at(1e9) is None


def test_the_time_of_a_run_begins_with_its_process() -> None:
    watched = run(timeout_s=60.0)

    assert watched.due_s() == 70.0
    assert watched.signal_at(69.9) is None
    assert watched.signal_at(70.0) == signal.SIGTERM
    assert watched.stop == "timeout"


def test_a_run_that_ignores_sigterm_is_killed_after_the_grace() -> None:
    watched = run(timeout_s=60.0)
    watched.signal_at(70.0)

    assert watched.due_s() == 75.0
    assert watched.signal_at(74.9) is None
    assert watched.signal_at(75.0) == signal.SIGKILL
    assert watched.signal_at(80.0) == signal.SIGKILL


def test_each_sign_of_life_begins_the_wait_for_the_next() -> None:
    watched = run(hang_s=20.0)
    beat = watched.hear([{"phase": "time", "done": 3, "total": 4}], 25.0)

    assert beat == Beat(job=watched.job, phase="time", done=3, total=4)
    assert watched.due_s() == 45.0
    assert watched.signal_at(45.0) == signal.SIGTERM
    assert watched.stop == "hang"
    assert watched.stop_limit_s == 20.0


def test_a_run_with_a_result_has_only_its_teardown_left() -> None:
    watched = run(timeout_s=60.0, hang_s=20.0)
    watched.hear([{"result": True}], 29.0)

    assert watched.signal_at(29.0 + TEARDOWN_S) == signal.SIGTERM
    assert watched.stop == "teardown"


class FakeMachine:
    """The files that tell how cores and processes spend their time, in seconds."""

    def __init__(self, folder: Path, cores: int = 2) -> None:
        self.proc, self.sys = folder / "proc", folder / "sys"
        self.now_s = 0.0
        self.sweep_s = 0.0
        self.cores = cores
        self.set()

    def set(
        self,
        *,
        busy: Sequence[float] = (0.0, 0.0),
        stolen: Sequence[float] = (0.0, 0.0),
        cell: float = 0.0,
        throttles: int = 0,
    ) -> None:
        rows = [(busy[core], stolen[core]) for core in range(self.cores)]
        lines = [_row("cpu", sum(row[0] for row in rows), sum(row[1] for row in rows))]
        lines += [_row(f"cpu{core}", *row) for core, row in enumerate(rows)]
        self.write(self.proc / "stat", "\n".join([*lines, "ctxt 1"]))
        self.set_process(PID, cell)
        for core in range(self.cores):
            name = f"devices/system/cpu/cpu{core}/thermal_throttle/core_throttle_count"
            self.write(self.sys / name, str(throttles))

    def set_process(self, pid: int, seconds: float, children: Sequence[int] = ()) -> None:
        fields = ["S", "1", *["0"] * 9, str(round(seconds * TICKS_PER_S)), "0", "0", "0"]
        self.write(self.proc / str(pid) / "stat", f"{pid} (a (b) c) {' '.join(fields)}")
        self.write(self.proc / str(pid) / "task" / str(pid) / "children", " ".join(map(str, children)))

    def write(self, path: Path, text: str) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def observer(self, cores: Sequence[int] = (0, 1)) -> Observer:
        return Observer(PID, cores, proc=self.proc, sys=self.sys, now_s=lambda: self.now_s, own_s=lambda: self.sweep_s)


def _row(name: str, busy_s: float, stolen_s: float) -> str:
    busy, stolen = round(busy_s * TICKS_PER_S), round(stolen_s * TICKS_PER_S)
    return f"{name} {busy} 0 0 999 999 0 0 {stolen} 0 0"


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeMachine:
    monkeypatch.setattr("layerprof.sweeping.isolation.watching.conditions._TICKS_PER_S", TICKS_PER_S)
    return FakeMachine(tmp_path)


def seen(observer: Observer) -> tuple[RunConditions, list[str]]:
    """What was seen, and the notes on it, but for the one on what was not."""
    conditions, codes = completed(observer)
    return conditions, [code for code in codes if code != "contention_unseen"]


def completed(observer: Observer) -> tuple[RunConditions, list[str]]:
    conditions, notes = observer.completed(RunConditions(isolation="forked"))
    return conditions, [note.code for note in notes]


def test_what_others_took_is_the_cores_time_without_the_cells_and_the_sweeps(machine: FakeMachine) -> None:
    observer = machine.observer()
    observer.look("time")
    machine.now_s, machine.sweep_s = 10.0, 1.0
    machine.set(busy=(10.0, 6.0), cell=9.0)
    observer.look("time")

    conditions, notes = seen(observer)

    assert conditions.others_share == pytest.approx((16.0 - 9.0 - 1.0) / 20.0)
    assert notes == ["contended"]


def test_a_cell_that_had_the_cores_for_itself_has_no_note(machine: FakeMachine) -> None:
    observer = machine.observer()
    observer.look("time")
    machine.now_s = 10.0
    machine.set(busy=(10.0, 10.0), stolen=(0.1, 0.0), cell=19.0)
    observer.look("time")

    conditions, notes = seen(observer)

    assert conditions.others_share == pytest.approx(0.05)
    assert conditions.stolen_share == pytest.approx(0.005)
    assert notes == []


def test_the_time_of_what_the_cell_has_started_is_its_own(machine: FakeMachine) -> None:
    observer = machine.observer()
    observer.look("time")
    machine.now_s = 10.0
    machine.set(busy=(10.0, 10.0), cell=10.0)
    machine.set_process(PID, 10.0, children=[77])
    machine.set_process(77, 10.0)
    observer.look("time")

    assert seen(observer)[0].others_share == 0.0


def test_cores_that_the_cell_may_not_use_do_not_count(machine: FakeMachine) -> None:
    observer = machine.observer(cores=(1,))
    observer.look("time")
    machine.now_s = 10.0
    machine.set(busy=(10.0, 4.0), cell=4.0)
    observer.look("time")

    assert seen(observer)[0].others_share == 0.0


def test_what_happened_before_the_cell_measured_does_not_count(machine: FakeMachine) -> None:
    observer = machine.observer()
    observer.look("build")
    machine.now_s = 10.0
    machine.set(busy=(10.0, 10.0))
    observer.look("time")
    machine.now_s = 20.0
    machine.set(busy=(20.0, 10.0), cell=10.0)
    observer.look("time")

    assert seen(observer)[0].others_share == 0.0


def test_a_life_too_short_for_the_ticks_has_a_note_that_nothing_was_seen(machine: FakeMachine) -> None:
    observer = machine.observer()
    observer.look("time")
    machine.now_s = 0.4
    machine.set(busy=(0.4, 0.4))
    observer.look("time")

    conditions, notes = completed(observer)

    assert conditions.others_share is None
    assert notes == ["contention_unseen"]


def test_a_short_measurement_is_judged_over_the_whole_life_of_its_process(machine: FakeMachine) -> None:
    observer = machine.observer()
    observer.look("")
    machine.now_s = 9.8
    machine.set(busy=(9.8, 9.8), cell=9.8)
    observer.look("time")
    machine.now_s = 10.0
    machine.set(busy=(10.0, 10.0), cell=10.0)
    observer.look("time")

    conditions, notes = completed(observer)

    assert conditions.others_share == pytest.approx(0.5)
    assert notes == ["contended"]


@pytest.mark.parametrize(
    ("line", "file"),
    [("0::/a", "a/cpu.stat"), ("3:cpu,cpuacct:/a", "cpu,cpuacct/a/cpu.stat"), ("1:cpu:/", "cpu/cpu.stat")],
)
def test_a_group_that_used_up_its_share_of_time_is_noted(machine: FakeMachine, line: str, file: str) -> None:
    stat = machine.sys / "fs" / "cgroup" / file
    machine.write(machine.proc / "self" / "cgroup", line + "\n")
    machine.write(stat, "nr_periods 9\nnr_throttled 2\n")
    observer = machine.observer()
    observer.look("time")
    machine.now_s = 10.0
    machine.write(stat, "nr_periods 99\nnr_throttled 5\n")
    observer.look("time")

    _, notes = observer.completed(RunConditions(isolation="forked"))

    assert [note.code for note in notes] == ["throttled"]
    assert "3 times" in notes[0].text


def test_time_that_the_hypervisor_took_is_noted(machine: FakeMachine) -> None:
    observer = machine.observer()
    observer.look("time")
    machine.now_s = 10.0
    machine.set(stolen=(1.0, 0.0))
    observer.look("time")

    conditions, notes = seen(observer)

    assert conditions.stolen_share == pytest.approx(0.05)
    assert notes == ["stolen"]


def test_a_processor_that_slowed_itself_down_is_noted(machine: FakeMachine) -> None:
    observer = machine.observer()
    observer.look("time")
    machine.now_s = 10.0
    machine.set(throttles=3)
    observer.look("time")

    assert seen(observer)[1] == ["throttled"]


def test_a_system_that_tells_nothing_gives_none(tmp_path: Path) -> None:
    observer = Observer(PID, (), proc=tmp_path, sys=tmp_path)
    observer.look("time")

    assert completed(observer) == (RunConditions(isolation="forked"), ["contention_unseen"])


def board(clock_ratio: float = 1.0, reasons: int = 0, pids: Sequence[int] = (PID,)) -> BoardReading:
    return BoardReading(clock_ratio=clock_ratio, reasons=reasons, pids=frozenset(pids))


@pytest.mark.parametrize(
    ("readings", "notes"),
    [
        ([board(), board(0.9)], []),
        ([board(0.7), board(0.7)], ["throttled"]),
        ([board(), board(), board(reasons=0x40)], ["throttled"]),
        ([board(), board(reasons=0x4)], ["power_capped"]),  # as it always is under load: no disturbance
        ([board(0.1, reasons=0x1), board()], []),  # idle clocks are low
        ([board(pids=(PID, 5))], ["contended"]),
        ([board(pids=(5,))], []),  # the cell itself, under the number it has outside its container
    ],
)
def test_a_gpu_that_was_slow_or_not_alone_is_noted(
    machine: FakeMachine, readings: Sequence[BoardReading], notes: list[str]
) -> None:
    observer = machine.observer()
    for reading in readings:
        observer.look_at_board(reading, "time")

    assert seen(observer)[1] == notes


def test_a_gpu_is_not_judged_before_the_cell_measures(machine: FakeMachine) -> None:
    observer = machine.observer()
    observer.look_at_board(board(0.1, reasons=0x40, pids=(5, 6)), "build")

    assert seen(observer) == (RunConditions(isolation="forked"), [])


def test_a_board_is_read_by_its_uuid() -> None:
    other, wanted = (
        FakeBoard(uuid="GPU-1"),
        FakeBoard(uuid="GPU-2", clock_mhz=1000, most_clock_mhz=2000, reasons=0x8, compute=(PID, 7)),
    )
    module = FakeNvml([other, wanted])

    reader = BoardReader("2", module=module)
    reading = reader.read()
    reader.close()

    assert reading == BoardReading(clock_ratio=0.5, reasons=0x8, pids=frozenset({PID, 7}))
    assert module.starts == module.ends == 1


@pytest.mark.parametrize(
    "make",
    [
        lambda: FakeNvml([FakeBoard(uuid="GPU-1")]),
        lambda: FakeNvml([FakeBoard(uuid="GPU-2", is_lost=True)]),
        lambda: FakeNvml(start_fails="DriverNotLoaded"),
    ],
    ids=["another board", "lost", "no driver"],
)
def test_a_board_that_does_not_answer_gives_nothing(make: Callable[[], FakeNvml]) -> None:
    reader = BoardReader("GPU-2", module=make())

    assert reader.read() == BoardReading()
    reader.close()


class StuckReader(BoardReader):
    """A driver that does not answer until it is let."""

    def __init__(self, uuid: str) -> None:
        self.may_answer = threading.Event()
        self.asked = 0

    def read(self) -> BoardReading:
        self.asked += 1
        self.may_answer.wait(PATIENCE_S)
        return board()

    def close(self) -> None:
        pass


def readings_of(boards: Boards, uuid: str) -> list[tuple[BoardReading, str]]:
    """What comes from a board's thread, as soon as anything does."""
    end_s = time.monotonic() + PATIENCE_S
    while not (found := boards.take(uuid)):
        assert time.monotonic() < end_s
        time.sleep(0.001)
    return found


def test_a_board_is_read_beside_the_loop_and_told_with_the_phase_it_was_asked_in() -> None:
    boards = Boards(lambda uuid: BoardReader(uuid, module=FakeNvml([FakeBoard(uuid="GPU-1", compute=(PID,))])))

    boards.ask("GPU-1", "time")
    ((reading, phase),) = readings_of(boards, "GPU-1")
    boards.close()

    assert reading.pids == frozenset({PID})
    assert phase == "time"
    assert not boards.is_silent


def test_a_driver_that_is_silent_holds_nothing_up_and_is_asked_no_more() -> None:
    now_s, reader = 0.0, StuckReader("GPU-1")
    boards = Boards(lambda uuid: reader, now_s=lambda: now_s)

    boards.ask("GPU-1", "time")
    boards.ask("GPU-1", "time")  # one at a time
    now_s = SILENT_S
    was_silent = boards.is_silent
    now_s = SILENT_S + 0.1
    is_silent = boards.is_silent
    reader.may_answer.set()
    end_s = time.monotonic() + PATIENCE_S
    while boards._come.empty():
        assert time.monotonic() < end_s
        time.sleep(0.001)
    late = boards.take("GPU-1")
    boards.ask("GPU-1", "time")
    boards.close()
    assert boards._thread is not None
    boards._thread.join(PATIENCE_S)

    assert (was_silent, is_silent, boards.is_silent) == (False, True, True)
    assert late == []
    assert reader.asked == 1
    assert boards.unseen().code == "boards_unseen"
