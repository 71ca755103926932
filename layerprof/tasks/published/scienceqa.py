"""ScienceQA: school questions with choices, those that come with a picture.

The answers that count are the choice's letter, its text, and its number as the data set counts, from 0. The letter is
the first, so that one word is compared with the answer's words.

Limits:
    Its rows have no id of their own: a sample's is the row's number, so it is another in another copy of the data set
    that leaves rows out. Many rows share a picture without saying so; the picture's digest tells which.

Source:
    Data: Lu et al. 2022, "Learn to Explain", https://scienceqa.github.io; columns as on the hub.
    Prompt: the question form of Li et al. 2023, "BLIP-2", §4, with the hint before it and the choices after it.
"""

from __future__ import annotations

import string

from layerprof.errors import InputError
from layerprof.records import Prompt, Sample
from layerprof.tasks.published.base import Dataset, Home, Picture, Row

_NAME = "ScienceQA"
_DIGEST_LETTERS = 16  # of a picture's digest: enough to tell any two of a data set apart


def _sample(row: Row, picture: Picture) -> Sample:
    choices = row.texts("choices")
    if not 1 < len(choices) <= len(string.ascii_uppercase):
        raise InputError(
            f"{row.label} has {len(choices)} choices; 2 to {len(string.ascii_uppercase)} can be told apart by a "
            f"letter; correct the row"
        )
    return Sample(
        id=f"{_NAME}/{row.number}",
        image_path=picture.path,
        question=row.text("question"),
        answers=_answers(row, choices),
        choices=choices,
        context=row.text("hint"),
        image_id=picture.sha256[:_DIGEST_LETTERS],
    )


def _answers(row: Row, choices: tuple[str, ...]) -> tuple[str, ...]:
    """Letter, text and number of the right choice; none where the data set does not tell it."""
    number = row.number_in("answer")
    if number is None or number == -1:  # as answers that are held back are written
        return ()
    if not 0 <= number < len(choices):
        raise InputError(f"the answer of {row.label} is choice {number} of {len(choices)}, from 0; correct the row")
    return string.ascii_uppercase[number], choices[number], str(number)


def _prompt(sample: Sample) -> Prompt:
    options = " ".join(
        f"({letter}) {choice}" for letter, choice in zip(string.ascii_uppercase, sample.choices, strict=False)
    )
    return Prompt(
        context=f"Context: {sample.context}" if sample.context else "",
        head="Question:",
        body=f"{sample.question} Options: {options}",
        tail="Answer:",
    )


SCIENCEQA = Dataset(
    name=_NAME,
    columns=("image", "question", "choices", "answer", "hint"),
    homes=(
        Home(alias="derek-thomas/ScienceQA", split="test"),
        Home(alias="lmms-lab-encoder/ScienceQA", config="ScienceQA-IMG", split="test"),
        Home(alias="lmms-lab/ScienceQA", config="ScienceQA-IMG", split="test"),
    ),
    metric="choice_accuracy",
    template="Context: … Question: … Options: (A) … (B) … Answer:",
    max_new_tokens=10,
    to_sample=_sample,
    to_prompt=_prompt,
    has_rows_without_picture=True,
)
