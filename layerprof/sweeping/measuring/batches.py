"""The batches of a cell, all of them: the time of bare steps over them, their work, and whether outputs are numbers."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import TypeVar

import torch
from torch import nn

from layerprof.profiling import Profiler, count_flops
from layerprof.progress import Show
from layerprof.records import CellFailure, Distribution, Note, Profile
from layerprof.sweeping.base.failures import failure_of
from layerprof.sweeping.base.metrics import Metrics
from layerprof.sweeping.base.numbers import nan_in_outputs
from layerprof.sweeping.base.workload import Workload
from layerprof.sweeping.measuring.base import RefusedError

_Shapes = tuple[tuple[str, tuple[int, ...]], ...]
_Batch = TypeVar("_Batch")


def longest_of(batches: Sequence[object]) -> object:
    """The batch with the most numbers in it."""
    return max(batches, key=_size)


def are_mixed(batches: Sequence[object]) -> bool:
    """Whether they differ in their shapes."""
    return len(_one_of_each(batches)) > 1


def latency_over(model: nn.Module, batches: Sequence[object], *, steps: int, tell: Show) -> Distribution | None:
    """The time of bare steps over the batches in turn, each as often as the others.

    Args:
        model: called as ``model(**batch)``, warm.
        batches: mappings of inputs.
        steps: at least so many, and each batch at least once.
        tell: is called between steps.
    """
    kwargs = [dict(batch) for batch in batches if isinstance(batch, Mapping)]
    rounds = -(-steps // len(kwargs))
    with torch.no_grad(), Profiler(model, passes=("bare",)) as profiler:
        for batch in _one_of_each(kwargs).values():
            tell("latency", 0, rounds * len(kwargs))
            model(**batch)  # libraries prepare for every new shape once
        for done, batch in enumerate(itertools.chain.from_iterable(itertools.repeat(kwargs, rounds))):
            tell("latency", done, rounds * len(kwargs))
            with profiler.step():
                model(**batch)
    return profiler.result().latency_s


def work_metrics(workload: Workload, layers: Profile) -> Metrics:
    """FLOPs, the mean over the batches; the peak of memory, of the longest one; and how many batches there are.

    Args:
        workload: whose batches are counted, each shape once.
        layers: of the longest batch.
    """
    longest = longest_of(workload.batches)
    flops = {} if layers.step_flops is None else {_shapes(longest): layers.step_flops}
    for batch in workload.batches:
        if _shapes(batch) not in flops:
            flops[_shapes(batch)] = count_flops(workload.model, batch).total
    total, count = sum(flops[_shapes(batch)] for batch in workload.batches), len(workload.batches)
    return {
        "flops": total // count if total % count == 0 else total / count,
        "peak_bytes": None if layers.memory is None else layers.memory.peak_bytes,
        "batches": count,
    }


def notes_on_outputs(workload: Workload, layers: Profile, *, allows_nan: bool, tell: Show) -> tuple[Note, ...]:
    """What is to be known of the outputs; one batch of each shape is looked at.

    Args:
        workload: that was measured.
        layers: of it, which the failure keeps.
        allows_nan: whether NaN is as it should be.
        tell: is called between batches.

    Raises:
        RefusedError: where outputs hold NaN and should not.
    """
    try:
        found = _nan_in(workload, tell)
    except KeyboardInterrupt:
        raise
    except Exception as error:  # the measurement is whole, whatever the model raises afterwards
        text = f"whether the outputs are numbers could not be looked at: {failure_of(error).text}"
        return (_note("outputs_unchecked", text),)
    if found is None:
        return ()
    if allows_nan:
        return (_note("nan_allowed", f"{found}, which allow_nan lets pass"),)
    text = f"{found}; try another dtype, such as bf16 or fp32, or set allow_nan where that is as it should be"
    raise RefusedError(CellFailure(kind="nan", text=text), layers)


def _nan_in(workload: Workload, tell: Show) -> str | None:
    chosen = tuple(_one_of_each(workload.batches).values())
    for done, batch in enumerate(chosen):
        tell("outputs", done, len(chosen))
        found = nan_in_outputs(workload.model, batch)
        if found is not None:
            return found
    return None


def _note(code: str, text: str) -> Note:
    return Note(code=code, quantity="outputs", scope="step", text=text)


def _one_of_each(batches: Sequence[_Batch]) -> dict[_Shapes, _Batch]:
    """A batch for each shape."""
    return {_shapes(batch): batch for batch in batches}


def _shapes(batch: object) -> _Shapes:
    if not isinstance(batch, Mapping):
        return ()
    return tuple((name, tuple(value.shape)) for name, value in batch.items() if isinstance(value, torch.Tensor))


def _size(batch: object) -> int:
    return sum(torch.Size(shape).numel() for _, shape in _shapes(batch))
