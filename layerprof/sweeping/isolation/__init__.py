"""Cells in processes of their own, so that no cell warms up, fills or crashes another, or the sweep.

    sweep ── server (imports once a round) ── fork ─▶ cell          on the CPU
      │  └── server (imports nothing) ── fork, exec ─▶ cell         on any other device: CUDA cannot be forked
      └ blocks on the servers' sockets and the cells' pipes until one speaks or a limit is reached

The sweep's own process never imports torch. What a cell measured comes back in files, complete before it ends, so no
crash in its teardown can lose it. When the sweep ends, however it does, its servers kill what is left.

Limits:
    Needs Unix: sockets that pass files, groups of processes. That a killed sweep takes its processes along at once is
    Linux's; elsewhere the servers notice when their socket closes. A process that begins a session of its own is not
    followed.
"""

from __future__ import annotations

import os
import selectors
import socket
import sys
import time
from pathlib import Path
from types import TracebackType

from layerprof.errors import UnavailableError
from layerprof.host import default_threads
from layerprof.ledger import Outcome
from layerprof.sweeping.base.cells import cell_to_json
from layerprof.sweeping.base.jobs import Beat, Event, Finished, Job
from layerprof.sweeping.base.options import ExecutorOptions
from layerprof.sweeping.base.places import working_directory
from layerprof.sweeping.isolation.base import (
    Request,
    Tell,
    allowed_cores,
    kill_group,
    measured,
    resolve,
)
from layerprof.sweeping.isolation.endings import failure_after, note_after
from layerprof.sweeping.isolation.results import outcome_of
from layerprof.sweeping.isolation.serving import ServerProcess
from layerprof.sweeping.isolation.variables import needs_hub, variables_for
from layerprof.sweeping.isolation.watching import BoardReader, Boards, Observer, Watched

__all__ = [
    "Isolation",
    "Observer",
    "allowed_cores",
    "measured",
    "resolve",
    "run_blocking",
]

_PATIENCE_S = 3600.0  # of one wait; anything that happens ends it sooner

ServerKey = tuple[object, ...]


class Isolation:
    """Runs cells in processes, several at a time if asked to; it is a context manager, whose end kills all.

    Args:
        options: how cells are run.

    Raises:
        UnavailableError: on systems that cannot do it.
    """

    def __init__(self, options: ExecutorOptions) -> None:
        if not hasattr(os, "fork") or not hasattr(socket, "send_fds"):
            raise UnavailableError("cells have processes of their own on Unix alone; use the executor 'inline'")
        self._options = options
        self._selector = selectors.DefaultSelector()
        self._servers: dict[ServerKey, ServerProcess] = {}
        self._runs: dict[str, tuple[Watched, ServerKey]] = {}
        self._events: list[Event] = []
        self._boards = Boards(BoardReader)

    def __enter__(self) -> Isolation:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._selector.close()
        for server in self._servers.values():
            server.close()
        for watched, _ in self._runs.values():
            _kill_what_is_left(watched)
            watched.close()
        self._boards.close()
        self._servers.clear()
        self._runs.clear()

    @property
    def pids(self) -> tuple[int, ...]:
        """Process ids of the servers, and of the cells that run."""
        cells = [watched.run.pid for watched, _ in self._runs.values()]
        return (*(server.pid for server in self._servers.values()), *(pid for pid in cells if pid is not None))

    def start(self, job: Job) -> None:
        """Starts a run; returns at once.

        Raises:
            InputError: when the working directory was deleted.
        """
        is_fresh = job.slot.device != "cpu" or sys.platform != "linux"  # other systems' libraries break in a fork
        usual = default_threads()
        common = variables_for(job.cell, usual=usual, theirs=os.environ)
        variables = variables_for(job.cell, usual=usual, theirs=os.environ, threads=job.cell.settings.threads)
        request = self._request(job, is_fresh=is_fresh, variables=variables)
        key: ServerKey = ("fresh",) if is_fresh else ("forked", job.repeat, needs_hub(job.cell))
        server = self._server(key, preload=() if is_fresh else self._options.preload, variables=common)
        pipe = server.start(request)
        watched = Watched(job, pipe=pipe, variables=variables, options=self._options, boards=self._boards)
        self._runs[job.name] = watched, key
        self._selector.register(pipe, selectors.EVENT_READ, lambda: self._hear(watched))

    def wait(self, timeout_s: float) -> tuple[Event, ...]:
        """What happened, as soon as anything does; nothing after ``timeout_s``."""
        end_s = time.monotonic() + timeout_s
        while not self._events:
            now_s = time.monotonic()
            self._enforce(now_s)
            if now_s >= end_s:
                break
            due_s = min([end_s, *(watched.due_s() for watched, _ in self._runs.values())])
            for key, _ in self._selector.select(max(0.0, due_s - now_s)):
                key.data()
        events, self._events = tuple(self._events), []
        return events

    def _request(self, job: Job, *, is_fresh: bool, variables: dict[str, str]) -> Request:
        here = working_directory()
        return Request(
            name=job.name,
            cell=cell_to_json(job.cell),
            repeat=job.repeat,
            device=job.slot.device,
            folder=str(Path(job.folder).absolute()),
            entry=self._options.entry,
            is_fresh=is_fresh,
            threads=job.cell.settings.threads,
            memory_limit_bytes=self._options.memory_limit_bytes,
            directory=here,
            path=tuple(dict.fromkeys((*(entry or here for entry in sys.path), here))),
            variables=variables,
            submitted_s=time.monotonic(),
        )

    def _server(self, key: ServerKey, *, preload: tuple[str, ...], variables: dict[str, str]) -> ServerProcess:
        """The server for a key; those of other rounds that have nothing to do are ended.

        A round has several where some of its cells may reach the hub: they take turns, and their imports take long.
        """
        busy = {server for _, server in self._runs.values()}
        for other in [other for other in self._servers if other not in busy and other[:2] != key[:2]]:
            if other[0] == key[0]:
                self._drop(other)
        if key not in self._servers:
            server = ServerProcess(preload=preload, variables=variables)
            self._servers[key] = server
            self._selector.register(server.control, selectors.EVENT_READ, lambda: self._serve(key))
        return self._servers[key]

    def _drop(self, key: ServerKey) -> None:
        server = self._servers.pop(key)
        self._selector.unregister(server.control)
        server.close()

    def _serve(self, key: ServerKey) -> None:
        """Takes in what a server has said: runs that have started or ended, or its own end."""
        server = self._servers.get(key)
        if server is None:
            return  # ended by what was seen at the same moment
        for message in server.receive():
            watched, _ = self._runs.get(message.get("started") or message.get("ended") or "", (None, key))
            if watched is None:
                continue
            if "started" in message:
                watched.start(message["pid"], is_fresh=message["is_fresh"])
            else:
                self._finish(watched, status=message["status"], peak_bytes=message["peak_bytes"])
        if server.is_gone:
            words = server.last_words()
            self._drop(key)
            for watched in [watched for watched, other in self._runs.values() if other == key]:
                _kill_what_is_left(watched)  # the kernel has killed the cell alone, not what that has started
                self._finish(watched, status=None, peak_bytes=None, server=words)

    def _hear(self, watched: Watched) -> None:
        if watched.run.job.name not in self._runs:
            return  # ended by what was seen at the same moment
        beat, may_say_more = watched.hear()
        if beat is not None:
            self._events.append(beat)
        if not may_say_more:  # the server says how it ended
            self._selector.unregister(watched.pipe)

    def _enforce(self, now_s: float) -> None:
        for watched, key in self._runs.values():
            number = watched.run.signal_at(now_s)
            if number is not None and watched.run.pid is None:
                self._servers[key].terminate()  # it hangs while it imports, and would hear of nothing
            elif number is not None:
                self._servers[key].kill(watched.run.job.name, number)
            watched.look_at_board(now_s)

    def _finish(self, watched: Watched, *, status: int | None, peak_bytes: int | None, server: str = "") -> None:
        if watched.pipe in self._selector.get_map():
            self._hear(watched)  # what is still in the pipe, which holds less than is read at a time
        if watched.pipe in self._selector.get_map():  # held by a process that it has left behind
            self._selector.unregister(watched.pipe)
        job = watched.run.job
        del self._runs[job.name]
        ending = watched.ending(status=status, peak_bytes=peak_bytes, server=server)
        conditions, notes = watched.conditions(peak_bytes=peak_bytes)
        watched.close()
        outcome = outcome_of(
            job,
            failed=failure_after(ending),
            after=note_after(ending),
            conditions=conditions,
            notes=notes,
            is_asked_limit=bool(self._options.memory_limit_bytes),
        )
        self._events.append(Finished(job=job, outcome=outcome))


def _kill_what_is_left(watched: Watched) -> None:
    if watched.run.pid is not None:
        kill_group(watched.run.pid, watched.born)


def run_blocking(job: Job, *, tell: Tell | None = None, options: ExecutorOptions | None = None) -> Outcome:
    """One cell in a process of its own on this machine, from its start to its end.

    Args:
        job: that is run; its folder has to exist.
        tell: is told of signs of life, in this thread.
        options: how cells are run.

    Returns:
        The outcome, failed ones included.

    Raises:
        UnavailableError: on systems that have no such processes.
    """
    with Isolation(options or ExecutorOptions()) as isolation:
        isolation.start(job)
        while True:
            for event in isolation.wait(_PATIENCE_S):
                if isinstance(event, Finished):
                    return event.outcome
                if isinstance(event, Beat) and tell is not None:
                    tell(event.phase, event.done, event.total)
