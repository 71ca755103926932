"""How a step grows along an axis: its time against its work, its memory and its joules."""

from __future__ import annotations

from collections.abc import Iterator

from layerprof.analysis.base import (
    CLEAR_SHARE,
    Interval,
    Series,
    Study,
    amount_text,
    exponent,
    is_clear,
    metric_of,
    over,
    ratio_of,
    times_text,
    weakness_of,
)
from layerprof.analysis.findings.base import finding, has_same_flops, strength_of, verdict, work_verdict
from layerprof.records import CellRecord, Finding
from layerprof.units import percent, significant

_LEAST_WORK = 1.2  # between the FLOPs of both ends, below which an exponent is that of noise


def growth(series: Series) -> Iterator[Finding]:
    """How latency grows from the smallest to the largest value, against the FLOPs."""
    first, last = series.first, series.last
    before, after = metric_of(first, "latency_s"), metric_of(last, "latency_s")
    ratio = ratio_of(after, before) if before is not None and after is not None else None
    if ratio is None or before is None or after is None or not series.is_amount or has_same_flops(series):
        return
    weakness = weakness_of((first, last))
    ends = f"{amount_text(before.value, 's')} to {amount_text(after.value, 's')}"
    text = f"{series.name}: latency {times_text(ratio)} ({ends}){_work(series, ratio, weakness)}"
    yield finding(series.study, "growth", text, scope=series.scope, strength=strength_of(ratio, weakness))


def memory_growth(series: Series) -> Iterator[Finding]:
    """How the peak of memory grows, where it does."""
    before, after = metric_of(series.first, "peak_bytes"), metric_of(series.last, "peak_bytes")
    ratio = ratio_of(after, before) if before is not None and after is not None else None
    if ratio is None or before is None or after is None or not series.is_amount:
        return
    if series.rank or abs(ratio.value - 1.0) < CLEAR_SHARE:
        return
    ends = f"{amount_text(before.value, 'bytes')} to {amount_text(after.value, 'bytes')}"
    text = f"{series.name}: peak memory {times_text(ratio)} ({ends})"
    yield finding(series.study, "growth", text, scope="memory", strength=abs(ratio.value - 1.0))


def energy_growth(series: Series) -> Iterator[Finding]:
    """What an axis does to the joules of one sample, and the mean power that they imply."""
    before, after = _energy(series.first), _energy(series.last)
    ratio = ratio_of(after, before) if before is not None and after is not None else None
    if ratio is None or before is None or after is None or not series.is_amount:
        return
    if has_same_flops(series) and not is_clear(ratio):
        return  # nothing that the sentence about the axis does not say
    weakness = weakness_of((series.first, series.last))
    ends = f"{amount_text(before.value, 'j')} to {amount_text(after.value, 'j')}"
    said = verdict(ratio, weakness, above="more energy", below="less energy")
    powers = [_power_w(series.study, cell) for cell in (series.first, series.last)]
    power = "" if None in powers else f"; mean power {' to '.join(amount_text(each, 'w') for each in powers)}"
    text = f"{series.name}: energy per sample {times_text(ratio)} ({ends}), {said}{power}"
    yield finding(series.study, "energy", text, scope=series.scope, strength=strength_of(ratio, weakness))


def _work(series: Series, ratio: Interval, weakness: str) -> str:
    """The growth against that of the work; empty where the work is not known."""
    before, after = metric_of(series.first, "flops"), metric_of(series.last, "flops")
    flops = ratio_of(after, before) if before is not None and after is not None else None
    if flops is None or not flops.value:
        return ""
    if abs(flops.value - 1.0) < CLEAR_SHARE:
        said = verdict(ratio, weakness, above="slower", below="faster")
        return f", FLOPs within {percent(CLEAR_SHARE, 1.0, digits=0)}: {said}"
    is_told = max(flops.value, 1.0 / flops.value) >= _LEAST_WORK
    power = exponent(ratio.value, flops.value) if is_told else None
    power_text = "" if power is None else f", as FLOPs^{significant(power, digits=2)}"
    said = work_verdict(over(ratio, flops.value), weakness, is_growing=flops.value > 1.0)
    return f", FLOPs × {significant(flops.value)}{power_text}: {said}{_vision(series)}"


def _vision(series: Series) -> str:
    """The vision tower's tokens along the axis, where they change."""
    counts = [metric_of(cell, "vision_tokens") for cell in series.cells]
    known = [f"{count.value:,.0f}" for count in counts if count is not None]
    return f"; vision tokens {', '.join(known)}" if len(set(known)) > 1 and len(known) == len(counts) else ""


def _energy(cell: CellRecord) -> Interval | None:
    """Joules of one sample, as uncertain as those of the step."""
    each, step = metric_of(cell, "energy_j_per_sample"), metric_of(cell, "energy_j")
    if each is None or step is None or step.relative is None:
        return each
    low, high = each.value * (1.0 - step.relative), each.value * (1.0 + step.relative)
    return Interval(value=each.value, low=low, high=high)


def _power_w(study: Study, cell: CellRecord) -> float | None:
    """Mean power of a step; None where joules and seconds are of other batches.

    Joules are of the batch with the longest text and latency is the median of all, so that either there is one batch,
    or the time of that one is taken from the profile, which is of it.
    """
    energy, latency, layers = metric_of(cell, "energy_j"), metric_of(cell, "latency_s"), study.layers.get(cell.id)
    if cell.metrics.get("batches") == 1:
        seconds = None if latency is None else latency.value
    else:
        seconds = None if layers is None else layers.bare_s
    return None if energy is None or not seconds else energy.value / seconds
