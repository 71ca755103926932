"""What torch's compiler is asked and what it tells: the only file that uses torch's private names for it.

    torch.compile ─ graph ─▶ GraphCounter ─ graph ─▶ the backend ─▶ what runs the graph, wrapped to count its runs

Compilations alone do not tell whether a step ran compiled code: a graph that exists already is not compiled again. So
runs are counted too, each graph's by itself.

Limits:
    Of private names (torch 2.11 to 2.13) there are `torch._dynamo.lookup_backend`, without which nothing is compiled,
    and three that may go without harm: ``torch._dynamo.utils.counters``, whose loss makes graph breaks None,
    ``torch._dynamo.config.recompile_limit``, whose loss leaves the compiler's own limit, and
    ``torch._inductor.cpp_builder``, whose loss makes a missing compiler known at the first call only.
"""

from __future__ import annotations

import functools
import os
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib import import_module

import torch

from layerprof.models.base import first_line

INDUCTOR = "inductor"

_CACHES = ("TORCHINDUCTOR_CACHE_DIR", "TRITON_CACHE_DIR")
_LIMIT, _MOST_GRAPHS = "recompile_limit", 64

_Run = Callable[..., object]


class GraphCounter:
    """A backend of ``torch.compile`` that counts the graphs that go through it, and their runs.

    Args:
        backend: name of the one that compiles them, such as ``inductor``.
    """

    def __init__(self, backend: str) -> None:
        self._compile = _backend_named(backend)
        self._runs: list[int] = []

    @property
    def compiled(self) -> int:
        """Graphs that were compiled so far."""
        return len(self._runs)

    @property
    def runs(self) -> tuple[int, ...]:
        """How often each of them ran, in the order in which they were compiled."""
        return tuple(self._runs)

    def __call__(self, graph: torch.fx.GraphModule, inputs: Sequence[torch.Tensor]) -> _Run:
        """What runs the graph, counted."""
        run = self._compile(graph, inputs)
        index = len(self._runs)
        self._runs.append(0)

        @functools.wraps(run)
        def counted(*arguments: object) -> object:
            self._runs[index] += 1
            return run(*arguments)

        return counted


def _backend_named(name: str) -> Callable[..., _Run]:
    from torch._dynamo import lookup_backend

    backend: Callable[..., _Run] = lookup_backend(name)
    return backend


def graph_breaks() -> int | None:
    """Graph breaks in this process so far; None where this torch does not tell."""
    utils = import_module("torch._dynamo.utils")
    counters = getattr(utils, "counters", None)
    if counters is None:
        return None
    breaks: Mapping[str, int] = counters.get("graph_break", {})
    return sum(breaks.values())


def reset_compiler() -> None:
    """Forgets all that was compiled in this process."""
    torch.compiler.reset()


@contextmanager
def fresh_cache() -> Iterator[None]:
    """The block in which the compiler's files on disk are its own, so that compiling takes what it takes a first time.

    Limits:
        What the system keeps of a compiler's own files, such as its headers in memory, stays warm.
    """
    with tempfile.TemporaryDirectory(prefix="layerprof-compiled-", ignore_cleanup_errors=True) as folder:
        before = {name: os.environ.get(name) for name in _CACHES}
        os.environ.update(dict.fromkeys(_CACHES, folder))
        try:
            yield
        finally:
            for name, value in before.items():
                if value is None:
                    os.environ.pop(name, None)
                else:
                    os.environ[name] = value


@contextmanager
def many_graphs() -> Iterator[None]:
    """The block in which a part may be compiled for many shapes before the compiler gives up and runs it as it is.

    All parts that are compiled by themselves share one limit, which is 8 by default; texts of a few lengths reach it.
    """
    config = import_module("torch._dynamo.config")
    if not hasattr(config, _LIMIT):
        yield
        return
    before = getattr(config, _LIMIT)
    setattr(config, _LIMIT, max(before, _MOST_GRAPHS))
    try:
        yield
    finally:
        setattr(config, _LIMIT, before)


def missing_compiler(backend: str, device: torch.device) -> str | None:
    """Why nothing can be compiled for a device, in one line; None where nothing is known against it."""
    if backend != INDUCTOR or device.type != "cpu":
        return None
    try:
        find: Callable[[], str] = import_module("torch._inductor.cpp_builder").get_cpp_compiler
    except (ImportError, AttributeError):
        return None
    try:
        find()
    except Exception as error:  # an error class of the private module
        return first_line(error)
    return None
