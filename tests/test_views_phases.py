"""Phases of a step, and what each layer took in each: numbers that add up, and what did not run stays missing."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import pytest
from report_phases import DEVICE_PART, TOKENS, PhasedLeaf, generation_profile, phased_profile, training_profile
from report_records import profile_of, two_blocks

from layerprof.records import Distribution, FrozenMapping, Profile
from layerprof.views import Table, phase_contrast_table, phase_layers_table, phases_table, tree_table

ADDING = ("total time", "of step", "unattributed", "FLOPs")


def names(table: Table) -> list[str]:
    return [column.name for column in table.columns]


def cells(table: Table, label: str) -> dict[str, object]:
    row = next(row for row in table.rows if row.cells[0] == label)
    return dict(zip(names(table), row.cells, strict=True))


def number(table: Table, label: str, name: str) -> float:
    value = cells(table, label)[name]
    assert isinstance(value, int | float)
    return value


def labels(table: Table) -> list[object]:
    return [row.cells[0] for row in table.rows]


@pytest.mark.parametrize("table_of", [phases_table, phase_layers_table, phase_contrast_table])
def test_a_step_of_one_phase_has_no_table_of_phases(table_of: Callable[..., Table]) -> None:
    assert table_of(profile_of(two_blocks())).rows == ()


@pytest.mark.parametrize("name", ADDING)
@pytest.mark.parametrize("profile", [generation_profile(), training_profile()], ids=["generation", "training"])
def test_the_phases_add_up_to_the_step(profile: Profile, name: str) -> None:
    table = phases_table(profile)

    parts = [number(table, phase.name, name) for phase in profile.phases]

    assert sum(parts) == pytest.approx(number(table, "step", name))


def test_the_phases_close_with_the_same_step_as_the_tree() -> None:
    profile = generation_profile()

    phases, tree = phases_table(profile), tree_table(profile)

    assert number(phases, "step", "total time") == number(tree, "step", "total time")
    assert number(phases, "step", "unattributed") == number(tree, "(unattributed)", "total time")


def test_phases_that_vary_add_up_over_the_same_middle_steps() -> None:
    prefill, decode = (1.0, 2.0, 9.0, 4.0), (8.0, 2.0, 1.0, 3.0)  # together 9, 4, 10 and 7
    profile = generation_profile()
    phases = [
        dataclasses.replace(phase, total_s=Distribution(samples=samples))
        for phase, samples in zip(profile.phases[1:], (prefill, decode), strict=True)
    ]
    profile = dataclasses.replace(
        profile, phases=tuple(phases), step_s=Distribution(samples=(9.0, 4.0, 10.0, 7.0)), unattributed_s=None
    )

    table = phases_table(profile)

    assert number(table, "prefill", "total time") == (1.0 + 4.0) / 2  # the steps of 4 and of 10 are put aside
    assert number(table, "prefill", "total time") + number(table, "decode", "total time") == 8.0
    assert number(table, "step", "total time") == 8.0


def test_one_run_of_decode_is_a_token() -> None:
    table = phases_table(generation_profile())

    decode = cells(table, "decode")

    assert decode["runs"] == TOKENS
    assert decode["time/run"] == pytest.approx(number(table, "decode", "total time") / TOKENS)
    assert decode["FLOPs/run"] == number(table, "decode", "FLOPs") / TOKENS
    assert decode["tokens/s"] == pytest.approx(1.0 / number(table, "decode", "time/run"))
    assert cells(table, "prefill")["tokens/s"] == ""
    assert any(footnote.startswith("tokens/s:") for footnote in table.footnotes)


def test_phases_that_run_once_need_no_column_for_one_run() -> None:
    assert not {"time/run", "FLOPs/run", "tokens/s"} & set(names(phases_table(training_profile())))


def test_a_phase_that_was_not_counted_has_no_flops_rather_than_none_of_them() -> None:
    profile = generation_profile()
    uncounted = dataclasses.replace(profile.phases[-1], flops=None)

    table = phases_table(dataclasses.replace(profile, phases=(*profile.phases[:-1], uncounted)))

    assert cells(table, "decode")["FLOPs"] is None
    assert cells(table, "decode")["FLOPs/run"] is None


def test_device_time_of_phases_is_shown_where_there_is_a_device() -> None:
    table = phases_table(generation_profile(has_device=True))

    assert number(table, "decode", "device total") == pytest.approx(DEVICE_PART * number(table, "decode", "total time"))
    assert number(table, "step", "device total") == pytest.approx(DEVICE_PART * number(table, "step", "total time"))
    assert "device total" not in names(phases_table(generation_profile()))


def test_every_layer_shows_its_total_in_each_phase() -> None:
    table = phase_layers_table(generation_profile())

    assert labels(table) == ["(model)", "vision", "lm", "layers.0–1 (2×)", "fc", "(unattributed)", "whole phase"]
    assert cells(table, "fc") == {
        "layer": "fc",
        "vision time": None,
        "vision FLOPs": None,
        "prefill time": 0.012,
        "prefill FLOPs": 8000,
        "decode time": 0.016,
        "time/token": 0.004,
        "decode FLOPs": 3200,
    }


def test_the_outermost_layers_and_the_unattributed_part_are_the_whole_phase() -> None:
    table = phase_layers_table(generation_profile())

    for phase, layer in (("vision", "vision"), ("prefill", "lm"), ("decode", "lm")):
        name = f"{phase} time"
        parts = number(table, layer, name) + number(table, "(unattributed)", name)
        assert parts == pytest.approx(number(table, "whole phase", name))


def test_a_row_sums_those_of_its_layers_that_ran_in_the_phase() -> None:
    profile = generation_profile()
    silent = dataclasses.replace(profile["lm.layers.1.fc"], by_phase=FrozenMapping({}))
    profile = dataclasses.replace(profile, layers=(*profile.layers[:-1], silent))

    table = phase_layers_table(profile)

    assert cells(table, "fc")["prefill time"] == 0.006


def test_prefill_stands_against_one_token() -> None:
    table = phase_contrast_table(generation_profile())

    row = cells(table, "fc")
    assert table.title == "Prefill against decode"
    assert row["prefill time"] == 0.012
    assert row["time/token"] == 0.016 / TOKENS
    assert row["time ratio"] == pytest.approx(0.012 / (0.016 / TOKENS))
    assert row["FLOPs/token"] == 3200 / TOKENS
    assert row["FLOPs ratio"] == pytest.approx(8000 / (3200 / TOKENS))
    assert "ratio: prefill over one token." in table.footnotes


def test_layers_of_other_phases_are_not_in_a_comparison_of_two() -> None:
    assert "vision" not in labels(phase_contrast_table(generation_profile()))


def test_what_was_not_called_by_itself_stays_missing_and_has_no_ratio() -> None:
    row = cells(phase_contrast_table(generation_profile()), "(model)")

    assert set(row.values()) == {"(model)", None}


def test_backward_stands_against_forward() -> None:
    table = phase_contrast_table(training_profile())

    assert table.title == "Forward against backward"
    assert cells(table, "a")["time ratio"] == pytest.approx(2.0)
    assert cells(table, "a")["FLOPs ratio"] == 2.0
    assert cells(table, "b")["FLOPs ratio"] == ""  # nothing over nothing is no ratio


def test_on_a_device_the_comparison_is_of_its_time() -> None:
    table = phase_contrast_table(generation_profile(has_device=True))

    row = cells(table, "fc")
    assert row["prefill device"] == pytest.approx(DEVICE_PART * 0.012)
    assert row["device/token"] == pytest.approx(DEVICE_PART * 0.016 / TOKENS)
    assert "prefill time" not in row


def test_a_table_with_few_rows_shows_only_the_levels_that_fit() -> None:
    table = phase_layers_table(generation_profile(), most_rows=3)

    assert labels(table)[:-2] == ["(model)", "vision", "lm"]
    assert any("At most 3 rows" in footnote for footnote in table.footnotes)


def test_a_table_that_fits_says_nothing_of_rows() -> None:
    table = phase_layers_table(generation_profile(), most_rows=15)

    assert labels(table) == labels(phase_layers_table(generation_profile()))
    assert not any("At most" in footnote for footnote in table.footnotes)


def test_a_flat_model_wider_than_the_table_is_cut() -> None:
    parts = {"prefill": (0.001, 1), "decode": (0.001, 1)}
    wide = [PhasedLeaf(path=f"part{index}", by_phase=parts) for index in range(40)]
    profile = phased_profile([PhasedLeaf(path="", by_phase=parts), *wide], {"prefill": 1, "decode": TOKENS})

    table = phase_contrast_table(profile, most_rows=15)

    assert sum(row.role == "body" for row in table.rows) == 15
    assert any("At most 15 rows" in footnote for footnote in table.footnotes)


def test_the_depth_that_was_asked_for_limits_the_rows() -> None:
    assert "fc" not in labels(phase_layers_table(generation_profile(), max_depth=2))
