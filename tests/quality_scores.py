"""Answers, samples and their scores for the tests of quality."""

from __future__ import annotations

from collections.abc import Sequence

from layerprof.quality import Scoring, score
from layerprof.records import Answer, Estimate95, QualityMetric, QualityRecord, Sample


def an_answer(sample: str, text: str, *, prompt: str = "", text_tokens: int = 7, cut_tokens: int = 0) -> Answer:
    return Answer(
        sample=sample,
        text=text,
        prompt=prompt,
        text_tokens=text_tokens,
        cut_tokens=cut_tokens,
        new_tokens=len(text.split()),
    )


def a_sample(name: str, *, image_id: str = "", choices: Sequence[str] = ()) -> Sample:
    return Sample(
        id=name, image_path="picture.png", question="what?", answers=("x",), choices=tuple(choices), image_id=image_id
    )


def scoring(*, metric: QualityMetric = "exact_match", echo: bool = False, sha256: str = "abc") -> Scoring:
    return Scoring(
        dataset="sample",
        origin="easy-vqa 1.0",
        samples_sha256=sha256,
        metric=metric,
        template="Question: … Short answer:",
        max_new_tokens=10,
        echo=echo,
    )


def scored(
    texts: Sequence[str],
    references: Sequence[Sequence[str]],
    *,
    image_ids: Sequence[str] | None = None,
    about: Scoring | None = None,
) -> QualityRecord:
    """A record of these answers, each to a sample of its own."""
    names = [f"s{number}" for number in range(len(texts))]
    images = image_ids or [""] * len(texts)
    return score(
        [an_answer(name, text) for name, text in zip(names, texts, strict=True)],
        [a_sample(name, image_id=image) for name, image in zip(names, images, strict=True)],
        references,
        about or scoring(),
    )


def estimate(record: QualityRecord, name: str) -> Estimate95:
    return next(each for each in record.estimates if each.name == name)
