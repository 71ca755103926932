"""Stored records: the same back, whatever they hold."""

from __future__ import annotations

import gc
import json
from dataclasses import fields, replace
from pathlib import Path

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from store_records import cell, energy_summary, full_profile, quantities, real_profile, sweep, values_of

import layerprof as lp
from layerprof.records import CellFailure, CellRecord, Energy, FrozenMapping, KernelProfile, Quantities, SweepRecord
from layerprof.store import from_data, load_profile, read_record, write_record
from layerprof.store.base import NOT_STORED, forms_of
from layerprof.store.encode import to_data
from layerprof.store.files import to_json
from layerprof.testing import ROWS, WIDTH, SharedNet


@pytest.fixture(scope="module")
def profile() -> lp.Profile:
    return full_profile()


@pytest.fixture
def saved(profile: lp.Profile, tmp_path: Path) -> Path:
    return write_record(profile, tmp_path / "profile.json")


def test_a_profile_of_everything_comes_back_equal(profile: lp.Profile, saved: Path) -> None:
    assert lp.load(saved) == profile


def test_the_energy_of_a_step_comes_back_whole(profile: lp.Profile, saved: Path) -> None:
    loaded = load_profile(saved)

    assert loaded.energy == energy_summary()
    assert loaded.unattributed_energy == profile.unattributed_energy
    assert loaded["block"].energy == profile["block"].energy
    for part in (loaded.energy.counter, loaded.energy.step, loaded.energy.units[0], loaded.energy.conditions):
        assert not [field.name for field in fields(part) if getattr(part, field.name) is None]


@pytest.mark.parametrize("schema", [2, 3])
def test_a_file_from_before_the_energy_pass_is_read(profile: lp.Profile, schema: int) -> None:
    joules = Energy(total_j=1.5, kind="measured", source="nvml", ci95_j=(1.0, 2.0), window_s=1.0, resolution_s=0.1)
    old = replace(
        profile,
        layers=tuple(
            replace(layer, energy=joules, self_energy=None, by_phase=FrozenMapping()) for layer in profile.layers
        ),
        stages=(),
        phases=(),
        energy=None,
        unattributed_energy=None,
    )
    content = json.loads(to_json(to_data(old)))
    content["schema"] = schema
    record = content["record"]
    del record["energy"], record["unattributed_energy"]
    for column in record["layers"]["energy"]:
        for name in ("power_w", "idle_j", "quantisation_j", "sensor_rel", "windows", "flags"):
            del column[name]

    assert from_data(content, source="an old file") == old


def test_a_real_profile_comes_back_equal(tmp_path: Path) -> None:
    measured = real_profile()

    assert lp.load(write_record(measured, tmp_path / "profile.json")) == measured


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

    assert type(loaded["block"].flops) is int
    assert type(loaded.layers) is tuple
    assert type(loaded.spec.labels) is FrozenMapping
    assert [type(value) for value in read_cell(cell())] == [int, str, bool, float, type(None)]


def read_cell(record: CellRecord) -> list[object]:
    back = from_data(json.loads(to_json(to_data(record))), source="a cell")
    assert isinstance(back, CellRecord)
    return list(back.axes.values())


def test_the_place_of_a_cell_is_not_stored() -> None:
    placed = replace(cell(), folder="runs/ref")

    back = from_data(to_data(placed), source="a file")

    assert isinstance(back, CellRecord)
    assert back.folder == ""
    assert back == placed


def test_everything_else_of_every_record_is_stored() -> None:
    for record in (lp.Profile, lp.LayerProfile, lp.CallNode, CellRecord, SweepRecord, lp.FlopReport):
        assert {field.name for field in fields(record)} - forms_of(record).keys() <= NOT_STORED


def test_integers_of_any_length_come_back_exactly(profile: lp.Profile, tmp_path: Path) -> None:
    large = replace(profile, unattributed_flops=2**70 + 1)

    loaded = load_profile(write_record(large, tmp_path / "large.json"))

    assert loaded.unattributed_flops == 2**70 + 1


def test_a_name_with_a_lone_surrogate_comes_back(profile: lp.Profile, tmp_path: Path) -> None:
    odd = replace(profile, spec=replace(profile.spec, model="\ud800"))

    assert load_profile(write_record(odd, tmp_path / "odd.json")).spec.model == "\ud800"


def test_settings_of_equal_value_and_other_type_stay_apart(tmp_path: Path) -> None:
    values = (1, True, 1.0, 0, False, 0.0, None)
    cells = [replace(cell(str(at)), axes=FrozenMapping({"x": value})) for at, value in enumerate(values)]

    loaded = lp.load(write_record(sweep(*cells), tmp_path / "sweep.json"))

    assert isinstance(loaded, SweepRecord)
    assert [repr(one.axes["x"]) for one in loaded.cells] == [repr(value) for value in values]


def test_numbers_keep_their_sign_and_type_in_a_column(profile: lp.Profile) -> None:
    rates = (0.0, -0.0, 0, None)
    layers = tuple(replace(profile.root, path="x" * at, flops_per_s=rate) for at, rate in enumerate(rates))

    back = from_data(to_data(replace(profile, layers=layers)), source="a file")

    assert isinstance(back, lp.Profile)
    assert [repr(layer.flops_per_s) for layer in back.layers] == ["0.0", "-0.0", "0", "None"]


def test_samples_that_occur_more_than_once_are_stored_once(profile: lp.Profile) -> None:
    times = tuple(0.001 * at for at in range(1, 21))
    rows = [replace(profile.root, path="x" * at, total_s=lp.Distribution(samples=times)) for at in range(9)]
    data = to_data(replace(profile, layers=tuple(rows)))

    assert isinstance(data["samples"], list)
    assert data["samples"].count(list(times)) == 1


def with_phases(profile: lp.Profile, **phases: Quantities) -> lp.Profile:
    return replace(profile, layers=(replace(profile.root, by_phase=FrozenMapping(phases)), *profile.layers[1:]))


def test_phases_that_differ_from_their_row_are_kept(profile: lp.Profile) -> None:
    changed = with_phases(profile, prefill=Quantities(calls=1, flops=3), decode=Quantities(calls=7, flops=4))

    assert from_data(to_data(changed), source="a file") == changed


def test_one_phase_that_differs_from_its_row_is_kept(profile: lp.Profile) -> None:
    changed = with_phases(profile, prefill=Quantities(calls=5))

    assert from_data(to_data(changed), source="a file") == changed


def test_a_phase_that_holds_what_its_row_holds_is_not_stored_again(profile: lp.Profile) -> None:
    same = with_phases(profile, prefill=quantities(500), decode=Quantities(**values_of(profile.root)))  # type: ignore[arg-type]  # the fields of the same class

    one_layer = replace(same, layers=same.layers[:1])

    back = from_data(to_data(one_layer), source="a file")
    assert back == one_layer
    assert to_data(one_layer)["record"]["layers"]["by_phase"]["own"] == [False, True]  # type: ignore[index,call-overload]  # of JSON


NAMES = st.text(max_size=8)
NUMBERS = st.floats(allow_nan=False, allow_infinity=False)
DISTRIBUTIONS = st.builds(
    lambda one: lp.Distribution(samples=one), st.lists(NUMBERS, min_size=1, max_size=5).map(tuple)
)
OPTIONAL_INTS = st.none() | st.integers(min_value=-(2**80), max_value=2**80)
KERNELS = st.builds(KernelProfile, name=NAMES, kind=st.just("memcpy"), calls=st.integers(0, 9), device_s=DISTRIBUTIONS)
OPS = st.builds(
    lp.OpProfile,
    name=st.sampled_from(["aten::mm", "aten::add"]),
    shapes=st.lists(st.lists(st.integers(0, 9), max_size=2).map(tuple), max_size=2).map(tuple),
    calls=st.integers(0, 9),
    self_s=st.none() | DISTRIBUTIONS,
    device_s=st.none() | DISTRIBUTIONS,
    flops=OPTIONAL_INTS,
    kernels=st.lists(KERNELS, max_size=2).map(tuple),
)
QUANTITIES = st.builds(
    Quantities,
    calls=st.integers(0, 9),
    total_s=st.none() | DISTRIBUTIONS,
    flops=OPTIONAL_INTS,
    peak_bytes=OPTIONAL_INTS,
)
LAYERS = st.builds(
    lp.LayerProfile,
    path=NAMES,
    aliases=st.lists(NAMES, max_size=2).map(tuple),
    type_name=NAMES,
    kind=st.sampled_from(["conv", "other"]),
    depth=st.integers(0, 3),
    stage=NAMES,
    calls=st.integers(0, 9),
    self_s=st.none() | DISTRIBUTIONS,
    by_phase=st.builds(FrozenMapping, st.dictionaries(NAMES, QUANTITIES, max_size=2)),
    ops=st.lists(OPS, max_size=4).map(tuple),
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


@settings(deadline=None, derandomize=True, max_examples=25, suppress_health_check=[HealthCheck.too_slow])
@given(layers=st.lists(LAYERS, max_size=3), tree=NODES)
def test_any_record_comes_back_equal(profile: lp.Profile, layers: list[lp.LayerProfile], tree: lp.CallNode) -> None:
    record = replace(profile, layers=(profile.root, *layers), call_tree=tree)

    assert from_data(json.loads(to_json(to_data(record))), source="a file") == record


def test_a_deep_call_tree_comes_back_equal(profile: lp.Profile, tmp_path: Path) -> None:
    node = lp.CallNode(path="", called_as="", phase="forward", calls=1)
    for _ in range(100):
        node = replace(node, children=(node,))
    deep = replace(profile, call_tree=node)

    assert lp.load(write_record(deep, tmp_path / "deep.json")) == deep


def test_no_call_tree_is_too_deep(profile: lp.Profile) -> None:
    node = lp.CallNode(path="", called_as="", phase="forward", calls=1)
    for _ in range(5000):
        node = replace(node, children=(node,))

    back = from_data(to_data(replace(profile, call_tree=node)), source="a file")

    assert isinstance(back, lp.Profile)
    assert back.call_tree is not None
    assert sum(1 for _ in back.call_tree.walk()) == 5001


def test_names_of_every_alphabet_survive(profile: lp.Profile, tmp_path: Path) -> None:
    label = "модель 模型 🤖 \u2028 \x00 <b>"
    named = replace(profile, spec=replace(profile.spec, model=label))

    loaded = load_profile(write_record(named, tmp_path / "名.json"))

    assert loaded.spec.model == label


def test_read_record_gives_any_kind(saved: Path, profile: lp.Profile) -> None:
    assert read_record(saved) == profile


@pytest.mark.parametrize("is_enabled", [True, False])
def test_reading_leaves_the_garbage_collector_as_it_was(tmp_path: Path, is_enabled: bool) -> None:
    whole, damaged = write_record(cell(), tmp_path / "whole.json"), tmp_path / "damaged.json"
    damaged.write_text("{}")
    was_enabled = gc.isenabled()
    (gc.enable if is_enabled else gc.disable)()
    try:
        lp.load(whole)
        after_whole = gc.isenabled()
        with pytest.raises(lp.RecordError):
            lp.load(damaged)
        after_damaged = gc.isenabled()
    finally:
        (gc.enable if was_enabled else gc.disable)()

    assert (after_whole, after_damaged) == (is_enabled, is_enabled)
