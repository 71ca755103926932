"""The tables of ops: ranked, merged, and adding up to all ops whatever is hidden."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import pytest
from report_phases import generation_profile, op, rich_profile, with_ops
from report_records import Leaf, profile_of, two_blocks

from layerprof.records import Profile
from layerprof.views import Table, layer_ops_tables, op_names_table, top_ops_table

TABLES = [top_ops_table, op_names_table]


def names(table: Table) -> list[str]:
    return [column.name for column in table.columns]


def rows(table: Table) -> list[dict[str, object]]:
    return [dict(zip(names(table), row.cells, strict=True)) for row in table.rows]


def column(table: Table, name: str) -> list[float]:
    return [float(str(row[name])) for row in rows(table)]


def all_device_s(profile: Profile) -> float:
    return sum(op.device_s.mean for layer in profile.layers for op in layer.ops if op.device_s is not None)


@pytest.mark.parametrize("table_of", TABLES)
def test_without_ops_there_is_no_table(table_of: Callable[..., Table]) -> None:
    profile = profile_of(two_blocks())

    assert table_of(profile).rows == ()
    assert layer_ops_tables(profile) == ()


def test_the_ops_are_ranked_by_device_time() -> None:
    table = top_ops_table(rich_profile())

    assert table.title == "Top ops by device time"
    assert rows(table)[0] == {
        "op": "aten::addmm",
        "shapes": "16, 2×8, 8×16",
        "layer": "lm.layers.*.fc",
        "layers": 2,
        "calls": 2,
        "device time": 0.008,
        "share": pytest.approx(8 / 11),
        "self time": 0.002,
        "FLOPs": 11200,
    }


def test_without_a_device_the_ops_are_ranked_by_their_own_time() -> None:
    table = top_ops_table(rich_profile(has_device=False))

    assert table.title == "Top ops by self time"
    assert "device time" not in names(table)
    assert (rows(table)[0]["op"], rows(table)[0]["layer"]) == ("aten::add", "lm.layers.*.fc")


@pytest.mark.parametrize("table_of", TABLES)
@pytest.mark.parametrize("count", [1, 2, 3])
def test_shown_and_hidden_ops_add_up_to_all_ops(table_of: Callable[..., Table], count: int) -> None:
    profile = rich_profile()

    table = table_of(profile, count=count)

    for name in ("calls", "device time", "share", "self time", "FLOPs"):
        *parts, whole = column(table, name)
        assert sum(parts) == pytest.approx(whole)
    assert column(table, "device time")[-1] == pytest.approx(all_device_s(profile))
    assert column(table, "share")[-1] == 1.0


def test_the_row_of_other_ops_appears_only_where_some_are_hidden() -> None:
    profile = rich_profile()

    assert [row["op"] for row in rows(top_ops_table(profile, count=1))] == ["aten::addmm", "(other ops)", "all ops"]
    assert "(other ops)" not in [row["op"] for row in rows(top_ops_table(profile))]


def test_ops_of_one_name_are_merged_over_shapes_and_layers() -> None:
    profile = with_ops(
        generation_profile(),
        {"vision": [op("aten::mm", self_s=0.001)], "lm": [op("aten::mm", self_s=0.002, rows=9)]},
    )

    table = op_names_table(profile)

    assert (rows(table)[0]["op"], rows(table)[0]["layers"], rows(table)[0]["calls"]) == ("aten::mm", 2, 2)
    assert rows(table)[0]["self time"] == pytest.approx(0.003)


def test_other_shapes_are_another_row() -> None:
    profile = with_ops(
        generation_profile(), {"lm": [op("aten::mm", self_s=0.001), op("aten::mm", self_s=0.002, rows=9)]}
    )

    table = top_ops_table(profile)

    assert [row["shapes"] for row in rows(table)[:2]] == ["16, 9×8, 8×16", "16, 2×8, 8×16"]


def test_a_long_list_of_shapes_is_shortened() -> None:
    many = dataclasses.replace(op("aten::cat", self_s=0.001), shapes=((2, 3),) * 40)

    table = top_ops_table(with_ops(generation_profile(), {"lm": [many]}))

    assert rows(table)[0]["shapes"] == "2×3, 2×3, 2×3, …"


def test_an_op_that_was_not_counted_has_no_flops_rather_than_none_of_them() -> None:
    profile = with_ops(generation_profile(), {"lm": [op("a", self_s=0.002), op("b", self_s=0.001, flops=5)]})

    table = top_ops_table(profile)

    assert [row["FLOPs"] for row in rows(table)] == [None, 5, None]  # what they have together is not known, either


def test_a_family_of_layers_has_one_table_of_all_its_ops() -> None:
    tables = layer_ops_tables(rich_profile())

    assert [table.title for table in tables] == ["vision", "lm.layers.*.fc (2×)"]
    assert [row["op"] for row in rows(tables[1])] == ["aten::addmm", "aten::add", "all ops"]
    assert [row["launched"] for row in rows(tables[1])] == ["aten::addmm_kernel", "aten::add_kernel", ""]
    assert column(tables[1], "device time")[:-1] == [0.008, 0.002]


def test_layers_of_another_class_share_no_row() -> None:
    leaves = [Leaf(path="0", type_name="Linear"), Leaf(path="1", type_name="ReLU")]
    profile = profile_of([Leaf(path="", type_name="Sequential"), *leaves])

    table = top_ops_table(with_ops(profile, {leaf.path: [op("aten::copy_", self_s=0.001)] for leaf in leaves}))

    assert [row["layer"] for row in rows(table)[:2]] == ["0", "1"]


def test_without_kernels_there_is_no_column_for_them() -> None:
    tables = layer_ops_tables(rich_profile(has_device=False))

    assert not [table for table in tables if "launched" in names(table)]


def test_the_root_is_named_as_in_the_tree() -> None:
    profile = with_ops(generation_profile(), {"": [op("aten::cat", self_s=0.001)]})

    assert rows(top_ops_table(profile))[0]["layer"] == "(model)"
