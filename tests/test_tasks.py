"""The sample task, tasks by name, and pictures that are read or named."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from PIL import Image

from layerprof import tasks
from layerprof.errors import InputError, UnavailableError
from layerprof.records import Sample


def sample_at(path: Path) -> Sample:
    return Sample(id="s1", image_path=str(path), question="what?", answers=("this",))


def test_the_sample_tasks_pictures_differ_from_the_first_on() -> None:
    samples = tasks.load("sample").samples(100)

    assert len({sample.image_path for sample in samples}) == 100


def test_the_sample_task_asks_as_the_model_was_asked() -> None:
    task = tasks.load("sample")
    sample = task.samples(1)[0]

    assert task.prompt(sample).text == f"Question: {sample.question} Short answer:"


def test_the_sample_task_has_the_data_sets_answer() -> None:
    task = tasks.load("sample")
    first = task.samples(1)[0]

    assert (first.question, task.references(first)) == ("what is the red shape?", ("triangle",))


def test_the_sample_task_holds_the_whole_test_set_once() -> None:
    samples = tasks.load("sample").samples(9_673)

    assert len({sample.id for sample in samples}) == 9_673


def test_without_its_package_the_sample_task_names_the_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "easy_vqa", None)

    with pytest.raises(UnavailableError, match=r'pip install "layerprof\[sample\]"'):
        tasks.load("sample").samples(1)


def test_an_unknown_task_is_answered_with_the_known_ones() -> None:
    with pytest.raises(InputError, match="no task 'textvqa2'; there are sample"):
        tasks.load("textvqa2")


def test_pictures_are_opened_in_order_as_rgb(tmp_path: Path) -> None:
    paths = [tmp_path / f"{size}.png" for size in (3, 5)]
    for path, size in zip(paths, (3, 5), strict=True):
        Image.new("L", (size, size)).save(path)

    images = tasks.open_images([sample_at(path) for path in paths])

    assert [(image.mode, image.width) for image in images] == [("RGB", 3), ("RGB", 5)]


def test_an_opened_picture_no_longer_needs_its_file(tmp_path: Path) -> None:
    path = tmp_path / "red.png"
    Image.new("RGB", (2, 2), "red").save(path)

    image = tasks.open_images([sample_at(path)])[0]
    path.unlink()

    assert image.getpixel((1, 1)) == (255, 0, 0)


def test_a_picture_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"absent.png' of sample 's1' could not be read \(FileNotFoundError\)"):
        tasks.open_images([sample_at(tmp_path / "absent.png")])


def test_a_file_that_is_no_picture_is_named(tmp_path: Path) -> None:
    path = tmp_path / "text.png"
    path.write_text("not a picture")

    with pytest.raises(InputError, match=r"text\.png"):
        tasks.open_images([sample_at(path)])


def test_a_picture_that_was_cut_short_is_named(tmp_path: Path) -> None:
    path = tmp_path / "half.png"
    Image.effect_noise((64, 64), 90).save(path)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])

    with pytest.raises(InputError, match=r"half\.png"):
        tasks.open_images([sample_at(path)])
