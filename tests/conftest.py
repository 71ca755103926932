"""Strictness that all tests share: no network, no hub, no display, the same random numbers, a cache of their own."""

from __future__ import annotations

import atexit
import gc
import ipaddress
import os
import random
import shutil
import socket
import sys
import tempfile
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import Any

import pytest

# Read once, when the libraries are imported: so they are set before any test module imports one.
os.environ.update(
    HF_HUB_OFFLINE="1",
    HF_DATASETS_OFFLINE="1",
    TRANSFORMERS_OFFLINE="1",
    TOKENIZERS_PARALLELISM="false",
    MPLBACKEND="Agg",
    OMP_NUM_THREADS="1",  # tiny tensors gain nothing from threads, and those of two processes wait for each other
)

if "PYTEST_XDIST_WORKER" not in os.environ:  # a worker, and a program that a test starts, inherits the folder
    _user_cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    os.environ.setdefault("MPLCONFIGDIR", str(_user_cache / "matplotlib"))  # its list of fonts takes seconds to make
    os.environ["XDG_CACHE_HOME"] = tempfile.mkdtemp(prefix="layerprof-tests-")
    atexit.register(shutil.rmtree, os.environ["XDG_CACHE_HOME"], ignore_errors=True)

_SEED = 20240229
_ALLOCATIONS_PER_COLLECTION = 10_000  # instead of 700: a full collection looks at a million things of the libraries


def _is_local(address: object) -> bool:
    """Whether a socket address stays on this machine: a Unix path, or the loopback."""
    if not isinstance(address, tuple):
        return True
    host = str(address[0])
    if host in ("", "localhost"):
        return True
    try:
        return ipaddress.ip_address(host.split("%")[0]).is_loopback
    except ValueError:
        return False


def _refusing_network(
    original: Callable[..., Any], *, position: int
) -> Callable[..., Any]:  # the socket module's own types
    """The function, but failing where the address in its argument at ``position`` is on another machine."""

    def guarded(*arguments: Any, **options: Any) -> Any:  # passes through whatever the socket module takes
        address = arguments[position] if len(arguments) > position else options.get("address")
        if not _is_local(address):
            pytest.fail(f"a test tried to reach {address!r}; tests use no network")
        return original(*arguments, **options)

    return guarded


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Has the libraries imported without collecting garbage, as what is imported stays, and less often from then on."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.collect()
        gc.enable()
        gc.set_threshold(_ALLOCATIONS_PER_COLLECTION)


@pytest.fixture(scope="session", autouse=True)
def _no_network() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket, "create_connection", _refusing_network(socket.create_connection, position=0))
        for name in ("connect", "connect_ex"):
            patch.setattr(socket.socket, name, _refusing_network(getattr(socket.socket, name), position=1))
        yield


@pytest.fixture(scope="session", autouse=True)
def _known_ceilings() -> None:
    """Puts ceilings that nothing outruns in the cache: a profile measures missing ones for seconds, on all cores."""
    if "torch" not in sys.modules:
        return
    import torch

    from layerprof import machine
    from layerprof.machine.ceilings.kept import facts_of, keep
    from layerprof.records import Ceilings, FrozenMapping

    cpu = torch.device("cpu")
    formats = ("float64", "float32", "bfloat16", "float16")
    known = Ceilings(
        kind="measured",
        device=machine.cpu_name(),
        source="written down for tests",
        matrix_flops_per_s=FrozenMapping(dict.fromkeys(formats, 1e15)),
        copy_bytes_per_s=1e13,
        launch_s=1e-6,
        conditions=FrozenMapping(dict.fromkeys((*formats, "copy", "launch"), "written down")),
    )
    keep(known, machine.ceilings_path(cpu), facts_of(machine._bench(cpu)))


@pytest.fixture(autouse=True)
def _same_random_numbers() -> None:
    random.seed(_SEED)
    numpy, torch = sys.modules.get("numpy"), sys.modules.get("torch")
    if numpy is not None:
        numpy.random.seed(_SEED)
    if torch is not None:
        torch.manual_seed(_SEED)
