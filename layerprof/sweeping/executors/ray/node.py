"""What is done on a node, in a worker process of Ray: one run, or a look at the devices.

    Ray's worker ── Isolation ─▶ the cell, in a process of its own, in a temporary folder
         └─▶ hands its signs of life over as they come, then the files

Ray's worker is no place to measure in: it has Ray's threads, Ray's module paths, a thread count and a niceness of Ray's
choice, and SIGINT blocked. It sheds what the cell's process would inherit.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from collections.abc import Generator, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from layerprof import __version__
from layerprof.ledger import Outcome, write_outcome
from layerprof.records import Note
from layerprof.sweeping.base import Finished
from layerprof.sweeping.environments import Probed, probe
from layerprof.sweeping.executors.ray.base import Errand, Message, Sign, Started, Surroundings, pack, scratch_folder
from layerprof.sweeping.isolation import Isolation

_PREFIX = "layerprof-run-"  # of the folder that a run leaves its results in
_HEAR_S = 0.5  # Ray's cancellation interrupts no system call: it is heard when the wait ends
_THREADS_VARIABLE = "OMP_NUM_THREADS"
_DEBUGGER_VARIABLE = "PYTHONBREAKPOINT"  # which Ray points to its own debugger


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a node tells when it joins.

    Attributes:
        version: of its layerprof.
        probed: its devices of one kind.
    """

    version: str
    probed: Probed


def look(kind: str, surroundings: Surroundings, cpus: float) -> Answer:
    """The node's devices of a kind, told by their driver in a process of its own.

    Args:
        kind: ``cpu`` or ``cuda``.
        surroundings: of the sweep.
        cpus: that this task was given.

    Raises:
        UnavailableError: when the driver does not answer.
    """
    _settle(surroundings, cpus)
    return Answer(version=__version__, probed=probe(kind))


def run(errand: Errand) -> Iterator[Message]:
    """One run from start to end: that it began, its signs of life, then its outcome.

    Raises:
        KeyboardInterrupt: when it is cancelled; nothing of it is left.
    """
    _settle(errand.surroundings, errand.cpus)
    niceness = _shed()
    yield Started(pid=os.getpid())
    with scratch_folder(_PREFIX) as folder:
        with Isolation(errand.options) as isolation:
            isolation.start(replace(errand.job, folder=str(folder)))
            outcome = yield from _until_finished(isolation)
        write_outcome(_noted(outcome, niceness), folder)
        brought = pack(folder)
    yield brought  # with nothing left to do: the sweep may have its worker ended from here on


def _until_finished(isolation: Isolation) -> Generator[Message, None, Outcome]:
    while True:
        for event in isolation.wait(_HEAR_S):
            if isinstance(event, Finished):
                return event.outcome
            yield Sign(phase=event.phase, done=event.done, total=event.total)


def _settle(surroundings: Surroundings, cpus: float) -> None:
    """Makes modules be found as the sweep finds them, and takes back the thread count that Ray sets.

    The sweep's directory and module paths are used as far as they are there: on one machine, on a shared file system,
    or where ``ray job submit --working-dir`` has put the same files. The node's own come first: a package that lies at
    the same place on both machines may be another. Nothing is uploaded: a directory of models, data and results may be
    of any size.
    """
    with contextlib.suppress(OSError):
        os.chdir(surroundings.directory)
    ray_package = str(Path(sys.modules["ray"].__file__ or "").parent) if "ray" in sys.modules else None
    own = [place for place in sys.path if ray_package is None or not place.startswith(ray_package)]
    there = [place for place in surroundings.search_path if Path(place).exists()]
    sys.path[:] = list(dict.fromkeys((*own, *there)))
    if os.environ.get(_THREADS_VARIABLE) == str(max(int(cpus), 1)):  # as Ray sets it where nobody else has
        del os.environ[_THREADS_VARIABLE]
    if os.environ.get(_DEBUGGER_VARIABLE, "").startswith("ray."):
        del os.environ[_DEBUGGER_VARIABLE]


def _shed() -> int:
    """Gives this process, and so those that it starts, the node's niceness, and SIGINT.

    Returns:
        How much nicer than its node it still is: Ray makes workers 15 nicer, and only root may undo that.
    """
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
    if not hasattr(os, "setpriority"):
        return 0
    of_node = os.getpriority(os.PRIO_PROCESS, os.getppid())
    with contextlib.suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, 0, of_node)
    return os.getpriority(os.PRIO_PROCESS, 0) - of_node


def _noted(outcome: Outcome, niceness: int) -> Outcome:
    if niceness <= 0:
        return outcome
    note = Note(
        code="niced",
        quantity="latency_s",
        scope="*",
        text=f"measured at niceness {niceness} of Ray's workers, so behind any other process; start the nodes with "
        f"RAY_worker_niceness=0",
    )
    summary = replace(outcome.record.summary, notes=(*outcome.record.summary.notes, note))
    return replace(outcome, record=replace(outcome.record, summary=summary))
