"""One run of a cell: its layers and memory on the longest batch, its latency and FLOPs over all batches, its answers.

    batches ─┬─ one of each shape ───────────── first calls: what is compiled is compiled now
             ├─ the one with the most tokens ── profile: layers, peak memory, its own latency
             ├─ all of them, in turn ────────── bare steps: latency;  a count for each shape: FLOPs
             ├─ the longest once more ───────── what was in force: graphs, attention, dtypes
             ├─ one of each shape once more ─── are its outputs numbers?
             └─ all, and what fills no batch ── answers, by generation with a natural stop, scored

Every measured step of a cell does the same work, so that all cells can be compared; answers are no part of it. The
process around it, its limits and what was seen beside it are the executor's.

Limits:
    Texts are padded to the longest of their batch, so batches differ in length: a latency is the median over them, and
    FLOPs are their mean. Samples that fill no batch are answered and counted, and no part of latency, with a note.
"""

from __future__ import annotations

import time
from dataclasses import replace

import torch

from layerprof.errors import MeasurementError
from layerprof.ledger import Outcome
from layerprof.profiling import profile
from layerprof.progress import Show
from layerprof.records import (
    CellFailure,
    Distribution,
    EnergyOptions,
    EvidenceRecord,
    FrozenMapping,
    Note,
    Profile,
    RunConditions,
    RunRecord,
    RunSummary,
)
from layerprof.sweeping.base import PlannedCell, Settings, source_of
from layerprof.sweeping.base.failures import failure_of
from layerprof.sweeping.base.metrics import (
    COMPILATIONS,
    Metrics,
    convolution_metrics,
    energy_metrics,
    latency_metrics,
    notes_on_batches,
    notes_on_latency,
    notes_on_peak,
    notes_on_profile,
    notes_on_warmup,
    per_sample,
    stop_rule,
)
from layerprof.sweeping.base.refusals import RefusedError
from layerprof.sweeping.base.workload import Workload, labelled
from layerprof.sweeping.measuring.answers import answer
from layerprof.sweeping.measuring.asked import built, require_threads, threads_of
from layerprof.sweeping.measuring.base import Course, are_mixed, longest_of
from layerprof.sweeping.measuring.batches import latency_over, notes_on_outputs, work_metrics
from layerprof.sweeping.measuring.evidence import look, prepare
from layerprof.sweeping.measuring.optimizing import failure_of_truth, optimized

PASSES = ("time", "flops", "memory", "energy")

QUICK_WARMUP, QUICK_REPEATS = 1, 6  # six steps: the fewest that give the median an interval
_ENERGY = EnergyOptions(layers="none")
_QUICK_ENERGY = EnergyOptions(layers="none", target_rel=0.05, windows=3, max_s=30.0)


def _tell_nobody(what: str, done: int, total: int | None) -> None:
    """Nobody waits for signs of life."""


def measure(cell: PlannedCell, tell: Show = _tell_nobody) -> Outcome:
    """The cell measured once; what goes wrong is a failed run with its reason, not an exception.

    Args:
        cell: what to measure; the device that it names is used, and nothing is set for the machine.
        tell: is called between steps with what is being done, the steps done, and the steps to do or None.

    Returns:
        The run, done or failed, without the environment, which its executor knows. Of the process's conditions it has
        the threads that were in force while the model was measured; the executor adds the others.

    Raises:
        KeyboardInterrupt: on Ctrl-C.
    """
    course = Course(source=source_of(cell.model))
    try:
        with threads_of(cell.settings.threads):
            return _measured(cell, tell, course)
    except KeyboardInterrupt:
        raise
    except RefusedError as refusal:
        return _failed(cell, course, refusal.failure, refusal.partial)
    except Exception as error:  # a model may raise anything, and the other cells go on
        partial = error.partial if isinstance(error, MeasurementError) else None
        return _failed(cell, course, failure_of(error), partial)


def _measured(cell: PlannedCell, tell: Show, course: Course) -> Outcome:
    with course.span("build"):
        tell("build", 0, None)
        workload = built(cell, tell)
    with optimized(workload.model, cell.settings.optimization) as way:
        workload = replace(workload, model=way.model)
        with course.span("prepare"):
            prepare(way, workload, tell)
        with course.span("measure"):
            layers = _profiled(cell.settings, workload, workload.placed(longest_of(workload.batches)), tell)
            latency_s = _latency(workload, layers, tell)
            course.threads = torch.get_num_threads()  # now: the model may have set others when it was built or called
            require_threads(cell.settings.threads, course.threads, layers)
            metrics = _metrics(cell.settings, workload, layers, latency_s)
        with course.span("look"):
            look(way, workload, course, tell)
            _require_in_force(course, layers)
            on_outputs = _notes_on_outputs(cell.settings, workload, layers, course, tell)
        with course.span("answer"):
            answer(way, workload, cell.settings, course, tell)
    notes = (*_notes(cell.settings, workload, layers, latency_s), *on_outputs, *course.notes)
    summary = replace(_summary(cell, course), metrics=FrozenMapping({**metrics, **course.metrics}), notes=notes)
    record = replace(_record(cell, course, summary), latency_s=latency_s)
    return Outcome(record=record, profile=layers, evidence=_evidence(course))


def _notes_on_outputs(
    settings: Settings, workload: Workload, layers: Profile, course: Course, tell: Show
) -> tuple[Note, ...]:
    """What is to be known of the outputs, which the truth about the run then knows too.

    Raises:
        RefusedError: where they hold NaN and should not.
    """
    try:
        notes = notes_on_outputs(workload, layers, allows_nan=settings.allow_nan, tell=tell)
    except RefusedError:
        course.know(has_nan=True)
        raise
    codes = {note.code for note in notes}
    course.know(has_nan=None if "outputs_unchecked" in codes else "nan_allowed" in codes)
    return notes


def _require_in_force(course: Course, layers: Profile) -> None:
    """Returns where what was asked for was in force, or nobody could look.

    Raises:
        RefusedError: where it was not: then the numbers are another way's.
    """
    failure = None if course.truth is None else failure_of_truth(course.truth)
    if failure is not None:
        raise RefusedError(failure, layers)


def _failed(cell: PlannedCell, course: Course, failure: CellFailure, partial: Profile | None) -> Outcome:
    summary = replace(_summary(cell, course), status="failed", failure=failure)
    return Outcome(record=_record(cell, course, summary), profile=partial, evidence=_evidence(course))


def _evidence(course: Course) -> EvidenceRecord | None:
    if course.truth is None and course.quality is None:
        return None
    return EvidenceRecord(truth=course.truth, quality=course.quality)


def _summary(cell: PlannedCell, course: Course) -> RunSummary:
    return RunSummary(cell=cell.id, status="done", ended_at_s=time.time(), source=course.source)


def _record(cell: PlannedCell, course: Course, summary: RunSummary) -> RunRecord:
    conditions = None if course.threads is None else RunConditions(isolation="inline", threads=course.threads)
    return RunRecord(summary=summary, axes=cell.axes, conditions=conditions, spans_s=FrozenMapping(course.seconds))


def _notes(settings: Settings, workload: Workload, layers: Profile, latency_s: Distribution | None) -> tuple[Note, ...]:
    return (
        *notes_on_profile(layers),
        *notes_on_batches(settings, is_mixed=are_mixed(workload.batches)),
        *notes_on_warmup(layers.warmup_s, is_asked=layers.spec.warmup is not None),
        *notes_on_latency(latency_s),
        *notes_on_peak(settings),
    )


def _profiled(settings: Settings, workload: Workload, longest: object, tell: Show) -> Profile:
    """The passes on the longest batch, with what they were run on and why the steps ended when they did."""
    warmup, repeats = _steps_asked(settings)
    layers = profile(
        workload.model,
        longest,
        method=workload.step.method,
        method_kwargs=workload.step.arguments or None,
        passes=(*PASSES, "ops") if settings.trace or _has_kernels(workload) else PASSES,
        warmup=warmup,
        repeats=repeats,
        energy_options=replace(_QUICK_ENERGY if settings.quick else _ENERGY, samples=workload.samples),
        progress=tell,
    )
    kept = layers if settings.trace else replace(layers, timeline=None)
    return labelled(kept, {**workload.labels, **stop_rule(layers)})


def _has_kernels(workload: Workload) -> bool:
    """Whether the model is on a device that runs kernels, of which the ops pass alone can tell the time."""
    return workload.device.type != "cpu"


def _steps_asked(settings: Settings) -> tuple[int | None, int | None]:
    """Steps to warm up and to measure, or None where they are found out."""
    if not settings.quick:
        return settings.warmup, settings.repeats
    warmup = QUICK_WARMUP if settings.warmup is None else settings.warmup
    return warmup, QUICK_REPEATS if settings.repeats is None else settings.repeats


def _latency(workload: Workload, layers: Profile, tell: Show) -> Distribution | None:
    """Of the one batch as its profile has it, or of all in turn."""
    if layers.latency_s is None or len(workload.batches) == 1:
        return layers.latency_s
    return latency_over(workload, steps=layers.latency_s.n, tell=tell)


def _metrics(settings: Settings, workload: Workload, layers: Profile, latency_s: Distribution | None) -> Metrics:
    metrics = {
        **latency_metrics(latency_s, layers.warmup_s),
        **work_metrics(workload, layers),
        **convolution_metrics(layers, has_kernels=_has_kernels(workload)),
        **energy_metrics(layers),
    }
    if settings.optimization in COMPILATIONS:
        metrics["peak_bytes"] = None
    return {**metrics, **per_sample(metrics, settings.batch_size if settings.samples is not None else None)}
