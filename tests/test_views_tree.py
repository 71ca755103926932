"""The layer tree: folding, depth, and books that close whatever is hidden."""

from __future__ import annotations

import dataclasses

import pytest
from report_records import (
    NO_ENERGY,
    UNATTRIBUTED_FLOPS,
    UNATTRIBUTED_S,
    Leaf,
    many_blocks,
    profile_of,
    steady,
    two_blocks,
)

from layerprof.records import Distribution, Profile
from layerprof.views import Table, tree_table


def column(table: Table, name: str) -> list[object]:
    place = [column.name for column in table.columns].index(name)
    return [row.cells[place] for row in table.rows]


def labels(table: Table) -> list[object]:
    return column(table, "layer")


def cells(table: Table, label: str) -> dict[str, object]:
    row = next(row for row in table.rows if row.cells[0] == label)
    return {column.name: cell for column, cell in zip(table.columns, row.cells, strict=True)}


def body_sum(table: Table, name: str) -> float:
    place = [column.name for column in table.columns].index(name)
    return sum(float(str(row.cells[place])) for row in table.rows if row.role == "body")


def test_equal_blocks_fold_into_one_row_named_after_their_list() -> None:
    table = tree_table(profile_of(two_blocks()))

    assert labels(table) == [
        "(model)", "embed", "layers.0–1 (2×)", "fc1", "fc2", "head", "(unattributed)", "step",
    ]  # fmt: skip


def test_a_folded_row_sums_its_members() -> None:
    leaves = two_blocks()

    folded = cells(tree_table(profile_of(leaves)), "fc1")

    members = [leaf for leaf in leaves if leaf.path.endswith("fc1")]
    assert folded["calls"] == len(members)
    assert folded["self time"] == pytest.approx(sum(leaf.self_s for leaf in members))
    assert folded["FLOPs"] == sum(leaf.self_flops for leaf in members)
    assert folded["params"] == sum(leaf.params for leaf in members)
    assert folded["peak memory"] == 4096  # the largest, not the sum


def test_times_are_means_over_the_same_middle_steps_so_that_rows_add_up() -> None:
    profile = profile_of([Leaf(path="", type_name="Net"), *(Leaf(path=f"{i}", type_name="Linear") for i in range(2))])
    own = ((1.0, 2.0, 9.0, 4.0), (8.0, 2.0, 1.0, 3.0))  # of the two layers; together 9, 4, 10 and 7
    layers = tuple(
        dataclasses.replace(layer, self_s=Distribution(samples=each))
        for layer, each in zip(profile.layers[1:], own, strict=True)
    )
    root = dataclasses.replace(profile.layers[0], self_s=Distribution(samples=(0.0,) * 4))
    profile = dataclasses.replace(
        profile,
        layers=(root, *layers),
        step_s=Distribution(samples=(9.0, 4.0, 10.0, 7.0)),
        unattributed_s=Distribution(samples=(0.0,) * 4),
    )

    table = tree_table(profile)

    assert cells(table, "0–1 (2×)")["self time"] == (9.0 + 7.0) / 2  # the steps of 4 and of 10 are put aside
    assert body_sum(table, "self time") == cells(table, "step")["self time"]


def test_blocks_that_alternate_fold_into_two_rows() -> None:
    leaves = [Leaf(path="", type_name="Net"), Leaf(path="layer", type_name="ModuleList", calls=0)]
    for index in range(12):
        leaves.append(Leaf(path=f"layer.{index}", type_name="Block"))
        leaves.append(Leaf(path=f"layer.{index}.attention", type_name="Attention"))
        if index % 2 == 0:
            leaves.append(Leaf(path=f"layer.{index}.cross", type_name="Attention"))

    table = tree_table(profile_of(leaves))

    assert labels(table)[1:6] == [
        "layer.0,2,…,10 (6×)", "attention", "cross", "layer.1,3,…,11 (6×)", "attention",
    ]  # fmt: skip


def test_layers_in_turn_keep_their_order() -> None:
    types = ("Linear", "ReLU", "Linear", "ReLU", "ReLU")
    leaves = [
        Leaf(path="", type_name="Sequential"),
        *(Leaf(path=str(index), type_name=type_name) for index, type_name in enumerate(types)),
    ]

    table = tree_table(profile_of(leaves))

    assert labels(table)[1:5] == ["0", "1", "2", "3–4 (2×)"]


def test_layers_of_different_size_do_not_fold() -> None:
    leaves = [Leaf(path="", type_name="Net"), *(Leaf(path=str(i), type_name="Linear", params=i) for i in range(3))]

    table = tree_table(profile_of(leaves))

    assert labels(table)[1:4] == ["0", "1", "2"]


def test_a_list_that_did_work_keeps_its_row() -> None:
    leaves = [
        Leaf(path="", type_name="Net"),
        Leaf(path="layers", type_name="Sequential", self_s=0.001),
        *(Leaf(path=f"layers.{index}", type_name="Linear") for index in range(2)),
    ]

    table = tree_table(profile_of(leaves))

    assert labels(table)[1:3] == ["layers", "0–1 (2×)"]


@pytest.mark.parametrize("max_depth", [None, 0, 1, 2])
@pytest.mark.parametrize("is_folded", [True, False])
def test_the_books_close_at_every_depth(max_depth: int | None, is_folded: bool) -> None:
    profile = profile_of(two_blocks())

    table = tree_table(profile, max_depth=max_depth, is_folded=is_folded)

    assert profile.step_s is not None
    assert cells(table, "(unattributed)")["self time"] == UNATTRIBUTED_S
    assert cells(table, "step")["self time"] == profile.step_s.median
    assert body_sum(table, "self time") + UNATTRIBUTED_S == pytest.approx(profile.step_s.median)


def test_a_hidden_level_is_marked_and_explained() -> None:
    table = tree_table(profile_of(two_blocks()), max_depth=1)

    assert labels(table)[:4] == ["(model)", "embed", "layers.0–1 (2×) …", "head"]
    assert any("below depth 1 are hidden" in footnote for footnote in table.footnotes)


def test_time_on_other_threads_is_taken_off_the_sum() -> None:
    profile = profile_of(two_blocks())
    elsewhere = dataclasses.replace(profile.layers[-1], self_s=steady(0.015), concurrent_s=steady(0.010))
    profile = dataclasses.replace(profile, layers=(*profile.layers[:-1], elsewhere))

    table = tree_table(profile)

    assert cells(table, "(on other threads)")["self time"] == -0.010


def test_without_times_the_flops_have_their_books() -> None:
    profile = profile_of(two_blocks(), has_time=False)

    table = tree_table(profile)

    assert "self time" not in [column.name for column in table.columns]
    assert body_sum(table, "self FLOPs") + UNATTRIBUTED_FLOPS == profile.step_flops
    assert cells(table, "step")["self FLOPs"] == profile.step_flops


def test_a_missing_column_is_left_out_and_explained_once() -> None:
    table = tree_table(profile_of(two_blocks()))

    assert "energy" not in [column.name for column in table.columns]
    assert [footnote for footnote in table.footnotes if NO_ENERGY in footnote] == [f"energy: {NO_ENERGY}"]


def test_a_layer_without_a_number_stays_missing() -> None:
    profile = profile_of(two_blocks())
    unmeasured = dataclasses.replace(profile.layers[-1], total_s=None, self_s=None)
    profile = dataclasses.replace(profile, layers=(*profile.layers[:-1], unmeasured))

    table = tree_table(profile)

    assert cells(table, "head")["self time"] is None


def test_unfolded_every_layer_has_a_row_of_its_own() -> None:
    profile = profile_of(many_blocks(20))

    table = tree_table(profile, is_folded=False)

    assert sum(row.role == "body" for row in table.rows) == len(profile.layers)


def test_two_hundred_equal_blocks_stay_readable() -> None:
    profile = profile_of(many_blocks(200))

    table = tree_table(profile)

    assert len(profile.layers) == 1402
    assert len(table.rows) < 12
    assert "layers.0–199 (200×)" in labels(table)


def test_a_chain_of_a_thousand_levels_needs_no_recursion() -> None:
    chain = [Leaf(path=".".join(["inner"] * depth), type_name="Wrapper") for depth in range(1000)]
    layers = [dataclasses.replace(profile_of([chain[0]]).root, path=leaf.path) for leaf in chain]
    profile: Profile = dataclasses.replace(profile_of(two_blocks()), layers=tuple(layers))

    table = tree_table(profile)

    assert sum(row.role == "body" for row in table.rows) == 1000
