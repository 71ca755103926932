"""Stored records: the same back, whatever they hold."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from store_records import cell, real_profile, sweep

import layerprof as lp
from layerprof.records import CellFailure, CellRecord, FrozenMapping, Quantities, SweepRecord, Timeline
from layerprof.store import load_profile, read_record, write_record
from layerprof.store.base import from_data, to_data
from layerprof.testing import ROWS, WIDTH, SharedNet


@pytest.fixture(scope="module")
def profile() -> lp.Profile:
    return real_profile()


@pytest.fixture
def saved(profile: lp.Profile, tmp_path: Path) -> Path:
    return write_record(profile, tmp_path / "profile.json")


def test_a_real_profile_comes_back_equal(profile: lp.Profile, saved: Path) -> None:
    assert lp.load(saved) == profile


def test_a_profile_of_a_shared_layer_comes_back_equal(tmp_path: Path) -> None:
    net = SharedNet()
    profile = lp.profile(net, net.inputs, clock=net.clock, warmup=0, repeats=2)

    lp.save(profile, tmp_path / "profile.json")

    assert lp.load(tmp_path / "profile.json") == profile


def test_a_partial_profile_comes_back_equal(profile: lp.Profile, tmp_path: Path) -> None:
    partial = replace(profile, call_tree=None, step_s=None, memory=None, checks=(), unattributed_flops=None)

    assert lp.load(write_record(partial, tmp_path / "partial.json")) == partial


def test_a_flop_report_comes_back_equal(tmp_path: Path) -> None:
    report = lp.count_flops(SharedNet(), torch.ones(ROWS, WIDTH))

    lp.save(report, tmp_path / "flops.json")

    assert lp.load(tmp_path / "flops.json") == report


@pytest.mark.parametrize(
    "record",
    [
        cell(),
        replace(
            cell(), status="failed", failure=CellFailure(kind="crash", text="signal 9"), profile_path="cells/a.json"
        ),
        sweep(),
        sweep(cell("a1"), cell("b2")),
    ],
    ids=["cell", "failed cell", "empty sweep", "sweep"],
)
def test_cells_and_sweeps_come_back_equal(record: CellRecord | SweepRecord, tmp_path: Path) -> None:
    assert lp.load(write_record(record, tmp_path / "record.json")) == record


def test_types_come_back_as_they_were(saved: Path, profile: lp.Profile) -> None:
    loaded = load_profile(saved)

    assert type(loaded.root.flops) is int
    assert type(loaded.layers) is tuple
    assert type(loaded.spec.labels) is FrozenMapping
    assert [type(value) for value in read_cell(cell())] == [int, str, bool, float, type(None)]


def read_cell(record: CellRecord) -> list[object]:
    back = from_data(json.loads(json.dumps(to_data(record))), source="a cell")
    assert isinstance(back, CellRecord)
    return list(back.axes.values())


def test_the_timeline_and_the_place_of_a_cell_are_not_stored(profile: lp.Profile) -> None:
    with_timeline = replace(profile, timeline=Timeline(columns=FrozenMapping({"start": (1.0,)})))

    back = from_data(to_data(with_timeline), source="a file")

    assert isinstance(back, lp.Profile)
    assert back.timeline is None
    assert back == with_timeline


def test_phases_that_differ_from_their_row_are_kept(profile: lp.Profile) -> None:
    phases = FrozenMapping({"prefill": Quantities(calls=1, flops=3), "decode": Quantities(calls=7, flops=4)})
    changed = replace(profile, layers=(replace(profile.root, by_phase=phases), *profile.layers[1:]))

    assert from_data(to_data(changed), source="a file") == changed


def test_one_phase_that_differs_from_its_row_is_kept(profile: lp.Profile) -> None:
    phases = FrozenMapping({"prefill": Quantities(calls=5)})
    changed = replace(profile, layers=(replace(profile.root, by_phase=phases), *profile.layers[1:]))

    assert from_data(to_data(changed), source="a file") == changed


NAMES = st.text(max_size=8)
NUMBERS = st.floats(allow_nan=False, allow_infinity=False)
DISTRIBUTIONS = st.builds(
    lambda one: lp.Distribution(samples=one), st.lists(NUMBERS, min_size=1, max_size=5).map(tuple)
)
OPTIONAL_INTS = st.none() | st.integers(min_value=-(2**80), max_value=2**80)
QUANTITIES = st.builds(
    Quantities,
    calls=st.integers(0, 9),
    total_s=st.none() | DISTRIBUTIONS,
    flops=OPTIONAL_INTS,
    peak_bytes=OPTIONAL_INTS,
)
LAYERS = st.builds(
    lp.LayerProfile,
    path=st.just(""),
    aliases=st.lists(NAMES, max_size=2).map(tuple),
    type_name=NAMES,
    kind=st.sampled_from(["conv", "other"]),
    depth=st.integers(0, 3),
    stage=NAMES,
    calls=st.integers(0, 9),
    self_s=st.none() | DISTRIBUTIONS,
    by_phase=st.builds(FrozenMapping, st.dictionaries(NAMES, QUANTITIES, max_size=2)),
    flops_per_s=st.none() | NUMBERS,
    shared=st.booleans(),
)
NODES = st.recursive(
    st.builds(lp.CallNode, path=NAMES, called_as=NAMES, phase=NAMES, calls=st.integers(0, 9), total_s=DISTRIBUTIONS),
    lambda below: st.builds(
        lp.CallNode,
        path=NAMES,
        called_as=NAMES,
        phase=NAMES,
        calls=st.integers(0, 9),
        children=st.lists(below, max_size=2).map(tuple),
    ),
    max_leaves=4,
)


@settings(deadline=None, derandomize=True, max_examples=50, suppress_health_check=[HealthCheck.too_slow])
@given(layer=LAYERS, tree=NODES)
def test_any_record_comes_back_equal(profile: lp.Profile, layer: lp.LayerProfile, tree: lp.CallNode) -> None:
    record = replace(profile, layers=(layer,), call_tree=tree)

    assert from_data(json.loads(json.dumps(to_data(record), allow_nan=False)), source="a file") == record


def test_a_deep_call_tree_comes_back_equal(profile: lp.Profile) -> None:
    node = lp.CallNode(path="", called_as="", phase="forward", calls=1)
    for _ in range(100):
        node = replace(node, children=(node,))

    deep = replace(profile, call_tree=node)

    assert from_data(json.loads(json.dumps(to_data(deep))), source="a file") == deep


def test_names_of_every_alphabet_survive(profile: lp.Profile, tmp_path: Path) -> None:
    label = "модель 模型 🤖 \u2028 \x00 <b>"
    named = replace(profile, spec=replace(profile.spec, model=label))

    loaded = load_profile(write_record(named, tmp_path / "名.json"))

    assert loaded.spec.model == label


def test_read_record_gives_any_kind(saved: Path, profile: lp.Profile) -> None:
    assert read_record(saved) == profile
