"""TextVQA: questions about the text in a photo, with ten people's answers each.

Source:
    Data: Singh et al. 2019, "Towards VQA Models That Can Read", https://textvqa.org; columns as on the hub.
    Prompt and length: Li et al. 2023, "BLIP-2", §4 and the LAVIS evaluation of OPT models on VQA: "Question: {}
    Short answer:", at most 10 new tokens.
"""

from __future__ import annotations

from layerprof.records import Prompt, Sample
from layerprof.tasks.published.base import Dataset, Home, Picture, Row

_NAME = "TextVQA"


def _sample(row: Row, picture: Picture) -> Sample:
    return Sample(
        id=f"{_NAME}/{row.identity('question_id')}",
        image_path=picture.path,
        question=row.text("question"),
        answers=row.texts("answers"),
        image_id=row.identity("image_id"),
    )


def _prompt(sample: Sample) -> Prompt:
    return Prompt(head="Question:", body=sample.question, tail="Short answer:")


TEXTVQA = Dataset(
    name=_NAME,
    columns=("image", "question", "answers", "question_id", "image_id"),
    homes=(
        Home(alias="lmms-lab-encoder/textvqa", split="validation"),
        Home(alias="lmms-lab/textvqa", split="validation"),
        Home(alias="facebook/textvqa", split="validation"),
    ),
    metric="vqa_accuracy",
    template="Question: … Short answer:",
    max_new_tokens=10,
    to_sample=_sample,
    to_prompt=_prompt,
)
"""The validation set: the answers of the test set are not published."""
