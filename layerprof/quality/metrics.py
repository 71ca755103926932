"""A run's metrics of its answers, under the names that tables ask for."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence

from layerprof.records import QualityRecord, SampleScore

Metrics = dict[str, float | int | None]

_WITHOUT_INTERVAL = frozenset(("wer_macro",))  # shown as a remark to the rate that has one


def metrics_of(record: QualityRecord) -> Metrics:
    """Every number of the record, by name; one that nothing was scored for is None.

    Units:
        Rates and accuracies are fractions; errors and words are counted over the samples in ``scored_samples``.
    """
    scored = [score for score in record.samples if score.reference_words]
    return {
        **_estimates(record),
        "substitutions": _total(scored, lambda score: score.substitutions),
        "deletions": _total(scored, lambda score: score.deletions),
        "insertions": _total(scored, lambda score: score.insertions),
        "reference_words": sum(score.reference_words for score in scored),
        "scored_samples": len(scored),
        "unscored_samples": len(record.samples) - len(scored),
        **_lengths(record.samples),
    }


def _estimates(record: QualityRecord) -> Metrics:
    found: Metrics = {}
    for estimate in record.estimates:
        found[estimate.name] = estimate.value
        if estimate.name not in _WITHOUT_INTERVAL:
            found[f"{estimate.name}_low"] = estimate.low
            found[f"{estimate.name}_high"] = estimate.high
    return found


def _lengths(scores: Sequence[SampleScore]) -> Metrics:
    """How long prompts and answers were, over all samples."""
    answers = [score.answer for score in scores]
    return {
        "text_tokens_mean": _mean([answer.text_tokens for answer in answers]),
        "text_tokens_max": max((answer.text_tokens for answer in answers), default=None),
        "cut_share": _mean([answer.cut_tokens > 0 for answer in answers]),
        "new_tokens_mean": _mean([answer.new_tokens for answer in answers]),
    }


def _total(scores: Sequence[SampleScore], errors: Callable[[SampleScore], int | None]) -> int | None:
    found = [number for score in scores if (number := errors(score)) is not None]
    return sum(found) if found else None


def _mean(numbers: Sequence[int]) -> float | None:
    return statistics.fmean(numbers) if numbers else None
