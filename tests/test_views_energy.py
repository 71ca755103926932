"""The tables of joules: units and what closes them, the counter, the summary, and columns of other tables."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from energy_passes import (
    BLOCK_S,
    IDLE_W,
    STEP_S,
    UNIT_W,
    Model,
    blocks_pass,
    counter,
    energy_pass,
    joules,
    off,
    profile_with,
    unit,
    with_joules,
)
from report_phases import generation_profile, rich_profile, with_device
from report_records import NO_ENERGY, profile_of, two_blocks
from report_roofs import blocks_under_roof, generation_under_roof, large_profile

from layerprof.records import EnergyConditions, FrozenMapping, Note, Profile
from layerprof.report import render
from layerprof.report.base import to_text
from layerprof.views import (
    Amount,
    Table,
    energy_counter_table,
    energy_table,
    families_table,
    phases_table,
    stages_table,
    summary_table,
    top_table,
    tree_table,
)
from layerprof.views.base import energy_readings

BLOCK_J = UNIT_W * BLOCK_S


def cells(table: Table, label: str) -> dict[str, object]:
    row = next(row for row in table.rows if row.cells[0] == label)
    return {column.name: cell for column, cell in zip(table.columns, row.cells, strict=True)}


def number(cell: object) -> float:
    assert isinstance(cell, Amount | float)
    return cell.value if isinstance(cell, Amount) else cell


def shown(table: Table, label: str) -> dict[str, str]:
    text = to_text(table)
    row = next(row for row in text.rows if row.cells[0].text == label)
    return {name: cell.text for name, cell in zip(text.headers, row.cells, strict=True)}


@pytest.fixture(scope="module")
def profile() -> Profile:
    """Units with an error of 2.5 % at 95 %, on a CPU."""
    watts = off(UNIT_W, 0.0125, "class")
    nodes = Model().nodes
    measured = energy_pass(unit(2, watts=watts), unit(5, watts=watts), samples=4, carbon_g_per_kwh=360.0)
    found = profile_with(Model(nodes=nodes).energies(measured))
    flops = {"blocks.0": 10**9, "blocks.1": 3 * 10**9}
    layers = tuple(
        replace(layer, by_phase=FrozenMapping({"forward": replace(layer.by_phase["forward"], flops=flops[layer.path])}))
        if layer.path in flops
        else layer
        for layer in found.layers
    )
    return replace(found, layers=layers)


def test_a_unit_has_the_joules_of_its_members_and_what_follows_from_them(profile: Profile) -> None:
    row = cells(energy_table(profile), "blocks.0 ×2")

    assert row["kind"] == "replayed"
    assert number(row["energy"]) == pytest.approx(2 * BLOCK_J)
    assert row["of step"] == pytest.approx(2 * BLOCK_J / 5.2)
    assert number(row["mean power"]) == pytest.approx(UNIT_W)
    assert row["idle"] == pytest.approx(IDLE_W / UNIT_W)
    assert number(row["J/GFLOP"]) == pytest.approx(2 * BLOCK_J / 4.0)
    assert number(row["EDP"]) == pytest.approx(2 * BLOCK_J * 2 * BLOCK_S)
    assert row["replay"] == 1.02


def test_joules_are_written_with_the_digits_that_their_interval_supports(profile: Profile) -> None:
    row = shown(energy_table(profile), "blocks.0 ×2")

    assert row["energy (J)"] == "4.0 ± 0.1"
    assert row["mean power (W)"] == "200 ± 5"
    assert row["J/GFLOP"] == "1.00"


def test_the_table_closes_with_rest_gap_sum_step_and_what_is_between_the_two(profile: Profile) -> None:
    table = energy_table(profile)

    closing = [row.cells[0] for row in table.rows if row.role == "closing"]
    assert closing == ["(rest)", "(gap)", "sum", "step", "closure"]
    parts = [number(cells(table, label)["energy"]) for label in ("blocks.0 ×2", "(rest)", "(gap)")]
    assert sum(parts) == pytest.approx(number(cells(table, "sum")["energy"]))
    assert number(cells(table, "step")["energy"]) == pytest.approx(5.2)
    assert cells(table, "closure")["kind"] == "ok"
    assert shown(table, "closure")["of step"] == "100 ± 2 %"


def test_parts_that_do_not_add_up_are_said_below_every_table() -> None:
    found = profile_with(Model().energies(blocks_pass(joules=8.0)))

    for table in (energy_table(found), stages_table(found), tree_table(found)):
        assert any("layer energies not trustworthy" in footnote for footnote in table.footnotes)
    assert cells(energy_table(found), "closure")["kind"] == "not_trustworthy"


def test_units_without_a_row_of_their_own_share_one(profile: Profile) -> None:
    many = with_joules(rich_profile())
    assert many.energy is not None

    table = energy_table(many, most_units=2)

    body = [row for row in table.rows if row.role == "body"]
    assert [row.cells[0] for row in body][2] == f"({len(many.energy.units) - 2} others)"
    assert sum(number(cell.cells[3]) for cell in body) == pytest.approx(
        sum(one.energy.total_j for one in many.energy.units if one.energy is not None)
    )


def test_a_unit_whose_power_is_not_known_has_no_number(profile: Profile) -> None:
    assert profile.energy is not None
    units = (replace(profile.energy.units[0], energy=None, power_w=None),)

    row = cells(energy_table(replace(profile, energy=replace(profile.energy, units=units))), "blocks.0 ×2")

    assert [row[name] for name in ("energy", "of step", "mean power", "idle", "J/GFLOP", "EDP")] == [None] * 6


def test_phases_have_a_column_where_there_are_several() -> None:
    several, single = with_joules(rich_profile()), with_joules(profile_of(two_blocks()))

    assert "phase" in [column.name for column in energy_table(several).columns]
    assert "phase" not in [column.name for column in energy_table(single).columns]


def test_without_joules_the_tables_are_empty_and_the_reason_stands_in_the_summary_and_below_the_tree() -> None:
    missing = profile_of(two_blocks())

    assert energy_table(missing).rows == energy_counter_table(missing).rows == ()
    assert cells(summary_table(missing), "energy") == {"fact": "energy", "value": None, "remark": NO_ENERGY}
    assert f"energy: {NO_ENERGY}" in tree_table(missing).footnotes
    assert "energy" not in [column.name for column in tree_table(missing).columns]


def test_without_units_there_is_no_table_of_units_but_one_of_the_counter() -> None:
    shared = profile_with(Model().energies(energy_pass()))

    assert energy_table(shared).rows == ()
    assert energy_counter_table(shared).rows
    assert number(cells(tree_table(shared), "(model)")["energy"]) == pytest.approx(5.2)


def test_the_counters_table_says_what_was_found_out_about_it() -> None:
    finding = Note(code="counter_late", quantity="energy", scope="step", text="it is 50 ms late")
    conditions = EnergyConditions(
        temperature_c=(51.0, 60.4),
        clock_hz=(1.2e9, 1.98e9),
        throttled=2,
        throttle_reasons=("power cap",),
        foreign_processes=1,
        drift=1.02,
        facts=FrozenMapping({"driver": "550"}),
    )
    measured = blocks_pass(
        counter=counter(findings=(finding,)), conditions=conditions, duration_s=90.0, survey_ratio=1.02
    )

    table = energy_counter_table(profile_with(Model().energies(measured)))

    values = {str(row.cells[0]): row.cells[1] for row in table.rows}
    assert values == {
        "counter": "nvml_energy",
        "verdict": "accepted",
        "tick": "100 ms",
        "lateness": "50.0 ms",
        "reading it often": "unchanged",
        "counter over power sensor": "1.01",
        "idle": "60.0 W",
        "active idle": "80.0 W",
        "load": "400 W",
        "power limit": "700 W",
        "sensor's gain": "± 5 %",
        "finding": "counter_late",
        "windows": "7 × 3.00 s",
        "temperature": "51 to 60 °C",
        "clocks": "1,200 to 1,980 MHz",
        "throttled": "2",
        "foreign processes": "1",
        "survey": "1.02",
        "drift": Amount(value=pytest.approx(0.02), quantity="share"),  # type: ignore[arg-type]  # compared alone
        "driver": "550",
    }


def test_what_is_not_known_of_a_counter_is_a_dash() -> None:
    unknown = counter(tick_s=None, late_s=None, power_ratio=None, idle_w=None, active_idle_w=None, load_w=None)

    table = energy_counter_table(profile_with(Model().energies(blocks_pass(counter=unknown))))

    missing = {str(row.cells[0]) for row in table.rows if row.cells[1] is None}
    assert missing >= {"tick", "lateness", "counter over power sensor", "idle", "active idle", "load", "temperature"}


def test_the_summary_has_the_step_its_power_its_closure_and_one_sample(profile: Profile) -> None:
    table = summary_table(profile)

    assert shown(table, "energy")["value"] == "5.20 J"  # the step has no error here
    assert cells(table, "energy")["remark"] == (
        "per step, measured by nvml_energy over 7 windows of 3 s; the sensor's gain adds ± 5 %"
    )
    assert number(cells(table, "mean power")["value"]) == pytest.approx(5.2 / STEP_S)
    assert "25 %" in str(cells(table, "mean power")["remark"])
    assert shown(table, "energy closure")["value"] == "100 ± 2 %"
    assert number(cells(table, "energy per sample")["value"]) == pytest.approx(5.2 / 4)
    assert number(cells(table, "gCO2e")["value"]) == pytest.approx(5.2 / 3.6e6 * 360.0)


def test_without_a_callers_word_there_is_neither_carbon_nor_a_sample() -> None:
    facts = [row.cells[0] for row in summary_table(profile_with(Model().energies(blocks_pass()))).rows]

    assert not {"gCO2e", "energy per sample", "energy per token"} & set(facts)


def test_a_token_is_a_run_of_decode() -> None:
    generation = with_joules(generation_profile())
    decode = next(phase for phase in generation.phases if phase.name == "decode")
    assert decode.energy is not None

    value = cells(summary_table(generation), "energy per token")["value"]

    assert number(value) == pytest.approx(decode.energy.total_j / decode.steps)


def test_stages_have_joules_with_their_error_and_mean_power(profile: Profile) -> None:
    row = shown(stages_table(profile), "blocks")

    assert row["energy (J)"] == "4.0 ± 0.1"
    assert row["mean power (W)"] == "200"


def test_stages_and_no_layer_add_up_to_the_parts(profile: Profile) -> None:
    table = stages_table(profile)

    parts = [number(row.cells[[column.name for column in table.columns].index("energy")]) for row in table.rows[:-1]]
    assert sum(parts) == pytest.approx(5.2)


def test_phases_have_joules_of_their_own() -> None:
    generation = with_joules(generation_profile())

    row = cells(phases_table(generation), "decode")

    decode = next(phase for phase in generation.phases if phase.name == "decode")
    assert decode.energy is not None
    assert (
        row["energy"]
        == Amount(
            value=decode.energy.total_j, low=decode.energy.ci95_j[0], high=decode.energy.ci95_j[1], form="plus_minus"
        )
        if decode.energy.ci95_j
        else False
    )


def test_folded_layers_are_as_uncertain_as_all_of_them_together(profile: Profile) -> None:
    row = cells(tree_table(profile), "blocks.0–1 (2×)")

    amount = row["energy"]
    assert isinstance(amount, Amount)
    assert amount.form == "digits"
    assert amount.half_width == pytest.approx(2 * 1.96 * 0.0125 * BLOCK_J)
    assert cells(families_table(profile), "blocks.*")["energy"] == amount
    assert number(cells(top_table(profile), "head")["self energy"]) == pytest.approx(0.4)


def test_a_sum_with_a_missing_part_is_missing() -> None:
    reading = energy_readings(profile_of(two_blocks()))["energy"]
    first, *others = profile_of(two_blocks()).layers

    assert reading.over([replace(first, energy=joules(1.0)), *others]) is None
    assert reading.over([]) is None


def test_a_row_without_flops_has_no_joules_for_each_of_them() -> None:
    reading = energy_readings(profile_of(two_blocks()))["j_per_gflop"]
    row = replace(profile_of(two_blocks()).layers[0], energy=joules(1.0))

    assert reading.over([replace(row, flops=0)]) == ""
    assert reading.over([replace(row, flops=None)]) is None
    assert number(reading.over([replace(row, flops=2 * 10**9)])) == pytest.approx(0.5)


def test_the_power_of_a_row_of_zero_joules_is_blank() -> None:
    reading = energy_readings(profile_of(two_blocks()))["power"]
    row = profile_of(two_blocks()).layers[0]

    assert reading.over([replace(row, energy=replace(joules(1.0), total_j=0.0, power_w=None))]) == ""


PROFILES = {
    "several phases on a device": rich_profile,
    "a generation under the roofline": generation_under_roof,
    "a generation under the roofline, on a device": lambda: with_device(generation_under_roof()),
    "a large model": large_profile,
    "a large model on a device": lambda: with_device(large_profile()),
    "blocks": blocks_under_roof,
}


@pytest.mark.parametrize("name", PROFILES)
def test_the_tables_of_a_terminal_fit_a_log_with_joules_in_them(name: str) -> None:
    text = render(with_joules(PROFILES[name]()), "text")

    sections = [section.splitlines() for section in text.split("\n\n")]
    widths = {lines[0]: max(map(len, lines[1:5])) for lines in sections if lines[0] not in ("Summary", "Checks")}
    assert "Energy by distinct layer" in widths
    assert {title: width for title, width in widths.items() if width > 120} == {}


@pytest.mark.parametrize("format", ["text", "markdown", "html"])
def test_every_document_has_the_units_and_the_closure(format: str, profile: Profile) -> None:
    text = render(profile, format)  # type: ignore[arg-type]  # as parametrized

    assert "4.0 ± 0.1" in text
    assert re.search(r"blocks\.0 ×2", text)
    assert "closure" in text
    assert ("Energy counter" in text) == (format != "text")


def test_power_is_written_by_its_own_interval_and_not_by_that_of_joules() -> None:
    # Joules and seconds of a window move together: 65 W all along, in windows of very different lengths.
    step = replace(
        energy_pass().step, joules=off(5.2, 0.8, "j"), seconds=off(0.08, 0.8, "s"), power_w=off(65.04, 0.0005, "w")
    )
    found = profile_with(Model().energies(blocks_pass(step=step)))

    assert shown(summary_table(found), "mean power")["value"] == "65.04 ± 0.06 W"
    assert shown(energy_table(found), "step")["mean power (W)"] == "65.04"
    reading = energy_readings(found)["power"]
    power = reading.over([found.root])
    assert isinstance(power, Amount)
    assert power.half_width == pytest.approx(1.96 * 0.0005 * 65.04)
    assert power == reading.closing_cells()[2]


def test_power_without_an_interval_has_two_digits() -> None:
    exactly = replace(energy_pass().step, joules=off(5.2, 0.00001, "j"), seconds=off(0.0211, 0.1, "s"))
    found = profile_with(Model().energies(blocks_pass(step=exactly)))

    assert shown(summary_table(found), "mean power")["value"] == "250 W"  # 246 W by joules and seconds
    assert shown(energy_table(found), "step")["mean power (W)"] == "250"


def test_joules_times_seconds_are_not_written_by_the_interval_of_joules() -> None:
    found = profile_with(Model().energies(energy_pass(unit(2, seconds=0.01234))))

    for label in ("blocks.0 ×2", "step"):
        edp = cells(energy_table(found), label)["EDP"]
        assert isinstance(edp, Amount)
        assert edp.half_width is None


def test_the_sum_is_written_by_its_own_interval_and_not_by_that_of_the_step() -> None:
    step = replace(energy_pass().step, joules=off(5.2, 0.5, "j"))
    watts = off(UNIT_W, 0.0005, "class")

    found = profile_with(Model().energies(energy_pass(unit(2, watts=watts), unit(5, watts=watts), step=step)))

    assert shown(energy_table(found), "sum")["energy (J)"] == "5.200"


def test_rest_and_gap_that_are_not_told_apart_share_a_row_and_the_closure_is_a_lower_bound() -> None:
    found = profile_with(Model().energies(blocks_pass(counter=counter(domain="gpu_board"))))

    table = energy_table(found)

    assert [row.cells[0] for row in table.rows if row.role == "closing"] == [
        "(rest or gap)",
        "sum",
        "step",
        "closure, at least",
    ]
    assert number(cells(table, "(rest or gap)")["energy"]) == pytest.approx(IDLE_W * (STEP_S - 2 * BLOCK_S))
    assert cells(table, "(rest or gap)")["kind"] == "idle"
    remark = str(cells(summary_table(found), "energy closure")["remark"])
    assert remark.startswith("parts over the step, at least, with all outside of them at idle power: ")


def test_the_closure_of_assumed_power_says_that_it_compares_times() -> None:
    assumed = counter(kind="estimated", source="estimate", estimator="assumed")
    found = profile_with(Model().energies(blocks_pass(counter=assumed)))

    assert str(cells(summary_table(found), "energy closure")["remark"]).endswith(
        "; of assumed power: this compares times only"
    )
    assert "The closure is of assumed power: this compares times only." in energy_table(found).footnotes
    assert "idle" not in str(cells(summary_table(found), "mean power")["remark"])


def test_the_closure_of_measured_power_compares_joules(profile: Profile) -> None:
    assert "assumed" not in str(cells(summary_table(profile), "energy closure")["remark"])


def test_the_survey_stands_with_the_counter() -> None:
    table = energy_counter_table(profile_with(Model().energies(blocks_pass(survey_ratio=1.02))))

    assert str(cells(table, "survey")["remark"]).startswith("step in the survey over step in the windows")
