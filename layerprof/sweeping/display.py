"""How a sweep goes on, on standard error: an overall bar, a line for each run that is on, and the last failure.

    sweep batch ━━━━━━━━━━━╸━━━━━━━━━━━━━━━━  5/12 runs  1 failed  0:00:41 gone, about 0:01:02 to go
      host/cpu   batch_size 8, round 2: time 4/20   0:00:06
      last failure: batch_size 16, round 1: [oom_host] DefaultCPUAllocator: can't allocate memory …

Where standard error is no terminal, each run that ends is a line instead. It is drawn when the sweep's loop wakes, at
most twice a second, by no thread of its own.
"""

from __future__ import annotations

import statistics
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, TextIO

from layerprof.clock import Clock, SystemClock
from layerprof.records import CellFailure, RunSummary
from layerprof.sweeping.base import Job

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.live import Live

    from layerprof.sweeping.engine import Watcher

_NS_PER_S = 1e9
_REDRAW_S = 0.5
_BAR_CELLS = 30
_GONE = (OSError, ValueError)  # the reader of a log went away, its disk is full, or it was closed: no reason to stop


@dataclass(slots=True, kw_only=True)
class _Line:
    """A run that is on."""

    job: Job
    begun_at_s: float
    phase: str
    done: int = 0
    total: int | None = None


class SweepProgress:
    """What is known of a sweep's course, as text; drawing it is up to others.

    Args:
        title: of the sweep.
        axes: those of the cells' settings that tell them apart.
        total: runs of the whole plan.
        clock: where time comes from.
    """

    def __init__(self, title: str, *, axes: Sequence[str], total: int, clock: Clock | None = None) -> None:
        self.title, self.total = title, total
        self._axes = tuple(axes)
        self._clock = clock or SystemClock()
        self._began_s = self.now_s()
        self._lines: dict[str, _Line] = {}
        self._durations_s: list[float] = []
        self.to_do, self.failed = total, 0
        self.last_failure = ""

    def now_s(self) -> float:
        """Seconds of the clock."""
        return self._clock.now_ns() / _NS_PER_S

    def ran(self, job: Job, *, phase: str, done: int, total: int | None) -> None:
        """Notes a sign of life."""
        line = self._lines.get(job.slot.name)
        if line is None or line.job is not job:
            line = self._lines[job.slot.name] = _Line(job=job, begun_at_s=self.now_s(), phase=phase)
        line.phase, line.done, line.total = phase, done, total

    def ended(self, job: Job, outcome: RunSummary | CellFailure) -> str:
        """Notes an end, and tells it in one line."""
        line = self._lines.pop(job.slot.name, None)
        taken_s = self.now_s() - line.begun_at_s if line is not None else 0.0
        is_kept = isinstance(outcome, RunSummary)
        failure = outcome.failure if isinstance(outcome, RunSummary) else outcome
        if is_kept:
            self.to_do -= 1
            self._durations_s.append(taken_s)
        if failure is None:
            return f"{self.name_of(job)}: done in {taken_s:.1f} s"
        self.failed += is_kept
        ending = "" if is_kept else "; once more"
        told = f"{self.name_of(job)}: [{failure.kind}] {failure.text}{ending}"
        self.last_failure = told
        return told

    def name_of(self, job: Job) -> str:
        """The run's cell by what it varies in, and its round."""
        varied = ", ".join(f"{axis} {job.cell.axes[axis]}" for axis in self._axes if axis in job.cell.axes)
        return f"{varied or job.cell.id}, round {job.repeat + 1}"

    @property
    def head(self) -> str:
        """Counts and times of the whole."""
        failed = f"  {self.failed} failed" if self.failed else ""
        gone = clocked(self.now_s() - self._began_s)
        return f"{self.total - self.to_do}/{self.total} runs{failed}  {gone} gone{self._rest}"

    @property
    def _rest(self) -> str:
        if not self._durations_s or not self.to_do:
            return ""
        rest_s = self.to_do * statistics.median(self._durations_s) / max(1, len(self._lines))
        return f", about {clocked(rest_s)} to go"

    @property
    def lines(self) -> list[str]:
        """One for each run that is on."""
        return [
            f"{line.job.slot.name}  {self.name_of(line.job)}: {line.phase}{_steps(line)}"
            f"  {clocked(self.now_s() - line.begun_at_s)}"
            for line in self._lines.values()
        ]


def clocked(seconds: float) -> str:
    """Hours, minutes and seconds."""
    whole = int(seconds)
    return f"{whole // 3600}:{whole % 3600 // 60:02d}:{whole % 60:02d}"


def _steps(line: _Line) -> str:
    if not line.done and line.total is None:
        return ""
    return f" {line.done}" if line.total is None else f" {line.done}/{line.total}"


class _Silent:
    """Tells nothing."""

    def ran(self, job: Job, *, phase: str, done: int, total: int | None) -> None: ...

    def ended(self, job: Job, outcome: RunSummary | CellFailure) -> None: ...

    def passed(self, *, to_do: int) -> None: ...


class _Plain:
    """A line for each run that ends, as long as there is somebody to take it."""

    def __init__(self, course: SweepProgress, stream: TextIO) -> None:
        self._course = course
        self._stream: TextIO | None = stream

    def ran(self, job: Job, *, phase: str, done: int, total: int | None) -> None:
        self._course.ran(job, phase=phase, done=done, total=total)

    def ended(self, job: Job, outcome: RunSummary | CellFailure) -> None:
        told = " ".join(self._course.ended(job, outcome).split())
        if self._stream is None:
            return
        try:
            self._stream.write(f"{self._course.title}: {told}  ({self._course.head})\n")
            self._stream.flush()
        except _GONE:
            self._stream = None

    def passed(self, *, to_do: int) -> None:
        self._course.to_do = to_do


class DrawnWatcher:
    """A bar and lines, drawn anew at most twice a second.

    Args:
        course: what is drawn.
        live: where.
    """

    def __init__(self, course: SweepProgress, live: Live) -> None:
        self._course, self._live = course, live
        self._drawn_at_s = float("-inf")

    def ran(self, job: Job, *, phase: str, done: int, total: int | None) -> None:
        """Notes a sign of life."""
        self._course.ran(job, phase=phase, done=done, total=total)
        self._draw()

    def ended(self, job: Job, outcome: RunSummary | CellFailure) -> None:
        """Notes an end."""
        self._course.ended(job, outcome)
        self._draw()

    def passed(self, *, to_do: int) -> None:
        """Notes what is left."""
        self._course.to_do = to_do
        self._draw()

    def _draw(self) -> None:
        now_s = self._course.now_s()
        if now_s - self._drawn_at_s >= _REDRAW_S:
            with suppress(*_GONE):
                self._live.update(_drawing(self._course), refresh=True)
            self._drawn_at_s = now_s


def _drawing(course: SweepProgress) -> RenderableType:
    from rich.console import Group
    from rich.progress_bar import ProgressBar
    from rich.table import Table
    from rich.text import Text

    head = Table.grid(padding=(0, 1))
    bar = ProgressBar(total=max(1, course.total), completed=course.total - course.to_do, width=_BAR_CELLS)
    head.add_row(Text(course.title), bar, Text(course.head))
    rows = [f"  {line}" for line in course.lines]
    if course.last_failure:
        rows.append(f"  last failure: {course.last_failure}")
    return Group(head, *(Text(row, no_wrap=True, overflow="ellipsis") for row in rows))


@contextmanager
def shown(course: SweepProgress, *, is_shown: bool) -> Iterator[Watcher]:
    """Gives the watcher that shows a sweep's course on standard error.

    Args:
        course: what is to be shown.
        is_shown: False shows nothing.
    """
    if not is_shown:
        yield _Silent()
    elif not sys.stderr.isatty():
        yield _Plain(course, sys.stderr)
    else:
        from rich.console import Console
        from rich.live import Live

        live = Live(console=Console(stderr=True), transient=True, auto_refresh=False)
        with suppress(*_GONE):
            live.start()
        try:
            yield DrawnWatcher(course, live)
        finally:
            with suppress(*_GONE):
                live.stop()
