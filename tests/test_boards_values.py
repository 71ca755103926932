"""Values of settings in the names of runs, as hyperparameters and on axes: no two become one, and names are legible."""

from __future__ import annotations

import itertools
import re
from collections.abc import Sequence
from pathlib import Path

import pytest
from boards_reading import Hparams, as_page, read
from boards_sweeps import Settings, bare_making, runs_in, sweep_of
from tensorboard.plugins.hparams import api_pb2

from layerprof.boards import export_tensorboard
from layerprof.boards.sweeps import export_sweep
from layerprof.boards.sweeps.base import value_text
from layerprof.records import AxisValue

ALIKE: tuple[tuple[AxisValue, ...], ...] = (
    (None, "none", "'none'"),
    (True, "True", False),
    (1, "1", 1.0, "1.0"),
    ("a\nb", "a\\nb"),
    ("", None),
)


def exported(values: Sequence[AxisValue], logdir: Path) -> None:
    export_sweep(sweep_of([{"axis": value} for value in values]), logdir, bare_making())


@pytest.mark.parametrize("values", ALIKE)
def test_no_two_values_read_the_same(values: Sequence[AxisValue]) -> None:
    assert len({value_text(value) for value in values}) == len(values)


@pytest.mark.parametrize(("value", "text"), [("bf16", "bf16"), ("it's", "it's"), ("224x224", "224x224"), (-1, "-1")])
def test_a_value_that_nothing_else_reads_as_stands_as_it_is(value: AxisValue, text: str) -> None:
    assert value_text(value) == text


@pytest.mark.parametrize("values", ALIKE)
def test_each_value_is_a_filter_of_its_own(tmp_path: Path, values: Sequence[AxisValue]) -> None:
    exported(values, tmp_path)

    (info,) = Hparams(tmp_path).experiment().hparam_infos
    assert len(list(info.domain_discrete)) == len(values)


@pytest.mark.parametrize("values", ALIKE)
def test_each_value_is_a_line_of_its_own(tmp_path: Path, values: Sequence[AxisValue]) -> None:
    rows = [{"a": a, "axis": value} for a, value in itertools.product((1, 2), values)]

    export_sweep(sweep_of(rows), tmp_path, bare_making())

    lines = {tag: found for tag, found in read(tmp_path / "report").scalars.items() if tag.startswith("by a/")}
    assert sorted(found for found in lines.values()) == [
        [(1, float(place)), (2, float(place + len(values)))] for place in range(1, len(values) + 1)
    ]


def test_commas_in_texts_make_no_line_of_two(tmp_path: Path) -> None:
    pairs = (("1x, c=2x", "3x"), ("1x", "2x, c=3x"))

    export_sweep(sweep_of([{"a": a, "b": b, "c": c} for b, c in pairs for a in (1, 2)]), tmp_path, bare_making())

    assert len([tag for tag in read(tmp_path / "report").scalars if tag.startswith("by a/")]) == len(pairs)


@pytest.mark.parametrize("value", [10**400, 2**53 + 1, -(2**53) - 1])
def test_whole_numbers_that_a_page_would_round_are_text_and_have_positions(tmp_path: Path, value: int) -> None:
    exported((value, 7), tmp_path)

    (info,) = Hparams(tmp_path).experiment().hparam_infos
    found = read(tmp_path / "report")
    assert info.type == api_pb2.DATA_TYPE_STRING
    assert list(info.domain_discrete) == [value_text(value), "7"]
    assert found.scalars["by axis/latency_s"] == [(0, 1.0), (1, 2.0)]
    assert found.text("by axis")


def test_whole_numbers_that_a_page_keeps_are_numbers(tmp_path: Path) -> None:
    exported((2**53, 7), tmp_path)

    (info,) = Hparams(tmp_path).experiment().hparam_infos
    assert list(info.domain_discrete) == [7.0, float(2**53)]
    assert read(tmp_path / "report").scalars["by axis/latency_s"] == [(7, 2.0), (2**53, 1.0)]


def test_what_a_folder_cannot_be_named_is_a_dash(tmp_path: Path) -> None:
    rows: list[Settings] = [
        {"device": "cuda:0", "model": "org/net", "shift": -1},
        {"device": "cpu", "model": "(own)", "shift": 1},
    ]

    export_sweep(sweep_of(rows), tmp_path, bare_making())

    assert runs_in(tmp_path) == {"device=cuda-0,model=org-net,shift=-1", "device=cpu,model=own,shift=1", "report"}


def test_names_that_would_be_equal_or_are_too_long_have_one_digest(tmp_path: Path) -> None:
    exported(("a/b", "a:b", "c", "x" * 5000), tmp_path)

    runs = runs_in(tmp_path) - {"report"}
    assert "axis=c" in runs
    assert sorted(run.count("~") for run in runs) == [0, 1, 1, 1]
    assert all(len(run) <= 130 for run in runs)


@pytest.mark.parametrize(
    "values",
    [
        ("../../etc", "..", ".", "/"),
        ("<script>", "a\nb", "\u202e", "\ud800"),
        ("x" * 5000, "x" * 5000 + "y"),
        ("BF16", "bf16"),
        ("a b", "a-b", "a/b", "a\\b"),
        ("", None, "none"),
    ],
)
def test_hostile_values_make_folders_of_their_own_below_the_logdir(tmp_path: Path, values: Sequence[AxisValue]) -> None:
    logdir = tmp_path / "logs"

    files = export_tensorboard(sweep_of([{"axis": value} for value in values]), logdir)

    runs = runs_in(logdir) - {"report"}
    assert len({run.lower() for run in runs}) == len(values)
    assert all(re.fullmatch(r"[A-Za-z0-9._=,+~-]{1,255}", run) for run in runs)
    assert all(path.resolve().is_relative_to(logdir.resolve()) for path in files)
    assert len(Hparams(logdir).groups()) == len(values)
    assert "<script" not in as_page(read(logdir / "report").text("report/"))
