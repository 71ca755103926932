"""The command that serves a folder, as a process with a group of its own, as a terminal gives it one."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import psutil
from viewer_servers import DEADLINE_S

SETTINGS = {"PYTHONWARNINGS": "ignore"}
_POLL_S = 0.01


@contextmanager
def started(*arguments: str) -> Iterator[subprocess.Popen[str]]:
    """The command as a process of its own."""
    command = [sys.executable, "-m", "layerprof", "tensorboard", *arguments]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "start_new_session": True}
    with subprocess.Popen(command, text=True, env=os.environ | SETTINGS, **pipes) as process:  # type: ignore[call-overload]  # the pipes are a dict
        try:
            yield process
        finally:
            process.kill()


@contextmanager
def running(*arguments: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """The command, and the line that tells where it listens."""
    with started(*arguments) as process:
        assert process.stdout is not None
        yield process, process.stdout.readline()


def await_true(is_so: Callable[[], bool]) -> None:
    deadline = time.monotonic() + DEADLINE_S
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(_POLL_S)


def children_of(process: subprocess.Popen[str]) -> list[psutil.Process]:
    return psutil.Process(process.pid).children(recursive=True)


def are_gone(processes: list[psutil.Process]) -> bool:
    """Whether all of them end; one that has ended counts even before its parent has asked for its status."""
    deadline = time.monotonic() + DEADLINE_S
    while any(map(_runs, processes)):
        if time.monotonic() >= deadline:
            return False
        time.sleep(_POLL_S)
    return True


def _runs(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
