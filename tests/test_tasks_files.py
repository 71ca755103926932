"""Data sets in folders and files of this machine: Parquet as the hub has it, and folders of frozen samples."""

from __future__ import annotations

import hashlib
import os
import shutil
from pathlib import Path

import datasets
import pytest
from task_sources import coco_row, hub_with, rows_of, scienceqa_row, task_of, textvqa_row, write_parquet

from layerprof import tasks
from layerprof.errors import InputError
from layerprof.names import PUBLISHED_DATASETS
from layerprof.records import Sample


def samples_of(dataset: str, source: Path, cache: Path, *, count: int = 4) -> tuple[Sample, ...]:
    return task_of(dataset, source=str(source), cache=cache).samples(count)


@pytest.mark.parametrize("has_image_feature", [True, False])
@pytest.mark.parametrize("dataset", PUBLISHED_DATASETS)
def test_a_parquet_file_gives_the_samples_that_the_hub_gives(
    dataset: str, has_image_feature: bool, tmp_path: Path
) -> None:
    expected = task_of(dataset, source="hub", cache=tmp_path / "a", hub=hub_with(dataset)).samples(4)
    path = write_parquet(rows_of(dataset), tmp_path / "x.parquet", has_image_feature=has_image_feature)

    found = samples_of(dataset, path, tmp_path / "b")

    assert tasks.samples_digest(found) == tasks.samples_digest(expected)


def test_a_folder_serves_all_data_sets_by_their_names(tmp_path: Path) -> None:
    write_parquet(rows_of("TextVQA"), tmp_path / "textvqa" / "data" / "validation-00000-of-00001.parquet")
    write_parquet(rows_of("COCO"), tmp_path / "Coco.parquet")
    task_of("ScienceQA", source="hub", cache=tmp_path / "a", hub=hub_with("ScienceQA")).samples(4)
    shutil.copytree(tmp_path / "a" / "data" / "ScienceQA" / "hub", tmp_path / "SCIENCEQA")

    found = {name: samples_of(name, tmp_path, tmp_path / "cache") for name in PUBLISHED_DATASETS}

    assert {name: samples[0].id.partition("/")[0] for name, samples in found.items()} == {
        name: name for name in PUBLISHED_DATASETS
    }


def test_of_several_splits_the_one_that_is_asked_is_read(tmp_path: Path) -> None:
    write_parquet(rows_of("TextVQA")[:2], tmp_path / "data" / "test-00000-of-00001.parquet")
    write_parquet(rows_of("TextVQA")[2:4], tmp_path / "data" / "train-00000-of-00001.parquet")
    write_parquet(rows_of("TextVQA")[4:8], tmp_path / "data" / "validation-00000-of-00002.parquet")
    write_parquet(rows_of("TextVQA")[8:], tmp_path / "data" / "validation-00001-of-00002.parquet")

    found = samples_of("TextVQA", tmp_path, tmp_path / "cache", count=8)

    assert [sample.id for sample in found] == [f"TextVQA/{34_600 + number}" for number in range(4, 12)]


@pytest.mark.parametrize(
    ("dataset", "names", "found"),
    [
        ("ScienceQA", ["train-00000-of-00001.parquet"], "train"),
        (
            "ScienceQA",
            ["data/train-00000-of-00002.parquet", "data/validation-00000-of-00001.parquet"],
            "train, validat",
        ),
        ("ScienceQA", ["train/0000.parquet"], "train"),
        ("TextVQA", ["textvqa_test.parquet"], "test"),
        ("COCO", ["x.parquet", "training.parquet"], "train"),
    ],
)
def test_files_of_another_split_alone_are_refused(dataset: str, names: list[str], found: str, tmp_path: Path) -> None:
    for name in names:
        write_parquet(rows_of(dataset), tmp_path / "in" / name)

    with pytest.raises(InputError, match=rf"in the split {found}.*(test|val|validation) is the one that is asked"):
        samples_of(dataset, tmp_path / "in", tmp_path / "cache")


def test_a_single_file_of_another_split_is_refused(tmp_path: Path) -> None:
    path = write_parquet(rows_of("ScienceQA"), tmp_path / "train-00000-of-00001.parquet")

    with pytest.raises(InputError, match="in the split train"):
        samples_of("ScienceQA", path, tmp_path / "cache")


@pytest.mark.parametrize(
    ("dataset", "name", "split"),
    [
        ("ScienceQA", "test-00000-of-00001.parquet", ", split test"),
        ("ScienceQA", "test/train_and_more.parquet", None),
        ("TextVQA", "val.parquet", ", split validation"),
        ("COCO", "coco_val2017.parquet", ", split val"),
        ("COCO", "validation/0.parquet", ", split val"),
        ("COCO", "latest-contest.parquet", ""),
    ],
)
def test_the_origin_tells_the_split_that_the_names_tell(
    dataset: str, name: str, split: str | None, tmp_path: Path
) -> None:
    place = tmp_path / "train"  # of the folder's own name, only the user knows what it means
    write_parquet(rows_of(dataset), place / name)
    task = task_of(dataset, source=str(place), cache=tmp_path / "cache")

    if split is None:
        with pytest.raises(InputError, match="in the split train"):
            task.samples(1)
    else:
        task.samples(1)
        assert task.origin == f"{place}{split}"


def test_links_to_files_without_names_are_told_apart_by_their_own(tmp_path: Path) -> None:
    snapshot = tmp_path / "snapshots" / "data"
    snapshot.mkdir(parents=True)
    for blob, name, rows in (
        ("a1", "train-00000-of-00001", slice(0, 4)),
        ("c3", "validation-00000-of-00002", slice(4, 8)),
        ("b2", "validation-00001-of-00002", slice(8, 12)),
    ):
        write_parquet(rows_of("TextVQA")[rows], tmp_path / "blobs" / blob)
        (snapshot / f"{name}.parquet").symlink_to(tmp_path / "blobs" / blob)

    found = samples_of("TextVQA", tmp_path / "snapshots", tmp_path / "cache", count=8)

    assert [sample.id for sample in found] == [f"TextVQA/{34_600 + number}" for number in range(4, 12)]


@pytest.mark.parametrize("name", ["g[1]", "g*", "g?", "**", "a::b", "{x}", "é ü"])
def test_signs_in_a_folders_name_are_no_patterns(name: str, tmp_path: Path) -> None:
    write_parquet(rows_of("COCO")[:4], tmp_path / name / "x.parquet")
    for other in ("g1", "gx", "a"):
        write_parquet(rows_of("COCO")[4:], tmp_path / other / "x.parquet")

    with pytest.raises(InputError, match="there are 4"):
        samples_of("COCO", tmp_path / name, tmp_path / "cache", count=5)
    assert samples_of("COCO", tmp_path / name, tmp_path / "cache")[0].id == f"COCO/{coco_row(0)['question_id']}"


@pytest.mark.parametrize("name", ["a*.parquet", "[ab].parquet", "a?.parquet"])
def test_signs_in_a_files_name_are_no_patterns(name: str, tmp_path: Path) -> None:
    path = write_parquet(rows_of("COCO")[:4], tmp_path / name)
    for other in ("a.parquet", "ab.parquet", "b.parquet"):
        write_parquet(rows_of("COCO")[4:], tmp_path / other)

    with pytest.raises(InputError, match="there are 4"):
        samples_of("COCO", path, tmp_path / "cache", count=5)


def test_a_column_that_only_some_files_have_is_missing(tmp_path: Path) -> None:
    write_parquet(rows_of("COCO")[:4], tmp_path / "in" / "0.parquet")
    rows = [{**row, "captions": row["answer"]} for row in rows_of("COCO")[4:]]
    write_parquet(
        [{name: row[name] for name in row if name != "answer"} for row in rows], tmp_path / "in" / "1.parquet"
    )

    with pytest.raises(InputError, match="the columns 'answer' are missing"):
        samples_of("COCO", tmp_path / "in", tmp_path / "cache")


def test_rows_left_out_for_want_of_a_picture_are_told_in_the_origin(tmp_path: Path) -> None:
    rows = rows_of("ScienceQA")
    without = [{**row, "image": {"bytes": None, "path": None}} if at in (1, 3) else row for at, row in enumerate(rows)]
    path = write_parquet(without, tmp_path / "x.parquet")
    task = task_of("ScienceQA", source=str(path), cache=tmp_path / "cache")

    task.samples(4)

    assert task.origin == f"{path}, 2 of its first 6 rows without a picture left out"


@pytest.mark.parametrize("content", ['{"name": "a browser extension", "version": 1}', "[]", "no JSON", ""])
def test_a_manifest_of_somebody_elses_beside_parquet_files_means_nothing(content: str, tmp_path: Path) -> None:
    write_parquet(rows_of("COCO"), tmp_path / "in" / "x.parquet")
    (tmp_path / "in" / "manifest.json").write_text(content)

    assert len(samples_of("COCO", tmp_path / "in", tmp_path / "cache")) == 4


def test_a_manifest_of_somebody_elses_alone_is_refused(tmp_path: Path) -> None:
    (tmp_path / "manifest.json").write_text('{"name": "a browser extension", "version": 1}')

    with pytest.raises(InputError, match="in a form that is known; give a copy of the folder"):
        samples_of("COCO", tmp_path, tmp_path / "cache")


def test_frozen_samples_are_read_though_there_are_parquet_files_beside_them(tmp_path: Path) -> None:
    task_of("COCO", source="hub", cache=tmp_path, hub=hub_with("COCO")).samples(4)
    folder = tmp_path / "data" / "COCO" / "hub"
    write_parquet(rows_of("COCO")[5:], folder / "x.parquet")

    assert samples_of("COCO", folder, tmp_path / "cache")[0].id == f"COCO/{coco_row(0)['question_id']}"


def test_of_several_configurations_the_one_with_pictures_is_read(tmp_path: Path) -> None:
    write_parquet(rows_of("ScienceQA")[:3], tmp_path / "ScienceQA-FULL" / "test-00000-of-00001.parquet")
    write_parquet(rows_of("ScienceQA")[3:], tmp_path / "ScienceQA-IMG" / "test-00000-of-00001.parquet")

    found = samples_of("ScienceQA", tmp_path, tmp_path / "cache", count=9)

    assert found[0].question == scienceqa_row(3)["question"]


def test_a_file_that_was_exchanged_is_read_anew(tmp_path: Path) -> None:
    path = write_parquet(rows_of("TextVQA")[:5], tmp_path / "x.parquet")
    first = samples_of("TextVQA", path, tmp_path / "cache")
    write_parquet(rows_of("TextVQA")[5:], path)
    os.utime(path, ns=(1, 1))

    assert samples_of("TextVQA", path, tmp_path / "cache")[0].id != first[0].id


def test_a_file_is_read_once_for_the_same_samples(tmp_path: Path) -> None:
    path = write_parquet(rows_of("COCO"), tmp_path / "x.parquet")
    stat = path.stat()
    first = samples_of("COCO", path, tmp_path / "cache")
    path.write_bytes(b"x" * stat.st_size)
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))

    assert samples_of("COCO", path, tmp_path / "cache") == first


def test_a_file_of_the_same_size_that_was_changed_is_read_anew(tmp_path: Path) -> None:
    path = write_parquet(rows_of("COCO"), tmp_path / "x.parquet")
    samples_of("COCO", path, tmp_path / "cache")
    path.write_bytes(b"x" * path.stat().st_size)
    os.utime(path, ns=(1, 1))

    with pytest.raises(InputError, match="could not be read as Parquet"):
        samples_of("COCO", path, tmp_path / "cache")


def test_columns_that_differ_are_named_with_those_found(tmp_path: Path) -> None:
    rows = [{"image": row["image"], "caption": "a dog", "question_id": "1"} for row in rows_of("COCO")]
    path = write_parquet(rows, tmp_path / "x.parquet")

    with pytest.raises(InputError, match="not COCO: the columns 'answer' are missing; found 'image', 'caption', 'ques"):
        samples_of("COCO", path, tmp_path / "cache")


def test_a_folder_of_another_data_sets_columns_is_refused(tmp_path: Path) -> None:
    write_parquet(rows_of("TextVQA"), tmp_path / "in" / "x.parquet")

    with pytest.raises(InputError, match="'choices', 'answer', 'hint' are missing"):
        samples_of("ScienceQA", tmp_path / "in", tmp_path / "cache")


def test_a_place_that_is_not_there_is_named_with_the_sources_there_are(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no folder or file .*absent for COCO; the source is hub, hub@<revision>"):
        samples_of("COCO", tmp_path / "absent", tmp_path / "cache")


def test_a_folder_without_data_says_what_to_download(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()

    with pytest.raises(InputError, match=r"no Parquet files .* download lmms-lab-encoder/COCO-Caption2017, split val"):
        samples_of("COCO", tmp_path / "in", tmp_path / "cache")


def test_a_file_that_is_no_parquet_is_named(tmp_path: Path) -> None:
    path = tmp_path / "x.parquet"
    path.write_text("no columns at all")

    with pytest.raises(InputError, match=r"x\.parquet could not be read as Parquet"):
        samples_of("COCO", path, tmp_path / "cache")


def test_a_file_that_was_cut_short_is_named(tmp_path: Path) -> None:
    path = write_parquet(rows_of("COCO"), tmp_path / "x.parquet")
    path.write_bytes(path.read_bytes()[:-100])

    with pytest.raises(InputError, match=r"x\.parquet could not be read as Parquet"):
        samples_of("COCO", path, tmp_path / "cache")


def test_a_file_without_rows_has_no_samples(tmp_path: Path) -> None:
    path = tmp_path / "x.parquet"
    datasets.Dataset.from_dict({name: [] for name in coco_row(0)}).to_parquet(str(path))

    with pytest.raises(InputError, match="there are 0"):
        samples_of("COCO", path, tmp_path / "cache")


def test_frozen_samples_of_another_data_set_are_refused(tmp_path: Path) -> None:
    task_of("COCO", source="hub", cache=tmp_path, hub=hub_with("COCO")).samples(4)

    with pytest.raises(InputError, match="holds frozen samples of 'COCO', and TextVQA was asked for"):
        samples_of("TextVQA", tmp_path / "data" / "COCO" / "hub", tmp_path / "cache")


@pytest.mark.parametrize(
    ("name", "old", "new", "complaint"),
    [
        ("samples.jsonl", b"dogs", b"cats", "is not what the manifest beside it says"),
        ("manifest.json", b'"version":1', b'"version":9', "in a form that is known"),
        ("manifest.json", b'"count":4', b'"count":-4', "in a form that is known"),
        ("manifest.json", b"{", b"[", "damaged"),
    ],
)
def test_frozen_samples_that_were_changed_are_refused(
    name: str, old: bytes, new: bytes, complaint: str, tmp_path: Path
) -> None:
    task_of("COCO", source="hub", cache=tmp_path, hub=hub_with("COCO")).samples(4)
    folder = tmp_path / "data" / "COCO" / "hub"
    content = (folder / name).read_bytes()
    assert old in content
    (folder / name).write_bytes(content.replace(old, new, 1))

    with pytest.raises(InputError, match=complaint) as caught:
        samples_of("COCO", folder, tmp_path / "cache")
    assert "delete" not in str(caught.value)  # it is the user's folder


def test_a_picture_of_frozen_samples_that_was_exchanged_is_refused(tmp_path: Path) -> None:
    first = task_of("COCO", source="hub", cache=tmp_path, hub=hub_with("COCO")).samples(4)
    shutil.copyfile(first[0].image_path, first[1].image_path)

    with pytest.raises(InputError, match=r"\.jpg has changed"):
        samples_of("COCO", tmp_path / "data" / "COCO" / "hub", tmp_path / "cache")


def test_frozen_samples_open_no_file_outside_their_folder(tmp_path: Path) -> None:
    task_of("COCO", source="hub", cache=tmp_path, hub=hub_with("COCO")).samples(4)
    folder = tmp_path / "data" / "COCO" / "hub"
    lines, manifest = (folder / "samples.jsonl").read_bytes(), (folder / "manifest.json").read_bytes()
    forged = lines.replace(b'"picture":"', b'"picture":"../../')
    (folder / "samples.jsonl").write_bytes(forged)
    true, false = (hashlib.sha256(text).hexdigest().encode() for text in (lines, forged))
    (folder / "manifest.json").write_bytes(manifest.replace(true, false))

    with pytest.raises(InputError, match="is no name of a picture"):
        samples_of("COCO", folder, tmp_path / "cache")


def test_more_frozen_samples_than_were_given_is_refused(tmp_path: Path) -> None:
    task_of("COCO", source="hub", cache=tmp_path, hub=hub_with("COCO")).samples(4)

    with pytest.raises(InputError, match=r"5 samples of COCO in .* and there are 4"):
        samples_of("COCO", tmp_path / "data" / "COCO" / "hub", tmp_path / "cache", count=5)


def test_the_origin_of_files_is_their_place(tmp_path: Path) -> None:
    path = write_parquet([textvqa_row(0)], tmp_path / "x.parquet")
    task = task_of("TextVQA", source=str(path), cache=tmp_path / "cache")

    task.samples(1)

    assert task.origin == str(path)
