"""COCO captions: photos of everyday scenes, with five people's descriptions each.

Source:
    Data: Chen et al. 2015, "Microsoft COCO Captions"; columns as on the hub, where the captions stand in ``answer``.
    Prompt and length: Li et al. 2023, "BLIP-2", §4: "a photo of"; LAVIS's captioning evaluation: at most 30 new tokens.
"""

from __future__ import annotations

from layerprof.records import Prompt, Sample
from layerprof.tasks.published.base import Dataset, Home, Picture, Row

_NAME = "COCO"
_CUE = "a photo of"


def _sample(row: Row, picture: Picture) -> Sample:
    name = row.identity("question_id")  # the picture's file name: there is one row a picture
    return Sample(
        id=f"{_NAME}/{name}", image_path=picture.path, question="", answers=row.texts("answer"), image_id=name
    )


def _prompt(sample: Sample) -> Prompt:
    return Prompt(head="", body="", tail=_CUE)


COCO = Dataset(
    name=_NAME,
    columns=("image", "answer", "question_id"),
    homes=(
        Home(alias="lmms-lab-encoder/COCO-Caption2017", split="val"),
        Home(alias="lmms-lab/COCO-Caption2017", split="val"),
        Home(alias="lmms-lab-encoder/COCO-Caption", split="val"),
        Home(alias="lmms-lab/COCO-Caption", split="val"),
    ),
    metric="exact_match",
    template=_CUE,
    max_new_tokens=30,
    to_sample=_sample,
    to_prompt=_prompt,
)
"""The validation set: the captions of the test set are not published."""
