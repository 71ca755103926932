"""The executor ``process``: each run in a process of its own on this machine.

    slots      the CPU, and each accelerator that the plan asks for
    exclusive  one run at a time on the machine, whatever its slot: runs share its cores, its bus and its power

Where runs are exclusive, one that is submitted while another is measured waits for it; its limits begin when its own
process does.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager

from layerprof.sweeping.base.jobs import Event, Executor, Finished, Job, Slot
from layerprof.sweeping.executors.base import ExecutorOptions, slots_here
from layerprof.sweeping.isolation import Isolation


class ProcessExecutor:
    """Runs cells in processes of their own.

    Args:
        isolation: entered.
        slots: that there are.
        is_exclusive: whether one run at a time is measured.
    """

    def __init__(self, isolation: Isolation, slots: tuple[Slot, ...], *, is_exclusive: bool) -> None:
        self._isolation, self._slots, self._is_exclusive = isolation, slots, is_exclusive
        self._waiting: deque[Job] = deque()
        self._running = 0

    def slots(self) -> tuple[Slot, ...]:  # noqa: D102 - as `Executor`
        return self._slots

    def submit(self, job: Job) -> None:  # noqa: D102 - as `Executor`
        self._waiting.append(job)
        self._start_what_may()

    def wait(self, timeout_s: float) -> tuple[Event, ...]:  # noqa: D102 - as `Executor`
        events = self._isolation.wait(timeout_s)
        self._running -= sum(isinstance(event, Finished) for event in events)
        self._start_what_may()
        return events

    def _start_what_may(self) -> None:
        while self._waiting and not (self._is_exclusive and self._running):
            self._running += 1
            self._isolation.start(self._waiting.popleft())


@contextmanager
def process_executor(devices: tuple[str, ...], options: ExecutorOptions, /) -> Iterator[Executor]:
    """The executor, whose context ends with no process left.

    Args:
        devices: that the cells ask for; a kind alone, such as ``cuda``, is all of that kind.
        options: how cells are run.

    Raises:
        UnavailableError: on systems without such processes, or where the driver of a device does not answer.
    """
    slots = options.slots or slots_here(devices, isolation="process")
    with Isolation(options) as isolation:
        yield ProcessExecutor(isolation, slots, is_exclusive=options.is_exclusive)
