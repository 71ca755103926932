"""What every `Task` promises, run on each of them."""

from __future__ import annotations

import pytest

from layerprof import tasks
from layerprof.errors import InputError
from layerprof.tasks import EasyVqa, Task


def few_triples() -> tuple[tuple[str, str, str], ...]:
    return tuple((f"is it {number}?", str(number), f"{number}.png") for number in range(10))


TASKS: dict[str, Task] = {name: tasks.load(name) for name in tasks.TASKS} | {"few": EasyVqa(read=few_triples)}
TOO_MANY = 10**7


@pytest.fixture(params=TASKS)
def task(request: pytest.FixtureRequest) -> Task:
    return TASKS[request.param]


def test_fewer_samples_are_the_beginning_of_more(task: Task) -> None:
    assert task.samples(3) == task.samples(7)[:3]


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


def test_only_the_body_of_a_prompt_comes_from_the_sample(task: Task) -> None:
    prompts = [task.prompt(sample) for sample in task.samples(5)]

    assert len({(prompt.head, prompt.tail) for prompt in prompts}) == 1


def test_every_sample_has_a_reference(task: Task) -> None:
    assert all(task.references(sample) for sample in task.samples(5))
