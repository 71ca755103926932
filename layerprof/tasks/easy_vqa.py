"""The sample task: easy-VQA's test questions about coloured shapes, small, published and offline.

Its 9,673 questions stand in the package picture by picture, ten or so to each. A fixed stride through them gives
another picture with each sample from the first few on, and the same samples in every run.

Source:
    https://github.com/vzhou842/easy-VQA, version 1.0: 64 × 64 pixels, 13 answers.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from layerprof.errors import UnavailableError
from layerprof.names import SAMPLE_SOURCE
from layerprof.records import Prompt, QualityMetric, Sample
from layerprof.tasks.base import Triple, require_count, spread

ORIGIN = "easy-VQA 1.0, test set"

_NAME = "easy-VQA"


@dataclass(frozen=True, slots=True, kw_only=True)
class EasyVqa:
    """Short questions about one coloured shape.

    Attributes:
        read: gives all (question, answer, path of the picture) triples.
        name, origin, metric, template, max_new_tokens: as every task has them; one word is an answer.
    """

    read: Callable[[], tuple[Triple, ...]]
    name: str = SAMPLE_SOURCE
    origin: str = ORIGIN
    metric: QualityMetric = "exact_match"
    template: str = "Question: … Short answer:"
    max_new_tokens: int = 10

    def samples(self, count: int) -> tuple[Sample, ...]:
        """The first ``count`` of the test set, in the order of the stride."""
        triples = self.read()
        require_count(count, limit=len(triples), name=_NAME)
        return tuple(_sample(triples[index], index) for index in spread(len(triples))[:count])

    def prompt(self, sample: Sample) -> Prompt:
        """``Question: … Short answer:``, which is how BLIP-2's paper asks."""
        return Prompt(head="Question:", body=sample.question, tail="Short answer:")

    def references(self, sample: Sample) -> tuple[str, ...]:
        """The one answer of the data set."""
        return sample.answers


def _sample(triple: Triple, index: int) -> Sample:
    question, answer, image_path = triple
    return Sample(
        id=f"easy-vqa/test/{index:04d}",
        image_path=image_path,
        question=question,
        answers=(answer,),
        image_id=Path(image_path).stem,
    )


def read_test_set() -> tuple[Triple, ...]:
    """The test set of the installed package, in its own order.

    Raises:
        UnavailableError: when the package is not installed.
    """
    try:
        import easy_vqa
    except ImportError as err:
        raise UnavailableError('the sample task needs easy-vqa; pip install "layerprof[sample]"') from err
    questions, answers, image_ids = easy_vqa.get_test_questions()
    image_paths = easy_vqa.get_test_image_paths()
    return tuple(zip(questions, answers, (image_paths[image_id] for image_id in image_ids), strict=True))
