"""The sample task, tasks by name, and pictures that are read or named."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from layerprof import names, tasks
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
    with pytest.raises(InputError, match="no task 'textvqa2'; there are sample, TextVQA, ScienceQA, COCO"):
        tasks.load("textvqa2")


def test_every_data_set_has_a_task_by_its_name_in_any_case() -> None:
    assert [tasks.load(name.upper()).name for name in names.DATASETS] == list(tasks.TASKS)


def test_the_sample_task_has_no_other_source() -> None:
    with pytest.raises(InputError, match="'sample' has no other source; leave out source='hub'"):
        tasks.load("sample", "hub")


def test_asking_for_a_task_loads_no_data_and_no_library_for_them() -> None:
    program = (
        "import sys; from layerprof import tasks; tasks.load('TextVQA'); tasks.load('COCO', 'sample').samples(3);"
        "print(sorted({'datasets', 'torch', 'transformers', 'pyarrow', 'huggingface_hub'} & set(sys.modules)))"
    )

    done = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)

    assert done.stdout.strip() == "[]"


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


def test_pictures_are_brought_to_the_size_asked_for_whatever_their_shape(tmp_path: Path) -> None:
    path = tmp_path / "wide.png"
    noise = Image.effect_noise((40, 20), 80)
    noise.save(path)

    image = tasks.open_images([sample_at(path)], resized_to=30)[0]

    assert image.tobytes() == noise.convert("RGB").resize((30, 30), Image.Resampling.BICUBIC).tobytes()


@pytest.mark.parametrize(
    "change",
    [
        {"id": "s2"},
        {"image_id": "p7"},
        {"question": "what? "},
        {"context": "a"},
        {"choices": ("a", "b")},
        {"answers": ("this", "that")},
        {"answers": ("t", "his")},
    ],
)
def test_another_text_is_another_digest(change: dict[str, Any], tmp_path: Path) -> None:
    path = tmp_path / "red.png"
    Image.new("RGB", (2, 2), "red").save(path)

    changed = dataclasses.replace(sample_at(path), **change)

    assert tasks.samples_digest([changed]) != tasks.samples_digest([sample_at(path)])


def test_another_picture_is_another_digest_and_another_place_is_not(tmp_path: Path) -> None:
    for name, colour in (("a", "red"), ("b", "red"), ("c", "blue")):
        Image.new("RGB", (2, 2), colour).save(tmp_path / f"{name}.png")

    first, same, other = (tasks.samples_digest([sample_at(tmp_path / f"{name}.png")]) for name in "abc")

    assert first == same != other


def test_a_digest_needs_the_pictures(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"absent.png' of sample 's1' could not be read \(FileNotFoundError\)"):
        tasks.samples_digest([sample_at(tmp_path / "absent.png")])
