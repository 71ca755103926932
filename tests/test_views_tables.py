"""Families, stages, phases, top layers, summary, checks and FLOP tables."""

from __future__ import annotations

import dataclasses

import pytest
from report_phases import rich_profile
from report_records import (
    NO_ENERGY,
    UNATTRIBUTED_FLOPS,
    UNATTRIBUTED_S,
    flop_report,
    many_blocks,
    profile_of,
    two_blocks,
)

from layerprof.records import Check, Energy, FrozenMapping, Note, UncountedOp
from layerprof.views import (
    LAYER_COLUMNS,
    Amount,
    Column,
    Row,
    Table,
    checks_table,
    families_table,
    flop_layers_table,
    flop_ops_table,
    flop_parts_table,
    flop_totals_table,
    layer_columns,
    notes_table,
    stages_table,
    summary_table,
    top_table,
    uncounted_table,
)


def cells(table: Table, label: str) -> dict[str, object]:
    row = next(row for row in table.rows if row.cells[0] == label)
    return {column.name: cell for column, cell in zip(table.columns, row.cells, strict=True)}


def body(table: Table, name: str) -> list[object]:
    place = [column.name for column in table.columns].index(name)
    return [row.cells[place] for row in table.rows if row.role == "body"]


def test_a_row_of_the_wrong_width_is_refused() -> None:
    with pytest.raises(ValueError, match="does not have 1 cells"):
        Table(title="t", columns=(Column(name="a"),), rows=(Row(cells=("x", "y")),))


def test_layers_that_differ_by_index_are_one_family() -> None:
    leaves = two_blocks()

    family = cells(families_table(profile_of(leaves)), "layers.*.fc2")

    members = [leaf for leaf in leaves if leaf.path.endswith("fc2")]
    assert family["layers"] == len(members)
    assert family["self FLOPs"] == sum(leaf.self_flops for leaf in members)
    assert family["self time"] == pytest.approx(sum(leaf.self_s for leaf in members))


def test_a_lone_layer_keeps_its_own_path() -> None:
    table = families_table(profile_of(many_blocks(1)))

    assert "layers.0.fc1" in body(table, "family")


def test_families_count_every_layer_once_and_close_the_books() -> None:
    profile = profile_of(many_blocks(5))

    table = families_table(profile)

    assert sum(int(str(count)) for count in body(table, "layers")) == len(profile.layers)
    assert profile.step_s is not None
    times = [float(str(time)) for time in body(table, "self time")]
    assert sum(times) + UNATTRIBUTED_S == pytest.approx(profile.step_s.median)


def test_the_stages_close_the_books_for_time_and_flops() -> None:
    profile = profile_of(two_blocks())

    table = stages_table(profile)

    assert profile.step_s is not None
    assert profile.step_flops is not None
    times = [float(str(time)) for time in body(table, "self time")]
    flops = [int(str(flops)) for flops in body(table, "self FLOPs")]
    assert sum(times) + UNATTRIBUTED_S == pytest.approx(profile.step_s.median)
    assert sum(flops) + UNATTRIBUTED_FLOPS == profile.step_flops
    assert cells(table, "step")["share"] == 1.0
    assert [row.cells[0] for row in table.rows[-2:]] == ["(unattributed)", "step"]


def test_a_profile_without_stages_has_an_empty_table() -> None:
    profile = dataclasses.replace(profile_of(two_blocks()), stages=())

    assert stages_table(profile).rows == ()


def test_the_top_layers_are_ranked_by_self_time() -> None:
    table = top_table(profile_of(two_blocks()), count=3)

    assert body(table, "layer") == ["layers.0.fc2", "layers.1.fc2", "layers.0.fc1"]


def test_without_times_the_top_layers_are_ranked_by_self_flops() -> None:
    table = top_table(profile_of(two_blocks(), has_time=False), count=2)

    assert table.title == "Top layers by self FLOPs"
    assert body(table, "layer") == ["head", "layers.0.fc2"]


def test_the_bound_of_a_top_layer_is_shown_where_it_is_known() -> None:
    profile = profile_of(two_blocks())
    bound = dataclasses.replace(profile.layers[-1], bound="memory")

    without = top_table(profile)
    with_bound = top_table(dataclasses.replace(profile, layers=(*profile.layers[:-1], bound)))

    assert "bound" not in [column.name for column in without.columns]
    assert cells(with_bound, "head")["bound"] == "memory"


def test_the_summary_gives_latency_with_its_interval() -> None:
    profile = profile_of(two_blocks())

    value = cells(summary_table(profile), "latency")["value"]

    assert profile.latency_s is not None
    assert profile.latency_s.ci95 is not None
    low, high = profile.latency_s.ci95
    assert value == Amount(value=profile.latency_s.median, low=low, high=high, quantity="s")


def test_the_summary_prints_overhead_as_what_is_added() -> None:
    value = cells(summary_table(profile_of(two_blocks())), "overhead of time")["value"]

    assert isinstance(value, Amount)
    assert (value.value, value.low, value.high) == pytest.approx((0.02, 0.01, 0.04))


def test_the_summary_says_why_there_is_no_energy() -> None:
    energy = cells(summary_table(profile_of(two_blocks())), "energy")

    assert energy["value"] is None
    assert energy["remark"] == NO_ENERGY


def test_the_summary_says_how_an_energy_was_got() -> None:
    profile = profile_of(two_blocks())
    energy = Energy(
        total_j=7.0, kind="measured", source="nvml_energy", ci95_j=(6.5, 7.5), window_s=10.0, resolution_s=0.1
    )
    root = dataclasses.replace(profile.root, energy=energy)
    profile = dataclasses.replace(profile, layers=(root, *profile.layers[1:]))

    line = cells(summary_table(profile), "energy")

    assert line["value"] == Amount(value=7.0, low=6.5, high=7.5, quantity="j", form="plus_minus")
    assert line["remark"] == "per step, measured by nvml_energy over 10 s"


def test_the_summary_tells_sum_busy_and_span_of_the_device_apart() -> None:
    profile = rich_profile()

    table = summary_table(profile)

    values = {name: cells(table, f"device {name}")["value"] for name in ("total", "busy", "span", "idle")}
    assert profile.device_total_s and profile.device_busy_s and profile.device_span_s
    assert values["total"] == Amount(value=profile.device_total_s.mean, quantity="s")
    assert values["busy"] == Amount(value=profile.device_busy_s.mean, quantity="s")
    assert values["span"] == Amount(value=profile.device_span_s.mean, quantity="s")
    assert values["idle"] == Amount(value=profile.device_span_s.mean - profile.device_busy_s.mean, quantity="s")
    assert len({cells(table, f"device {name}")["remark"] for name in values}) == len(values)


def test_the_summary_says_nothing_of_a_device_that_was_not_measured() -> None:
    table = summary_table(rich_profile(has_device=False))

    assert not [row for row in table.rows if str(row.cells[0]).startswith("device ")]


def test_the_summary_names_a_check_that_failed() -> None:
    failed = Check(name="flops_books", ok=False, detail="off by 3")

    table = summary_table(dataclasses.replace(profile_of(two_blocks()), checks=(failed,)))

    assert cells(table, "checks") == {"fact": "checks", "value": "FAILED", "remark": "flops_books"}
    assert [row.role for row in table.rows if row.cells[0] == "checks"] == ["problem"]


def test_the_summary_shows_parts_as_in_force() -> None:
    part = cells(summary_table(profile_of(two_blocks())), "part qformer")

    assert part["value"] == "bfloat16"
    assert part["remark"] == "attention eager, on cpu, at qformer"


def test_a_failed_check_is_a_problem_row() -> None:
    table = checks_table([Check(name="a", ok=True, detail=""), Check(name="b", ok=False, detail="off")])

    assert [(row.cells[1], row.role) for row in table.rows] == [("holds", "body"), ("FAILED", "problem")]


def test_one_reason_for_several_quantities_is_one_note() -> None:
    notes = [Note(code="not_asked", quantity=name, scope="*", text="ask for it") for name in ("flops", "self_flops")]

    table = notes_table(notes)

    assert [row.cells for row in table.rows] == [("not_asked", "flops, self_flops", "*", "ask for it")]


def test_an_uncounted_op_names_some_of_its_layers() -> None:
    op = UncountedOp(op="aten.foo", calls=5, layers=("", "a", "b", "c", "d"), time_share=None)

    table = uncounted_table([op])

    assert table.rows[0].cells == ("aten.foo", 5, None, "(model), a, b and 2 more")


def test_flop_tables_fold_layers_and_rank_ops() -> None:
    report = flop_report()

    assert body(flop_layers_table(report), "layer") == ["(model)", "layers.*"]
    assert body(flop_ops_table(report), "op") == ["aten.addmm.default", "aten.mm.default"]
    assert cells(flop_ops_table(report), "step")["FLOPs"] == report.total
    assert cells(flop_totals_table(report), "MACs")["value"] == Amount(value=report.macs, quantity="macs")


def test_a_flop_count_is_cut_by_stage_phase_and_format() -> None:
    report = dataclasses.replace(
        flop_report(),
        by_stage=FrozenMapping({"vision": 1000, "text": 1900}),
        by_phase=FrozenMapping({"prefill": 2000, "decode": 1000}),
        by_dtype=FrozenMapping({"float32": 3000}),
    )

    table = flop_parts_table(report)

    assert [row.cells for row in table.rows] == [
        ("stage", "vision", 1000, 500, 1000 / 3000),
        ("", "text", 1900, 950, 1900 / 3000),
        ("", "(unattributed)", 100, 50, 100 / 3000),
        ("phase", "prefill", 2000, 1000, 2000 / 3000),
        ("", "decode", 1000, 500, 1000 / 3000),
        ("format", "float32", 3000, 1500, 1.0),
    ]


def test_a_flop_count_that_nothing_cuts_has_no_table_of_parts() -> None:
    assert flop_parts_table(flop_report()).rows == ()


def test_the_totals_of_a_flop_count_have_bytes_and_intensity_or_say_that_they_are_missing() -> None:
    table = flop_totals_table(dataclasses.replace(flop_report(), bytes_moved=1500))

    assert cells(table, "bytes moved")["value"] == Amount(value=1500, quantity="bytes")
    assert cells(table, "intensity")["value"] == Amount(value=2.0, quantity="flops_per_byte")
    assert cells(flop_totals_table(flop_report()), "intensity")["value"] is None


def test_flat_columns_have_unique_names() -> None:
    names = [column.name for column in LAYER_COLUMNS]

    assert len(names) == len(set(names))
    assert {"path", "calls", "total_s_median", "self_s_median", "flops", "peak_bytes", "energy_j"} <= set(names)
    assert names[-12:-8] == ["self_at_peak_bytes", "launches", "bytes_per_s", "least_s"]  # new ones at the end
    assert names[-8:] == [
        *(f"{name}_{end}" for name in ("energy", "self_energy") for end in ("ci95_low_j", "ci95_high_j", "power_w")),
        "j_per_gflop",
        "energy_delay_j_s",
    ]


def test_flat_rows_have_columns_for_each_of_several_phases() -> None:
    profile = rich_profile()
    columns = {column.name: column for column in layer_columns(profile)}

    vision, block = profile["vision"], profile["lm.layers.0.fc"]

    decode = block.by_phase["decode"]
    assert decode.total_s is not None
    assert columns["decode.total_s_median"].read(block) == decode.total_s.median
    assert columns["decode.flops"].read(block) == decode.flops
    assert columns["decode.calls"].read(vision) is None  # it did not run
    assert columns["decode.total_s_median"].read(vision) is None


def test_flat_rows_of_one_phase_have_the_columns_of_every_profile() -> None:
    assert layer_columns(profile_of(two_blocks())) == LAYER_COLUMNS
