"""What a task is: samples of a data set, the prompt made of one, and the answers it is scored against."""

from __future__ import annotations

from typing import Protocol

from layerprof.errors import InputError
from layerprof.records import Prompt, Sample


class Task(Protocol):
    """A data set with its way of asking.

    The samples are always the same and in the same order, so ``samples(n) == samples(m)[:n]`` for n ≤ m.
    """

    def samples(self, count: int) -> tuple[Sample, ...]:
        """The first ``count`` samples; none comes twice, and every picture is a local file.

        Raises:
            InputError: when ``count`` is less than 1 or more than there are.
            UnavailableError: when the data are not on this machine and cannot be fetched.
        """
        ...

    def prompt(self, sample: Sample) -> Prompt:
        """What the model is asked; only its body comes from the data set."""
        ...

    def references(self, sample: Sample) -> tuple[str, ...]:
        """The answers that count as right, the first being the one that is scored by default."""
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
