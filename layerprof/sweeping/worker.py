"""One cell measured: its layers and memory on the longest batch, its latency and FLOPs over all batches.

    batches ─┬─ the one with the most tokens ── profile: layers, peak memory, its own latency
             └─ all of them, in turn ────────── bare steps: latency;  a count for each shape: FLOPs

As a program, ``python -m layerprof.sweeping.worker PLANNED FOLDER``, it does this in a process of its own. It exits
with 0 whenever it leaves an outcome, failed ones included.

Limits:
    Texts are padded to the longest of their batch, so batches differ in length: a latency is the median over them, and
    FLOPs are their mean. Samples that fill no batch are left out, with a note.
"""

from __future__ import annotations

import itertools
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import torch
from torch import nn

from layerprof import stats
from layerprof.errors import InputError, LayerprofError, MeasurementError, UnavailableError
from layerprof.profiling import Profiler, count_flops, profile
from layerprof.records import CellFailure, CellRecord, Distribution, EnergyOptions, FrozenMapping, Note, Profile
from layerprof.sweeping.base import Outcome, PlannedCell, cell_from_json, write_outcome
from layerprof.sweeping.base.workload import Workload, labelled, load_workload

PASSES = ("time", "flops", "memory", "energy")

_WIDE = 0.1  # of a median: batches that differ in length alone stay below it

_Shapes = tuple[tuple[str, tuple[int, ...]], ...]


def measure(cell: PlannedCell) -> Outcome:
    """The cell measured; what goes wrong is a failed cell with its reason, not an exception.

    Raises:
        KeyboardInterrupt: on Ctrl-C.
    """
    try:
        return _measured(cell)
    except KeyboardInterrupt:
        raise
    except Exception as error:  # a model may raise anything, and the other cells go on
        partial = error.partial if isinstance(error, MeasurementError) else None
        record = CellRecord(id=cell.id, axes=cell.axes, status="failed", failure=_failure_of(error))
        return Outcome(record=record, profile=partial)


def _failure_of(error: Exception) -> CellFailure:
    text = " ".join(str(error).split())
    if isinstance(error, InputError | UnavailableError):
        return CellFailure(kind="invalid" if isinstance(error, InputError) else "unavailable", text=text)
    return CellFailure(
        kind="exception", text=text if isinstance(error, LayerprofError) else f"{type(error).__name__}: {text}"
    )


def _measured(cell: PlannedCell) -> Outcome:
    settings = cell.settings
    workload = load_workload(cell.model, settings)
    longest = max(workload.batches, key=_size)
    layers = profile(
        workload.model,
        longest,
        passes=PASSES,
        warmup=settings.warmup,
        repeats=settings.repeats,
        energy_options=EnergyOptions(layers="none", samples=workload.samples),
    )
    layers = labelled(layers, workload.labels)
    latency_s = _latency(workload, layers)
    metrics = {**_latency_metrics(latency_s), **_work_metrics(workload, layers, longest), **_energy_metrics(layers)}
    samples = settings.batch_size if settings.samples is not None else None
    record = CellRecord(
        id=cell.id,
        axes=cell.axes,
        status="done",
        metrics=FrozenMapping({**metrics, **_per_sample(metrics, samples)}),
        notes=(*_notes_on_profile(layers), *_notes_on_batches(cell, workload), *notes_on_latency(latency_s)),
    )
    return Outcome(record=record, profile=layers)


def _latency(workload: Workload, layers: Profile) -> Distribution | None:
    """Of the one batch as its profile has it, or of all in turn."""
    if layers.latency_s is None or len(workload.batches) == 1:
        return layers.latency_s
    return latency_over(workload.model, workload.batches, steps=layers.latency_s.n)


def _latency_metrics(latency_s: Distribution | None) -> dict[str, float | int | None]:
    if latency_s is None:
        return {"latency_s": None}
    low_s, high_s = latency_s.ci95 or (None, None)
    return {"latency_s": latency_s.median, "latency_low_s": low_s, "latency_high_s": high_s, "steps": latency_s.n}


def latency_over(model: nn.Module, batches: Sequence[object], *, steps: int) -> Distribution | None:
    """The time of bare steps over the batches in turn, each as often as the others.

    Args:
        model: called as ``model(**batch)``, warm.
        batches: mappings of inputs.
        steps: at least so many, and each batch at least once.
    """
    kwargs = [dict(batch) for batch in batches if isinstance(batch, Mapping)]
    rounds = -(-steps // len(kwargs))
    with torch.no_grad(), Profiler(model, passes=("bare",)) as profiler:
        for batch in {_shapes(batch): batch for batch in kwargs}.values():
            model(**batch)  # libraries prepare for every new shape once
        for batch in itertools.chain.from_iterable(itertools.repeat(kwargs, rounds)):
            with profiler.step():
                model(**batch)
    return profiler.result().latency_s


def _work_metrics(workload: Workload, layers: Profile, longest: object) -> dict[str, float | int | None]:
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


def _energy_metrics(layers: Profile) -> dict[str, float | int | None]:
    """Joules of a step on the longest batch, with the ends of their interval; nothing where none were counted."""
    if layers.energy is None:
        return {}
    low_j, high_j = layers.energy.step.ci95_j or (None, None)
    return {"energy_j": layers.energy.step.total_j, "energy_low_j": low_j, "energy_high_j": high_j}


def _per_sample(metrics: Mapping[str, float | int | None], samples: int | None) -> dict[str, float | int | None]:
    """Latency, FLOPs and joules of one sample; nothing where it is not known how many a step has."""
    if samples is None:
        return {}
    latency_s, flops, energy_j = metrics["latency_s"], metrics["flops"], metrics.get("energy_j")
    return {
        "latency_per_sample_s": None if latency_s is None else latency_s / samples,
        "flops_per_sample": None if flops is None else flops / samples,
        "energy_j_per_sample": None if energy_j is None else energy_j / samples,
    }


def _notes_on_profile(layers: Profile) -> Iterator[Note]:
    yield from {note.text: note for note in layers.notes if note.quantity == "energy"}.values()  # each reason once
    for check in layers.checks:
        if not check.ok:
            yield Note(code="check_failed", quantity=check.name, scope="step", text=check.detail)
    for op in layers.uncounted:
        yield Note(code="uncounted", quantity="flops", scope="step", text=f"{op.op} has no formula and is not counted")


def _notes_on_batches(cell: PlannedCell, workload: Workload) -> Iterator[Note]:
    if len({_shapes(batch) for batch in workload.batches}) > 1:
        text = "of the batch with the longest text; latency is the median and FLOPs the mean over all batches"
        yield Note(code="batches_differ", quantity="peak_bytes", scope="step", text=text)
        yield Note(code="batches_differ", quantity="energy_j", scope="step", text=text)
    size, samples = cell.settings.batch_size, cell.settings.samples
    if samples is not None and samples % size:
        text = f"{samples % size} of {samples} samples fill no batch of {size} and were left out"
        yield Note(code="samples_left_out", quantity="samples", scope="step", text=text)


def notes_on_latency(latency_s: Distribution | None) -> Iterator[Note]:
    """A note where the latency's interval is too wide to compare it with others."""
    width = stats.relative_half_width(latency_s.samples) if latency_s is not None else None
    if width is not None and width > _WIDE:
        text = f"an interval is wider than ±{_WIDE:.0%} of its median; measure again on a quieter machine"
        yield Note(code="unsteady", quantity="latency_s", scope="step", text=text)


def _shapes(batch: object) -> _Shapes:
    if not isinstance(batch, Mapping):
        return ()
    return tuple((name, tuple(value.shape)) for name, value in batch.items() if isinstance(value, torch.Tensor))


def _size(batch: object) -> int:
    return sum(torch.Size(shape).numel() for _, shape in _shapes(batch))


def run(planned: Path, folder: Path) -> None:
    """Measures the cell that a file describes and leaves its outcome in the folder."""
    cell = cell_from_json(planned.read_text(encoding="utf-8"))
    write_outcome(measure(cell), folder)


if __name__ == "__main__":
    run(Path(sys.argv[1]), Path(sys.argv[2]))
