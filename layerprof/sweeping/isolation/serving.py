"""The sweep's end of a server: starting it, talking with it, and seeing that it goes.

A server that dies takes its children with it, and is seen by the end of its socket. Nothing here waits for it, except
its end.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

from layerprof.sweeping.isolation.base import Request, encode, lines_of

_PROGRAM = "layerprof.sweeping.isolation.server"
_TARGET = "layerprof.sweeping.isolation.cell:run"
_CHUNK_BYTES = 1 << 16
_END_S = 5.0  # that a server has to kill its children and end
_TAIL_BYTES = 4_096  # of its log


class ServerProcess:
    """A server of cells' processes.

    Args:
        preload: what it imports before its first child.
        variables: of the environment, which are set before it imports anything.
    """

    def __init__(self, *, preload: Sequence[str], variables: Mapping[str, str]) -> None:
        self._log = tempfile.TemporaryFile()  # has no name, so a sweep that is killed leaves none  # noqa: SIM115
        self._buffer = bytearray()
        self.is_gone = False
        self.control, theirs = socket.socketpair()
        arguments = (str(theirs.fileno()), str(os.getpid()), _TARGET, *preload)
        with theirs:
            self._process = subprocess.Popen(
                # -P: files in the working directory must not stand in for the standard library's.
                (sys.executable, "-P", "-m", _PROGRAM, *arguments),
                stdin=subprocess.DEVNULL,
                stdout=self._log,
                stderr=self._log,
                env={**os.environ, **variables},
                pass_fds=(theirs.fileno(),),
                start_new_session=True,  # Ctrl-C in a terminal is the sweep's to handle
            )

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    def start(self, request: Request) -> int:
        """Has a cell's process started, as soon as the server is ready; gives the pipe's end to read it by."""
        read, write = os.pipe()
        os.set_blocking(read, False)
        with suppress(OSError):  # a server that is gone is seen by the end of its socket
            socket.send_fds(self.control, [encode({"run": request.to_data()})], [write])
        os.close(write)
        return read

    def kill(self, name: str, number: int) -> None:
        """Has a signal sent to a run's processes; nothing where they have ended."""
        with suppress(OSError):
            self.control.sendall(encode({"kill": name, "signal": number}))

    def receive(self) -> list[dict[str, Any]]:
        """What the server has said; afterwards `is_gone` tells whether it is."""
        try:
            data = self.control.recv(_CHUNK_BYTES)
        except OSError:
            data = b""
        self.is_gone = self.is_gone or not data
        self._buffer += data
        return lines_of(self._buffer)

    def last_words(self) -> str:
        """The last line that it wrote, with its status where it has ended."""
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(timeout=_END_S)
        size = os.fstat(self._log.fileno()).st_size
        tail = os.pread(self._log.fileno(), _TAIL_BYTES, max(0, size - _TAIL_BYTES))
        lines = tail.decode("utf-8", "replace").strip().splitlines()
        status = self._process.returncode
        return f"it ended with status {status}: {lines[-1].strip() if lines else 'it said nothing'}"

    def terminate(self) -> None:
        """Kills it at once, and so its children."""
        self._process.kill()

    def close(self) -> None:
        """Ends it and its children; returns when they are gone."""
        self.control.close()
        self._log.close()
        self._process.terminate()  # one that still imports does not see that its socket is closed
        try:
            self._process.wait(timeout=_END_S)
        except BaseException as error:  # a second Ctrl-C must not leave it running either
            self._process.kill()
            self._process.wait()
            if not isinstance(error, subprocess.TimeoutExpired):
                raise
