"""Data sets of the hub, by a hub without a network: what is asked, what is kept, and what happens when it fails."""

from __future__ import annotations

import json
import threading
from pathlib import Path

import pytest
from task_sources import UNREACHABLE, FakeHub, coco_row, hub_with, rows_of, scienceqa_row, task_of, textvqa_row

from layerprof import tasks
from layerprof.errors import InputError, UnavailableError
from layerprof.names import PUBLISHED_DATASETS
from layerprof.tasks.published import PUBLISHED
from layerprof.tasks.published.hub import read_home


def folder_of(cache: Path, dataset: str = "TextVQA", key: str = "hub") -> Path:
    return cache / "data" / dataset / key


def test_what_was_frozen_is_read_without_the_hub(tmp_path: Path) -> None:
    first = task_of("TextVQA", source="hub", cache=tmp_path, hub=hub_with("TextVQA")).samples(6)

    again = task_of("TextVQA", source="hub", cache=tmp_path, hub=UNREACHABLE).samples(4)

    assert again == first[:4]


def test_no_more_rows_are_read_than_are_asked_for(tmp_path: Path) -> None:
    hub = hub_with("TextVQA")

    task_of("TextVQA", source="hub", cache=tmp_path, hub=hub).samples(5)

    assert hub.given == 5


def test_more_samples_come_from_the_commit_that_the_first_came_from(tmp_path: Path) -> None:
    hub = hub_with("TextVQA", home=1)
    alias = PUBLISHED["TextVQA"].homes[1].alias
    task = task_of("TextVQA", source="hub", cache=tmp_path, hub=hub)
    task.samples(3)
    hub.asked.clear()

    task.samples(8)

    assert [(home.alias, home.revision) for home in hub.asked] == [(alias, f"newest-of-{alias}")]


@pytest.mark.parametrize("dataset", PUBLISHED_DATASETS)
def test_the_first_home_that_has_the_data_set_is_used(dataset: str, tmp_path: Path) -> None:
    homes = PUBLISHED[dataset].homes
    hub = FakeHub(rows={home.alias: rows_of(dataset) for home in homes[1:]})
    task = task_of(dataset, source="hub", cache=tmp_path, hub=hub)

    task.samples(2)

    assert [home.alias for home in hub.asked] == [home.alias for home in homes[:2]]
    assert homes[1].alias in task.origin


def test_a_home_whose_columns_differ_is_passed_over(tmp_path: Path) -> None:
    first, second = (home.alias for home in PUBLISHED["COCO"].homes[:2])
    hub = FakeHub(rows={first: [{"image": None, "caption": "a dog"}], second: rows_of("COCO")})
    task = task_of("COCO", source="hub", cache=tmp_path, hub=hub)

    samples = task.samples(2)

    assert len(samples) == 2
    assert task.origin.startswith(second)


def test_the_origin_names_split_configuration_and_the_commit_that_was_read(tmp_path: Path) -> None:
    task = task_of("ScienceQA", source="hub", cache=tmp_path, hub=hub_with("ScienceQA", home=1))

    task.samples(1)

    alias = "lmms-lab-encoder/ScienceQA"
    assert task.origin == f"{alias}, configuration ScienceQA-IMG, split test, revision newest-of-{alias}"


def test_before_anything_was_read_the_origin_says_so(tmp_path: Path) -> None:
    task = task_of("ScienceQA", source="hub", cache=tmp_path, hub=UNREACHABLE)

    assert task.origin == "hub, not read yet"


def test_a_revision_that_is_asked_for_is_read_and_kept_apart(tmp_path: Path) -> None:
    hub = hub_with("TextVQA")
    pinned = task_of("TextVQA", source="hub@v1/of 2024", cache=tmp_path, hub=hub)

    pinned.samples(2)

    assert hub.asked[0].revision == "v1/of 2024"
    assert pinned.origin.endswith("revision v1/of 2024")
    assert not folder_of(tmp_path).exists()


def test_a_hub_out_of_reach_is_answered_in_one_line_with_the_remedy(tmp_path: Path) -> None:
    task = task_of("ScienceQA", source="hub", cache=tmp_path, hub=FakeHub(rows={}, is_reachable=False))

    with pytest.raises(UnavailableError) as caught:
        task.samples(2)

    message = str(caught.value)
    assert "\n" not in message
    for part in (
        "ScienceQA is not on this machine",
        "derek-thomas/ScienceQA, split test",
        "no route",
        "source='sample'",
    ):
        assert part in message


def test_a_hub_out_of_reach_is_asked_once(tmp_path: Path) -> None:
    hub = FakeHub(rows={}, is_reachable=False)

    with pytest.raises(UnavailableError):
        task_of("TextVQA", source="hub", cache=tmp_path, hub=hub).samples(2)

    assert len(hub.asked) == 1


def test_a_data_set_that_no_home_has_is_told_with_each_homes_answer(tmp_path: Path) -> None:
    task = task_of("COCO", source="hub", cache=tmp_path, hub=FakeHub(rows={}))

    with pytest.raises(UnavailableError) as caught:
        task.samples(2)

    assert all(f"{home.text}: 404 Not Found" in str(caught.value) for home in PUBLISHED["COCO"].homes)


def test_a_hub_that_breaks_off_leaves_nothing_half_done(tmp_path: Path) -> None:
    hub = hub_with("TextVQA")
    hub.breaks_after = 3
    task = task_of("TextVQA", source="hub", cache=tmp_path, hub=hub)

    with pytest.raises(UnavailableError, match=r"reading lmms.* broke off \(OSError: connection reset"):
        task.samples(6)

    assert not (folder_of(tmp_path) / "manifest.json").exists()


def test_what_was_frozen_stays_when_fetching_more_breaks_off(tmp_path: Path) -> None:
    hub = hub_with("TextVQA")
    task = task_of("TextVQA", source="hub", cache=tmp_path, hub=hub)
    first = task.samples(3)
    hub.breaks_after = 5

    with pytest.raises(UnavailableError):
        task.samples(8)

    assert task_of("TextVQA", source="hub", cache=tmp_path, hub=UNREACHABLE).samples(3) == first


def test_that_there_are_no_more_samples_is_known_without_the_hub(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="13 samples of TextVQA were asked for and there are 12"):
        task_of("TextVQA", source="hub", cache=tmp_path, hub=hub_with("TextVQA")).samples(13)

    with pytest.raises(InputError, match="there are 12"):
        task_of("TextVQA", source="hub", cache=tmp_path, hub=UNREACHABLE).samples(20)


def test_pictures_are_kept_byte_for_byte(tmp_path: Path) -> None:
    samples = task_of("TextVQA", source="hub", cache=tmp_path, hub=hub_with("TextVQA")).samples(3)

    kept = [{"bytes": Path(sample.image_path).read_bytes(), "path": None} for sample in samples]

    assert kept == [textvqa_row(number)["image"] for number in range(3)]
    assert {Path(sample.image_path).suffix for sample in samples} == {".jpg"}


@pytest.mark.parametrize("name", ["samples.jsonl", "manifest.json", "pictures"])
def test_a_frozen_set_that_was_damaged_is_fetched_again(name: str, tmp_path: Path) -> None:
    task = task_of("TextVQA", source="hub", cache=tmp_path, hub=hub_with("TextVQA"))
    first = task.samples(4)
    found = folder_of(tmp_path) / name
    damaged = sorted(found.iterdir())[0] if found.is_dir() else found
    damaged.write_bytes(damaged.read_bytes()[:-3])

    again = task.samples(4)

    assert again == first
    assert tasks.samples_digest(again) == tasks.samples_digest(first)


def test_a_picture_that_was_deleted_is_fetched_again(tmp_path: Path) -> None:
    task = task_of("COCO", source="hub", cache=tmp_path, hub=hub_with("COCO"))
    first = task.samples(4)
    Path(first[2].image_path).unlink()

    assert task.samples(4) == first
    assert Path(first[2].image_path).is_file()


def test_a_frozen_set_that_was_damaged_gets_back_as_many_samples_as_it_had(tmp_path: Path) -> None:
    task = task_of("COCO", source="hub", cache=tmp_path, hub=hub_with("COCO"))
    first = task.samples(8)
    Path(first[0].image_path).unlink()

    task.samples(2)

    assert task_of("COCO", source="hub", cache=tmp_path, hub=UNREACHABLE).samples(8) == first


def test_a_whole_set_that_was_damaged_is_whole_again(tmp_path: Path) -> None:
    task = task_of("COCO", source="hub", cache=tmp_path, hub=hub_with("COCO"))
    with pytest.raises(InputError, match="there are 12"):
        task.samples(13)
    Path(task.samples(1)[0].image_path).unlink()

    task.samples(2)

    with pytest.raises(InputError, match="there are 12"):
        task_of("COCO", source="hub", cache=tmp_path, hub=UNREACHABLE).samples(13)


def test_the_manifest_tells_what_was_frozen(tmp_path: Path) -> None:
    rows = [
        {**scienceqa_row(number), "image": None} if number in (0, 2) else scienceqa_row(number) for number in range(9)
    ]
    task_of("ScienceQA", source="hub", cache=tmp_path, hub=hub_with("ScienceQA", rows)).samples(4)

    manifest = json.loads((folder_of(tmp_path, "ScienceQA") / "manifest.json").read_text())

    assert {name: manifest[name] for name in ("dataset", "source", "split", "count", "left_out", "is_whole")} == {
        "dataset": "ScienceQA",
        "source": "derek-thomas/ScienceQA",
        "split": "test",
        "count": 4,
        "left_out": 2,
        "is_whole": False,
    }


def test_two_at_once_fetch_the_samples_once(tmp_path: Path) -> None:
    hub = hub_with("COCO")
    found = []

    def fetch() -> None:
        found.append(task_of("COCO", source="hub", cache=tmp_path, hub=hub).samples(5))

    threads = [threading.Thread(target=fetch) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(hub.asked) == 1
    assert len(set(found)) == 1


def test_a_cache_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("a file where a folder should be")

    with pytest.raises(InputError, match="cannot write"):
        task_of("COCO", source="hub", cache=tmp_path, hub=hub_with("COCO")).samples(1)


def test_the_same_id_twice_is_refused(tmp_path: Path) -> None:
    hub = hub_with("COCO", [coco_row(1), coco_row(2), coco_row(1)])

    with pytest.raises(InputError, match=r"'COCO/000000000001\.jpg' comes twice"):
        task_of("COCO", source="hub", cache=tmp_path, hub=hub).samples(3)


def test_in_offline_mode_the_hubs_own_client_is_not_waited_for() -> None:
    with pytest.raises(ConnectionError, match="offline mode is enabled"):
        read_home(PUBLISHED["TextVQA"].homes[0])


def test_the_default_source_is_the_hub_and_its_failure_names_the_remedy() -> None:
    with pytest.raises(UnavailableError, match=r"lmms-lab-encoder/textvqa, split validation.*source='sample'"):
        tasks.load("TextVQA").samples(1)
