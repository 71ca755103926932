"""What a task hands to a model: a sample of a data set, and the prompt made of it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One picture with a question and its accepted answers.

    Attributes:
        id: stable within its data set.
        image_path: of the picture's local file.
        question: as the data set has it; "" for captioning.
        answers: accepted answers, the first being the reference.
    """

    id: str
    image_path: str
    question: str
    answers: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Prompt:
    """A prompt in three parts, so that shortening it never costs the cue that the answer follows.

    Attributes:
        head: what comes first, such as ``Question:``.
        body: the part that may be cut from its end, such as the question.
        tail: the cue at the end, such as ``Short answer:``; never cut.
    """

    head: str
    body: str
    tail: str

    @property
    def text(self) -> str:
        """The whole prompt, the parts joined by single spaces."""
        return " ".join(part for part in (self.head, self.body, self.tail) if part)
