"""Numbers with intervals, series along an axis, and paired answers."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from reference_answers import evidence_of, quality_of
from reference_profiles import reference_profile
from reference_sweeps import cell_of, small_sweep, work_of

from layerprof.analysis import analysed
from layerprof.analysis.base import Interval, exponent, is_clear, layers_of, metric_of, ratio_of, series_of, studies_of
from layerprof.records import CellRecord, EvidenceRecord, QualityRecord, SampleScore, SweepRecord
from layerprof.store import write_record


def test_logarithmic_errors_of_a_ratio_add_in_quadrature() -> None:
    after, before = Interval(value=4.0, low=3.88, high=4.12), Interval(value=2.0, low=1.92, high=2.08)

    ratio = ratio_of(after, before)

    assert ratio is not None
    assert ratio.value == 2.0
    assert ratio.low == pytest.approx(2.0 * math.exp(-math.hypot(math.log(4.0 / 3.88), math.log(2.08 / 2.0))))
    assert ratio.high == pytest.approx(2.0 * math.exp(math.hypot(math.log(4.12 / 4.0), math.log(2.0 / 1.92))))


def test_a_ratio_has_no_interval_where_one_side_has_none() -> None:
    assert ratio_of(Interval(value=4.0), Interval(value=2.0, low=1.9, high=2.1)) == Interval(value=2.0)


def test_there_is_no_ratio_over_nothing() -> None:
    assert ratio_of(Interval(value=4.0), Interval(value=0.0)) is None


@pytest.mark.parametrize(
    ("low", "value", "high", "is_one"),
    [(1.01, 1.02, 1.03, False), (1.01, 1.04, 1.07, True), (0.99, 1.04, 1.09, False), (0.5, 0.6, 0.7, True)],
)
def test_a_ratio_is_clear_beyond_its_interval_and_the_least_share(
    low: float, value: float, high: float, *, is_one: bool
) -> None:
    assert is_clear(Interval(value=value, low=low, high=high)) is is_one


def test_a_ratio_without_an_interval_is_never_clear() -> None:
    assert not is_clear(Interval(value=9.0))


def test_the_exponent_is_the_power_of_the_work() -> None:
    assert exponent(8.0, 4.0) == pytest.approx(1.5)
    assert exponent(8.0, 1.01) is None


def test_a_metric_has_the_ends_beside_it() -> None:
    cell = cell_of(small_sweep(), "batch", batch_size=1)

    assert metric_of(cell, "latency_s") == Interval(
        value=cell.metrics["latency_s"] or 0.0,
        low=cell.metrics["latency_low_s"],
        high=cell.metrics["latency_high_s"],
    )
    assert metric_of(cell, "absent") is None


def test_linked_axes_fall_apart_into_series_of_their_own() -> None:
    studies = {study.test: study for study in studies_of(small_sweep(), {}, {})}

    found = [
        (series.axis, series.scope, tuple(cell.axes[series.axis] for cell in series.cells))
        for series in series_of(studies["image_size"])
        if series.axis != "dataset"
    ]

    by_dataset = [each for each in series_of(studies["image_size"]) if each.axis == "dataset"]
    sizes = (224, 336, 448)
    assert len(by_dataset) == 2 * len(sizes)
    names = ("TextVQA", "ScienceQA", "COCO")
    assert sorted(found) == sorted((axis, name, sizes) for axis in ("resized_to", "image_size") for name in names)


def test_amounts_are_in_their_order_and_names_in_the_plans() -> None:
    studies = {study.test: study for study in studies_of(small_sweep(), {}, {})}

    lengths = next(each for each in series_of(studies["seq_len"]) if each.axis == "seq_len")
    names = next(each for each in series_of(studies["optimization"]))

    assert [cell.axes["seq_len"] for cell in lengths.cells] == [50, 100, 200]
    assert [cell.axes["optimization"] for cell in names.cells][:2] == ["sdpa", "eager"]


def test_a_kind_with_layers_inside_compiled_code_has_no_time() -> None:
    cell = cell_of(small_sweep(), "optimization", optimization="compile")

    kinds = {share.name: share.time for share in layers_of(cell, reference_profile(work_of(cell.axes))).kinds}

    assert kinds["mlp"] is None
    assert kinds["attention"] is None  # the Q-Former has a time and those inside the vision tower have none


def quality_sentence(folder: Path, change: Callable[[QualityRecord], QualityRecord]) -> str:
    """What is said of eager attention against the baseline, where its answers are changed."""
    record = small_sweep()
    cells = [cell_of(record, "optimization", optimization=name) for name in ("sdpa", "eager")]
    kept = (_with_evidence(cells[0], folder, lambda quality: quality), _with_evidence(cells[1], folder, change))
    others = tuple(cell for cell in record.cells if cell not in cells)
    analysis = analysed(_with_cells(record, (*kept, *others))).analysis
    assert analysis is not None
    (found,) = [
        each.text
        for each in analysis.findings
        if (each.test, each.kind) == ("optimization", "quality") and "eager" in each.text
    ]
    return found


def _with_evidence(cell: CellRecord, folder: Path, change: Callable[[QualityRecord], QualityRecord]) -> CellRecord:
    plain = quality_of({**cell.axes, "optimization": "sdpa"})
    truth = evidence_of(cell.axes, work_of(cell.axes)).truth
    path = f"{cell.id}.evidence.json"
    write_record(EvidenceRecord(truth=truth, quality=change(plain)), folder / path)
    return replace(cell, evidence_path=path, folder=str(folder))


def _with_cells(record: SweepRecord, cells: tuple[CellRecord, ...]) -> SweepRecord:
    return replace(record, cells=cells)


def worse(score: SampleScore) -> SampleScore:
    answer = replace(score.answer, text=f"{score.answer.text} again")
    return replace(score, answer=answer, insertions=(score.insertions or 0) + 1)


def test_pairs_show_what_the_intervals_of_the_cells_hide(tmp_path: Path) -> None:
    text = quality_sentence(
        tmp_path,
        lambda quality: replace(
            quality, samples=tuple(worse(score) if place else score for place, score in enumerate(quality.samples))
        ),
    )

    assert "19 of 20 answers differ; difference +0.95 [" in text
    assert ": worse (" in text


def test_other_samples_are_no_pair(tmp_path: Path) -> None:
    text = quality_sentence(tmp_path, lambda quality: replace(quality, samples_sha256="11" * 32))

    assert "answers differ" not in text
    assert "no difference that 20 samples can show" in text


def test_answers_to_other_samples_are_no_pair(tmp_path: Path) -> None:
    text = quality_sentence(
        tmp_path, lambda quality: replace(quality, samples=tuple(worse(score) for score in quality.samples[:8]))
    )

    assert "answers differ" not in text
