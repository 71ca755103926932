"""The place under the roofline in tables: rates that combine, marks for impossible numbers, and the ceilings."""

from __future__ import annotations

import dataclasses

import pytest
from report_phases import op, with_device, with_ops
from report_records import Leaf, profile_of, two_blocks
from report_roofs import (
    ABOVE_TEXT,
    BANDWIDTH,
    CEILINGS,
    DTYPE,
    PEAKS,
    RATE,
    blocks_under_roof,
    generation_under_roof,
    large_profile,
    under_roof,
)

from layerprof.records import FrozenMapping, LayerProfile, Note, PhaseProfile, Profile, Quantities
from layerprof.views import (
    Amount,
    Table,
    families_table,
    has_roofline,
    layer_columns,
    op_names_table,
    phase_contrast_table,
    phases_table,
    roofline_points,
    roofline_table,
    stages_table,
    summary_table,
    top_table,
    tree_table,
)

ABOVE = "> 100 %"
BARE_LAYER = LayerProfile(path="", type_name="Net", kind="other", depth=0, stage="")
NO_FORMATS: FrozenMapping[int] = FrozenMapping({})
ROOF_COLUMNS = ("intensity", "efficiency", "bound")


def cells(table: Table, label: str) -> dict[str, object]:
    row = next(row for row in table.rows if row.cells[0] == label)
    return {column.name: cell for column, cell in zip(table.columns, row.cells, strict=True)}


def names(table: Table) -> list[str]:
    return [column.name for column in table.columns]


def labels(table: Table) -> list[object]:
    return [row.cells[0] for row in table.rows]


def two_layers(*, second_s: float = 0.004) -> Profile:
    """Two alike layers of 1000 FLOPs and 10 bytes: the first takes 2 ms, 50 % of the roof."""
    leaves = [
        Leaf(path="", type_name="Net"),
        Leaf(path="0", type_name="Linear", self_s=0.002, self_flops=1000),
        Leaf(path="1", type_name="Linear", self_s=second_s, self_flops=1000),
    ]
    return under_roof(profile_of(leaves), lambda layer: 10 if layer.path else 0)


def test_a_layer_shows_the_numbers_of_its_record() -> None:
    profile = blocks_under_roof()

    row = cells(tree_table(profile), "head")

    head = profile["head"]
    assert (row["intensity"], row["efficiency"], row["bound"]) == (head.intensity, head.efficiency, "compute")
    assert head.efficiency == pytest.approx(4000 / RATE / 0.005)


def test_a_row_of_several_layers_has_their_work_over_their_time() -> None:
    row = cells(families_table(two_layers()), "*")

    assert row["FLOP rate"] == pytest.approx(2000 / 0.006)
    assert row["byte rate"] == pytest.approx(20 / 0.006)
    assert row["intensity"] == 100.0
    assert row["efficiency"] == pytest.approx(2 * 1000 / RATE / 0.006)  # not the mean of 50 % and 25 %


def test_a_row_of_layers_with_different_bounds_names_that_of_the_most_time_first() -> None:
    profile = two_layers()
    slow = dataclasses.replace(profile["1"], bound="memory")
    profile = dataclasses.replace(profile, layers=(*profile.layers[:-1], slow))

    assert cells(tree_table(profile), "0–1 (2×)")["bound"] == "memory/compute"


def test_an_efficiency_above_the_roof_is_marked_and_explained_and_never_a_number() -> None:
    profile = two_layers(second_s=0.0005)  # half the least time

    assert profile["1"].efficiency is None
    for table in (tree_table(profile), families_table(profile), top_table(profile), roofline_table(profile)):
        place = names(table).index("efficiency")
        marked = [row.cells[place] for row in table.rows if row.cells[place] == ABOVE]
        assert marked
        assert [footnote for footnote in table.footnotes if footnote.startswith(ABOVE)] == [
            f"{ABOVE}: no result; {ABOVE_TEXT}"
        ]


def test_without_a_mark_there_is_no_word_of_one() -> None:
    assert not [line for line in tree_table(two_layers()).footnotes if line.startswith(ABOVE)]


def test_a_stage_above_the_roof_is_marked_by_its_name() -> None:
    profile = two_layers()
    stages = tuple(dataclasses.replace(stage, efficiency=None) for stage in profile.stages)
    note = Note(code="above_ceiling", quantity="efficiency", scope="stage 1", text=ABOVE_TEXT)
    profile = dataclasses.replace(profile, stages=stages, notes=(note,))

    table = stages_table(profile)

    assert cells(table, "1")["efficiency"] == ABOVE
    assert cells(table, "0")["efficiency"] is None


def test_what_did_no_work_has_a_blank_place_and_what_was_not_measured_a_missing_one() -> None:
    profile = two_layers()
    unplaced = dataclasses.replace(profile["1"], intensity=None, efficiency=None, bound=None, flops=None)
    table = tree_table(dataclasses.replace(profile, layers=(*profile.layers[:-1], unplaced)), is_folded=False)
    lists = tree_table(blocks_under_roof(), is_folded=False)

    assert [cells(table, "1")[name] for name in ROOF_COLUMNS] == [None, None, None]
    assert [cells(lists, "layers")[name] for name in ROOF_COLUMNS] == ["", "", ""]


def test_without_ceilings_the_columns_are_left_out_and_the_reason_is_said_once() -> None:
    profile = two_layers()
    layers = tuple(dataclasses.replace(layer, efficiency=None, bound="unknown") for layer in profile.layers)
    text = "no ceiling is known; measure them"
    notes = tuple(Note(code="no_ceiling", quantity=name, scope="*", text=text) for name in ("efficiency", "bound"))
    some = Note(code="no_work", quantity="efficiency", scope="*", text="a layer that was not called has none")

    table = tree_table(dataclasses.replace(profile, layers=layers, ceilings=None, notes=(*notes, some)))

    assert "intensity" in names(table)
    assert not {"efficiency", "bound"} & set(names(table))
    assert [line for line in table.footnotes if "ceiling" in line or "called" in line] == [
        f"efficiency and bound: {text}"
    ]


@pytest.mark.parametrize("profile", [profile_of(two_blocks())])
def test_a_profile_without_a_roofline_says_nothing_of_one(profile: Profile) -> None:
    assert roofline_table(profile).rows == ()
    assert not has_roofline(profile)
    assert not set(ROOF_COLUMNS) & set(names(tree_table(profile)))


def test_the_table_has_stages_then_the_families_of_the_longest_time_where_work_is_done() -> None:
    table = roofline_table(blocks_under_roof())

    assert labels(table) == [
        "stage embed", "stage layers", "stage head", "layers.*.fc2", "layers.*.fc1", "head", "embed",
    ]  # fmt: skip


def nested() -> Profile:
    """A layer with FLOPs of its own around another's, and one that only holds another."""
    leaves = [
        Leaf(path="", type_name="Net"),
        Leaf(path="attention", type_name="Attention", self_s=0.001, self_flops=100),
        Leaf(path="attention.query", type_name="Linear", self_s=0.001, self_flops=100),
        Leaf(path="block", type_name="Block", self_s=0.001),
        Leaf(path="block.fc", type_name="Linear", self_s=0.001, self_flops=100),
    ]
    return under_roof(profile_of(leaves), lambda layer: 10 if layer.path else 0)


def test_a_layer_with_work_of_its_own_and_of_layers_below_it_is_one_family_and_they_are_others() -> None:
    table = roofline_table(nested(), most_stages=0)

    assert labels(table) == ["attention", "attention.query", "block.fc"]
    assert cells(table, "attention")["total time"] == 0.002  # the layers called from it included, as in the tree


def test_so_many_rows_as_asked_the_longest_kept() -> None:
    table = roofline_table(large_profile(), most_stages=2, most_families=3)

    assert len(table.rows) == 5
    assert labels(table)[:2] == ["stage vision_model", "stage language_model"]


def test_the_table_says_the_ceilings_in_the_formats_in_use_and_the_vendors_beside_them() -> None:
    profile = dataclasses.replace(two_layers(), peaks=PEAKS)

    footnotes = roofline_table(profile).footnotes

    assert footnotes[:2] == (
        "measured ceilings: float32 1.00 MFLOP/s, memory 100 kB/s, launch 1.00 µs.",
        "vendor's peaks: float32 1.50 MFLOP/s, memory 120 kB/s.",
    )


def test_on_a_device_the_time_of_a_row_is_the_devices() -> None:
    table = roofline_table(with_device(blocks_under_roof()), most_stages=0)

    assert "device total" in names(table)
    assert "total time" not in names(table)


def test_the_summary_gives_the_models_place_and_the_roof() -> None:
    profile = two_layers()

    table = summary_table(dataclasses.replace(profile, peaks=PEAKS))

    assert cells(table, "bytes moved")["value"] == Amount(value=20, quantity="bytes")
    assert cells(table, "intensity")["value"] == Amount(value=100.0, quantity="flops_per_byte")
    assert cells(table, "efficiency")["value"] == Amount(value=profile.root.efficiency or 0.0, quantity="share")
    assert cells(table, "efficiency")["remark"] == "of the roof; bound by compute"
    assert cells(table, "measured ceilings")["remark"] == "a benchmark"
    assert cells(table, "vendor's peaks")["remark"] == "a page"


def test_the_summary_gives_no_efficiency_above_the_roof() -> None:
    profile = two_layers()
    root = dataclasses.replace(profile.root, efficiency=None)
    note = Note(code="above_ceiling", quantity="efficiency", scope="", text=ABOVE_TEXT)

    table = summary_table(dataclasses.replace(profile, layers=(root, *profile.layers[1:]), notes=(note,)))

    assert cells(table, "efficiency")["value"] == ABOVE


def under_a_root_that_is_not_called(profile: Profile, phases: tuple[PhaseProfile, ...] = ()) -> Profile:
    """The profile as a method of the root gives it that calls its layers, with 5 bytes moved under none."""
    root = dataclasses.replace(
        BARE_LAYER, path="", flops=0, self_flops=0, bytes_moved=0, self_bytes_moved=0, flops_by_dtype=NO_FORMATS
    )
    return dataclasses.replace(
        profile, layers=(root, *profile.layers[1:]), phases=phases, unattributed_bytes_moved=5, unattributed_flops=0
    )


def test_the_summary_of_a_root_that_is_not_called_gives_the_place_of_its_one_phase() -> None:
    forward = PhaseProfile(
        name="forward", steps=1, bytes_moved=25, flops=2000, intensity=80.0, efficiency=0.25, bound="memory"
    )
    profile = under_a_root_that_is_not_called(two_layers(), (forward,))

    table = summary_table(profile)

    assert cells(table, "bytes moved")["value"] == Amount(value=10 + 10 + 5, quantity="bytes")
    assert cells(table, "intensity")["value"] == Amount(value=80.0, quantity="flops_per_byte")
    assert cells(table, "efficiency")["value"] == Amount(value=0.25, quantity="share")
    assert cells(table, "efficiency")["remark"] == "of the roof; bound by memory"


def test_the_summary_of_a_root_that_is_not_called_marks_its_one_phase_above_the_roof() -> None:
    forward = PhaseProfile(name="forward", steps=1, bytes_moved=25, flops=2000, bound="memory")
    note = Note(code="above_ceiling", quantity="efficiency", scope="phase forward", text=ABOVE_TEXT)
    profile = under_a_root_that_is_not_called(two_layers(), (forward,))

    table = summary_table(dataclasses.replace(profile, notes=(note,)))

    assert cells(table, "efficiency")["value"] == ABOVE


def test_the_summary_of_a_root_around_no_phase_adds_up_work_and_traffic_alone() -> None:
    phases = tuple(
        PhaseProfile(name=name, steps=1, bytes_moved=9, flops=1000, efficiency=0.5) for name in ("one", "two")
    )

    table = summary_table(under_a_root_that_is_not_called(two_layers(), phases))

    assert cells(table, "bytes moved")["value"] == Amount(value=25, quantity="bytes")
    assert cells(table, "intensity")["value"] == Amount(value=2000 / 25, quantity="flops_per_byte")
    assert "efficiency" not in labels(table)


def test_the_summary_of_a_root_that_is_not_called_says_the_ceilings_in_use_alone() -> None:
    said = str(cells(summary_table(under_a_root_that_is_not_called(two_layers())), "measured ceilings")["value"])

    assert "float32" in said
    assert "bfloat16" not in said


def test_each_phase_has_a_place_of_its_own() -> None:
    profile = generation_under_roof()

    table = phases_table(profile)

    prefill, decode = profile.phases[1], profile.phases[2]
    assert cells(table, "prefill")["intensity"] == prefill.intensity == 8000 / 200
    assert cells(table, "decode")["intensity"] == decode.intensity == 3200 / 200
    assert cells(table, "prefill")["bound"] == "compute"


def test_prefill_and_decode_stand_side_by_side_in_intensity_and_bound() -> None:
    profile = generation_under_roof()

    row = cells(phase_contrast_table(profile), "fc")

    assert (row["prefill intensity"], row["decode intensity"]) == (4000 / 100, 1600 / 100)
    assert (row["prefill bound"], row["decode bound"]) == ("compute", "compute")
    assert cells(phase_contrast_table(profile), "(model)")["prefill bound"] is None  # it was not called by itself


def test_a_layer_above_the_roof_in_one_phase_is_marked_there_and_explained() -> None:
    profile = generation_under_roof()
    layer = profile["lm.layers.0.fc"]
    parts = {name: dataclasses.replace(part, efficiency=None) for name, part in layer.by_phase.items()}
    above = dataclasses.replace(layer, by_phase=FrozenMapping(parts))
    note = Note(code="above_ceiling", quantity="efficiency", scope="lm.layers.0.fc in decode", text=ABOVE_TEXT)
    layers = tuple(above if one.path == layer.path else one for one in profile.layers)

    table = phase_contrast_table(dataclasses.replace(profile, layers=layers, notes=(note,)))

    row = cells(table, "fc")
    assert (row["prefill efficiency"], row["decode efficiency"]) == (None, ABOVE)
    assert f"{ABOVE}: no result; {ABOVE_TEXT}" in table.footnotes


def test_a_layer_below_the_roof_in_both_phases_has_its_efficiencies() -> None:
    profile = generation_under_roof()

    row = cells(phase_contrast_table(profile), "fc")

    parts = profile["lm.layers.0.fc"].by_phase, profile["lm.layers.1.fc"].by_phase
    for phase in ("prefill", "decode"):
        low, high = sorted(part[phase].efficiency or 0.0 for part in parts)
        assert isinstance(row[f"{phase} efficiency"], float)
        assert low - 1e-9 <= float(str(row[f"{phase} efficiency"])) <= high + 1e-9


def test_ops_have_bytes_intensity_and_the_format_of_their_products() -> None:
    mm = dataclasses.replace(op("aten::mm", self_s=0.002, flops=600), bytes_moved=100, dtype=DTYPE)
    add = dataclasses.replace(op("aten::add", self_s=0.001, flops=0), bytes_moved=50)

    table = op_names_table(with_ops(profile_of(two_blocks()), {"embed": [mm], "head": [mm, add]}))

    row = cells(table, "aten::mm")
    assert (row["bytes"], row["intensity"], row["format"]) == (200, 6.0, DTYPE)
    assert (cells(table, "aten::add")["intensity"], cells(table, "aten::add")["format"]) == (0.0, "")
    assert cells(table, "all ops")["intensity"] == 1200 / 250


def test_flat_rows_have_a_column_for_each_format_and_for_the_place_in_each_phase() -> None:
    profile = generation_under_roof()
    columns = {column.name: column for column in layer_columns(profile)}

    layer = profile["lm.layers.0.fc"]

    assert columns["bytes_per_s"].read(layer) == layer.bytes_per_s
    assert columns[f"flops.{DTYPE}"].read(layer) == layer.flops
    assert columns["decode.intensity"].read(layer) == 1600 / 100
    assert columns["decode.bound"].read(layer) == "compute"
    assert columns["decode.bound"].read(profile["vision"]) is None


def test_flat_rows_have_the_least_time_of_the_layer_and_of_it_in_each_phase() -> None:
    profile = generation_under_roof()
    layer = profile["lm.layers.0.fc"]
    parts = {"decode": dataclasses.replace(layer.by_phase["decode"], least_s=0.25)}
    columns = {column.name: column for column in layer_columns(profile)}

    placed = dataclasses.replace(layer, least_s=0.5, by_phase=FrozenMapping(parts))

    assert columns["least_s"].read(placed) == 0.5
    assert columns["decode.least_s"].read(placed) == 0.25


def test_flat_rows_have_no_bound_of_what_did_no_work() -> None:
    profile = generation_under_roof()
    idle = Quantities(calls=1, flops=0, bytes_moved=0, bound="unknown")
    working = dataclasses.replace(idle, bytes_moved=5)
    columns = {column.name: column for column in layer_columns(profile)}
    layer = dataclasses.replace(
        BARE_LAYER,
        path="0",
        flops=0,
        bytes_moved=0,
        bound="unknown",
        by_phase=FrozenMapping({"prefill": working, "decode": idle}),
    )

    assert columns["bound"].read(layer) is None
    assert columns["decode.bound"].read(layer) is None
    assert columns["prefill.bound"].read(layer) == "unknown"


def test_tables_leave_blank_the_bound_of_what_did_no_work() -> None:
    profile = two_layers()
    idle = dataclasses.replace(BARE_LAYER, path="1", calls=1, flops=0, bytes_moved=0, bound="unknown")

    table = tree_table(dataclasses.replace(profile, layers=(*profile.layers[:-1], idle)), is_folded=False)

    assert [cells(table, "1")[name] for name in ROOF_COLUMNS] == ["", "", ""]


@pytest.mark.parametrize("profile", [blocks_under_roof(), nested()], ids=["blocks", "nested"])
def test_no_work_is_in_two_points(profile: Profile) -> None:
    points = roofline_points(profile)

    assert sum(point.flops for point in points) == sum(layer.self_flops or 0 for layer in profile.layers)
    assert sum(point.bytes_moved for point in points) == sum(
        profile[point.path].self_bytes_moved or 0 for point in points
    )
    assert {point.path for point in points} == {layer.path for layer in profile.layers if layer.self_flops}


def test_a_layer_has_a_point_in_each_phase_that_it_did_work_in() -> None:
    points = [point for point in roofline_points(generation_under_roof()) if point.path == "lm.layers.0.fc"]

    assert [(point.phase, point.intensity) for point in points] == [("prefill", 40.0), ("decode", 16.0)]
    assert points[0].flops_per_s == pytest.approx(4000 / 0.006)


@pytest.mark.parametrize(
    ("seconds", "size", "expected"),
    [
        (0.0011, 10, False),
        (0.0009, 10, True),  # faster than the matrix rate: 1000 FLOPs take 1 ms at least
        (0.0021, 200, False),
        (0.0019, 200, True),  # faster than memory: 200 bytes take 2 ms at least
    ],
)
def test_a_point_above_the_roof_is_marked(seconds: float, size: int, expected: bool) -> None:
    leaves = [Leaf(path="", type_name="Net"), Leaf(path="a", type_name="Linear", self_s=seconds, self_flops=1000)]
    assert (1000 / RATE, 200 / BANDWIDTH) == (0.001, 0.002)

    [point] = roofline_points(under_roof(profile_of(leaves), lambda layer: size if layer.path else 0))

    assert point.is_above is expected


def test_the_vendors_peaks_stand_in_for_what_was_not_measured() -> None:
    partial = dataclasses.replace(CEILINGS, matrix_flops_per_s=FrozenMapping({}))
    fast, faster = two_layers(second_s=0.0008), two_layers(second_s=0.0006)  # the vendor's rate allows 0.67 ms

    marks = [
        [point.is_above for point in roofline_points(dataclasses.replace(one, ceilings=partial, peaks=PEAKS))]
        for one in (fast, faster)
    ]

    assert marks == [[False, False], [False, True]]
