"""Files that are no whole record: what is wrong is said in one line that names the file."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from store_records import cell, cut, real_profile

import layerprof as lp
from layerprof.records import SCHEMA, FrozenMapping
from layerprof.store import load_profile, write_record


@pytest.fixture(scope="module")
def profile() -> lp.Profile:
    return real_profile()


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


DAMAGES: dict[str, tuple[Callable[[dict[str, object]], object], str]] = {
    "no schema": (lambda content: content.pop("schema"), "damaged: its schema is None"),
    "a schema of words": (lambda content: content.update(schema="one"), "damaged: its schema is 'one'"),
    "a schema of 0": (lambda content: content.update(schema=0), "damaged: its schema is 0"),
    "not ours": (lambda content: content.update(format="other"), "is not a layerprof record"),
    "no record": (lambda content: content.pop("record"), "damaged"),
    "a record of words": (lambda content: content.update(record="text"), "damaged"),
    "a list of records": (lambda content: content.update(record=[content["record"]]), "damaged: it holds a tuple"),
    "an unknown record": (
        lambda content: record_in(content).update({"is": "Secret"}),
        "damaged: unknown record 'Secret'",
    ),
    "a record without a class": (lambda content: record_in(content).pop("is"), "damaged: unknown record None"),
    "an inner record alone": (
        lambda content: content.update(record=record_in(content)["environment"]),
        "damaged: it holds a Environment",
    ),
    "a field too many": (lambda content: record_in(content).update(colour="red"), "damaged: .*colour"),
    "a field too few": (lambda content: record_in(content).pop("spec"), "damaged: .*spec"),
    "no layers": (lambda content: record_in(content).update(layers=[]), "damaged: .*first layer is the root"),
    "samples that are none": (
        lambda content: record_in(content).update(step_s={"is": "Distribution", "samples": 5}),
        "damaged: .*no list",
    ),
    "no samples": (lambda content: record_in(content).update(step_s={"is": "Distribution"}), "damaged"),
    "samples of words": (
        lambda content: record_in(content).update(step_s={"is": "Distribution", "samples": ["1"]}),
        "damaged: '1' is no number",
    ),
    "samples of truth": (
        lambda content: record_in(content).update(step_s={"is": "Distribution", "value": True, "n": 2}),
        "damaged: True is no number",
    ),
    "a mapping of words": (
        lambda content: record_in(content).update(timeline={"is": "map", "items": "text"}),
        "damaged: .*no list",
    ),
    "a mapping of triples": (
        lambda content: record_in(content).update(timeline={"is": "map", "items": [["a", 1, 2]]}),
        "damaged: .*no pair",
    ),
}


@pytest.mark.parametrize("name", DAMAGES)
def test_a_damaged_file_says_what_is_wrong(saved: Path, name: str) -> None:
    edit, message = DAMAGES[name]
    edited(saved, edit)

    with pytest.raises(lp.RecordError, match=message) as caught:
        lp.load(saved)

    assert "\n" not in str(caught.value)
    assert str(saved) in str(caught.value)


def test_fields_of_the_wrong_type_are_damage(saved: Path) -> None:
    edited(saved, lambda content: record_in(content).update(layers=[5]))

    with pytest.raises(lp.RecordError, match="damaged"):
        lp.load(saved)


@pytest.mark.parametrize("constant", ["NaN", "Infinity", "-Infinity"])
def test_a_constant_that_is_no_number_is_damage(saved: Path, constant: str) -> None:
    saved.write_text(saved.read_text().replace('"calls":1', f'"calls":{constant}', 1))

    with pytest.raises(lp.RecordError, match=f"damaged: {constant} is no number"):
        lp.load(saved)


def test_a_number_beyond_all_floats_is_damage(saved: Path) -> None:
    edited(saved, lambda content: record_in(content).update(step_s={"is": "Distribution", "samples": [0]}))
    saved.write_text(saved.read_text().replace('"samples": [0]', '"samples": [1e999]'))

    with pytest.raises(lp.RecordError, match=r"damaged: .*finite"):
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


@pytest.mark.parametrize(
    ("field", "value"),
    [("calls", "many"), ("calls", 1.5), ("calls", True), ("stage", None), ("total_s", 0.5), ("aliases", {"is": "map"})],
)
def test_a_field_of_another_type_is_refused(saved: Path, field: str, value: object) -> None:
    content = json.loads(saved.read_text())
    content["record"]["layers"][1][field] = value
    saved.write_text(json.dumps(content))

    with pytest.raises(lp.RecordError, match=f"{saved.name} is damaged"):
        lp.load(saved)


def test_a_file_cut_inside_a_character_is_called_truncated(tmp_path: Path) -> None:
    path = tmp_path / "cell.json"
    path.write_bytes('{"format": "layerprof ×'.encode()[:-1])

    with pytest.raises(lp.RecordError, match=r"cell\.json is truncated"):
        lp.load(path)
