"""Reads traces, each in a process of its own, by the categories that torch writes today.

A reading process begins with a fresh import of the plugin, so it is mended there and nowhere else.
"""

from __future__ import annotations

import logging
import queue
import signal
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import count
from multiprocessing import resource_tracker
from multiprocessing.process import BaseProcess
from pathlib import Path

from torch_tb_profiler import consts
from torch_tb_profiler.multiprocessing import Process
from torch_tb_profiler.profiler import RunLoader
from torch_tb_profiler.profiler.trace import EventTypeMap, EventTypes
from torch_tb_profiler.run import Run

# The plugin knows launches by their former category alone, runtime; so kernels would belong to no operator.
_LAUNCHES = ("cuda_runtime", "cuda_driver")
# The device's shadow of a host's range. The plugin takes that of ProfilerStep#1 for one more step, which begins where
# the step ends: of no length, and what is divided by its length fails.
_SHADOWS = "gpu_user_annotation"

_POLL_S = 0.2  # between two looks whether a reading process has died
_FAILED = "Failed to parse profile data"

_logger = logging.getLogger("pytorch_profiler")


class MendedLoader(RunLoader):  # type: ignore[misc]  # the plugin has no types
    """The plugin's loader of a folder of traces, which also comes to an end where a reading process is killed."""

    def load(self) -> Run:
        """The run of the folder; without profiles where none of its traces could be read."""
        run, shares = Run(self.run_name, self.run_dir), Run(self.run_name, self.run_dir)
        processes = [Process(target=self._process_data, args=trace, daemon=True) for trace in traces_in(self.run_dir)]
        with endings_left_to_the_server():
            for process in processes:
                process.start()
        for profile, share in self._answers(processes):
            if profile is not None:
                run.add_profile(profile)
            if share is not None:
                shares.add_profile(share)
        for profile in self._process_spans(shares) if shares.profiles else ():
            if profile is not None:
                run.add_profile(profile)
        return run

    def _answers(self, processes: Sequence[BaseProcess]) -> Iterator[tuple[object, object]]:
        """What the processes read, as many answers as there are processes that lived to give one."""
        left = len(processes)
        while left:
            is_any_alive = any(process.is_alive() for process in processes)
            try:
                yield self.queue.get(timeout=_POLL_S)
                left -= 1
            except queue.Empty:
                if not is_any_alive:
                    return

    def _process_data(self, worker: str, span: int | None, path: str) -> None:
        """Reads one trace; runs in a process of its own."""
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})  # by which a daemon is ended
        mend_categories()
        _tell_failures_alone()
        super()._process_data(worker, span, path)


def traces_in(folder: str) -> list[tuple[str, int | None, str]]:
    """The traces of a folder: worker, position among the worker's that bear a time, and the file's name."""
    names = sorted(path.name for path in Path(folder).iterdir() if path.is_file())
    matches = [match for match in map(consts.WORKER_PATTERN.match, names) if match]
    timed = sorted(((match[1], match[2]) for match in matches if match[2]), key=lambda key: (key[0], int(key[1][1:])))
    positions: dict[tuple[str, str], int] = {}
    for worker in dict.fromkeys(worker for worker, _ in timed):
        positions |= zip((key for key in timed if key[0] == worker), count(1), strict=False)
    return [(match[1], positions.get((match[1], match[2])), match[0]) for match in matches]


@contextmanager
def endings_left_to_the_server() -> Iterator[None]:
    """Ctrl-C goes to every process of a terminal, and its end too; those begun in here inherit that they hear neither.

    Nor do they hear SIGTERM, which some send to whole groups; a reader does once it reads.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGHUP})
    try:
        resource_tracker.ensure_running()  # where it is begun later, it lets the other signals through again
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM})
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def mend_categories() -> None:
    """Lets the plugin take the events of today's traces for what they are, in this process."""
    for category in _LAUNCHES:
        EventTypeMap.setdefault(category, EventTypes.RUNTIME)
    EventTypeMap.pop(_SHADOWS, None)


def _tell_failures_alone() -> None:
    """Leaves of the plugin's remarks the traces that cannot be shown, a line each on standard error."""
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter("layerprof: note: %(message)s"))
    handler.addFilter(is_failure_on_one_line)
    _logger.handlers = [handler]
    _logger.propagate = False


def is_failure_on_one_line(record: logging.LogRecord) -> bool:
    """Whether a trace could not be read; the record is then one line without a traceback."""
    if not str(record.msg).startswith(_FAILED) or not isinstance(record.args, tuple):
        return False
    run, worker, error = record.args
    told = f"trace {worker} of run {run} is not shown: {type(error).__name__}: {error}"
    record.msg, record.args, record.exc_info = " ".join(told.split()), None, None
    return True
