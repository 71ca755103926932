"""The sample task: easy-VQA's test questions about coloured shapes, small, published and offline.

Its 9,673 questions stand in the package picture by picture, ten or so to each. A fixed stride through them gives
another picture with each sample from the first few on, and the same samples in every run.

Source:
    https://github.com/vzhou842/easy-VQA, version 1.0: 64 × 64 pixels, 13 answers.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from dataclasses import dataclass

from layerprof.errors import UnavailableError
from layerprof.records import Prompt, Sample
from layerprof.tasks.base import require_count

Triple = tuple[str, str, str]  # question, answer, path of the picture

_NAME = "easy-VQA"
_GOLDEN_SECTION = (math.sqrt(5) - 1) / 2  # steps of this share of a circle never come close to each other early


@dataclass(frozen=True, slots=True, kw_only=True)
class EasyVqa:
    """Short questions about one coloured shape.

    Attributes:
        read: gives all (question, answer, path of the picture) triples.
    """

    read: Callable[[], tuple[Triple, ...]]

    def samples(self, count: int) -> tuple[Sample, ...]:
        """The first ``count`` of the test set, in the order of the stride."""
        triples = self.read()
        require_count(count, limit=len(triples), name=_NAME)
        stride = _stride(len(triples))
        return tuple(_sample(triples, number * stride % len(triples)) for number in range(count))

    def prompt(self, sample: Sample) -> Prompt:
        """``Question: … Short answer:``, which is how BLIP-2's paper asks."""
        return Prompt(head="Question:", body=sample.question, tail="Short answer:")

    def references(self, sample: Sample) -> tuple[str, ...]:
        """The one answer of the data set."""
        return sample.answers


def _stride(size: int) -> int:
    """The first number from the golden section of ``size`` on that has no factor in common with it."""
    start = max(1, round(size * _GOLDEN_SECTION))
    return next(number for number in itertools.count(start) if math.gcd(number, size) == 1)


def _sample(triples: tuple[Triple, ...], index: int) -> Sample:
    question, answer, image_path = triples[index]
    return Sample(id=f"easy-vqa/test/{index:04d}", image_path=image_path, question=question, answers=(answer,))


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
