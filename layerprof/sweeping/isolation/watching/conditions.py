"""What was seen beside a run: other processes' time, the hypervisor's, and a machine that slowed itself down.

    start of the process ── first sign of measuring ── readings ── last sign
    others = busy cores - the cell's own - the sweep's own

It is looked at, never set. A run that was disturbed is a result with a note. Where measuring took too short a time to
tell, the whole life of the process is looked at; where that did too, a note says that nothing was seen.

A GPU at its power limit is as it always is under load, and no disturbance: ``power_capped`` is for the reader to know.

Source:
    proc(5) for ``/proc/stat`` and ``/proc/<pid>/stat``; Linux ``arch/x86/kernel/cpu/mce/therm_throt.c`` for the
    counters of throttling, ``Documentation/scheduler/sched-bwc.rst`` for the quota's; nvbench (``docs/cli_help.md``,
    ``--throttle-threshold``) for the least clock ratio.

Limits:
    Linux alone tells; elsewhere all is None. Ticks are of 10 ms, so nothing is said of less than half a second. What
    other processes take of the memory's and the bus's rate is not seen.
"""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from layerprof.records import Note, RunConditions
from layerprof.sweeping.isolation.base import BoardReading, stops_by_quota

CONTENDED = 0.1  # of the cores' time: more of it for others shifts medians by more than their intervals
STOLEN = 0.02
LEAST_CLOCK_RATIO = 0.75  # Source: nvbench's default of --throttle-threshold
LEAST_S = 0.5  # of a window, in which a tick of 10 ms is 2 %

NOT_MEASURING = frozenset({"", "start", "import", "load", "build", "warm-up", "warmup"})

_TICKS_PER_S = os.sysconf("SC_CLK_TCK") if hasattr(os, "sysconf") else 100
_PROC, _SYS = Path("/proc"), Path("/sys")

# Source: nvml.h, nvmlClocksEventReasons: hardware slowdown, thermal by software and hardware, power brake.
_SLOWED = 0x8 | 0x20 | 0x40 | 0x80
_IDLE = 0x1
_POWER_CAPPED = 0x4


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """Counters at one moment.

    Attributes:
        at_s: of the monotonic clock.
        busy_s: time that the cores have worked, those that the cell may use.
        stolen_s: likewise, that the hypervisor took.
        own_s: time of the cell's processes and of the sweep's.
        throttles: how often the processor has slowed itself down, or None where that is not told.
        quota_stops: how often the control group had used up its share of time, likewise.
    """

    at_s: float
    busy_s: float
    stolen_s: float
    own_s: float
    throttles: int | None = None
    quota_stops: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """What lies between two readings.

    Attributes:
        others_share: of the cores' time, what other processes took.
        stolen_share: likewise, what the hypervisor took.
        throttles: how often the processor slowed itself down.
        quota_stops: how often the control group had used up its share of time.
    """

    others_share: float | None = None
    stolen_share: float | None = None
    throttles: int = 0
    quota_stops: int = 0


class Observer:
    """Looks at the machine while one cell is measured.

    Args:
        pid: of the cell's process.
        cores: that it may use.
        proc: where the process information is mounted.
        sys: where the devices are.
        now_s: gives the time.
        own_s: gives the processor time of the sweep's own process.

    Attributes:
        cores: that the cell may use.
    """

    def __init__(
        self,
        pid: int,
        cores: Sequence[int],
        *,
        proc: Path = _PROC,
        sys: Path = _SYS,
        now_s: Callable[[], float] = time.monotonic,
        own_s: Callable[[], float] = time.process_time,
    ) -> None:
        self._pid, self.cores = pid, tuple(cores)
        self._proc, self._sys, self._now_s, self._own_s = proc, sys, now_s, own_s
        self._begun: Reading | None = None
        self._first: Reading | None = None
        self._last: Reading | None = None
        self._boards: list[BoardReading] = []
        self._foreign: list[int] = []

    def wants_start(self, phase: str) -> bool:
        """Whether the cell has just begun to measure, which is the moment to look."""
        return self._first is None and phase not in NOT_MEASURING

    def look(self, phase: str) -> None:
        """Takes a reading; those of measuring phases count, where they span long enough."""
        reading = self._reading()
        if reading is None:
            return
        if self._begun is None:
            self._begun = reading
        if self._first is None and phase not in NOT_MEASURING:
            self._first = reading
        self._last = reading

    def look_at_board(self, board: BoardReading, phase: str) -> None:
        """Takes in a reading of the GPU, where the cell is measuring."""
        if phase in NOT_MEASURING:
            return
        self._boards.append(board)
        if board.pids is not None:
            self._foreign.append(_foreigners(board.pids, {self._pid, *_descendants(self._proc, self._pid)}))

    def completed(self, conditions: RunConditions) -> tuple[RunConditions, tuple[Note, ...]]:
        """The conditions with what was seen, and what the reader has to know of it."""
        span = self._span()
        ratios = [
            board.clock_ratio
            for board in self._boards
            if board.clock_ratio is not None and not (board.reasons or 0) & _IDLE
        ]
        told = [board.reasons for board in self._boards if board.reasons is not None]
        seen = replace(
            conditions,
            others_share=span.others_share,
            stolen_share=span.stolen_share,
            throttled_share=sum(bool(bits & _SLOWED) for bits in told) / len(told) if told else None,
            clock_ratio=statistics.median(ratios) if ratios else None,
            foreign_processes=max(self._foreign) if self._foreign else None,
        )
        capped_share = sum(bool(bits & _POWER_CAPPED) for bits in told) / len(told) if told else 0.0
        return seen, tuple(notes_on(seen, span=span, power_capped_share=capped_share))

    def _span(self) -> Span:
        """Of the measuring where it was long enough to tell, else of the whole life of the process."""
        for first in (self._first, self._begun):
            last = self._last
            if first is not None and last is not None and last.at_s - first.at_s >= LEAST_S:
                span_s = (last.at_s - first.at_s) * max(1, len(self.cores))
                others_s = (last.busy_s - first.busy_s) - (last.own_s - first.own_s)
                return Span(
                    others_share=_share(others_s / span_s),
                    stolen_share=_share((last.stolen_s - first.stolen_s) / span_s),
                    throttles=(last.throttles or 0) - (first.throttles or 0),
                    quota_stops=(last.quota_stops or 0) - (first.quota_stops or 0),
                )
        return Span()

    def _reading(self) -> Reading | None:
        times = _times_of_cores(self._proc / "stat", self.cores)
        own_s = _time_of_tree(self._proc, self._pid)
        if times is None or own_s is None:
            return None
        return Reading(
            at_s=self._now_s(),
            busy_s=times[0],
            stolen_s=times[1],
            own_s=own_s + self._own_s(),
            throttles=_throttles(self._sys, self.cores),
            quota_stops=stops_by_quota(self._proc, self._sys / "fs" / "cgroup"),
        )


def notes_on(seen: RunConditions, *, span: Span, power_capped_share: float = 0.0) -> Iterator[Note]:
    """A note for each disturbance, and for what could not be seen.

    Args:
        seen: of the run.
        span: of the time in which it was seen.
        power_capped_share: of the readings of the GPU, those at its power limit.
    """
    yield from _notes_on_others(seen)
    yield from _notes_on_processor(span)
    yield from _notes_on_clocks(seen)
    if power_capped_share:
        text = f"the GPU was at its power limit in {power_capped_share:.0%} of readings, as is usual under load"
        yield Note(code="power_capped", quantity="latency_s", scope="step", text=text)


def _notes_on_others(seen: RunConditions) -> Iterator[Note]:
    if seen.others_share is None:
        text = (
            f"what other processes took was not seen: the system does not tell it of a process of less than "
            f"{LEAST_S:g} s, or not at all; measure more steps (repeats)"
        )
        yield Note(code="contention_unseen", quantity="latency_s", scope="step", text=text)
    if seen.others_share is not None and seen.others_share > CONTENDED:
        yield _note("contended", f"other processes took {seen.others_share:.0%} of the cores while it was measured")
    if seen.foreign_processes:
        yield _note("contended", f"{seen.foreign_processes} other processes were on the GPU while it was measured")
    if seen.stolen_share is not None and seen.stolen_share > STOLEN:
        yield _note("stolen", f"the hypervisor took {seen.stolen_share:.0%} of the cores while it was measured")


def _notes_on_processor(span: Span) -> Iterator[Note]:
    if span.throttles > 0:
        yield _note("throttled", f"the processor slowed itself down {span.throttles} times while it was measured")
    if span.quota_stops > 0:
        text = (
            f"the control group had used up its share of processor time {span.quota_stops} times while it was "
            f"measured; give it a larger quota (cpu.max, --cpus) or the cell fewer threads"
        )
        yield Note(code="throttled", quantity="latency_s", scope="step", text=text)


def _notes_on_clocks(seen: RunConditions) -> Iterator[Note]:
    if seen.throttled_share:
        yield _note("throttled", f"the GPU was slowed down for heat or power in {seen.throttled_share:.0%} of readings")
    elif seen.clock_ratio is not None and seen.clock_ratio < LEAST_CLOCK_RATIO:
        yield _note("throttled", f"the GPU's clock was at {seen.clock_ratio:.0%} of its maximum")


def _note(code: str, text: str) -> Note:
    return Note(code=code, quantity="latency_s", scope="step", text=f"{text}; measure again on a quieter machine")


def _share(value: float) -> float:
    return min(1.0, max(0.0, value))


def _foreigners(pids: frozenset[int], own: set[int]) -> int:
    """How many are not of the cell; in a container NVML may list them by numbers that are not known here."""
    return len(pids - own) if pids & own else max(0, len(pids) - 1)


def _times_of_cores(path: Path, cores: Sequence[int]) -> tuple[float, float] | None:
    """Seconds that the cores have worked, and that the hypervisor took; of all where theirs are not told apart."""
    try:
        lines = path.read_text().splitlines()
    except OSError:
        return None
    rows = {line.split()[0]: line.split()[1:] for line in lines if line.startswith("cpu")}
    wanted = [f"cpu{core}" for core in cores]
    found = [rows[name] for name in wanted if name in rows]
    if not wanted or len(found) < len(wanted):
        found = [row for name, row in rows.items() if name == "cpu"]
    with suppress(ValueError, IndexError):
        ticks = [[int(value) for value in row[:8]] for row in found]
        # user, nice, system, idle, iowait, irq, softirq, steal; a guest's time is in the user's
        busy = sum(row[0] + row[1] + row[2] + row[5] + row[6] for row in ticks)
        return busy / _TICKS_PER_S, sum(row[7] for row in ticks) / _TICKS_PER_S
    return None


def _time_of_tree(proc: Path, pid: int) -> float | None:
    """Processor time of a process and of those it has started, ended ones included once they were waited for."""
    times = [_time_of(proc, each) for each in (pid, *_descendants(proc, pid))]
    return None if times[0] is None else sum(time_s for time_s in times if time_s is not None)


def _time_of(proc: Path, pid: int) -> float | None:
    with suppress(OSError, ValueError, IndexError):
        fields = (proc / str(pid) / "stat").read_text().rpartition(")")[2].split()
        return sum(int(value) for value in fields[11:15]) / _TICKS_PER_S  # utime, stime, cutime, cstime
    return None


def _descendants(proc: Path, pid: int) -> Iterator[int]:
    with suppress(OSError, ValueError):
        for child in (proc / str(pid) / "task" / str(pid) / "children").read_text().split():
            yield int(child)
            yield from _descendants(proc, int(child))


def _throttles(sys: Path, cores: Sequence[int]) -> int | None:
    """How often the cores have slowed themselves down."""
    counts = []
    for core in cores:
        path = sys / "devices" / "system" / "cpu" / f"cpu{core}" / "thermal_throttle" / "core_throttle_count"
        with suppress(OSError, ValueError):
            counts.append(int(path.read_text()))
    return sum(counts) if counts else None
