"""While samples are fetched and frozen: signs of life, and waiting for another process that fetches them."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from task_sources import ROWS, UNREACHABLE, hub_with, rows_of, scienceqa_row, task_of, write_parquet

from layerprof import tasks
from layerprof.errors import UnavailableError
from layerprof.tasks.published.base import alone_in

if sys.platform != "win32":
    import fcntl

Told = list[tuple[int, int]]

needs_locks = pytest.mark.skipif(sys.platform == "win32", reason="files are locked in another way there")


def telling(told: Told) -> tasks.Tells:
    return lambda done, total: told.append((done, total))


def test_each_picture_that_is_frozen_is_told(tmp_path: Path) -> None:
    told: Told = []

    task_of("COCO", source="hub", cache=tmp_path, hub=hub_with("COCO"), tell=telling(told)).samples(3)

    assert told == [(0, 3), (1, 3), (2, 3), (3, 3)]


def test_rows_that_are_left_out_are_signs_of_life_too(tmp_path: Path) -> None:
    rows = [{**scienceqa_row(number), "image": None} if number < 3 else scienceqa_row(number) for number in range(5)]
    told: Told = []

    task_of("ScienceQA", source="hub", cache=tmp_path, hub=hub_with("ScienceQA", rows), tell=telling(told)).samples(2)

    assert told == [(0, 2), *[(0, 2)] * 3, (1, 2), (2, 2)]


def test_what_is_frozen_already_is_not_told(tmp_path: Path) -> None:
    told: Told = []
    task_of("COCO", source="hub", cache=tmp_path, hub=hub_with("COCO")).samples(3)

    task_of("COCO", source="hub", cache=tmp_path, hub=UNREACHABLE, tell=telling(told)).samples(3)

    assert told == []


def test_a_task_by_name_tells(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    path, told = write_parquet(rows_of("TextVQA"), tmp_path / "x.parquet"), Told()

    tasks.load("TextVQA", str(path), tell=telling(told)).samples(ROWS)

    assert told[-1] == (ROWS, ROWS)


@needs_locks
def test_while_another_process_fetches_that_is_told(tmp_path: Path) -> None:
    naps: list[float] = []
    signs: list[int] = []
    holder = (tmp_path / ".lock").open("w")
    fcntl.flock(holder, fcntl.LOCK_EX)

    def nap(seconds: float) -> None:
        naps.append(seconds)
        if len(naps) == 3:
            holder.close()

    with alone_in(tmp_path, tell=lambda: signs.append(len(naps)), sleep=nap):
        pass

    assert signs == [0, 1, 2]


@needs_locks
def test_a_task_that_waits_for_another_process_tells_and_then_fetches(tmp_path: Path) -> None:
    folder = tmp_path / "data" / "COCO" / "hub"
    folder.mkdir(parents=True)
    holder = (folder / ".lock").open("w")
    fcntl.flock(holder, fcntl.LOCK_EX)
    told: Told = []

    def tell(done: int, total: int) -> None:
        told.append((done, total))
        holder.close()

    task_of("COCO", source="hub", cache=tmp_path, hub=hub_with("COCO"), tell=tell).samples(1)

    assert told == [(0, 1), (0, 1), (1, 1)]


@needs_locks
def test_another_process_that_does_not_end_is_named_long_before_a_sweep_takes_this_one_for_hung(tmp_path: Path) -> None:
    naps: list[float] = []

    with (tmp_path / ".lock").open("w") as holder:
        fcntl.flock(holder, fcntl.LOCK_EX)
        with (
            pytest.raises(UnavailableError, match=r"another process has been filling .* call again when it is done"),
            alone_in(tmp_path, sleep=naps.append),
        ):
            raise AssertionError("it came in")

    assert 60 < sum(naps) < 900 / 2


def test_what_goes_wrong_inside_comes_out(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="no space left"), alone_in(tmp_path):
        raise OSError("no space left")
