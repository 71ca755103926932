"""What a task is: samples of a data set, the prompt made of one, and the answers it is scored against."""

from __future__ import annotations

import itertools
import math
from typing import Protocol

from layerprof.errors import InputError
from layerprof.records import Prompt, QualityMetric, Sample

Triple = tuple[str, str, str]  # of easy-VQA: question, answer, path of the picture

_GOLDEN_SECTION = (math.sqrt(5) - 1) / 2  # steps of this share of a circle never come close to each other early


class Task(Protocol):
    """A data set with its way of asking.

    The samples are always the same and in the same order, so ``samples(n) == samples(m)[:n]`` for n ≤ m.

    Attributes:
        name: of the data set.
        origin: where its samples come from, in words: hub id with configuration, split and revision, a folder, or a
            package with its version. Known once samples have been asked for.
        metric: the data set's own, besides the word error rate.
        template: of the prompt, such as ``Question: … Short answer:``.
        max_new_tokens: at which an answer is cut off.
    """

    @property
    def name(self) -> str: ...  # noqa: D102

    @property
    def origin(self) -> str: ...  # noqa: D102

    @property
    def metric(self) -> QualityMetric: ...  # noqa: D102

    @property
    def template(self) -> str: ...  # noqa: D102

    @property
    def max_new_tokens(self) -> int: ...  # noqa: D102

    def samples(self, count: int) -> tuple[Sample, ...]:
        """The first ``count`` samples; none comes twice, and every picture is a local file.

        Raises:
            InputError: when ``count`` is less than 1 or more than there are.
            UnavailableError: when the data are not on this machine and cannot be fetched.
        """
        ...

    def prompt(self, sample: Sample) -> Prompt:
        """What the model is asked; only its context and its body come from the data set."""
        ...

    def references(self, sample: Sample) -> tuple[str, ...]:
        """The answers that count as right, the first being the one that words are compared with by default."""
        ...


def require_count(count: int, *, limit: int, name: str) -> None:
    """Returns where a data set of ``limit`` samples can give ``count`` different ones.

    Raises:
        InputError: when it cannot.
    """
    if count < 1:
        raise InputError(f"{count} samples of {name} were asked for; ask for at least 1")
    if count > limit:
        raise InputError(f"{count} samples of {name} were asked for and there are {limit}; none is used twice")


def spread(size: int) -> tuple[int, ...]:
    """The numbers below ``size``, each once, with neighbours far from each other and the first few all over the range.

    A fixed stride through them, which is about the golden section of ``size`` and has no factor in common with it.
    """
    start = max(1, round(size * _GOLDEN_SECTION))
    stride = next(number for number in itertools.count(start) if math.gcd(number, size) == 1)
    return tuple(number * stride % size for number in range(size))
