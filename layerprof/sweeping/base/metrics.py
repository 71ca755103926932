"""What a run's table row holds, from what was measured; and the notes on what is missing or weak."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from layerprof import stats
from layerprof.measure.base import INTERVAL_GOAL, MAX_REPEATS
from layerprof.records import Distribution, Note, Profile, middle_steps, typical

if TYPE_CHECKING:
    from layerprof.sweeping.base.cells import Settings

Metrics = dict[str, float | int | None]

COMPILATIONS = ("compile", "compile_whole")

_WIDE = 0.1  # of a median: batches that differ in length alone stay below it


def latency_metrics(latency_s: Distribution | None, warmup_s: Distribution | None) -> Metrics:
    """The median with its interval, and how many steps it is of and how many came before."""
    steps: Metrics = {"warmup_steps": 0 if warmup_s is None else warmup_s.n}
    if latency_s is None:
        return {"latency_s": None, **steps}
    low_s, high_s = latency_s.ci95 or (None, None)
    return {
        "latency_s": latency_s.median,
        "latency_low_s": low_s,
        "latency_high_s": high_s,
        "steps": latency_s.n,
        **steps,
    }


def convolution_metrics(layers: Profile, *, has_kernels: bool) -> Metrics:
    """The convolutions' own time and FLOPs in a step on the longest batch; on a device, the time of their kernels.

    Nothing for a model that has none; None where they were not measured, such as inside compiled code.

    Args:
        layers: of the step.
        has_kernels: whether the model is on a device, whose kernels take the time, and not their launch.
    """
    convolutions = [layer for layer in layers.layers if layer.kind == "conv" and layer.calls]
    if not convolutions:
        return {}
    steps = middle_steps(layers.step_s)
    times = [layer.device_self_s if has_kernels else layer.self_s for layer in convolutions]
    flops = [layer.self_flops for layer in convolutions]
    known_s = [typical(time, steps) for time in times if time is not None]
    known = [count for count in flops if count is not None]
    return {
        "conv_s": sum(known_s) if len(known_s) == len(times) else None,
        "conv_flops": sum(known) if len(known) == len(flops) else None,
    }


def energy_metrics(layers: Profile) -> Metrics:
    """Joules of a step on the longest batch, with the ends of their interval; nothing where none were counted."""
    if layers.energy is None:
        return {}
    low_j, high_j = layers.energy.step.ci95_j or (None, None)
    return {"energy_j": layers.energy.step.total_j, "energy_low_j": low_j, "energy_high_j": high_j}


def per_sample(metrics: Mapping[str, float | int | None], samples: int | None) -> Metrics:
    """Latency, FLOPs and joules of one sample; nothing where it is not known how many a step has."""
    if samples is None:
        return {}
    latency_s, flops, energy_j = metrics["latency_s"], metrics["flops"], metrics.get("energy_j")
    return {
        "latency_per_sample_s": None if latency_s is None else latency_s / samples,
        "flops_per_sample": None if flops is None else flops / samples,
        "energy_j_per_sample": None if energy_j is None else energy_j / samples,
    }


def stop_rule(layers: Profile) -> dict[str, str]:
    """Why the steps of the profile ended when they did, as a label of it; nothing where it has no steps."""
    if layers.latency_s is None:
        return {}
    width = stats.relative_half_width(layers.latency_s.samples)
    if layers.spec.repeats is not None:
        rule = "as many as asked for"
    elif width is not None and width <= INTERVAL_GOAL:
        rule = f"interval within {INTERVAL_GOAL:.0%}"
    else:
        rule = f"{MAX_REPEATS} steps" if layers.latency_s.n >= MAX_REPEATS else "time"
    return {"stopped_by": rule}


def notes_on_profile(layers: Profile) -> Iterator[Note]:
    """Why there are no joules, which checks failed, and what is not counted; each reason once."""
    yield from {note.text: note for note in layers.notes if note.quantity == "energy"}.values()
    for check in layers.checks:
        if not check.ok:
            yield Note(code="check_failed", quantity=check.name, scope="step", text=check.detail)
    for op in layers.uncounted:
        yield Note(code="uncounted", quantity="flops", scope="step", text=f"{op.op} has no formula and is not counted")


def notes_on_batches(settings: Settings, *, is_mixed: bool) -> Iterator[Note]:
    """What the numbers are of, where batches differ in their shapes; and which samples are in none."""
    if is_mixed:
        text = "of the batch with the longest text; latency is the median and FLOPs the mean over all batches"
        yield Note(code="batches_differ", quantity="peak_bytes", scope="step", text=text)
        yield Note(code="batches_differ", quantity="energy_j", scope="step", text=text)
    size, samples = settings.batch_size, settings.samples
    if samples is not None and samples % size:
        text = (
            f"{samples % size} of {samples} samples fill no batch of {size}: they are the last batch, whose FLOPs "
            f"stand by themselves and whose time is in no number"
        )
        yield Note(code="samples_left_out", quantity="samples", scope="step", text=text)


def notes_on_peak(settings: Settings) -> Iterator[Note]:
    """Why compiled code has no peak of memory."""
    if settings.optimization in COMPILATIONS:
        text = "the memory pass follows the model's own ops, and compiled code allocates otherwise; sdpa's row has one"
        yield Note(code="compiled_peak", quantity="peak_bytes", scope="step", text=text)


def notes_on_warmup(warmup_s: Distribution | None, *, is_asked: bool) -> Iterator[Note]:
    """A note where steps were still getting faster when measuring began, and nobody had asked for so few.

    Args:
        warmup_s: the steps before measuring, in order.
        is_asked: whether their number was given.
    """
    if not is_asked and warmup_s is not None and not stats.is_plateau(warmup_s.samples):
        text = f"{warmup_s.n} steps of warm-up did not become steady; set warmup to more of them"
        yield Note(code="no_plateau", quantity="latency_s", scope="step", text=text)


def notes_on_latency(latency_s: Distribution | None) -> Iterator[Note]:
    """A note where the latency's interval is too wide to compare it with others."""
    width = stats.relative_half_width(latency_s.samples) if latency_s is not None else None
    if width is not None and width > _WIDE:
        text = f"an interval is wider than ±{_WIDE:.0%} of its median; measure again on a quieter machine"
        yield Note(code="unsteady", quantity="latency_s", scope="step", text=text)
