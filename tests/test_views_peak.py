"""Who owns the bytes at the peak: every byte once, and the rows make up the step's peak."""

from __future__ import annotations

import dataclasses

import pytest
from report_phases import generation_profile, rich_profile, with_owners
from report_records import Leaf, profile_of, two_blocks

from layerprof.records import PeakOwner
from layerprof.views import Table, peak_owners_table


def names(table: Table) -> list[str]:
    return [column.name for column in table.columns]


def rows(table: Table) -> list[dict[str, object]]:
    return [dict(zip(names(table), row.cells, strict=True)) for row in table.rows]


def owner(*call_path: str, size_bytes: int, phase: str = "forward") -> PeakOwner:
    return PeakOwner(call_path=call_path, phase=phase, size_bytes=size_bytes)


def test_without_owners_there_is_no_table() -> None:
    profile = profile_of(two_blocks())

    assert peak_owners_table(profile).rows == ()
    assert peak_owners_table(dataclasses.replace(profile, memory=None)).rows == ()


@pytest.mark.parametrize("count", [1, 2, 3, 10])
def test_the_rows_add_up_to_the_peak(count: int) -> None:
    profile = rich_profile()

    *parts, peak = rows(peak_owners_table(profile, count=count))

    assert profile.memory is not None
    assert peak["layer"] == "step's peak"
    assert peak["bytes"] == profile.memory.step_peak_bytes
    assert sum(int(str(part["bytes"])) for part in parts) == profile.memory.step_peak_bytes
    assert sum(float(str(part["of peak"])) for part in parts) == pytest.approx(1.0)


def test_layers_that_differ_by_index_own_one_row() -> None:
    table = peak_owners_table(rich_profile())

    assert rows(table)[0] == {
        "layer": "lm.layers.*.fc",
        "called from": "lm.layers.*",
        "phase": "prefill",
        "layers": 2,
        "bytes": 4096,
        "of peak": 0.5,
    }


def test_a_layer_called_from_two_places_has_a_row_for_each() -> None:
    owners = [owner("", "a", "tied", size_bytes=64), owner("", "b", "tied", size_bytes=32), owner("", size_bytes=16)]

    table = peak_owners_table(with_owners(profile_of(two_blocks()), owners))

    assert [(row["layer"], row["called from"]) for row in rows(table)] == [
        ("tied", "a"), ("tied", "b"), ("(model)", ""), ("step's peak", ""),
    ]  # fmt: skip


def test_one_layer_called_from_many_alike_keeps_its_own_name() -> None:
    owners = [owner(f"layers.{index}", "head", size_bytes=8) for index in range(2)]

    table = peak_owners_table(with_owners(profile_of(two_blocks()), owners))

    assert (rows(table)[0]["layer"], rows(table)[0]["called from"]) == ("head", "layers.*")
    assert (rows(table)[0]["layers"], rows(table)[0]["bytes"]) == (1, 16)


def test_layers_of_another_class_or_size_own_rows_of_their_own() -> None:
    types = (("0", "Linear", 4), ("1", "ReLU", 0), ("2", "Linear", 9))
    leaves = [Leaf(path=path, type_name=type_name, params=params) for path, type_name, params in types]
    profile = profile_of([Leaf(path="", type_name="Sequential"), *leaves])

    table = peak_owners_table(with_owners(profile, [owner("", path, size_bytes=8) for path, _, _ in types]))

    assert [row["layer"] for row in rows(table)[:-1]] == ["0", "1", "2"]


def test_bytes_under_no_layer_and_of_no_tensor_have_rows_of_their_own() -> None:
    table = peak_owners_table(rich_profile())

    sizes = {row["layer"]: row["bytes"] for row in rows(table)}
    assert sizes["(under no layer)"] == 512
    assert sizes["(held by no tensor)"] == 512


def test_the_phase_is_named_only_where_there_are_several() -> None:
    owners = [owner("a", size_bytes=8)]

    assert "phase" not in names(peak_owners_table(with_owners(profile_of(two_blocks()), owners)))
    assert "phase" in names(peak_owners_table(with_owners(generation_profile(), owners)))


def test_rows_beyond_the_count_are_summed() -> None:
    owners = [owner(f"part{letter}", size_bytes=8) for letter in "abcd"]

    table = peak_owners_table(with_owners(profile_of(two_blocks()), owners), count=2)

    assert [(row["layer"], row["bytes"]) for row in rows(table)] == [
        ("parta", 8), ("partb", 8), ("(others)", 16), ("step's peak", 32),
    ]  # fmt: skip
