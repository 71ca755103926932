"""A profile as a data frame."""

from __future__ import annotations

import pandas
import pytest
from energy_passes import with_joules
from report_phases import rich_profile
from report_records import UNATTRIBUTED_FLOPS, profile_of, two_blocks

from layerprof.report.frame import to_dataframe


def test_there_is_one_row_a_layer_indexed_by_path() -> None:
    profile = profile_of(two_blocks())

    frame = profile.to_dataframe()

    assert frame.index.name == "path"
    assert list(frame.index) == [layer.path for layer in profile.layers]


def test_times_are_medians_with_their_interval() -> None:
    profile = profile_of(two_blocks())

    row = to_dataframe(profile).loc["head"]

    times = profile["head"].self_s
    assert times is not None
    assert row["self_s_median"] == times.median
    assert (row["self_s_ci95_low"], row["self_s_ci95_high"]) == times.ci95


def test_sums_over_the_frame_are_sums_over_the_layers() -> None:
    profile = profile_of(two_blocks())

    frame = to_dataframe(profile)

    assert profile.step_flops == int(frame["self_flops"].sum()) + UNATTRIBUTED_FLOPS
    assert profile.step_s is not None
    assert profile.unattributed_s is not None
    assert frame["self_s_median"].sum() + profile.unattributed_s.median == pytest.approx(profile.step_s.median)


def test_each_of_several_phases_has_columns_and_what_did_not_run_is_missing() -> None:
    profile = rich_profile()

    frame = to_dataframe(profile)

    decode = profile["lm.layers.0.fc"].by_phase["decode"]
    assert decode.total_s is not None
    assert frame.loc["lm.layers.0.fc", "decode.total_s_median"] == decode.total_s.median
    assert frame.loc["lm.layers.0.fc", "decode.flops"] == decode.flops
    assert frame[["decode.calls", "decode.total_s_median"]].isna().loc["vision"].all()


def test_joules_come_with_their_kind_their_interval_and_their_power() -> None:
    profile = with_joules(rich_profile())

    row = to_dataframe(profile).loc["vision"]

    energy = profile["vision"].energy
    assert energy is not None
    assert (row["energy_j"], row["energy_kind"], row["energy_power_w"]) == (energy.total_j, "replayed", energy.power_w)
    assert (row["energy_ci95_low_j"], row["energy_ci95_high_j"]) == energy.ci95_j
    assert row["energy_delay_j_s"] == profile["vision"].energy_delay_j_s
    assert pandas.isna(row["decode.energy_j"])  # it did not run in that phase


def test_bytes_at_the_peak_are_whole_numbers() -> None:
    frame = to_dataframe(rich_profile())

    assert frame["at_peak_bytes"].isna().all()  # this record names owners by place, not by layer
    assert pandas.api.types.is_integer_dtype(frame["self_at_peak_bytes"])


def test_what_is_missing_is_not_zero_and_stays_numeric() -> None:
    frame = to_dataframe(profile_of(two_blocks(), has_time=False))

    assert frame["self_s_median"].isna().all()
    assert frame["bytes_moved"].isna().all()
    assert pandas.api.types.is_numeric_dtype(frame["self_s_median"])
    assert pandas.api.types.is_integer_dtype(frame["bytes_moved"])
