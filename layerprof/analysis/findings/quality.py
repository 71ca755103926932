"""What an axis does to the answers: only what the samples can show, and paired where each answer is kept."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from layerprof.analysis.base import Interval, Series, Trial, metric_of, trials_of, value_words
from layerprof.analysis.findings.base import NO_VERDICT, finding
from layerprof.estimates import t_quantile
from layerprof.records import CellRecord, EvidenceRecord, Finding, QualityRecord, SampleScore
from layerprof.units import percent, significant

LEAST_CLUSTERS = 6
"""Pictures below which no paired difference is called one: as few as for a median's interval."""

_TOLD = ("image_size", "resized_to", "seq_len", "text_tokens", "total_tokens", "optimization", "dtype")
_RANDOM = "random"


def quality(along: Iterable[tuple[Series, CellRecord]]) -> Iterator[Finding]:
    """Word error rate and the data set's own metric, of each optimisation or at the ends of an axis.

    What shows nothing is told once for all that show it in the same words.

    Args:
        along: series of one axis, each with what its others are compared with where values are names.
    """
    folded: dict[tuple[str, str], list[_Change]] = {}
    for series, baseline in along:
        for trial in _trials(series, baseline):
            change = _change_of(trial)
            if change is not None and change.is_shown:
                yield _told(change)
            elif change is not None:
                folded.setdefault((_head(trial), change.said), []).append(change)
    for changes in folded.values():
        yield _told(changes[0]) if len(changes) == 1 else _told_together(changes)


def _trials(series: Series, baseline: CellRecord) -> Iterator[Trial]:
    if series.axis in _TOLD and series.is_amount:
        yield Trial(series=series, before=series.first, after=series.last)
    elif series.axis in _TOLD:
        yield from trials_of(series, baseline)


def _change_of(trial: Trial) -> _Change | None:
    before, after = metric_of(trial.before, "wer"), metric_of(trial.after, "wer")
    if before is None or after is None:
        return None
    pair = _paired(trial)
    is_shown, said = _verdict(trial, before, after, pair)
    ends = f"WER {significant(before.value)} to {significant(after.value)}"
    return _Change(
        trial=trial, pair=pair, ends=ends, said=said, is_shown=is_shown, difference=after.value - before.value
    )


def _told(change: _Change) -> Finding:
    trial = change.trial
    words = [f"{trial.name}: {change.ends}{_paired_text(change.pair)}", *_accuracy(trial)]
    scope = trial.series.scope or value_words(trial.after, trial.series.axis)
    text = f"{', '.join(words)}: {change.said}{_untrained(trial)}"
    strength = abs(change.difference) if change.is_shown else 0.0
    return finding(trial.series.study, "quality", text, scope=scope, strength=strength)


def _told_together(changes: Sequence[_Change]) -> Finding:
    trial = changes[0].trial
    is_same = all(change.pair is not None and not change.pair.answers_changed for change in changes)
    words = [_which(change.trial) if is_same else f"{_which(change.trial)} ({change.ends})" for change in changes]
    text = f"{_head(trial)}: {changes[0].said}: {', '.join(words)}{_untrained(trial)}"
    return finding(trial.series.study, "quality", text)


def _head(trial: Trial) -> str:
    """What trials that may be told together share."""
    axis = trial.series.axis
    if trial.series.is_amount:
        return f"{axis} {value_words(trial.after, axis)} against {value_words(trial.before, axis)}"
    scope = f", {trial.series.scope}" if trial.series.scope else ""
    return f"{axis} against {value_words(trial.before, axis)}{scope}"


def _which(trial: Trial) -> str:
    """What tells them apart: the data set, or the name that is tried."""
    if trial.series.is_amount:
        return trial.series.scope or "all"
    return value_words(trial.after, trial.series.axis)


def _verdict(trial: Trial, before: Interval, after: Interval, pair: _Pair | None) -> tuple[bool, str]:
    count = metric_of(trial.after, "scored_samples")
    samples = "these samples" if count is None else f"{count.value:,.0f} samples"
    if pair is not None and not pair.answers_changed:
        return False, f"the same answers to all {samples}"
    difference = after.value - before.value
    if pair is not None and pair.low is not None and pair.high is not None:
        is_shown, difference = not pair.low <= 0.0 <= pair.high, pair.difference
    elif None in (before.low, after.low):
        return False, f"no interval, so {NO_VERDICT}"
    else:
        is_shown = not _overlap(before, after)
    if not is_shown:
        return False, f"no difference that {samples} can show"
    return True, "worse" if difference > 0.0 else "better"


def _overlap(before: Interval, after: Interval) -> bool:
    lows = [amount.low for amount in (before, after) if amount.low is not None]
    highs = [amount.high for amount in (before, after) if amount.high is not None]
    return max(lows) <= min(highs)


def _accuracy(trial: Trial) -> Iterator[str]:
    before, after = metric_of(trial.before, "accuracy"), metric_of(trial.after, "accuracy")
    if before is not None and after is not None:
        yield f"the data set's own metric {percent(before.value, 1.0)} to {percent(after.value, 1.0)}"


def _untrained(trial: Trial) -> str:
    weights = {cell.axes.get("weights") for cell in (trial.before, trial.after)}
    return " (weights random: of an untrained model)" if _RANDOM in weights else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Pair:
    """What differs between the answers of two cells to the same samples.

    Attributes:
        samples: that both answered.
        answers_changed: of them.
        difference: of the word error rates.
        low, high: of its 95 % interval; None with too few pictures.
    """

    samples: int
    answers_changed: int
    difference: float
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Change:
    """What a trial does to the answers.

    Attributes:
        trial: the two cells.
        pair: of their answers, where they are kept.
        ends: the two rates in words.
        said: what they show.
        is_shown: whether that is a difference.
        difference: of the rates.
    """

    trial: Trial
    pair: _Pair | None
    ends: str
    said: str
    is_shown: bool
    difference: float


def _pair_of(before: Mapping[str, SampleScore], after: Mapping[str, SampleScore]) -> _Pair:
    """The difference of two rates over the same samples, by their clusters.

    The rate is a ratio of sums whose denominator, the words of the references, is the same in both. So the difference
    is a sum over clusters, and its error follows from how clusters differ, with Student's t.

    Source:
        The variance of a total over clusters: W. G. Cochran, Sampling Techniques, 3rd ed. (1977), section 9A.
    """
    changed = sum(before[id_].answer.text != after[id_].answer.text for id_ in before)
    clusters: dict[str, int] = {}
    words = 0
    for id_, score in before.items():
        old, new = score.errors, after[id_].errors
        if old is not None and new is not None and score.reference_words:
            clusters[score.cluster] = clusters.get(score.cluster, 0) + new - old
            words += score.reference_words
    changes, count = tuple(clusters.values()), len(clusters)
    difference = sum(changes) / words if words else 0.0
    if not words or count < LEAST_CLUSTERS:
        return _Pair(samples=len(before), answers_changed=changed, difference=difference)
    half = t_quantile(count - 1.0) * statistics.stdev(changes) * math.sqrt(count) / words
    return _Pair(
        samples=len(before),
        answers_changed=changed,
        difference=difference,
        low=difference - half,
        high=difference + half,
    )


def _paired(trial: Trial) -> _Pair | None:
    """The pair, where both cells' answers to the same samples are kept."""
    evidence = trial.series.study.evidence
    before, after = (_quality_of(evidence.get(cell.id)) for cell in (trial.before, trial.after))
    if before is None or after is None or before.samples_sha256 != after.samples_sha256:
        return None
    old, new = ({score.answer.sample: score for score in each.samples} for each in (before, after))
    return _pair_of(old, new) if old and old.keys() == new.keys() else None


def _quality_of(evidence: EvidenceRecord | None) -> QualityRecord | None:
    return None if evidence is None else evidence.quality


def _paired_text(pair: _Pair | None) -> str:
    if pair is None:
        return ""
    changed = f"{pair.answers_changed:,} of {pair.samples:,} answers differ"
    if pair.low is None or pair.high is None or not pair.answers_changed:
        return f" ({changed})"
    return f" ({changed}; difference {pair.difference:+.2g} [{pair.low:+.2g}, {pair.high:+.2g}])"
