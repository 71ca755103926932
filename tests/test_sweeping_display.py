"""How a sweep tells what goes on: counts, times, runs that are on, the last failure; by lines where nobody looks."""

from __future__ import annotations

import io
import sys

import pytest
from rich.console import Console
from rich.live import Live

import layerprof as lp
from layerprof.records import CellFailure, RunSummary
from layerprof.sweeping.base import Job, Limits
from layerprof.sweeping.display import DrawnWatcher, SweepProgress, clocked, shown
from layerprof.testing import FakeClock
from layerprof.testing.sweeping import done, slot

PLAN = lp.Plan(model="blip2-tiny", axes={"batch_size": (1, 2)}, fixed={"seed": 3}, name="sizes")


def job(size: int, repeat: int = 0, place: str = "host/cpu") -> Job:
    (cell,) = (cell for cell in PLAN.cells() if cell.axes["batch_size"] == size)
    return Job(cell=cell, repeat=repeat, attempt=0, slot=slot(place), limits=Limits(), folder="")


def summary(of: Job) -> RunSummary:
    return done(of).record.summary


def progress(total: int = 4) -> tuple[SweepProgress, FakeClock]:
    clock = FakeClock()
    return SweepProgress("sweep sizes", axes=("batch_size",), total=total, clock=clock), clock


def test_a_run_is_named_by_what_varies_and_its_round() -> None:
    course, _ = progress()

    assert course.name_of(job(2, repeat=1)) == "batch_size 2, round 2"


def test_a_run_that_is_on_has_a_line_with_what_it_does() -> None:
    course, clock = progress()

    course.ran(job(1), phase="time", done=0, total=None)
    (first,) = course.lines
    one = job(2, place="far/cpu")
    course.ran(one, phase="time", done=3, total=20)
    clock.advance_s(61.0)

    assert first.startswith("host/cpu  batch_size 1, round 1: time  ")
    assert course.lines[1] == "far/cpu  batch_size 2, round 1: time 3/20  0:01:01"


def test_the_head_counts_runs_failures_and_what_is_left() -> None:
    course, clock = progress()
    for number, size in enumerate((1, 2)):
        one = job(size)
        course.ran(one, phase="start", done=0, total=None)
        clock.advance_s(10.0)
        failure = CellFailure(kind="segv", text="gone") if number else None
        course.ended(one, RunSummary(cell=one.cell.id, status="failed", failure=failure) if failure else summary(one))

    assert course.head == "2/4 runs  1 failed  0:00:20 gone, about 0:00:20 to go"
    assert course.last_failure == "batch_size 2, round 1: [segv] gone"


def test_a_run_that_is_tried_again_is_not_counted() -> None:
    course, _ = progress()

    told = course.ended(job(1), CellFailure(kind="hang", text="silence"))

    assert told == "batch_size 1, round 1: [hang] silence; once more"
    assert course.head.startswith("0/4 runs  ")


def test_nothing_is_foretold_before_a_run_has_ended() -> None:
    assert progress()[0].head == "0/4 runs  0:00:00 gone"


@pytest.mark.parametrize(("seconds", "text"), [(0.9, "0:00:00"), (3599.0, "0:59:59"), (86400.0, "24:00:00")])
def test_times_have_hours_minutes_and_seconds(seconds: float, text: str) -> None:
    assert clocked(seconds) == text


def test_a_log_gets_a_line_for_each_run_that_ends(capsys: pytest.CaptureFixture[str]) -> None:
    course, _ = progress(total=1)
    one = job(1)

    with shown(course, is_shown=True) as watcher:
        watcher.ran(one, phase="start", done=0, total=None)
        watcher.ended(one, summary(one))
        watcher.passed(to_do=0)

    assert capsys.readouterr().err == "sweep sizes: batch_size 1, round 1: done in 0.0 s  (1/1 runs  0:00:00 gone)\n"


def test_a_log_that_cannot_be_written_is_no_reason_to_stop(monkeypatch: pytest.MonkeyPatch) -> None:
    class Full(io.StringIO):
        def write(self, text: str) -> int:
            raise OSError(28, "No space left on device")

    course, _ = progress(total=2)
    monkeypatch.setattr(sys, "stderr", Full())

    with shown(course, is_shown=True) as watcher:
        for size in (1, 2):
            watcher.ended(job(size), summary(job(size)))

    assert course.head.startswith("2/2 runs")


def test_nothing_is_shown_where_it_is_not_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    course, _ = progress(total=1)

    with shown(course, is_shown=False) as watcher:
        watcher.ran(job(1), phase="start", done=0, total=None)
        watcher.ended(job(1), summary(job(1)))
        watcher.passed(to_do=0)

    assert capsys.readouterr() == ("", "")


def test_a_terminal_gets_a_bar_and_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    stream = Terminal()
    monkeypatch.setattr(sys, "stderr", stream)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "110")
    course, clock = progress()

    with shown(course, is_shown=True) as watcher:
        watcher.ended(job(2), CellFailure(kind="segv", text="[bold]gone[/bold]"))
        clock.advance_s(1.0)
        watcher.ran(job(1), phase="time", done=1, total=6)

    drawn = stream.getvalue()
    assert "sweep sizes" in drawn
    assert "batch_size 1, round 1: time 1/6" in drawn
    assert "[bold]gone[/bold]" in drawn  # names are no markup


def test_a_terminal_is_drawn_at_most_twice_a_second(monkeypatch: pytest.MonkeyPatch) -> None:
    drawings: list[object] = []

    class Counted(Live):
        def update(self, renderable: object, *, refresh: bool = False) -> None:
            drawings.append(renderable)

    course, clock = progress()
    watcher = DrawnWatcher(course, Counted(console=Console(file=io.StringIO())))
    for _ in range(100):
        clock.advance_s(0.1)
        watcher.ran(job(1), phase="time", done=1, total=6)

    assert len(drawings) == 20
