"""The metrics of cells: their order, their tags, and what a page calls them."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import cast

from layerprof import units
from layerprof.boards.base import label
from layerprof.records import CellRecord
from layerprof.views import figure_words, quantity_of
from layerprof.views.sweeps.base import INTERVALS

_FIRST = (
    *("latency_s", "latency_per_sample_s"),
    *("flops", "flops_per_sample", "flops_last_batch"),
    "peak_bytes",
    *("energy_j", "energy_j_per_sample"),
    *("wer", "wer_min", "wer_macro", "wer_echo", "accuracy", "exact_match"),
)
_LAST = (  # what was counted, by which nothing is judged
    *("substitutions", "deletions", "insertions", "reference_words", "scored_samples", "unscored_samples"),
    *("image_tokens", "vision_tokens", "text_tokens_mean", "text_tokens_max", "new_tokens_mean"),
    *("graphs", "generate_graphs", "graph_breaks", "recompiles"),
    *("steps", "warmup_steps", "batches", "last_batch_samples"),
)
_PLACES = {**{name: place - len(_FIRST) for place, name in enumerate(_FIRST)}, **{n: i for i, n in enumerate(_LAST, 1)}}
_ENDS = frozenset(end for pair in INTERVALS.values() for end in pair)
_WORDS = {"peak_bytes": "peak memory", "wer_min": "WER, best reference", "wer_macro": "WER, mean of samples"}
_UNIT_SUFFIX = re.compile(r"(?<!_per)_(s|j|w|hz|bytes)$")
_WORK = re.compile(r"\b(flop|mac)s\b")
_WITHOUT_UNIT = ("share", "integer")


def metric_names(cells: Iterable[CellRecord]) -> tuple[str, ...]:
    """The metrics that at least one of the cells has a number of, as a sweep's tables order them.

    Ends of intervals are not among them; those that the tables do not know stand before those that only count.
    """
    names = dict.fromkeys(name for cell in cells for name, value in cell.metrics.items() if value is not None)
    return tuple(sorted((name for name in names if name not in _ENDS), key=lambda name: _PLACES.get(name, 0)))


def metric_tag(name: str) -> str:
    """The tag of a metric in the run of a cell."""
    return f"metrics/{label(name)}"


def metric_title(name: str) -> str:
    """The metric in words, with its unit where these do not name it, such as ``latency (s)`` and ``FLOPs``."""
    stem = _UNIT_SUFFIX.sub("", figure_words(name)).replace("_", " ")
    words = label(_WORDS.get(name) or _WORK.sub(lambda found: f"{found[1].upper()}s", stem))
    quantity = quantity_of(name)
    if quantity is None or quantity in _WITHOUT_UNIT:
        return words
    unit = units.scale_for([1.0], cast(units.Quantity, quantity)).label
    is_named = not unit or f"{unit.partition('/')[0]}s" in words.split()
    return words if is_named else f"{words} ({unit})"
