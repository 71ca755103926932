"""A connection to a Ray cluster, or a cluster of this machine alone for as long as the sweep takes.

    the caller has called ray.init       used, and left as it is
    an address, or RAY_ADDRESS           joined; left at the end
    `ray start` was called here          likewise
    nothing of that                      a cluster of our own, in a temporary folder; ended at the end

Ray's habits that a measurement cannot have are switched off where the cluster is ours: reports of usage, a token in the
home folder, the dashboard, workers at niceness 15, and a monitor that kills workers where the cell's own limit of
memory would have told the reason. It listens on all interfaces and runs what it is told to, so it gets a token of its
own, which is kept in the environment alone. Ray's handler of SIGTERM and its messages on standard output are taken
back in any case.

Limits:
    Where the cluster's head dies, Ray ends the process that is connected to it after a minute. What was measured is in
    the sweep's folder, and the same sweep goes on from there.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import signal
import socket
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from layerprof.errors import InputError, UnavailableError
from layerprof.sweeping.executors.ray.base import scratch_folder

ADDRESS_VARIABLE = "RAY_ADDRESS"

_OF_OUR_OWN = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_worker_niceness": "0",
    "RAY_memory_monitor_refresh_ms": "0",
}
_AUTH_VARIABLE, _TOKEN_VARIABLE = "RAY_AUTH_MODE", "RAY_AUTH_TOKEN"
_RAYS_PREFIX, _OTHERS = "RAY_", frozenset({"PYTHONBREAKPOINT"})  # of variables that Ray sets in any process

_STORE_BYTES = 200_000_000  # for results on their way; Ray writes what exceeds it to its temporary folder
_PREFIX = "lpray-"  # of the folder of a cluster of our own
_LONGEST_FOLDER = 40  # characters: Ray adds 63 to its sockets' names, which end at 107 on Linux
_CONNECT_S = 2.0  # a cluster's head that is there answers in milliseconds


@contextmanager
def connected(address: str | None) -> Iterator[None]:
    """Makes Ray usable inside the block.

    Args:
        address: ``host:port`` of a cluster's head; None is the environment's, this machine's, or one of our own.

    Raises:
        InputError: for an address of Ray's client protocol.
        UnavailableError: when Ray is not installed, or the cluster does not answer.
    """
    with ExitStack() as stack:
        stack.enter_context(_variables_kept())
        try:
            import ray
        except ImportError as error:
            raise UnavailableError('the executor "ray" needs Ray; pip install "layerprof[ray]"') from error
        if not ray.is_initialized():
            stack.enter_context(_quiet())
            found = address or os.environ.get(ADDRESS_VARIABLE) or _started_here()
            _start(stack) if found in (None, "local") else _join(str(found))
            stack.callback(ray.shutdown)
        yield


def _join(address: str) -> None:
    import ray

    if address.startswith("ray://"):
        raise InputError(
            f"{address} speaks Ray's client protocol, which hands over no progress; start the sweep on a node of the "
            f"cluster and give the head's address, such as 10.0.0.1:6379"
        )
    _require_answer(address)
    with _signals_kept():
        try:
            ray.init(address=address, log_to_driver=False, configure_logging=False)
        except Exception as error:  # Ray has no error of its own for it
            reason = next(iter(str(error).splitlines()), type(error).__name__)
            raise UnavailableError(
                f"the Ray cluster at {address} cannot be joined ({reason}); see `ray status`, or unset "
                f"{ADDRESS_VARIABLE}"
            ) from error


def _start(stack: ExitStack) -> None:
    import ray

    folder = stack.enter_context(scratch_folder(_PREFIX, place=_place()))
    os.environ.update(_OF_OUR_OWN)
    os.environ.pop(ADDRESS_VARIABLE, None)
    if _AUTH_VARIABLE not in os.environ:
        os.environ.update({_AUTH_VARIABLE: "token", _TOKEN_VARIABLE: secrets.token_hex()})
        _read_anew()
    with _signals_kept():
        try:
            ray.init(
                address="local",
                include_dashboard=False,
                log_to_driver=False,
                configure_logging=False,
                object_store_memory=_STORE_BYTES,
                _temp_dir=str(folder),
            )
        except Exception as error:  # likewise
            ray.shutdown()
            raise UnavailableError(f"Ray did not start on this machine: {error}") from error


def _started_here() -> str | None:
    """The address that ``ray start`` left on this machine, if that cluster still answers.

    Ray's own search for ``auto`` also finds private clusters of other programs, which end with them.
    """
    root = Path(os.environ.get("RAY_TMPDIR") or os.environ.get("TMPDIR") or "/tmp")
    try:
        address = (root / "ray" / "ray_current_cluster").read_text(encoding="utf-8").strip()
        _require_answer(address)
    except (OSError, UnavailableError, InputError):
        return None
    return address


def _require_answer(address: str) -> None:
    """Returns where somebody listens at the address; Ray itself tries for two minutes.

    Raises:
        InputError: for what is no address.
        UnavailableError: when nobody listens.
    """
    host, _, port = address.rpartition(":")
    if not host or not port.isdigit():
        raise InputError(f"the address of a Ray cluster is host:port, such as 10.0.0.1:6379; found {address!r}")
    try:
        with socket.create_connection((host.strip("[]"), int(port)), timeout=_CONNECT_S):
            return
    except OSError as error:
        raise UnavailableError(
            f"no Ray cluster answers at {address} ({error}); see `ray status` there, or unset {ADDRESS_VARIABLE}"
        ) from error


def _place() -> Path:
    """For temporary files, where its name is short enough."""
    place = Path(tempfile.gettempdir())
    is_too_long = len(str(place / f"{_PREFIX}12345678")) > _LONGEST_FOLDER
    return Path("/tmp") if is_too_long and Path("/tmp").is_dir() else place


@contextmanager
def _variables_kept() -> Iterator[None]:
    """Puts back what the block, and Ray in it, changes of Ray's variables and of the debugger's."""

    def of_ray() -> dict[str, str]:
        return {name: word for name, word in os.environ.items() if name.startswith(_RAYS_PREFIX) or name in _OTHERS}

    before = of_ray()
    try:
        yield
    finally:
        for name in of_ray():
            del os.environ[name]
        os.environ.update(before)
        if "ray" in sys.modules:
            _read_anew()


def _read_anew() -> None:
    """Lets Ray read whether it needs a token, and which; it keeps both from its import on.

    These are private names of Ray 2.60, which has tokens by default; earlier ones have none of them.
    """
    with contextlib.suppress(ImportError, AttributeError):
        from ray import _raylet

        private: Any = _raylet
        private.Config.initialize("")
        private.AuthenticationTokenLoader.instance().reset_cache()


@contextmanager
def _signals_kept() -> Iterator[None]:
    """Takes back the handlers of signals that are set inside the block: ``ray.init`` makes SIGTERM an exit."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def _quiet() -> Iterator[None]:
    """Keeps Ray's messages about dead nodes and workers off standard output, where ``log_to_driver`` leaves them.

    The switch is a private one that Ray's own debugger uses; where it is gone, the messages are seen.
    """
    with contextlib.ExitStack() as stack:
        put_back = _silenced()
        stack.callback(put_back)
        yield


def _silenced() -> Callable[[], None]:
    from ray._private import worker

    before = getattr(worker, "_worker_logs_enabled", None)
    if before is None:
        return lambda: None
    worker._worker_logs_enabled = False
    return lambda: setattr(worker, "_worker_logs_enabled", before)
