"""How good answers are: word errors, the data set's own accuracy and exact matches, each with an interval.

    answers, samples, references ─▶ one `SampleScore` each ─▶ `Estimate95` of each metric ─▶ `QualityRecord`
                                                                                               ├─▶ metrics_of
                                                               another run's, same samples ────┴─▶ compare

Nothing is left out in silence: answers that belong to no sample are an error, and samples that cannot be scored are
counted and noted. No torch here: answers can be scored, and scores compared, on any machine.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from layerprof.errors import InputError
from layerprof.quality.base import METRICS, NORMALISER, normalised
from layerprof.quality.choices import choice_accuracy
from layerprof.quality.difference import PairedDifference, compare
from layerprof.quality.estimates import estimates_of, notes_on_estimates
from layerprof.quality.metrics import metrics_of
from layerprof.quality.vqa import PEOPLE, vqa_accuracy
from layerprof.quality.words import least_errors, word_errors
from layerprof.records import Answer, Note, QualityMetric, QualityRecord, Sample, SampleScore

__all__ = ["NORMALISER", "PairedDifference", "Scoring", "compare", "metrics_of", "normalised", "score"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Scoring:
    """What answers are scored as.

    Attributes:
        dataset: name of the task.
        origin: where the samples came from, in words.
        samples_sha256: of the samples' content.
        metric: the data set's own.
        template: of the prompt.
        max_new_tokens: at which an answer was cut off.
        echo: whether the prompt and the answer together are scored as well.
    """

    dataset: str
    origin: str
    samples_sha256: str
    metric: QualityMetric
    template: str
    max_new_tokens: int
    echo: bool = False


def score(
    answers: Sequence[Answer], samples: Sequence[Sample], references: Sequence[Sequence[str]], about: Scoring
) -> QualityRecord:
    """The answers' quality, sample by sample and altogether.

    Args:
        answers: one a sample, in the samples' order.
        samples: that were asked about.
        references: of each sample, the first being the one that words are compared with.
        about: what they are scored as.

    Raises:
        InputError: where the three do not belong together, a sample comes twice, there is none, or choices are scored
            of a sample that has none.

    Limits:
        Word errors are no measure of meaning: a right answer in other words scores as badly as a wrong one.
    """
    _require_together(answers, samples, references)
    scores = tuple(
        _score(answer, sample, tuple(accepted), about)
        for answer, sample, accepted in zip(answers, samples, references, strict=True)
    )
    metrics = [metric for metric in METRICS if about.echo or metric != "wer_echo"]
    return QualityRecord(
        dataset=about.dataset,
        origin=about.origin,
        samples_sha256=about.samples_sha256,
        metric=about.metric,
        normaliser=NORMALISER,
        prompt=about.template,
        max_new_tokens=about.max_new_tokens,
        samples=scores,
        estimates=estimates_of(metrics, scores),
        notes=(*_notes(scores, about), *notes_on_estimates(metrics, scores)),
    )


def _require_together(
    answers: Sequence[Answer], samples: Sequence[Sample], references: Sequence[Sequence[str]]
) -> None:
    if not len(answers) == len(samples) == len(references):
        raise InputError(
            f"every sample has one answer and its references; found {len(samples)} samples, {len(answers)} answers and "
            f"references of {len(references)}; score those that belong together"
        )
    if not samples:
        raise InputError("there is no answer to score; ask the model about at least one sample")
    for answer, sample in zip(answers, samples, strict=True):
        if answer.sample != sample.id:
            raise InputError(
                f"an answer about {answer.sample!r} was given for the sample {sample.id!r}; put the answers in the "
                "samples' order"
            )
    if len({sample.id for sample in samples}) < len(samples):
        raise InputError("a sample is there twice, and each counts once; leave the second one out")


def _score(answer: Answer, sample: Sample, references: tuple[str, ...], about: Scoring) -> SampleScore:
    given = normalised(answer.text)
    accepted = tuple(map(normalised, references)) or ("",)
    is_exact = (given != "" and given in accepted) if any(accepted) else None
    errors = word_errors(accepted[0], given)
    least = least_errors(accepted, given)
    echo = word_errors(accepted[0], normalised(f"{answer.prompt} {answer.text}")) if about.echo else None
    return SampleScore(
        answer=answer,
        cluster=sample.image_id or sample.id,
        references=references,
        substitutions=None if errors is None else errors.substitutions,
        deletions=None if errors is None else errors.deletions,
        insertions=None if errors is None else errors.insertions,
        reference_words=0 if errors is None else errors.reference_words,
        least_errors=None if least is None else least.total,
        least_words=None if least is None else least.reference_words,
        echo_errors=None if echo is None else echo.total,
        accuracy=_accuracy(answer.text, sample, references, about.metric, is_exact),
        is_exact=is_exact,
    )


def _accuracy(
    text: str, sample: Sample, references: Sequence[str], metric: QualityMetric, is_exact: bool | None
) -> float | None:
    """By the data set's own rule; of exact matches it is 1 or 0."""
    if metric == "vqa_accuracy":
        return vqa_accuracy(text, references)
    if metric == "choice_accuracy":
        return choice_accuracy(text, references, sample.choices)
    return None if is_exact is None else float(is_exact)


def _notes(scores: Sequence[SampleScore], about: Scoring) -> Iterator[Note]:
    unscored = sum(not score.reference_words for score in scores)
    if unscored:
        text = (
            f"{unscored} of {len(scores)} samples have no word in their first reference and are left out of the rate; "
            "the data set has nothing to compare there"
        )
        yield Note(code="unscored_samples", quantity="wer", scope="*", text=text)
    unknown = sum(score.accuracy is None for score in scores)
    if unknown:
        text = (
            f"{unknown} of {len(scores)} samples have no answer that is known, as where the data set holds it back, "
            "and are left out of the accuracy"
        )
        yield Note(code="unscored_samples", quantity="accuracy", scope="*", text=text)
    few = sum(score.accuracy is not None and len(score.references) < PEOPLE for score in scores)
    if about.metric == "vqa_accuracy" and few:
        text = (
            f"{few} of {len(scores)} samples have fewer than the {PEOPLE} answers that this accuracy is made for; two "
            "to three equal ones give a right answer less than 1, a single one 1 or 0"
        )
        yield Note(code="few_references", quantity="accuracy", scope="*", text=text)
