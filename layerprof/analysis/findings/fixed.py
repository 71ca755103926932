"""What an axis does not change: a model's picture size, and texts that are shorter than any limit."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from layerprof.analysis.base import Interval, Series, amount_text, metric_of, value_words, weakness_of
from layerprof.analysis.findings.base import NO_VERDICT, NOISE, finding, has_same_flops
from layerprof.records import Finding

_LENGTHS = ("seq_len", "total_tokens")


def fixed(series: Series) -> Iterator[Finding]:
    """Whether the FLOPs, and with them the latency, are the same at all values; nothing where they change."""
    flops = metric_of(series.first, "flops")
    if flops is None or not series.is_amount or not has_same_flops(series):
        return
    scope = f", {series.scope}" if series.scope else ""
    values = ", ".join(value_words(cell, series.axis) for cell in series.cells)
    same = f"FLOPs are {amount_text(flops.value, 'flops')} at each"
    text = f"{series.axis} {values}{scope}: {same}, {_latencies(series)}{_why(series)}"
    yield finding(series.study, "fixed", text, scope=series.scope)


def _latencies(series: Series) -> str:
    known = [amount for cell in series.cells if (amount := metric_of(cell, "latency_s")) is not None]
    if len(known) < 2:
        return "latency was not measured"
    values = [amount.value for amount in known]
    ends = f"latency {amount_text(min(values), 's')} to {amount_text(max(values), 's')}"
    weakness = weakness_of(series.cells)
    if _overlap(known):
        return f"{ends}, {NOISE}{f' ({weakness})' if weakness else ''}"
    if weakness or any(amount.low is None for amount in known):
        return f"{ends}, {NO_VERDICT} ({weakness or 'no interval'})"
    return f"{ends}, which differs"


def _overlap(amounts: Sequence[Interval]) -> bool:
    """Whether all intervals have a point in common."""
    lows = [amount.low for amount in amounts if amount.low is not None]
    highs = [amount.high for amount in amounts if amount.high is not None]
    return len(lows) == len(highs) == len(amounts) and max(lows) <= min(highs)


def _why(series: Series) -> str:
    """What is known of the reason."""
    if series.axis == "resized_to":
        size = series.first.axes.get("image_size")
        brings = "the model's own size" if size is None else f"{size}"
        return f": the processor brings every picture back to {brings}, so the model's picture size is fixed"
    longest = [amount.value for cell in series.cells if (amount := metric_of(cell, "text_tokens_max")) is not None]
    if series.axis in _LENGTHS and longest and len(set(longest)) == 1:
        is_cut = any(cell.metrics.get("cut_share") for cell in series.cells)
        limit = "every limit cuts prompts alike" if is_cut else "no limit cuts it"
        return f": the longest prompt has {longest[0]:,.0f} text tokens, and {limit}"
    return ""
