"""Traces whose calls nest deeper than Python's own stack is: read, stored, written and reported."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from torch_traces import KinetoTrace, trace_of
from torch_traces import written as written_trace

import layerprof as lp
from layerprof.attribute import checks_of

DEPTH = sys.getrecursionlimit() + 100
NAMES = ("Net_0", "Cell_0", "Cell_1")


@pytest.fixture(scope="module")
def deep(tmp_path_factory: pytest.TempPathFactory) -> lp.Profile:
    """Three modules that call one another by turns, each call a microsecond longer at both ends than the next."""
    trace = KinetoTrace(step_us=0.0)
    trace.op("ProfilerStep#3", (0, 4 * DEPTH), cat="user_annotation")
    for depth in range(DEPTH):
        name = NAMES[0] if not depth else NAMES[1 + depth % 2]
        trace.module(name, (1 + depth, 4 * DEPTH - 1 - depth), 1 + depth, depth or None)
    for depth in range(DEPTH // 2):
        trace.op(f"aten::op{depth % 3}", (1 + DEPTH + depth, 3 * DEPTH - 1 - depth))
    return lp.load_trace(written_trace(trace_of(trace.events), tmp_path_factory.mktemp("deep") / "trace.json"))


def depth_of(top: lp.CallNode) -> int:
    depth = 0
    while top.children:
        (top,) = top.children
        depth += 1
    return depth


def test_it_is_read(deep: lp.Profile) -> None:
    assert deep.call_tree is not None
    assert depth_of(deep.call_tree) == DEPTH - 1
    assert sum(layer.calls for layer in deep.layers) == DEPTH
    assert [check.name for check in deep.checks if not check.ok] == []


def test_a_row_that_is_not_what_its_calls_add_up_to_is_found_at_any_depth(deep: lp.Profile) -> None:
    wrong = replace(deep, layers=(deep.layers[0], replace(deep.layers[1], self_s=deep.step_s), *deep.layers[2:]))

    (check,) = (check for check in checks_of(wrong) if check.name == "call_tree_is_rows")

    assert not check.ok
    assert check.detail == f"1 rows differ from the call tree, first {deep.layers[1].path!r}"


def test_it_is_stored(deep: lp.Profile, tmp_path: Path) -> None:
    lp.save(deep, tmp_path / "deep.json")

    again = lp.load(tmp_path / "deep.json")

    assert isinstance(again, lp.Profile)
    assert again.call_tree is not None
    assert depth_of(again.call_tree) == DEPTH - 1
    assert again.layers == deep.layers


@pytest.mark.parametrize("name", ["x.json", "x.pt.trace.json.gz"])
def test_it_is_written_as_a_trace_and_read_back(deep: lp.Profile, tmp_path: Path, name: str) -> None:
    again = lp.load_trace(lp.export_trace(deep, tmp_path / name))

    assert [layer.total_s for layer in again.layers] == [layer.total_s for layer in deep.layers]
    assert [layer.calls for layer in again.layers] == [layer.calls for layer in deep.layers]


@pytest.mark.parametrize("suffix", [".txt", ".md", ".html", ".csv", ".json"])
def test_it_is_reported(deep: lp.Profile, tmp_path: Path, suffix: str) -> None:
    lp.save(deep, tmp_path / f"report{suffix}")

    assert "Cell" in (tmp_path / f"report{suffix}").read_text()


@pytest.mark.parametrize("show", [str, lp.Profile._repr_html_, lp.Profile.to_dataframe])
def test_it_shows_itself(deep: lp.Profile, show: Callable[[lp.Profile], object]) -> None:
    assert show(deep) is not None
