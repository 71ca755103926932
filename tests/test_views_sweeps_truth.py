"""What was in force, what the figures are, and what an analysis says, as tables."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from reference_sweeps import cell_of, reference_sweep, small_sweep

from layerprof.analysis.published.ratios import RATIOS
from layerprof.records import AnalysisRecord, Comparison, EvidenceRecord, Finding, FrozenMapping, Oddity, SweepRecord
from layerprof.store import load_evidence, write_record
from layerprof.views import Amount, Table, figure_words, sweep_tables

ANALYSIS = AnalysisRecord(
    findings=(
        Finding(test="batch", kind="growth", scope="", text="latency grows by 12.2 times"),
        Finding(test="device", kind="dominant", scope="language", text="the language model takes most"),
    ),
    comparisons=(
        Comparison(test="batch", row="batch_size 4", quantity="latency_s", ours=0.09, published=0.045),
        Comparison(test="batch", row="batch_size 4", quantity="wer", ours=None, published=3.753, remark="not scored"),
    ),
    oddities=(Oddity(test="", text="FLOPs are of the last batch"), Oddity(test="seq_len", text="a row is a copy")),
    published="an earlier report",
)


@pytest.fixture(scope="module")
def record(tmp_path_factory: pytest.TempPathFactory) -> SweepRecord:
    return reference_sweep(tmp_path_factory.mktemp("reference"))


def tables_of(record: SweepRecord) -> dict[str, Table]:
    return {table.title: table for table in sweep_tables(record)}


def found(record: SweepRecord, fact: str) -> dict[object, object]:
    """What was found by cells."""
    return {row.cells[1]: row.cells[2] for row in tables_of(record)["What was in force"].rows if row.cells[0] == fact}


def with_truth(record: SweepRecord, folder: Path, optimization: str, **changes: object) -> SweepRecord:
    cell = cell_of(record, "optimization", optimization=optimization)
    evidence = cell.evidence
    assert evidence is not None
    assert evidence.truth is not None
    truth = replace(evidence.truth, **changes)  # type: ignore[arg-type]  # fields of a truth
    write_record(replace(evidence, truth=truth), folder / "evidence.json")
    other = replace(cell, folder=str(folder), evidence_path="evidence.json")
    return replace(record, cells=tuple(other if each.id == cell.id else each for each in record.cells))


def test_what_all_cells_agree_in_is_one_row(record: SweepRecord) -> None:
    assert found(record, "image tokens") == {"all cells": "32"}
    assert found(record, "dtype") == {"all cells": "bf16 in all parts"}


def test_cells_that_differ_are_named_and_the_rest_is_the_others(record: SweepRecord) -> None:
    assert found(record, "attention") == {
        "all other cells": "sdpa in all parts",
        "optimization eager": "eager in all parts",
    }


def test_cells_are_named_by_the_one_setting_that_they_alone_have(record: SweepRecord) -> None:
    assert found(record, "vision tokens") == {
        "all other cells": "257",
        "image_size 336": "577",
        "image_size 448": "1,025",
    }


def test_graphs_of_the_forward_pass_and_of_generate_stand_side_by_side(record: SweepRecord) -> None:
    assert found(record, "graphs")["optimization compile_whole"] == (
        "whole model 1; recompiled 0; breaks 0; in generate 0"
    )


def test_what_is_in_force_in_part_has_the_same_word_as_the_table_of_optimizations(record: SweepRecord) -> None:
    full = tables_of(record)["Optimization, in full"]
    place = [column.name for column in full.columns].index("in force")
    (word,) = (row.cells[place] for row in full.rows if row.cells[0] == "compile_whole")

    said = found(record, "optimization in force")["optimization compile_whole"]

    assert str(said).partition("; ")[0] == word == "in part"


def test_a_truth_that_was_asked_nothing_has_no_word(record: SweepRecord, tmp_path: Path) -> None:
    silent = with_truth(record, tmp_path, "eager", is_in_force=None, reasons=())

    assert "optimization eager" not in found(silent, "optimization in force")


def test_a_record_without_the_files_beside_it_says_so(record: SweepRecord) -> None:
    alone = replace(record, cells=tuple(replace(cell, folder="/nowhere") for cell in record.cells))
    named = sum(cell.profile_path is not None for cell in record.cells)
    words = f"evidence of {named} cells are not beside this record"

    tables = tables_of(alone)

    for title in ("Optimization, in full", "What the figures are"):
        assert any(words in line for line in tables[title].footnotes)
    assert not any("not beside" in line for table in sweep_tables(record) for line in table.footnotes)


def test_evidence_is_read_once_for_all_formats_and_again_when_it_changed(
    record: SweepRecord, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from layerprof.views.sweeps.base import results

    read: list[Path] = []

    def counting(path: Path) -> EvidenceRecord:
        read.append(path)
        return load_evidence(path)

    monkeypatch.setattr(results, "load_evidence", counting)
    before = with_truth(record, tmp_path, "eager", image_tokens=1)

    for _ in range(3):
        sweep_tables(before)
    with_truth(record, tmp_path, "eager", image_tokens=12345)
    after = found(before, "image tokens")

    assert len([path for path in read if path.parent == tmp_path]) == 2
    assert len(set(read)) == len(read) - 1
    assert after["optimization eager"] == "12,345"


def test_parts_that_differ_are_told_one_by_one(record: SweepRecord, tmp_path: Path) -> None:
    cell = cell_of(record, "optimization", optimization="eager")
    evidence = cell.evidence
    assert evidence is not None
    assert evidence.truth is not None
    first, *others = evidence.truth.parts
    parts = (replace(first, attention="sdpa"), *others)

    mixed = with_truth(record, tmp_path, "eager", parts=parts)

    assert found(mixed, "attention")["optimization eager"] == ", ".join(
        f"{part.name} {part.attention}" for part in parts
    )


def test_nan_is_a_problem(record: SweepRecord, tmp_path: Path) -> None:
    odd = with_truth(record, tmp_path, "eager", has_nan=True)

    rows = [row for row in tables_of(odd)["What was in force"].rows if row.cells[0] == "NaN in outputs"]

    assert [(row.cells[1:], row.role) for row in rows] == [
        (("all other cells", "none"), "body"),
        (("optimization eager", "yes"), "problem"),
    ]


def test_cells_without_evidence_are_counted(record: SweepRecord) -> None:
    silent = sum(cell.evidence_path is None for cell in record.cells)

    assert tables_of(record)["What was in force"].footnotes == (
        f"{silent} of {len(record.cells)} cells are not in it: not measured, or without evidence.",
    )


def test_without_any_evidence_there_is_no_such_table() -> None:
    assert "What was in force" not in tables_of(small_sweep())


def test_damaged_evidence_leaves_the_report_whole(record: SweepRecord, tmp_path: Path) -> None:
    cell = cell_of(record, "optimization", optimization="eager")
    (tmp_path / "evidence.json").write_text("{")
    damaged = replace(cell, folder=str(tmp_path), evidence_path="evidence.json")

    tables = tables_of(replace(record, cells=tuple(damaged if each is cell else each for each in record.cells)))

    assert found(record, "attention").keys() - {"all other cells"} == {"optimization eager"}
    assert not any("eager" in str(row.cells) for row in tables["What was in force"].rows)


def test_figures_are_defined_once_and_only_those_that_are_there(record: SweepRecord) -> None:
    def defined(record: SweepRecord) -> list[object]:
        return [row.cells[0] for row in tables_of(record)["What the figures are"].rows]

    without = tuple(
        replace(cell, metrics=FrozenMapping({n: v for n, v in cell.metrics.items() if n != "wer_echo"}))
        for cell in record.cells
    )

    words = defined(record)

    assert len(words) == len(set(words))
    assert "WER, prompt echoed" in words
    assert "WER, prompt echoed" not in defined(replace(record, cells=without))


def test_flops_of_a_batch_are_those_of_full_ones(record: SweepRecord) -> None:
    rows = {row.cells[0]: str(row.cells[1]) for row in tables_of(record)["What the figures are"].rows}

    assert rows["FLOPs per batch"].startswith("mean over the full batches;")
    assert "published" in rows["FLOPs of last batch"]


def test_how_a_data_set_was_asked_and_scored_is_told(record: SweepRecord) -> None:
    rows = {row.cells[0]: str(row.cells[1]) for row in tables_of(record)["What the figures are"].rows}

    assert "words-1" in rows["TextVQA"]
    assert "Question: … Short answer:" in rows["TextVQA"]
    assert "10 new tokens" in rows["TextVQA"]
    assert rows["own metric of ScienceQA"].startswith("share of answers that name the right choice")


def test_where_and_how_all_was_measured_stands_once_at_the_end(record: SweepRecord) -> None:
    *others, last = sweep_tables(record)

    assert "Measured on a processor, 16 cores." in last.footnotes
    assert not any("Measured on" in line for table in others for line in table.footnotes)


def test_findings_keep_their_order(record: SweepRecord) -> None:
    table = tables_of(replace(record, analysis=ANALYSIS))["Findings"]

    assert [row.cells for row in table.rows] == [(each.test, each.text) for each in ANALYSIS.findings]


def test_each_figure_beside_a_published_one_is_in_its_own_unit(record: SweepRecord) -> None:
    table = tables_of(replace(record, analysis=ANALYSIS))["Beside the published figures of an earlier report"]

    latency, rate = table.rows

    assert latency.cells[3:6] == (Amount(value=0.09, quantity="s"), Amount(value=0.045, quantity="s"), 2.0)
    assert rate.cells[3:] == (None, Amount(value=3.753, quantity="ratio"), None, "not scored")


@pytest.mark.parametrize(
    ("quantity", "words"),
    [
        ("latency_s", "latency"),
        ("wer_echo", "WER, prompt echoed"),
        ("latency_ratio", "latency ratio"),
        ("flops_per_sample_ratio", "FLOPs per sample, ratio"),
        ("something_new", "something_new"),
    ],
)
def test_a_compared_figure_is_named_in_words(quantity: str, words: str) -> None:
    compared = Comparison(test="batch", row="batch_size 4", quantity=quantity, ours=1.0, published=2.0)

    tables = tables_of(replace(small_sweep(), analysis=AnalysisRecord(comparisons=(compared,))))

    assert tables["Beside the published figures"].rows[0].cells[2] == words


@pytest.mark.parametrize("ratio", RATIOS.values())
def test_every_ratio_that_an_analysis_compares_has_a_name_in_words(ratio: str) -> None:
    assert figure_words(ratio) != ratio


def test_a_brief_list_has_the_first_findings_of_each_test_in_their_order() -> None:
    findings = tuple(
        Finding(test=test, kind="growth", scope="", text=f"{test} {place}", strength=float(place))
        for test in ("batch", "device")
        for place in range(9)
    )
    record = replace(small_sweep(), analysis=AnalysisRecord(findings=findings))

    (table,) = (table for table in sweep_tables(record, is_brief=True) if table.title == "Findings")

    assert [row.cells[1] for row in table.rows] == [
        f"{test} {place}" for test in ("batch", "device") for place in range(6)
    ]
    assert table.footnotes == ("… 6 more, which the Markdown and the page have.",)


def test_oddities_of_several_tests_say_so(record: SweepRecord) -> None:
    table = tables_of(replace(record, analysis=ANALYSIS))["What is odd about the published figures"]

    assert [row.cells[0] for row in table.rows] == ["several", "seq_len"]


def test_an_analysis_of_nothing_adds_no_table(record: SweepRecord) -> None:
    assert tables_of(replace(record, analysis=AnalysisRecord())).keys() == tables_of(record).keys()


def test_findings_of_a_plan_without_tests_stand_below_its_table(record: SweepRecord) -> None:
    plain = replace(record, plan=replace(record.plan, tests=()), analysis=ANALYSIS)

    assert [table.title for table in sweep_tables(plain)][1:] == [
        "Findings",
        "Beside the published figures of an earlier report",
        "What is odd about the published figures",
    ]
