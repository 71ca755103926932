"""What of a model is compiled: each part by itself, or the whole.

    compile         part.forward = torch.compile(part.forward)     what `generate` calls is compiled too
    compile_whole   torch.compile(model)                           a call of the model is, `generate` is not

A part's forward is replaced and the part is not, so hooks on the part itself still bracket it and it keeps its row;
its children run inside compiled code, where no hook fires.

Limits:
    Whatever else was compiled in the process is forgotten too when the block is left.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

import torch
from torch import nn

from layerprof.records import CellFailure
from layerprof.sweeping.base.failures import one_line
from layerprof.sweeping.base.refusals import RefusedError
from layerprof.sweeping.measuring.optimizing.base import (
    WHOLE,
    Compiled,
    GraphCounter,
    fresh_cache,
    many_graphs,
    missing_compiler,
    parts_to_compile,
    reset_compiler,
)

COMPILATIONS = ("compile", "compile_whole")

_REMEDIES: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r"No working C\+\+ compiler"), "install one (apt-get install g++)"),
    (re.compile(r"Python\.h: No such file"), "install Python's headers (apt-get install python3-dev)"),
    (re.compile(r"Cannot find a working triton"), "install triton (pip install triton)"),
)
"""What helps, by what the compiler of torch says that it lacks."""


@contextmanager
def compiled(model: nn.Module, optimization: str, *, backend: str) -> Iterator[Compiled]:
    """The block in which the model, or each of its parts, is compiled at its first call; afterwards nothing is.

    Args:
        model: not compiled.
        optimization: one of `COMPILATIONS`.
        backend: that torch knows by that name.

    Raises:
        RefusedError: before the block, where there is nothing to compile, or nothing to compile it with.
    """
    device = next((tensor.device for tensor in model.parameters()), torch.device("cpu"))
    lacking = missing_compiler(backend, device)
    if lacking is not None:
        raise RefusedError(_unavailable(optimization, lacking))
    with ExitStack() as stack:
        stack.enter_context(fresh_cache())
        stack.enter_context(many_graphs())
        stack.callback(reset_compiler)
        if optimization == "compile":
            yield stack.enter_context(_by_parts(model, backend))
        else:
            counter = GraphCounter(backend)
            whole: nn.Module = torch.compile(model, backend=counter)  # type: ignore[assignment]  # a module of a module
            yield Compiled(model=whole, counters={WHOLE: counter})


@contextmanager
def _by_parts(model: nn.Module, backend: str) -> Iterator[Compiled]:
    parts = parts_to_compile(model)
    if not parts:
        text = f"{type(model).__name__} has no parts that could be compiled by themselves; ask for compile_whole"
        raise RefusedError(CellFailure(kind="unsupported", text=text))
    counters = {part.name: GraphCounter(backend) for part in parts}
    with ExitStack() as stack:
        for part in parts:
            stack.enter_context(_other_forward(part.module, counters[part.name]))
        yield Compiled(model=model, counters=counters)


@contextmanager
def _other_forward(module: nn.Module, backend: GraphCounter) -> Iterator[None]:
    own: Callable[..., object] | None = vars(module).get("forward")  # one of the module's own stands before the class's
    module.forward = torch.compile(module.forward, backend=backend)
    try:
        yield
    finally:
        del module.forward
        if own is not None:
            module.forward = own


def lacking_compiler(optimization: str, error: BaseException) -> CellFailure | None:
    """The failure where a first call ended because torch has nothing to compile with; None for any other error."""
    links = [error]
    while (link := links[-1].__cause__ or links[-1].__context__) is not None and link not in links:
        links.append(link)
    said = next((str(link) for link in links if any(pattern.search(str(link)) for pattern, _ in _REMEDIES)), None)
    return None if said is None else _unavailable(optimization, said)


def _unavailable(optimization: str, said: str) -> CellFailure:
    found = ((pattern.search(said), remedy) for pattern, remedy in _REMEDIES)
    start, remedy = next(((match.start(), remedy) for match, remedy in found if match), (0, ""))
    line = one_line(said[start:].partition("\n")[0])
    text = f"{optimization} cannot be had here: {line}" + (f"; {remedy}" if remedy else "")
    return CellFailure(kind="unavailable", text=text)
