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
        choices: to choose from; empty where the answer is free.
        context: what the question is asked about besides the picture; "" for nothing.
        image_id: of the picture within its data set; several samples may be about one. "" is the sample's own.
    """

    id: str
    image_path: str
    question: str
    answers: tuple[str, ...]
    choices: tuple[str, ...] = ()
    context: str = ""
    image_id: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Prompt:
    """A prompt in parts, so that shortening it never costs the cue that the answer follows.

    Attributes:
        head: what the body stands after, such as ``Question:``; never cut.
        body: the part that may be cut from its end, such as the question.
        tail: the cue at the end, such as ``Short answer:``; never cut.
        context: what comes before all, and is cut first, from its end, such as ``Context: …``.
    """

    head: str
    body: str
    tail: str
    context: str = ""

    @property
    def text(self) -> str:
        """The whole prompt, the parts joined by single spaces."""
        return " ".join(part for part in (self.context, self.head, self.body, self.tail) if part)
