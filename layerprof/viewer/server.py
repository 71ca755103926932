"""TensorBoard in a thread of this process, on one port, with one profiler plugin."""

from __future__ import annotations

import errno
import logging
import multiprocessing
import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from layerprof.errors import InputError
from layerprof.viewer.base import PLUGIN_NAME

if TYPE_CHECKING:
    from tensorboard.program import TensorBoard

_TO_COME = "In 3.0, this warning will become an error"  # of headers that the plugin and TensorBoard itself leave out
_HIGHEST_PORT = 65535
_POLL_S = 0.05  # between two looks of a server whether it is to end; by default half a second, for which Ctrl-C waits
_SAMPLES = (
    "scalars=100000,images=1000,text=1000"  # of a tag; else of more than 1,000 layers some are left out by chance
)


class _Closable(Protocol):
    def shutdown(self) -> None: ...
    def server_close(self) -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What `layerprof.viewer.serve` is asked for."""

    logdir: Path
    host: str
    port: int | None
    reload_interval_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Installation:
    """What is served in the place of what is installed.

    Attributes:
        plugin: for traces, or None to leave the installed one.
        pages: the archive of TensorBoard's own pages, or None to leave the installed ones.
    """

    plugin: type | None
    pages: bytes | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """A TensorBoard that runs.

    Attributes:
        url: to open.
        note: one line on what does not work, or None where all does.
    """

    url: str
    note: str | None

    def wait(self) -> None:
        """Returns never; Ctrl-C comes out of it as KeyboardInterrupt."""
        threading.Event().wait()


@contextmanager
def running(installation: Installation, options: Options) -> Iterator[str]:
    """TensorBoard until the block is left; the value is its address.

    Args:
        installation: what is not as installed.
        options: folder and place.

    Raises:
        InputError: where the port cannot be had.
    """
    _require_place(options.host, options.port)
    with ExitStack() as stack:
        stack.enter_context(_quiet_logs())
        stack.enter_context(_ending_readers())
        servers: list[_Closable] = []
        stack.callback(_close, servers)
        program = _program(installation, servers)
        program.configure(argv=_arguments(options))
        yield _launched(program, port=options.port)


def _arguments(options: Options) -> list[str]:
    arguments = ["tensorboard", "--logdir", str(options.logdir), "--host", options.host]
    arguments += ["--reload_interval", str(options.reload_interval_s)]
    arguments += ["--samples_per_plugin", _SAMPLES]
    arguments += ["--load_fast", "false"]  # the other loader is a program of its own, which is not always there
    return arguments if options.port is None else [*arguments, "--port", str(options.port)]


def _require_place(host: str, port: int | None) -> None:
    """Returns where the port can be listened at; TensorBoard's own server prints and exits where not."""
    if port is not None and not 0 <= port <= _HIGHEST_PORT:
        raise InputError(f"port {port} does not exist; give one from 1 to {_HIGHEST_PORT}, or 0 for any that is free")
    try:
        family = socket.getaddrinfo(host, port or 0, type=socket.SOCK_STREAM)[0][0]
        socket.create_server((host, port or 0), family=family).close()
    except OSError as error:
        raise InputError(_refusal(error, host, port)) from error


def _refusal(error: OSError, host: str, port: int | None) -> str:
    if error.errno == errno.EADDRINUSE:
        return f"port {port} is in use; give another --port, or 0 for any that is free"
    if error.errno == errno.EACCES:
        return f"port {port} is kept for the system; give a --port from 1024 on, or 0 for any that is free"
    return f"cannot listen at {host}: {error.strerror or error}; give a --host of this machine, such as 127.0.0.1"


def _program(installation: Installation, servers: list[_Closable]) -> TensorBoard:
    from tensorboard import default
    from tensorboard.program import TensorBoard, create_port_scanning_werkzeug_server

    plugins = default.get_plugins()
    if installation.plugin is not None:
        plugins = [plugin for plugin in plugins if getattr(plugin, "plugin_name", None) != PLUGIN_NAME]
        plugins.append(installation.plugin)
    pages = None if installation.pages is None else partial(BytesIO, installation.pages)

    def make(app: object, flags: object) -> object:
        server = create_port_scanning_werkzeug_server(app, flags)
        server.serve_forever = partial(server.serve_forever, poll_interval=_POLL_S)
        servers.append(server)
        return server

    return TensorBoard(plugins=plugins, assets_zip_provider=pages, server_class=make)


def _launched(program: TensorBoard, *, port: int | None) -> str:
    from tensorboard.program import TensorBoardServerException

    try:
        return str(program.launch())
    except TensorBoardServerException as error:
        place = "6006 and the ports after it are" if port is None else f"port {port} is"
        raise InputError(f"{place} in use; give another --port, or 0 for any that is free") from error


def _close(servers: list[_Closable]) -> None:
    for server in servers:
        server.shutdown()
        server.server_close()


@contextmanager
def _ending_readers() -> Iterator[None]:
    """Ends the processes that still read traces; one would keep this process from ending."""
    before = set(multiprocessing.active_children())
    try:
        yield
    finally:
        for process in set(multiprocessing.active_children()) - before:
            process.kill()
            process.join()


@contextmanager
def _quiet_logs() -> Iterator[None]:
    """Keeps back remarks on what a TensorBoard to come will ask of its plugins."""
    logger = logging.getLogger("tensorboard")
    logger.addFilter(_is_of_now)
    try:
        yield
    finally:
        logger.removeFilter(_is_of_now)


def _is_of_now(record: logging.LogRecord) -> bool:
    return not record.getMessage().startswith(_TO_COME)
