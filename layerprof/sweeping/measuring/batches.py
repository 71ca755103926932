"""The batches of a cell, all of them: the time of bare steps over them, their work, and whether outputs are numbers."""

from __future__ import annotations

import itertools
from collections.abc import Mapping

import torch

from layerprof.profiling import Profiler, count_flops
from layerprof.progress import Show
from layerprof.records import CellFailure, Distribution, Note, Profile
from layerprof.sweeping.base.failures import failure_of
from layerprof.sweeping.base.metrics import Metrics
from layerprof.sweeping.base.numbers import nan_in_outputs
from layerprof.sweeping.base.refusals import RefusedError
from layerprof.sweeping.base.workload import Workload
from layerprof.sweeping.measuring.base import longest_of, one_of_each, shapes_of


def latency_over(workload: Workload, *, steps: int, tell: Show) -> Distribution | None:
    """The time of bare steps over the batches in turn, each as often as the others.

    Args:
        workload: whose batches are mappings of inputs; its model is warm.
        steps: at least so many, and each batch at least once.
        tell: is called between steps.
    """
    model, step = workload.model, workload.step
    placed = map(workload.placed, workload.batches)
    kwargs = [dict(batch) for batch in placed if isinstance(batch, Mapping)]
    rounds = -(-steps // len(kwargs))
    with torch.no_grad(), Profiler(model, passes=("bare",)) as profiler:
        for batch in one_of_each(kwargs):
            tell("latency", 0, rounds * len(kwargs))
            step.run(model, batch)  # libraries prepare for every new shape once
        for done, batch in enumerate(itertools.chain.from_iterable(itertools.repeat(kwargs, rounds))):
            tell("latency", done, rounds * len(kwargs))
            with profiler.step():
                step.run(model, batch)
    return profiler.result().latency_s


def work_metrics(workload: Workload, layers: Profile) -> Metrics:
    """FLOPs, the mean over the batches; the peak of memory, of the longest one; and how many batches there are.

    The last batch of a data set has what is left over. Its FLOPs stand by themselves; it is no part of the mean.

    Args:
        workload: whose batches are counted, each shape once.
        layers: of the longest batch.
    """
    longest = longest_of(workload.batches)
    flops = {} if layers.step_flops is None else {shapes_of(longest): layers.step_flops}
    last = workload.batches[-1] if workload.rest is None else workload.rest
    for batch in (*workload.batches, last):
        if shapes_of(batch) not in flops:
            flops[shapes_of(batch)] = _flops_of(workload, batch)
    total, count = sum(flops[shapes_of(batch)] for batch in workload.batches), len(workload.batches)
    found: Metrics = {
        "flops": total // count if total % count == 0 else total / count,
        "peak_bytes": None if layers.memory is None else layers.memory.peak_bytes,
        "batches": count,
    }
    if workload.questions is None or workload.samples is None:
        return found
    left_over = len(workload.questions.samples) % workload.samples
    return {**found, "flops_last_batch": flops[shapes_of(last)], "last_batch_samples": left_over or workload.samples}


def _flops_of(workload: Workload, batch: object) -> int:
    method, arguments = workload.step.method, workload.step.arguments or None
    return count_flops(workload.model, workload.placed(batch), method=method, method_kwargs=arguments).total


def notes_on_outputs(workload: Workload, layers: Profile, *, allows_nan: bool, tell: Show) -> tuple[Note, ...]:
    """What is to be known of the outputs; those of every batch are looked at.

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
    for done, batch in enumerate(workload.batches):  # all: what overflows depends on the data, not on their shape
        tell("outputs", done, len(workload.batches))
        found = nan_in_outputs(workload.model, workload.placed(batch))
        if found is not None:
            return found
    return None


def _note(code: str, text: str) -> Note:
    return Note(code=code, quantity="outputs", scope="step", text=text)
