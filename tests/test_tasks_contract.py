"""What every `Task` promises, run on each of them and on each of its sources that needs no network."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from task_sources import hub_with, rows_of, task_of, write_parquet

from layerprof import tasks
from layerprof.errors import InputError
from layerprof.names import PUBLISHED_DATASETS
from layerprof.tasks import EasyVqa, Task

TOO_MANY = 10**7


def few_triples() -> tuple[tuple[str, str, str], ...]:
    path = tasks.load("sample").samples(1)[0].image_path
    return tuple((f"is it {number}?", str(number), path) for number in range(10))


def of_the_hub(dataset: str, folder: Path) -> Task:
    return task_of(dataset, source="hub", cache=folder, hub=hub_with(dataset))


def of_parquet(dataset: str, folder: Path) -> Task:
    path = write_parquet(rows_of(dataset), folder / "in.parquet")
    return task_of(dataset, source=str(path), cache=folder / "cache")


def of_a_frozen_folder(dataset: str, folder: Path) -> Task:
    task_of(dataset, source="hub", cache=folder, hub=hub_with(dataset)).samples(12)
    return task_of(dataset, source=str(folder / "data" / dataset / "hub"), cache=folder / "other")


def made_offline(dataset: str, folder: Path) -> Task:
    return tasks.load(dataset, "sample")


Makes = Callable[[str, Path], Task]
SOURCES: dict[str, Makes] = {
    "hub": of_the_hub,
    "parquet": of_parquet,
    "frozen": of_a_frozen_folder,
    "sample": made_offline,
}
CASES: dict[str, tuple[str, Makes]] = {
    "sample": ("sample", lambda name, folder: tasks.load(name)),
    "few": ("sample", lambda name, folder: EasyVqa(read=few_triples)),
    **{f"{name}-{source}": (name, make) for name in PUBLISHED_DATASETS for source, make in SOURCES.items()},
}


@pytest.fixture(params=CASES)
def task(request: pytest.FixtureRequest, tmp_path: Path) -> Task:
    name, make = CASES[request.param]
    return make(name, tmp_path)


def test_fewer_samples_are_the_beginning_of_more(task: Task) -> None:
    assert task.samples(3) == task.samples(7)[:3]


def test_more_samples_begin_with_the_fewer(task: Task) -> None:
    more = task.samples(9)

    assert more[:4] == task.samples(4)


def test_as_many_samples_come_as_were_asked_for_and_none_twice(task: Task) -> None:
    samples = task.samples(10)

    assert len({sample.id for sample in samples}) == 10


@pytest.mark.parametrize("count", [0, -1])
def test_less_than_one_sample_is_refused(task: Task, count: int) -> None:
    with pytest.raises(InputError, match="at least 1"):
        task.samples(count)


def test_more_samples_than_there_are_is_refused_with_their_number(task: Task) -> None:
    with pytest.raises(InputError, match=rf"{TOO_MANY} samples of .* and there are \d+"):
        task.samples(TOO_MANY)


def test_only_context_and_body_of_a_prompt_come_from_the_sample(task: Task) -> None:
    prompts = [task.prompt(sample) for sample in task.samples(5)]

    assert len({(prompt.head, prompt.tail) for prompt in prompts}) == 1


def test_a_prompt_is_made_as_the_template_says(task: Task) -> None:
    prompt = task.prompt(task.samples(1)[0])

    assert all(part in task.template for part in (prompt.head, prompt.tail))
    assert task.template.endswith(prompt.tail)


def test_every_sample_has_a_reference(task: Task) -> None:
    assert all(task.references(sample)[0] for sample in task.samples(5))


def test_every_picture_is_a_local_file_that_opens(task: Task) -> None:
    samples = task.samples(5)

    images = tasks.open_images(samples)

    assert all(Path(sample.image_path).is_file() for sample in samples)
    assert [image.mode for image in images] == ["RGB"] * 5


def test_the_samples_digest_is_the_same_each_time(task: Task) -> None:
    assert tasks.samples_digest(task.samples(4)) == tasks.samples_digest(task.samples(4))


def test_its_origin_is_told_in_words(task: Task) -> None:
    task.samples(1)

    assert len(task.origin) > 3
    assert "\n" not in task.origin


def test_its_name_is_one_of_the_known_ones(task: Task) -> None:
    assert task.name in tasks.TASKS


def test_an_answer_is_cut_off_somewhere(task: Task) -> None:
    assert task.max_new_tokens in (10, 30)
