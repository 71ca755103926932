"""The order of an analysis' sentences, and which of them are told together."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from reference_findings import (
    changed,
    findings_of,
    latency,
    one_that,
    with_scaled,
)
from reference_profiles import (
    LAWS,
    Work,
    stage_s_of,
)
from reference_sweeps import FAILURES, cell_of, reference_sweep, small_sweep

from layerprof.analysis import analysed
from layerprof.records import (
    CellFailure,
    SweepRecord,
)
from layerprof.units import significant


@pytest.fixture(scope="module")
def record(tmp_path_factory: pytest.TempPathFactory) -> SweepRecord:
    return reference_sweep(tmp_path_factory.mktemp("sweep"))


def test_the_most_useful_stands_first_in_each_test(record: SweepRecord) -> None:
    analysis = analysed(record).analysis

    assert analysis is not None
    kinds = {
        test.name: list(dict.fromkeys(each.kind for each in analysis.findings if each.test == test.name))
        for test in record.plan.tests
    }
    assert kinds["batch"][:4] == ["convolution", "growth", "knee", "layer_growth"]
    assert kinds["image_size"][:4] == ["convolution", "growth", "fixed", "layer_growth"]
    assert kinds["optimization"] == ["optimization", "quality", "dominant"]


def test_latency_of_each_optimisation_stands_before_its_stages(record: SweepRecord) -> None:
    found = findings_of(record, test="optimization", kind="optimization")

    is_latency = [": latency ×" in each.text for each in found]
    assert is_latency == sorted(is_latency, reverse=True)
    assert "no result" in found[-1].text


def test_the_strongest_of_a_kind_stands_first(record: SweepRecord) -> None:
    strengths = [each.strength for each in findings_of(record, test="batch", kind="layer_growth")]

    assert len(strengths) > 1
    assert strengths == sorted(strengths, reverse=True)


def test_weak_stages_are_told_together(tmp_path: Path) -> None:
    record = reference_sweep(tmp_path)
    weak = replace(record, cells=tuple(replace(cell, runs_done=1) for cell in record.cells))

    (found,) = findings_of(weak, test="batch", kind="layer_growth")

    times = stage_s_of("qformer", Work(batch_size=16)) / stage_s_of("qformer", Work(batch_size=1))
    assert "no verdict (one process): " in found.text
    assert f"qformer {significant(times)} / 16.0" in found.text


def test_optimisations_that_show_nothing_in_stages_are_told_together(tmp_path: Path) -> None:
    record = reference_sweep(tmp_path)
    same = cell_of(record, "optimization", optimization="sdpa")
    cells = tuple(
        replace(cell, profile_path=same.profile_path) if cell.axes["optimization"] == "eager" else cell
        for cell in record.cells
    )

    found = findings_of(replace(record, cells=cells), test="optimization", kind="optimization")

    text = one_that(found, "by stages of 5 %").text
    assert "no verdict (one process) on vision.blocks with sdpa_math" in text
    assert text.endswith("all others within the noise.")
    assert not [each for each in found if "against sdpa: vision.blocks" in each.text]


def test_noise_of_weak_cells_is_told_with_their_weakness() -> None:
    alike = changed(small_sweep(), lambda _: latency(1.0))
    weak = replace(alike, cells=tuple(replace(cell, runs_done=1) for cell in alike.cells))

    whole = one_that(findings_of(weak, test="optimization", kind="optimization"), "eager against sdpa: latency")
    fixed = one_that(findings_of(weak, test="image_size", kind="fixed"), "TextVQA")

    assert "within the noise (one process)" in whole.text
    assert "within the noise (one process)" in fixed.text


def test_cells_that_fail_for_one_reason_are_one_sentence() -> None:
    base = small_sweep()
    texts = {"sdpa_flash": "sdpa_flash needs a GPU", "eager": "eager needs a GPU", "compile": "no compiler"}
    cells = tuple(
        replace(cell, status="failed", failure=CellFailure(kind="unavailable", text=texts[name]))
        if (name := str(cell.axes["optimization"])) in texts
        else cell
        for cell in base.cells
    )

    found = findings_of(replace(base, cells=cells), test="optimization", kind="optimization")

    assert "unavailable: eager needs a GPU" in one_that(found, "optimization eager, sdpa_flash: no result").text
    assert "no compiler" in one_that(found, "optimization compile: no result").text


def test_a_stage_without_flops_is_told_with_those_that_show_nothing(tmp_path: Path) -> None:
    record = with_scaled(reference_sweep(tmp_path), "image_size", "", 200.0)

    found = findings_of(record, test="image_size", kind="layer_growth")

    assert one_that(found, "COCO", "no stage differs").text.endswith(", other.")
    assert not [each for each in found if ": other ×" in each.text]


def test_a_kind_of_the_same_layers_as_a_stage_is_not_told_again(tmp_path: Path) -> None:
    (law,) = [each for each in LAWS if each.kind == "conv"]
    record = with_scaled(reference_sweep(tmp_path), "batch", law.path, 30.0)

    found = findings_of(record, test="batch", kind="layer_growth")

    assert one_that(found, f": {law.stage} ×")
    assert not [each for each in found if "layers of kind conv" in each.text]


def test_a_single_layer_that_is_the_stage_is_not_told_twice(tmp_path: Path) -> None:
    heavy = "language_model.lm_head"
    record = with_scaled(reference_sweep(tmp_path), "optimization", heavy, 100.0)

    (found,) = findings_of(record, test="optimization", kind="dominant")

    assert found.text.startswith("optimization sdpa: most is taken by language.lm_head (")
    assert heavy not in found.text


def test_a_record_away_from_its_files_keeps_the_weakness_of_its_cells(tmp_path: Path) -> None:
    record = reference_sweep(tmp_path)
    weak = replace(record, cells=tuple(replace(cell, runs_done=1, folder="") for cell in record.cells))

    analysis = analysed(weak).analysis

    assert analysis is not None
    timed = [each for each in analysis.findings if "latency" in each.text or "convolutions" in each.text]
    assert timed
    assert all("one process" in each.text for each in timed)


def test_the_same_answers_are_told_so(record: SweepRecord) -> None:
    found = one_that(findings_of(record, test="optimization", kind="quality"), "the same answers to all 20 samples")

    assert found.text.startswith("optimization against sdpa: ")
    assert "sdpa_math, compile, compile_whole" in found.text


def test_cells_without_numbers_are_named_with_their_reasons(record: SweepRecord) -> None:
    found = findings_of(record, test="optimization", kind="optimization")

    for name, failure in FAILURES.items():
        assert failure.text in one_that(found, f"optimization {name}: no result", failure.kind).text


def test_a_sweep_in_which_nothing_changes_claims_nothing(tmp_path: Path) -> None:
    base = reference_sweep(tmp_path)
    same = cell_of(base, "batch", batch_size=16)
    factors = {cell.id: 1.0 + 0.005 * (place % 3) for place, cell in enumerate(base.cells)}
    null = changed(base, lambda cell: {**same.metrics, **latency(factors[cell.id])}, notes=())
    cells = tuple(
        replace(cell, profile_path=same.profile_path, evidence_path=same.evidence_path) if cell.profile_path else cell
        for cell in null.cells
    )

    analysis = analysed(replace(null, cells=cells)).analysis

    assert analysis is not None
    claims = [each for each in analysis.findings if each.strength and each.kind not in ("dominant", "convolution")]
    assert claims == []


def test_missing_metrics_yield_no_sentence_and_no_error() -> None:
    empty = changed(small_sweep(), lambda cell: dict.fromkeys(cell.metrics))

    analysis = analysed(empty).analysis

    assert analysis is not None
    assert all("no result" in each.text for each in analysis.findings)
