"""A program that imports what is heavy once and then forks a child for each request.

    sweep ─ socket ─▶ server: imports, freezes its objects, says ready
                        ├─ fork ─▶ child: own session, log, limits ─▶ target(request, pipe)
                        └─ tells when a child has started and how it ended

``python -P -m layerprof.sweeping.isolation.server SOCKET PARENT TARGET [MODULE...]``. It is not multiprocessing's
server, whose children import the user's main script again. It has one thread, whose state a fork can copy whole.
OpenBLAS, which numpy loads, has more, but ends them before a fork; threads that do not end so are found out by a trial
fork, and children are then started anew instead.

When the socket closes or SIGTERM comes, as the kernel sends it when the sweep dies, all children and what they have
started are killed. When the server itself is killed, the kernel kills the children.

Limits:
    Children of one server share the addresses of its memory, which may shift a result by some per cent (Mytkowicz et
    al., ASPLOS 2009: "Producing wrong data without doing anything obviously wrong"). So each round has a server of its
    own, and a cell's repeats differ in them.
"""

from __future__ import annotations

import gc
import json
import os
import selectors
import signal
import socket
import sys
import time
import traceback
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from types import FrameType

from layerprof.ledger.base import is_full
from layerprof.sweeping.isolation.base import (
    Request,
    die_with_parent,
    encode,
    lines_of,
    prefer_as_victim,
    resolve,
    threads_of_process,
)

Target = Callable[[Request, int], None]

_CHUNK_BYTES = 1 << 16
_MOST_PIPES = 64  # in one message
_NO_START = 125  # exit status of a child that could not be set up


class Server:
    """Forks children on request, and kills them in the end.

    Args:
        control: the socket to the sweep.
        target: what a child does.

    Attributes:
        forks_whole: whether a fork has all that the server has; where libraries have threads that go on, it has not,
            and children start anew.
    """

    def __init__(self, control: socket.socket, target: Target) -> None:
        self._control, self._target = control, target
        self.forks_whole = True
        self._names: dict[int, str] = {}  # by process id
        self._pipes: deque[int] = deque()
        self._buffer = bytearray()
        self._wake, self._woken = socket.socketpair()
        self._is_ended = False

    def run(self) -> None:
        """Serves until the sweep is gone or SIGTERM comes."""
        for end in (self._wake, self._woken):
            end.setblocking(False)
        signal.set_wakeup_fd(self._wake.fileno(), warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, _do_nothing)
        signal.signal(signal.SIGTERM, self._end)
        with selectors.DefaultSelector() as selector:
            selector.register(self._control, selectors.EVENT_READ)
            selector.register(self._woken, selectors.EVENT_READ)
            while not self._is_ended:
                ready = {key.fileobj for key, _ in selector.select()}
                if self._woken in ready:
                    self._drain()
                    self._reap()
                if self._control in ready:
                    self._receive()
        self._kill_all()

    def tell(self, **message: object) -> None:
        """Says something to the sweep; one that is gone hears nothing."""
        with suppress(OSError):
            self._control.sendall(encode(message))

    def _end(self, number: int, frame: FrameType | None) -> None:
        self._is_ended = True

    def _drain(self) -> None:
        with suppress(BlockingIOError):
            while self._woken.recv(_CHUNK_BYTES):
                pass

    def _receive(self) -> None:
        try:
            data, pipes, _, _ = socket.recv_fds(self._control, _CHUNK_BYTES, _MOST_PIPES)
        except OSError:
            data, pipes = b"", []
        if not data:
            self._is_ended = True
        self._pipes.extend(pipes)
        self._buffer += data
        for message in lines_of(self._buffer):
            if "run" in message:
                self._start(Request.from_data(message["run"]), self._pipes.popleft())
            elif "kill" in message:
                self._kill(message["kill"], message["signal"])

    def _start(self, request: Request, pipe: int) -> None:
        own = os.getpid()
        request = replace(request, is_fresh=request.is_fresh or not self.forks_whole)
        pid = os.fork()
        if pid == 0:
            self._become_child(request, pipe, own)
        os.close(pipe)
        self._names[pid] = request.name
        self.tell(started=request.name, pid=pid, is_fresh=request.is_fresh)

    def _become_child(self, request: Request, pipe: int, parent: int) -> None:
        """Everything that a child does; it never returns."""
        status = _NO_START
        try:
            signal.set_wakeup_fd(-1)
            for number in (signal.SIGCHLD, signal.SIGTERM):
                signal.signal(number, signal.SIG_DFL)
            for end in (self._control, self._wake, self._woken):
                end.close()
            _isolate(request, parent)
            if request.is_fresh:
                _start_anew(request, pipe)
            self._target(request, pipe)
            status = 0
        except SystemExit as error:
            status = error.code if isinstance(error.code, int) else 1
        except BaseException as error:
            with suppress(OSError):
                if is_full(error):
                    os.write(pipe, encode({"full": request.folder}))
                traceback.print_exc()
        finally:
            with suppress(Exception):
                sys.stdout.flush()
                sys.stderr.flush()
            os._exit(status)

    def _kill(self, name: str, number: int) -> None:
        """Sends a signal to a child's group; never to another's, since a child that was not waited for keeps its id."""
        for pid, other in self._names.items():
            if other == name:
                _signal_group(pid, number)

    def _reap(self) -> None:
        for pid, name in tuple(self._names.items()):
            if os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None:
                _signal_group(pid, signal.SIGKILL)  # what it has left behind
                _, status, usage = os.wait4(pid, 0)
                del self._names[pid]
                unit_bytes = 1 if sys.platform == "darwin" else 1024  # getrusage(2) of each
                self.tell(ended=name, status=os.waitstatus_to_exitcode(status), peak_bytes=usage.ru_maxrss * unit_bytes)

    def _kill_all(self) -> None:
        for pid in self._names:
            _signal_group(pid, signal.SIGKILL)
        for pid in self._names:
            with suppress(ChildProcessError):
                os.waitpid(pid, 0)


def _isolate(request: Request, parent: int) -> None:
    """Own session, nothing to read, a log to write, and an end that comes with the server's."""
    os.setsid()
    log = os.open(Path(request.folder) / "log.txt", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    nothing = os.open(os.devnull, os.O_RDONLY)
    for source, target in ((nothing, 0), (log, 1), (log, 2)):
        os.dup2(source, target)
    if not die_with_parent(signal.SIGKILL, parent=parent):
        os._exit(_NO_START)
    prefer_as_victim()
    os.chdir(request.directory)
    os.environ.update(request.variables)


def _start_anew(request: Request, pipe: int) -> None:
    """Becomes a new interpreter, for devices whose libraries a fork would break."""
    asked = Path(request.folder) / "request.json"
    asked.write_text(json.dumps(request.to_data()), encoding="utf-8")
    os.set_inheritable(pipe, True)
    program = "layerprof.sweeping.isolation.cell"
    os.execv(sys.executable, (sys.executable, "-P", "-m", program, str(asked), str(pipe)))


def _signal_group(pid: int, number: int) -> None:
    """To a child and what it has started; the child alone where it has no group yet."""
    try:
        os.killpg(pid, number)
    except ProcessLookupError:
        with suppress(ProcessLookupError):
            os.kill(pid, number)
    except PermissionError:  # macOS: of a group whose processes have all ended
        pass


def _do_nothing(number: int, frame: FrameType | None) -> None:
    """A handler, without which the signal would not wake the selector."""


def _threads_after_fork() -> int:
    """How many threads are left when a fork is over: libraries may end theirs before one, and begin them again."""
    pid = os.fork()
    if pid == 0:
        os._exit(0)
    os.waitpid(pid, 0)
    return threads_of_process()


def _import_all(names: Sequence[str]) -> list[str]:
    """Imports what can be imported, and says what cannot; a cell that needs it fails with the reason."""
    missing = []
    for name in names:
        try:
            resolve(name)
        except Exception as error:
            missing.append(f"{name}: {type(error).__name__}: {error}")
    return missing


def main(arguments: Sequence[str]) -> None:
    """Serves one sweep.

    Args:
        arguments: number of the socket, process id of the sweep, what children call, and what is imported before.
    """
    number, parent, target, *modules = arguments
    if not die_with_parent(signal.SIGTERM, parent=int(parent)):
        return
    began_s = time.monotonic()
    server = Server(socket.socket(fileno=int(number)), resolve(target))
    missing = _import_all(modules)
    gc.collect()
    gc.freeze()  # so that no child copies a page to look for garbage in it
    threads = _threads_after_fork() if modules else 1
    server.forks_whole = threads == 1
    server.tell(ready=True, threads=threads, missing=missing, took_s=time.monotonic() - began_s)
    server.run()


if __name__ == "__main__":
    main(sys.argv[1:])
