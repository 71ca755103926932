"""From a row of a published data set to sample, prompt and references; and rows that cannot be used."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
from PIL import Image
from task_sources import Values, coco_row, hub_with, picture, scienceqa_row, task_of, textvqa_row

from layerprof import tasks
from layerprof.errors import InputError
from layerprof.records import Prompt, Sample


def sample_of(dataset: str, row: Values, folder: Path) -> Sample:
    return task_of(dataset, source="hub", cache=folder, hub=hub_with(dataset, [row])).samples(1)[0]


def prompt_of(dataset: str, row: Values, folder: Path) -> Prompt:
    task = task_of(dataset, source="hub", cache=folder, hub=hub_with(dataset, [row]))
    return task.prompt(task.samples(1)[0])


def stored(content: bytes | None, path: str | None = None) -> Values:
    return {"bytes": content, "path": path}


def test_a_textvqa_row_has_ten_references_and_its_pictures_id(tmp_path: Path) -> None:
    row = textvqa_row(3)

    sample = sample_of("TextVQA", row, tmp_path)

    assert list(sample.answers) == row["answers"]
    assert (sample.id, sample.image_id, sample.question) == ("TextVQA/34603", "picture1", row["question"])


def test_textvqa_is_asked_for_a_short_answer(tmp_path: Path) -> None:
    prompt = prompt_of("TextVQA", textvqa_row(3), tmp_path)

    assert prompt.text == "Question: what does sign 3 say? Short answer:"


def test_a_scienceqa_row_counts_letter_text_and_number_in_that_order(tmp_path: Path) -> None:
    sample = sample_of("ScienceQA", scienceqa_row(0), tmp_path)

    assert sample.answers == ("B", "a whale", "1")
    assert sample.choices == ("a feather", "a whale", "a leaf")


def test_scienceqa_is_asked_with_its_hint_before_and_its_choices_after(tmp_path: Path) -> None:
    prompt = prompt_of("ScienceQA", scienceqa_row(0), tmp_path)

    assert prompt == Prompt(
        context="Context: Weight is a force.",
        head="Question:",
        body="Which is heavier than 0 kg? Options: (A) a feather (B) a whale (C) a leaf",
        tail="Answer:",
    )


def test_scienceqa_without_a_hint_has_no_context(tmp_path: Path) -> None:
    prompt = prompt_of("ScienceQA", scienceqa_row(1), tmp_path)

    assert prompt.context == ""
    assert prompt.text.startswith("Question: Which")


def test_scienceqa_rows_about_one_picture_have_one_picture_id(tmp_path: Path) -> None:
    rows = [scienceqa_row(number) for number in range(3)]
    rows[2]["image"] = rows[0]["image"]

    samples = task_of("ScienceQA", source="hub", cache=tmp_path, hub=hub_with("ScienceQA", rows)).samples(3)

    assert samples[0].image_id == samples[2].image_id != samples[1].image_id


def test_scienceqa_rows_without_a_picture_are_left_out_and_the_others_keep_their_number(tmp_path: Path) -> None:
    rows = [scienceqa_row(number) for number in range(5)]
    rows[0]["image"], rows[3]["image"] = None, stored(None)

    samples = task_of("ScienceQA", source="hub", cache=tmp_path, hub=hub_with("ScienceQA", rows)).samples(3)

    assert [sample.id for sample in samples] == ["ScienceQA/1", "ScienceQA/2", "ScienceQA/4"]


def test_a_coco_row_has_all_captions_as_references(tmp_path: Path) -> None:
    sample = sample_of("COCO", coco_row(7), tmp_path)

    assert list(sample.answers) == coco_row(7)["answer"]
    assert sample.question == ""


def test_coco_is_asked_by_the_cue_alone(tmp_path: Path) -> None:
    prompt = prompt_of("COCO", coco_row(7), tmp_path)

    assert prompt == Prompt(head="", body="", tail="a photo of")
    assert prompt.text == "a photo of"


@pytest.mark.parametrize(("dataset", "metric"), [("TextVQA", "vqa"), ("ScienceQA", "choice"), ("COCO", "exact")])
def test_each_data_set_has_its_own_metric(dataset: str, metric: str) -> None:
    assert tasks.load(dataset).metric.partition("_")[0] == metric


@pytest.mark.parametrize(
    ("dataset", "row", "answers"),
    [
        ("TextVQA", {**textvqa_row(0), "answers": []}, ()),
        ("TextVQA", {**textvqa_row(0), "answers": None}, ()),
        ("TextVQA", {**textvqa_row(0), "answers": ["", " "]}, ("", "")),
        ("COCO", {**coco_row(0), "answer": []}, ()),
        ("ScienceQA", {**scienceqa_row(0), "answer": None}, ()),
        ("ScienceQA", {**scienceqa_row(0), "answer": -1}, ()),
    ],
)
def test_a_row_without_answers_stays(dataset: str, row: Values, answers: tuple[str, ...], tmp_path: Path) -> None:
    assert sample_of(dataset, row, tmp_path).answers == answers


def test_answers_keep_their_places_when_one_is_empty(tmp_path: Path) -> None:
    row = {**scienceqa_row(0), "choices": ["", "a whale"]}

    assert sample_of("ScienceQA", row, tmp_path).answers == ("B", "a whale", "1")


@pytest.mark.parametrize(
    ("dataset", "row", "complaint"),
    [
        ("TextVQA", {**textvqa_row(0), "image": None}, "row 0 of TextVQA has no picture"),
        ("COCO", {**coco_row(0), "image": stored(b"")}, "row 0 of COCO has no picture"),
        ("COCO", {**coco_row(0), "image": stored(None, "/nowhere/1.jpg")}, r"'/nowhere/1.jpg' of row 0 .*FileNotFound"),
        ("COCO", {**coco_row(0), "image": 7}, "holds a int and no picture"),
        ("COCO", {**coco_row(0), "image": stored(b"no picture")}, r"picture of row 0 of COCO is damaged \(Unident"),
        ("COCO", {**coco_row(0), "image": stored(picture(0, size=99)[:150])}, "picture of row 0 of COCO is damaged"),
        ("COCO", {**coco_row(0), "answer": "a dog"}, "column 'answer' of row 0 of COCO is a list of texts; found 'a d"),
        ("COCO", {**coco_row(0), "answer": [1]}, r"is a list of texts; found \[1\]"),
        ("COCO", {**coco_row(0), "question_id": " "}, "'question_id' of row 0 of COCO is a number or a text"),
        ("TextVQA", {**textvqa_row(0), "question": 4}, "'question' of row 0 of TextVQA is a text; found 4"),
        ("TextVQA", {**textvqa_row(0), "question_id": None}, "'question_id' of row 0 of TextVQA is a number or a text"),
        ("TextVQA", {**textvqa_row(0), "image_id": True}, "'image_id' of row 0"),
        ("ScienceQA", {**scienceqa_row(0), "answer": 3}, "is choice 3 of 3, from 0"),
        ("ScienceQA", {**scienceqa_row(0), "answer": "B"}, "'answer' of row 0 of ScienceQA is a whole number"),
        ("ScienceQA", {**scienceqa_row(0), "choices": ["one"]}, "has 1 choices; 2 to 26"),
        ("ScienceQA", {**scienceqa_row(0), "choices": [str(n) for n in range(27)]}, "has 27 choices; 2 to 26"),
    ],
)
def test_a_row_that_cannot_be_used_is_named(dataset: str, row: Values, complaint: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=complaint):
        sample_of(dataset, row, tmp_path)


def test_a_picture_that_ends_too_early_is_damaged(tmp_path: Path) -> None:
    content = io.BytesIO()
    Image.effect_noise((64, 64), 90).save(content, format="JPEG")
    row = {**coco_row(0), "image": stored(content.getvalue()[: content.tell() // 2])}

    with pytest.raises(InputError, match=r"picture of row 0 of COCO is damaged \(OSError\)"):
        sample_of("COCO", row, tmp_path)


def test_a_found_value_is_not_shown_whole(tmp_path: Path) -> None:
    row = {**coco_row(0), "answer": "x" * 10_000}

    with pytest.raises(InputError) as caught:
        sample_of("COCO", row, tmp_path)

    assert len(str(caught.value)) < 300


def test_a_decoded_picture_is_kept_without_loss(tmp_path: Path) -> None:
    decoded = Image.effect_noise((9, 9), 50)

    sample = sample_of("COCO", {**coco_row(0), "image": decoded}, tmp_path)

    assert tasks.open_images([sample])[0].tobytes() == decoded.convert("RGB").tobytes()


def test_a_picture_of_another_format_is_kept_without_loss(tmp_path: Path) -> None:
    content = picture(5, kind="BMP")

    sample = sample_of("COCO", {**coco_row(0), "image": stored(content)}, tmp_path)

    assert Path(sample.image_path).suffix == ".png"
    with Image.open(io.BytesIO(content)) as expected:
        assert tasks.open_images([sample])[0].tobytes() == expected.tobytes()


def test_a_picture_that_lies_on_its_side_is_turned_upright(tmp_path: Path) -> None:
    content, exif = io.BytesIO(), Image.Exif()
    exif[0x0112] = 6  # the orientation: a quarter turn
    Image.new("RGB", (8, 4)).save(content, format="JPEG", exif=exif)

    sample = sample_of("COCO", {**coco_row(0), "image": stored(content.getvalue())}, tmp_path)

    assert tasks.open_images([sample])[0].size == (4, 8)


@pytest.mark.parametrize("text", ["a\nb", "{} %s \\n", '"},{"', "é\u2028\u0085漢", "<image></s>"])
def test_texts_come_back_from_the_frozen_set_as_they_were(text: str, tmp_path: Path) -> None:
    row = {**textvqa_row(0), "question": text, "answers": [text]}

    sample = sample_of("TextVQA", row, tmp_path)

    assert (sample.question, sample.answers) == (text, (text,))
    assert json.loads((tmp_path / "data" / "TextVQA" / "hub" / "manifest.json").read_text())["count"] == 1
