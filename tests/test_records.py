"""The records: inert, frozen, and refusing what is no measurement."""

from __future__ import annotations

import copy
import math
import pickle
from collections.abc import Callable
from dataclasses import FrozenInstanceError, fields, is_dataclass, replace

import pytest

import layerprof as lp
from layerprof import records
from layerprof.records import (
    Energy,
    EnergyCounter,
    EnergySummary,
    FrozenMapping,
    LayerProfile,
    MemorySummary,
    Note,
    Profile,
    Prompt,
    Quantities,
    SweepRecord,
    Timeline,
)
from layerprof.testing import NestedNet, SharedNet

CLASSES = [value for value in vars(records).values() if isinstance(value, type) and is_dataclass(value)]


@pytest.fixture(scope="module")
def profile() -> Profile:
    net = SharedNet()
    return lp.profile(net, net.inputs, clock=net.clock, passes=("time", "flops"), warmup=0, repeats=2)


@pytest.mark.parametrize("record", CLASSES, ids=lambda one: one.__name__)
def test_every_record_is_frozen_slotted_and_keyword_only(record: type) -> None:
    parameters = record.__dataclass_params__  # type: ignore[attr-defined]  # every one is a dataclass

    assert parameters.frozen
    assert all(field.kw_only for field in fields(record))
    assert "__slots__" in vars(record)


@pytest.mark.parametrize("samples", [(), (math.nan,), (1.0, math.inf), (-math.inf,)])
def test_a_distribution_of_nothing_or_of_no_numbers_is_refused(samples: tuple[float, ...]) -> None:
    with pytest.raises(ValueError, match="a Distribution"):
        lp.Distribution(samples=samples)


def test_a_distribution_gives_what_follows_from_its_samples() -> None:
    one = lp.Distribution(samples=(3.0, 1.0, 2.0, 10.0))

    assert (one.n, one.median, one.mean, one.iqr) == (4, 2.5, 4.0, 3.0)


def test_a_distribution_has_an_interval_from_six_samples_on() -> None:
    assert lp.Distribution(samples=(1.0,) * 5).ci95 is None
    assert lp.Distribution(samples=(1.0, 2.0, 3.0, 4.0, 5.0, 6.0)).ci95 == (1.0, 6.0)


def test_a_record_does_not_change(profile: Profile) -> None:
    with pytest.raises(FrozenInstanceError):
        profile.schema = 7  # type: ignore[misc]  # what is tested


def test_a_mapping_does_not_change() -> None:
    mapping = FrozenMapping({"a": 1})

    with pytest.raises(AttributeError, match=r"dataclasses\.replace"):
        mapping._values = {}
    with pytest.raises(TypeError):
        mapping["b"] = 2  # type: ignore[index]  # what is tested


def test_a_mapping_is_what_it_was_made_of() -> None:
    mapping = FrozenMapping({"b": 2, "a": 1})

    assert list(mapping.items()) == [("b", 2), ("a", 1)]
    assert mapping == {"a": 1, "b": 2} == FrozenMapping((("a", 1), ("b", 2)))
    assert hash(mapping) == hash(FrozenMapping({"a": 1, "b": 2}))
    assert repr(mapping) == "FrozenMapping({'b': 2, 'a': 1})"


def test_a_mapping_does_not_follow_what_it_was_made_of() -> None:
    source = {"a": 1}
    mapping = FrozenMapping(source)

    source["b"] = 2

    assert "b" not in mapping


@pytest.mark.parametrize("again", [lambda one: pickle.loads(pickle.dumps(one)), copy.copy, copy.deepcopy])
def test_a_profile_survives_pickling_and_copying(profile: Profile, again: Callable[[Profile], Profile]) -> None:
    assert again(profile) == profile


def test_a_profile_can_be_hashed(profile: Profile) -> None:
    assert len({profile, replace(profile)}) == 1


def test_a_layer_is_found_by_its_path_and_its_alias(profile: Profile) -> None:
    assert profile[""] is profile.root is profile.layers[0]
    assert profile["left.child"] is profile["right.child"]
    assert "right.child" in profile
    assert "middle" not in profile
    assert 5 not in profile


def test_an_unknown_path_names_the_nearest(profile: Profile) -> None:
    with pytest.raises(KeyError, match=r"no layer 'left\.chidl'; the nearest are 'left\.child'"):
        profile["left.chidl"]


@pytest.mark.parametrize("layers", [(), "head"])
def test_a_profile_begins_with_its_root(profile: Profile, layers: tuple[LayerProfile, ...] | str) -> None:
    with pytest.raises(ValueError, match="first layer is the root"):
        replace(profile, layers=layers if layers == () else profile.layers[1:])


def test_the_timeline_is_not_compared(profile: Profile) -> None:
    assert replace(profile, timeline=Timeline(strings=("aten::mm",))) == profile


def test_the_steps_flops_are_the_layers_own_and_the_unattributed(profile: Profile) -> None:
    assert replace(profile, unattributed_flops=10).step_flops == SharedNet.answers.step_flops + 10
    assert replace(profile, unattributed_flops=None).step_flops is None


@pytest.mark.parametrize(("flops", "macs"), [(None, None), (0, 0), (10, 5), (7, 3.5)])
def test_macs_are_half_of_the_flops(flops: int | None, macs: float | None) -> None:
    quantities = Quantities(flops=flops, self_flops=flops)

    assert (quantities.macs, quantities.self_macs) == (macs, macs)
    assert isinstance(quantities.macs, int) == isinstance(macs, int)


@pytest.mark.parametrize(
    ("note", "text"),
    [
        (
            Note(code="unsteady", quantity="latency_s", scope="step", text="noisy"),
            "[unsteady] latency_s of step: noisy",
        ),
        (Note(code="not_available", quantity="energy", scope="*", text="no pass"), "[not_available] energy: no pass"),
        (Note(code="odd", quantity="", scope="*", text="all of it"), "[odd] all of it"),
    ],
)
def test_a_note_begins_with_its_code(note: Note, text: str) -> None:
    assert str(note) == text


def test_a_call_tree_is_walked_callers_first_and_in_order() -> None:
    net = NestedNet()

    tree = lp.profile(net, net.inputs, clock=net.clock, passes=("time",), warmup=0, repeats=1).call_tree

    assert tree is not None
    assert [node.path for node in tree.walk()] == ["", "block", "block.child", "head"]


def test_peak_memory_is_the_baseline_and_the_steps_peak() -> None:
    assert MemorySummary(baseline_bytes=100, step_peak_bytes=20, device="cpu").peak_bytes == 120


def test_a_prompt_is_its_parts() -> None:
    assert Prompt(head="Question:", body="why?", tail="Answer:").text == "Question: why? Answer:"
    assert Prompt(head="", body="a photo", tail="").text == "a photo"


def test_a_profile_shows_itself(profile: Profile) -> None:
    assert "left" in str(profile)
    assert profile._repr_html_().lstrip().startswith("<")
    assert list(profile.to_dataframe().index) == [layer.path for layer in profile.layers]


def test_records_have_the_fields_of_the_public_contract() -> None:
    names = {field.name for field in fields(LayerProfile)}

    assert {"path", "aliases", "type_name", "kind", "depth", "stage", "calls"} <= names
    assert {"total_s", "self_s", "device_total_s", "device_self_s", "concurrent_s"} <= names
    assert {"flops", "self_flops", "causal_flops", "bytes_moved", "self_bytes_moved"} <= names
    assert {"param_count", "param_bytes", "output_bytes", "allocated_bytes", "peak_bytes"} <= names
    assert {"energy", "self_energy", "by_phase", "ops", "flops_per_s", "intensity", "bound", "efficiency"} <= names
    assert {"provenance", "shared"} <= names
    assert {"plan", "cells"} <= {field.name for field in fields(SweepRecord)}


def energy(**changes: object) -> Energy:
    made = Energy(
        total_j=6.0,
        kind="measured",
        source="a counter",
        ci95_j=(5.5, 6.5),
        window_s=2.0,
        resolution_s=0.1,
        power_w=300.0,
    )
    return replace(made, **changes)  # type: ignore[arg-type]  # by field name


def test_an_energy_tells_half_its_interval_and_what_is_beyond_idle() -> None:
    assert energy().half_width_j == 0.5
    assert energy(idle_j=1.5).net_j == 4.5


def test_what_an_energy_does_not_know_is_none() -> None:
    assert energy(ci95_j=None).half_width_j is None
    assert energy().net_j is None


def test_joules_for_each_gflop_and_joules_times_seconds_follow_from_joules_and_power() -> None:
    row = Quantities(energy=energy(), flops=3 * 10**9)

    assert row.j_per_gflop == 2.0
    assert row.energy_delay_j_s == pytest.approx(6.0 * (6.0 / 300.0))


@pytest.mark.parametrize("row", [Quantities(flops=1), Quantities(energy=energy(power_w=None), flops=0)])
def test_without_joules_or_what_they_are_held_against_nothing_follows(row: Quantities) -> None:
    assert row.j_per_gflop is None
    assert row.energy_delay_j_s is None


def test_a_sample_and_its_carbon_are_known_where_the_caller_said() -> None:
    counter = EnergyCounter(
        source="a counter", domain="gpu_board", device="a board", kind="measured", verdict="accepted", estimator="ticks"
    )
    silent = EnergySummary(counter=counter, step=energy(), step_s=0.02)
    told = replace(silent, samples=4, carbon_g_per_kwh=360.0)

    assert (silent.per_sample_j, silent.carbon_g) == (None, None)
    assert told.per_sample_j == 1.5
    assert told.carbon_g == pytest.approx(6.0 * 360.0 / 3.6e6)
