"""The published data sets made from easy-VQA: true to its pictures, varied, and the same each time."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from task_sources import hub_with, task_of

from layerprof import models, tasks
from layerprof.errors import InputError
from layerprof.models.blip2 import Blip2Adapter
from layerprof.names import PUBLISHED_DATASETS
from layerprof.tasks import EasyVqa, PublishedTask, Task
from layerprof.tasks.base import Triple, spread
from layerprof.tasks.published import PUBLISHED

COUNT = 300  # as the reference preset asks for
SOME = 60  # of them: enough for hints of all lengths

TRIPLES = (
    ("is there not a circle?", "yes", "0.png"),
    ("is there a triangle?", "no", "0.png"),
    ("what is the color of the shape?", "teal", "0.png"),
    ("is no red shape present?", "no", "1.png"),
    ("is there a circle?", "no", "1.png"),
    ("is there a circle?", "yes", "2.png"),
)


def offline(dataset: str) -> Task:
    return tasks.load(dataset, "sample")


def made_of(triples: tuple[Triple, ...], dataset: str, folder: Path) -> PublishedTask:
    picture = Path(tasks.load("sample").samples(1)[0].image_path).read_bytes()
    for name in {path for _, _, path in triples}:
        (folder / name).write_bytes(picture)
    placed = tuple((question, answer, str(folder / path)) for question, answer, path in triples)
    return PublishedTask(
        dataset=PUBLISHED[dataset], source="sample", read_easy_vqa=lambda: placed, easy_vqa_origin="six questions"
    )


@pytest.mark.parametrize("dataset", PUBLISHED_DATASETS)
def test_the_pictures_differ_from_the_first_on(dataset: str) -> None:
    samples = offline(dataset).samples(100)

    assert len({sample.image_path for sample in samples}) == 100


@pytest.mark.parametrize(("dataset", "count"), [("TextVQA", 9_673), ("ScienceQA", 9_673), ("COCO", 1_000)])
def test_the_whole_test_set_is_there_once(dataset: str, count: int) -> None:
    samples = offline(dataset).samples(count)

    assert len({sample.id for sample in samples}) == count


def test_one_more_than_the_whole_test_set_is_refused() -> None:
    with pytest.raises(InputError, match="1001 samples of COCO were asked for and there are 1000"):
        offline("COCO").samples(1_001)


def test_textvqa_has_the_one_answer_ten_times_as_the_sample_task_has_it() -> None:
    samples, expected = offline("TextVQA").samples(50), EasyVqa(read=tasks.easy_vqa.read_test_set).samples(50)

    assert [sample.answers for sample in samples] == [sample.answers * 10 for sample in expected]
    assert [sample.question for sample in samples] == [sample.question for sample in expected]


def test_scienceqas_right_choice_is_easy_vqas_answer() -> None:
    samples, expected = offline("ScienceQA").samples(COUNT), tasks.load("sample").samples(COUNT)

    assert [sample.answers[1] for sample in samples] == [sample.answers[0] for sample in expected]
    assert all(sample.choices[ord(sample.answers[0]) - ord("A")] == sample.answers[1] for sample in samples)


def test_scienceqas_choices_are_of_one_kind_and_the_right_one_stands_anywhere() -> None:
    samples = offline("ScienceQA").samples(COUNT)

    places = Counter(sample.answers[0] for sample in samples)

    assert {len(set(sample.choices)) for sample in samples} == {2, 3, 4}
    assert set(places) == {"A", "B", "C", "D"}
    assert max(places.values()) < COUNT * 0.6
    assert all({"yes", "no"} >= set(sample.choices) for sample in samples if sample.answers[1] in ("yes", "no"))


def test_scienceqas_hints_are_of_other_questions_and_of_many_lengths() -> None:
    samples = offline("ScienceQA").samples(COUNT)

    lengths = {len(sample.context.split()) for sample in samples}

    assert len(lengths) > 20
    assert 0 in lengths
    assert not any(sample.question.capitalize() in sample.context for sample in samples)


def test_a_limit_of_50_text_tokens_cuts_some_hints_and_one_of_200_none() -> None:
    task, model = offline("ScienceQA"), models.load("blip2-tiny")
    prompts = [task.prompt(sample) for sample in task.samples(SOME)]

    cut = {
        limit: sum(
            report.cut_tokens > 0
            for report in Blip2Adapter().prompt_report(model, prompts, models.InputOptions(max_text_tokens=limit))
        )
        for limit in (200, 100, 50)
    }

    assert cut[200] == 0 < cut[100] < cut[50] < SOME


def test_a_caption_says_what_the_questions_say_and_no_more(tmp_path: Path) -> None:
    samples = made_of(TRIPLES, "COCO", tmp_path).samples(3)

    assert {sample.image_id: sample.answers[0] for sample in samples} == {
        "0.png": "a teal rectangle",
        "1.png": "a red shape",
        "2.png": "a circle",
    }


def test_a_picture_has_five_captions_that_differ() -> None:
    samples = offline("COCO").samples(COUNT)

    assert {len(set(sample.answers)) for sample in samples} == {5}
    assert len({sample.answers[0] for sample in samples}) > 20


def test_captions_agree_with_every_answer_of_the_test_set() -> None:
    captions = {sample.image_path: sample.answers[0].split() for sample in offline("COCO").samples(1_000)}

    for question, answer, path in tasks.easy_vqa.read_test_set():
        said = [word for word in question.rstrip("?").split() if word in captions[path] and word not in ("a", "shape")]
        if answer in ("yes", "no") and said:
            assert (answer == "yes") is ({"not", "no"}.isdisjoint(question.split())), (question, captions[path])


def test_the_rows_pass_the_same_column_checks(tmp_path: Path) -> None:
    stripped = task_of("COCO", source="hub", cache=tmp_path, hub=hub_with("COCO", [{"image": None}]))

    assert made_of(TRIPLES, "COCO", tmp_path).samples(1)
    with pytest.raises(Exception, match="'answer', 'question_id' are missing"):
        stripped.samples(1)


def test_the_origin_is_the_package_and_the_columns(tmp_path: Path) -> None:
    assert made_of(TRIPLES, "TextVQA", tmp_path).origin == "six questions, in the columns of TextVQA"


@pytest.mark.parametrize("size", [1, 2, 10, 1_000, 9_673])
def test_a_spread_has_every_number_once(size: int) -> None:
    assert sorted(spread(size)) == list(range(size))
