"""The tables of optimisations: percentages of the baseline, and rows that were not in force."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from reference_sweeps import ENVIRONMENT, NO_CUDA, cell_of, reference_sweep, small_sweep
from sweep_rows import changed, row_of, table_of, value_of, with_metrics

from layerprof.records import (
    CellFailure,
    FrozenMapping,
    SweepRecord,
)
from layerprof.views import Amount


@pytest.fixture(scope="module")
def record(tmp_path_factory: pytest.TempPathFactory) -> SweepRecord:
    return reference_sweep(tmp_path_factory.mktemp("reference"))


def test_an_optimization_is_given_in_percent_of_the_baseline() -> None:
    record = small_sweep()
    base, other = (cell_of(record, "optimization", optimization=name).metrics for name in ("sdpa", "eager"))
    table = table_of(record, "Optimization, in full")

    ratio = value_of(table, row_of(table, "eager"), "% of latency")

    expected = (other["latency_s"] or 0.0) / (base["latency_s"] or 1.0)
    assert isinstance(ratio, Amount)
    assert ratio.value == pytest.approx(expected)
    assert ratio.low is not None
    assert ratio.low < expected < (ratio.high or 0.0)
    assert value_of(table, row_of(table, "sdpa"), "% of latency") == Amount(value=1.0)


def test_a_ratio_of_what_was_not_measured_is_missing() -> None:
    table = table_of(small_sweep(), "Optimization, in full")

    assert value_of(table, row_of(table, "compile"), "% of energy") is None


def test_without_the_baseline_there_are_no_percentages_and_a_footnote_says_so() -> None:
    record = small_sweep()
    base = cell_of(record, "optimization", optimization="sdpa")
    failure = CellFailure(kind="crash", text="it ended")

    table = table_of(
        changed(record, base, status="failed", failure=failure, metrics=FrozenMapping()), "Optimization, in full"
    )

    assert {value_of(table, row, "% of latency") for row in table.rows} == {None}
    assert "%: there is no row of sdpa to compare with." in table.footnotes


def test_an_interval_that_reaches_zero_gives_its_ratio_none() -> None:
    record = small_sweep()
    eager = cell_of(record, "optimization", optimization="eager")

    table = table_of(with_metrics(record, eager, energy_low_j=0.0), "Optimization, in full")

    ratio = value_of(table, row_of(table, "eager"), "% of energy")
    assert isinstance(ratio, Amount)
    assert ratio.low is ratio.high is None


@pytest.mark.parametrize("name", ["flash_attention_2", "flash_attention_2_parts"])
def test_what_cannot_be_used_is_told_in_the_published_words_with_our_reason(name: str) -> None:
    record = small_sweep()
    cell = cell_of(record, "optimization", optimization=name)
    failure = cell.failure
    table = table_of(changed(record, cell, environment=ENVIRONMENT), "Optimization, as published")

    row = row_of(table, name)

    assert failure is not None
    assert value_of(table, row, "latency") == f"can't be used ({failure.kind})"
    assert any(failure.text in line for line in table.footnotes)


@pytest.mark.parametrize("name", ["eager", "sdpa"])
def test_an_optimization_whose_device_is_missing_is_not_said_to_be_unusable(name: str) -> None:
    record = small_sweep()
    cell = cell_of(record, "optimization", optimization=name)

    table = table_of(
        changed(record, cell, status="failed", failure=NO_CUDA, metrics=FrozenMapping(), environment=""),
        "Optimization, as published",
    )

    assert value_of(table, row_of(table, name), "latency") == "no such device here"


@pytest.mark.parametrize("title", ["Optimization, as published", "Optimization, in full"])
def test_what_was_not_in_force_has_its_reason_and_no_number(title: str) -> None:
    record = small_sweep()
    cell = cell_of(record, "optimization", optimization="sdpa_flash")
    measured = cell_of(record, "optimization", optimization="sdpa").metrics

    table = table_of(changed(record, cell, metrics=measured), title)

    row = row_of(table, "sdpa_flash")
    assert not [each for each in row.cells if isinstance(each, int | float | Amount)]
    assert any("the Q-Former computed with the math kernel" in line for line in table.footnotes)


def test_a_finished_cell_whose_evidence_says_not_in_force_has_no_number_either(
    record: SweepRecord, tmp_path: Path
) -> None:
    from layerprof.store import write_record

    cell = cell_of(record, "optimization", optimization="eager")
    evidence = cell.evidence
    assert evidence is not None
    assert evidence.truth is not None
    truth = replace(evidence.truth, is_in_force=False, reasons=("the vision tower kept sdpa",))
    write_record(replace(evidence, truth=truth), tmp_path / "evidence.json")

    table = table_of(
        changed(record, cell, folder=str(tmp_path), evidence_path="evidence.json"), "Optimization, in full"
    )

    row = row_of(table, "eager")
    assert not [each for each in row.cells if isinstance(each, int | float | Amount)]
    assert "optimization eager: the vision tower kept sdpa." in table.footnotes


def test_answers_that_changed_are_counted_against_the_baselines(record: SweepRecord) -> None:
    table = table_of(record, "Optimization, in full")

    assert value_of(table, row_of(table, "eager"), "answers changed") == "1 of 20"
    assert value_of(table, row_of(table, "compile"), "answers changed") == "0 of 20"
    assert value_of(table, row_of(table, "sdpa_flash"), "answers changed") is None


def test_an_optimization_that_holds_in_part_says_where(record: SweepRecord) -> None:
    table = table_of(record, "Optimization, in full")

    words = {str(row.cells[0]): value_of(table, row, "in force") for row in table.rows}

    assert (words["eager"], words["compile_whole"], words["flash_attention_2"]) == ("yes", "in part", "no")
    assert (
        "optimization compile_whole, in part: the forward pass is compiled; generate ran 0 compiled graphs."
        in table.footnotes
    )


def test_without_evidence_what_was_in_force_is_told_by_the_graphs_or_is_not_known(record: SweepRecord) -> None:
    alone = replace(record, cells=tuple(replace(cell, folder="/nowhere") for cell in record.cells))
    table = table_of(alone, "Optimization, in full")

    words = {str(row.cells[0]): value_of(table, row, "in force") for row in table.rows}

    assert (words["compile_whole"], words["compile"], words["eager"]) == ("in part", "not known", "not known")
    assert words["flash_attention_2"] == "no"
    assert "optimization compile_whole, in part: generate ran 0 compiled graphs." in table.footnotes


def test_a_cell_that_ended_for_another_reason_is_not_said_to_be_out_of_force() -> None:
    record = small_sweep()
    cell = cell_of(record, "optimization", optimization="eager")
    failure = CellFailure(kind="oom_host", text="no memory was left")

    table = table_of(
        changed(record, cell, status="failed", failure=failure, metrics=FrozenMapping()), "Optimization, in full"
    )

    assert value_of(table, row_of(table, "eager"), "in force") == "not known"


def test_attention_that_was_seen_is_told_by_its_ops(record: SweepRecord) -> None:
    table = table_of(record, "Optimization, in full")

    assert value_of(table, row_of(table, "eager"), "attention seen") == "all parts: bmm"
    assert value_of(table, row_of(table, "sdpa"), "attention seen") == "all parts: flash_attention_for_cpu"
