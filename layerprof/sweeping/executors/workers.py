"""The executor ``workers``: none of its own, for a sweep whose runs are all measured by ``layerprof worker``s.

The sweep that has it plans, waits, and puts together what workers on any machine leave in its folder. It has no slot,
so it is given no run.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from layerprof.errors import UnavailableError
from layerprof.sweeping.base.jobs import Event, Executor, Job, Slot
from layerprof.sweeping.base.options import ExecutorOptions


class WorkersExecutor:
    """Measures nothing."""

    def slots(self) -> tuple[Slot, ...]:  # noqa: D102 - as `Executor`
        return ()

    def submit(self, job: Job) -> None:
        """Refuses a run.

        Raises:
            UnavailableError: always.
        """
        raise UnavailableError(f"{job.name} is for a worker: the executor 'workers' has no slot of its own")

    def wait(self, timeout_s: float) -> tuple[Event, ...]:
        """Sleeps; nothing happens here."""
        time.sleep(timeout_s)
        return ()


@contextmanager
def workers_executor(devices: tuple[str, ...], options: ExecutorOptions, /) -> Iterator[Executor]:
    """The executor; nothing is left of it to end.

    Args:
        devices: that the cells ask for, which the workers have.
        options: of which none applies.
    """
    yield WorkersExecutor()
