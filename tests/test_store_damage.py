"""Files that are no whole record: what is wrong is said in one line that names the file."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from store_records import cell, cut, full_profile

import layerprof as lp
from layerprof.records import SCHEMA, FrozenMapping
from layerprof.store import load_profile, write_record


@pytest.fixture(scope="module")
def profile() -> lp.Profile:
    return full_profile()


@pytest.fixture
def saved(profile: lp.Profile, tmp_path: Path) -> Path:
    return write_record(profile, tmp_path / "profile.json")


@pytest.mark.parametrize("share", [0.01, 0.1, 0.25, 0.5, 0.75, 0.9, 0.99])
def test_a_file_that_was_cut_off_is_called_truncated(saved: Path, share: float) -> None:
    cut(saved, share)

    with pytest.raises(lp.RecordError, match=f"{saved.name} is truncated"):
        lp.load(saved)


def test_a_file_that_was_cut_off_anywhere_is_called_truncated(tmp_path: Path) -> None:
    numbers = replace(cell(), metrics=FrozenMapping({"latency_s": 1.5e-30, "energy_j": -2.0, "peak_bytes": None}))
    whole = write_record(numbers, tmp_path / "whole.json").read_text()
    path = tmp_path / "cut.json"

    for length in range(len(whole)):
        path.write_text(whole[:length])
        with pytest.raises(lp.RecordError, match=r"cut\.json is truncated"):
            lp.load(path)


def test_an_empty_file_is_called_truncated(saved: Path) -> None:
    saved.write_text("")

    with pytest.raises(lp.RecordError, match="truncated"):
        lp.load(saved)


def edited(saved: Path, edit: Callable[[dict[str, object]], object]) -> Path:
    content = json.loads(saved.read_text())
    edit(content)
    saved.write_text(json.dumps(content))
    return saved


def record_in(content: dict[str, object]) -> dict[str, object]:
    record = content["record"]
    assert isinstance(record, dict)
    return record


def test_a_newer_file_names_both_versions(saved: Path) -> None:
    edited(saved, lambda content: content.update(schema=SCHEMA + 6))

    with pytest.raises(lp.RecordError, match=f"schema {SCHEMA + 6}, newer than this layerprof's {SCHEMA}; upgrade"):
        lp.load(saved)


def layers_in(content: dict[str, object]) -> dict[str, object]:
    layers = record_in(content)["layers"]
    assert isinstance(layers, dict)
    return layers


def column_in(content: dict[str, object], name: str) -> dict[str, object]:
    column = layers_in(content)[name]
    assert isinstance(column, dict)
    return column


def tree_in(content: dict[str, object]) -> dict[str, object]:
    tree = record_in(content)["call_tree"]
    assert isinstance(tree, dict)
    return tree


Damage = tuple[Callable[[dict[str, object]], object], str]
ENVELOPE: dict[str, Damage] = {
    "no schema": (lambda content: content.pop("schema"), "damaged: its schema is None"),
    "a schema of words": (lambda content: content.update(schema="one"), "damaged: its schema is 'one'"),
    "a schema of truth": (lambda content: content.update(schema=True), "damaged: its schema is True"),
    "a schema of 0": (lambda content: content.update(schema=0), "damaged: its schema is 0"),
    "not ours": (lambda content: content.update(format="other"), "is not a layerprof record"),
    "no record": (lambda content: content.pop("record"), "damaged: is a NoneType"),
    "a record of words": (lambda content: content.update(record="text"), "damaged: is a str"),
    "a list of records": (lambda content: content.update(record=[content["record"]]), "damaged: is a list"),
    "an unknown record": (
        lambda content: record_in(content).update({"is": "Secret"}),
        "damaged: unknown record 'Secret'",
    ),
    "a record without a class": (lambda content: record_in(content).pop("is"), "damaged: unknown record None"),
    "an inner record alone": (
        lambda content: content.update(record={"is": "Environment", "layerprof": "0.1"}),
        "damaged: it holds a Environment",
    ),
    "no samples": (lambda content: content.pop("samples"), "damaged: is a NoneType"),
    "samples of one number": (lambda content: content.update(samples=[5]), "damaged: is a int, not a list"),
    "samples of words": (lambda content: content.update(samples=[[1.0], ["1"]]), "damaged: samples: '1' is no number"),
    "samples of truth": (lambda content: content.update(samples=[[True]]), "damaged: samples: True is no number"),
    "samples of nothing": (lambda content: content.update(samples=[[]]), "damaged: .*at least one sample"),
    "too few samples": (lambda content: content.update(samples=[[1.0]]), "damaged: .*beyond its values"),
}
FIELDS: dict[str, Damage] = {
    "a field too many": (lambda content: record_in(content).update(colour="red"), "damaged: .*colour"),
    "a field too few": (lambda content: record_in(content).pop("spec"), "damaged: .*spec"),
    "no layers": (lambda content: record_in(content).update(layers={}), "damaged: .*first layer is the root"),
    "a table of words": (lambda content: record_in(content).update(layers="text"), "layers of a Profile: is a str"),
    "a distribution of words": (lambda content: record_in(content).update(step_s="1"), "step_s of a Profile: .*whole"),
    "a distribution of truth": (lambda content: record_in(content).update(step_s=True), "step_s of a Profile: .*whole"),
    "a distribution before the first": (
        lambda content: record_in(content).update(step_s=-1),
        "step_s of a Profile: .*beyond",
    ),
    "None where there has to be something": (
        lambda content: record_in(content).update(environment=None),
        "environment of a Profile: is a NoneType",
    ),
    "a pair of three": (
        lambda content: record_in(content).update(
            overhead={"pass_name": ["time"], "ratio": [1], "ci95": [[1.0, 2.0, 3.0]]}
        ),
        "ci95 of a Overhead",
    ),
    "a mapping of a list": (
        lambda content: record_in(content).update(spec={"model": "a", "model_type": "b", "passes": [], "labels": []}),
        "labels of a ProfileSpec: is a list",
    ),
    "a timeline in the record": (lambda content: record_in(content).update(timeline=None), "has no 'timeline'"),
}
COLUMNS: dict[str, Damage] = {
    "a column too many": (lambda content: layers_in(content).update(colour=["red"]), "has no 'colour'"),
    "a column too few": (lambda content: layers_in(content).pop("path"), "a LayerProfile needs 'path'"),
    "no first column": (lambda content: layers_in(content).pop("calls"), "without its first column"),
    "a first column of one value for all": (
        lambda content: layers_in(content).update(calls={"all": 1}),
        "calls of a LayerProfile: is a NoneType",
    ),
    "a column too short": (lambda content: layers_in(content).update(path=[""]), "path of a .*: 1 values for 3 rows"),
    "a column of another type": (
        lambda content: layers_in(content).update(depth=[0, 1, "2"]),
        "depth of a LayerProfile: is a str",
    ),
    "a column of truth": (lambda content: layers_in(content).update(depth={"all": True}), "depth of .*: is a bool"),
    "a column of fractions": (lambda content: layers_in(content).update(calls=[1, 1, 1.5]), "calls .*: is a float"),
    "a column of nothing": (lambda content: layers_in(content).update(stage={"all": None}), "stage .*: is a NoneType"),
    "a position beyond the values": (
        lambda content: layers_in(content).update(stage={"values": ["a"], "at": [0, 0, 1]}),
        "stage of a LayerProfile: .*beyond",
    ),
    "a position before the values": (
        lambda content: layers_in(content).update(stage={"values": ["a"], "at": [0, 0, -1]}),
        "stage of a LayerProfile: .*beyond",
    ),
    "a position of truth": (
        lambda content: layers_in(content).update(stage={"values": ["a"], "at": [0, 0, False]}),
        "stage of a LayerProfile: .*no whole number",
    ),
    "a column of neither": (
        lambda content: layers_in(content).update(stage={}),
        "stage of a LayerProfile: .*not a list",
    ),
    "more ops than rows": (
        lambda content: column_in(content, "ops").update(counts=[0, 2, 2]),
        "ops of a LayerProfile: 3 values are not what their counts say",
    ),
    "less than no ops": (
        lambda content: column_in(content, "ops").update(counts=[4, -2, 1]),
        "ops of a LayerProfile: 3 values are not what their counts say",
    ),
    "more ops than memory holds": (
        lambda content: column_in(content, "ops").update(counts={"all": 10**15}),
        "ops of a LayerProfile: 3 values are not",
    ),
    "a phase without a row": (
        lambda content: column_in(content, "by_phase").update(own={"all": False}),
        "by_phase of a LayerProfile: 2 rows for 4 phases",
    ),
    "a phase too few": (
        lambda content: column_in(content, "by_phase").update(counts=[0, 2, 1]),
        "by_phase of a LayerProfile: 4 values",
    ),
}
TREES: dict[str, Damage] = {
    "a tree of nothing": (lambda content: record_in(content).update(call_tree={}), "call_tree of a Profile"),
    "a tree without callers": (lambda content: tree_in(content).pop("caller"), "call_tree of a Profile: is a NoneType"),
    "a tree without a top": (lambda content: tree_in(content).update(caller=[0, 0, 1, 0]), "without its top"),
    "a tree of two": (lambda content: tree_in(content).update(caller=[-1, 0, 1, -1]), "a call before its caller"),
    "a call that calls itself": (lambda content: tree_in(content).update(caller=[-1, 1, 1, 0]), "before its caller"),
    "a caller too few": (lambda content: tree_in(content).update(caller=[-1, 0, 1]), "without its top"),
}
DAMAGES = {**ENVELOPE, **FIELDS, **COLUMNS, **TREES}


@pytest.mark.parametrize("name", DAMAGES)
def test_a_damaged_file_says_what_is_wrong(saved: Path, name: str) -> None:
    edit, message = DAMAGES[name]
    edited(saved, edit)

    with pytest.raises(lp.RecordError, match=message) as caught:
        lp.load(saved)

    assert "\n" not in str(caught.value)
    assert str(saved) in str(caught.value)


@pytest.mark.parametrize("constant", ["NaN", "Infinity", "-Infinity"])
def test_a_constant_that_is_no_number_is_damage(saved: Path, constant: str) -> None:
    saved.write_text(saved.read_text().replace('"ratio":[1.02', f'"ratio":[{constant}', 1))

    with pytest.raises(lp.RecordError, match=f"damaged: {constant} is no number"):
        lp.load(saved)


@pytest.mark.parametrize(
    ("before", "after", "message"),
    [
        ('"samples":[[', '"samples":[[1e999,', "damaged: .*finite"),
        ('"ratio":[', '"ratio":[1e999,', "ratio of a Overhead: is not finite"),
    ],
)
def test_a_number_beyond_all_floats_is_damage(saved: Path, before: str, after: str, message: str) -> None:
    saved.write_text(saved.read_text().replace(before, after, 1))

    with pytest.raises(lp.RecordError, match=message):
        lp.load(saved)


@pytest.mark.parametrize(
    "content",
    ["5", '"text"', "[]", "{}", "null", '{"schema": 1}', "not json", '{"a": 1} trailing'],
    ids=["number", "text", "list", "nothing in it", "null", "another's", "no json", "two things"],
)
def test_other_peoples_files_are_refused(tmp_path: Path, content: str) -> None:
    path = tmp_path / "other.json"
    path.write_text(content)

    with pytest.raises(lp.RecordError):
        lp.load(path)


def test_a_binary_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "model.json"
    path.write_bytes(b"\x80\x02\xff")

    with pytest.raises(lp.RecordError, match="it is not whole UTF-8 text"):
        lp.load(path)


def test_nesting_without_end_is_damage(tmp_path: Path) -> None:
    path = tmp_path / "deep.json"
    path.write_text("[" * 100_000)

    with pytest.raises(lp.RecordError):
        lp.load(path)


def test_a_file_that_is_not_there_is_the_callers_mistake(tmp_path: Path) -> None:
    with pytest.raises(lp.InputError, match=r"there is no file .*absent\.json"):
        lp.load(tmp_path / "absent.json")


def test_a_profile_is_not_read_where_something_else_is(tmp_path: Path) -> None:
    path = write_record(cell(), tmp_path / "cell.json")

    with pytest.raises(lp.RecordError, match="holds a CellRecord, not a Profile"):
        load_profile(path)


def test_a_file_cut_inside_a_character_is_called_truncated(tmp_path: Path) -> None:
    path = tmp_path / "cell.json"
    path.write_bytes('{"format": "layerprof ×'.encode()[:-1])

    with pytest.raises(lp.RecordError, match=r"cell\.json is truncated"):
        lp.load(path)


TRACE = b'{"schemaVersion": 1, "traceEvents": [{"ph": "X", "cat": "cpu_op", "name": "aten::add", "ts": 1, "dur": 2}]}'
EVENTS = TRACE[TRACE.index(b"[") : -1]


@pytest.mark.parametrize(
    "content", [TRACE, EVENTS, gzip.compress(TRACE), TRACE.replace(b"aten::add", b"\x01"), TRACE[:-9], TRACE + b"\xff"]
)
def test_a_trace_is_refused_with_the_name_of_what_reads_it(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "trace.json").write_bytes(content)

    with pytest.raises(lp.RecordError, match=r"trace\.json is .*trace.*; lp\.load_trace reads") as caught:
        lp.load(tmp_path / "trace.json")

    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("content", [b"[]", b"[1]", b'{"a": "traceEvents"}', b'{"traceEvents": 1}'])
def test_what_is_no_trace_either_is_not_taken_for_one(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "other.json").write_bytes(content)

    with pytest.raises(lp.RecordError, match=r"is not a layerprof record; give a \.json file that layerprof saved"):
        lp.load(tmp_path / "other.json")


def test_a_string_that_does_not_end_is_told_in_words(tmp_path: Path) -> None:
    (tmp_path / "cut.json").write_text('{"format": "layerpr')

    with pytest.raises(lp.RecordError, match=r"is truncated: Unterminated string starting at line 1, column 12$"):
        lp.load(tmp_path / "cut.json")
