"""A run of BLIP-2 that is also asked: its answers scored, what was in force, and the batch that is left over."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace

import pytest
import torch
from quick_cells import TINY, quick_cells

import layerprof as lp
from layerprof import models, quality, tasks
from layerprof.ledger import Outcome
from layerprof.models import InputOptions
from layerprof.records import AxisValue, EvidenceRecord, QualityRecord, TruthRecord
from layerprof.sweeping.base import PlannedCell, settings_of
from layerprof.sweeping.base.metrics import convolution_metrics, notes_on_peak
from layerprof.sweeping.base.workload import load_workload
from layerprof.sweeping.measuring import measure
from layerprof.sweeping.measuring.answers import answered

ASKED: dict[str, AxisValue] = {
    "dataset": "TextVQA",
    "source": "sample",
    "samples": 5,
    "batch_size": 2,
    "seq_len": 12,
    "quality": True,
    "echo": True,
    "max_new_tokens": 3,
    "optimization": "sdpa",
    "warmup": 1,
    "repeats": 2,
}


def cell(**settings: AxisValue) -> PlannedCell:
    return PlannedCell(model=TINY, settings=settings_of(TINY, {**ASKED, **settings}))


@pytest.fixture(scope="module", autouse=True)
def _quick() -> Iterator[None]:
    with quick_cells():
        yield


@pytest.fixture(scope="module")
def outcome() -> Outcome:
    return measure(cell())


@pytest.fixture(scope="module")
def evidence(outcome: Outcome) -> EvidenceRecord:
    assert outcome.evidence is not None
    return outcome.evidence


@pytest.fixture(scope="module")
def answers(evidence: EvidenceRecord) -> QualityRecord:
    assert evidence.quality is not None
    return evidence.quality


@pytest.fixture(scope="module")
def truth(evidence: EvidenceRecord) -> TruthRecord:
    assert evidence.truth is not None
    return evidence.truth


def test_all_samples_are_answered_in_order_those_that_fill_no_batch_too(answers: QualityRecord) -> None:
    samples = tasks.load("TextVQA", "sample").samples(5)

    assert [score.answer.sample for score in answers.samples] == [sample.id for sample in samples]
    assert answers.samples_sha256 == tasks.samples_digest(samples)
    assert [score.references for score in answers.samples] == [sample.answers for sample in samples]


def test_the_metrics_are_those_of_the_answers(outcome: Outcome, answers: QualityRecord) -> None:
    metrics = outcome.record.summary.metrics

    for name, value in quality.metrics_of(answers).items():
        assert metrics[name] == value, name
    assert metrics["wer_echo"] is not None
    assert metrics["scored_samples"] == 5


def test_a_prompt_is_told_as_the_model_saw_it(answers: QualityRecord) -> None:
    for score in answers.samples:
        assert score.answer.text_tokens <= 12
        assert score.answer.prompt.startswith("Question:")
        assert score.answer.prompt.endswith("Short answer:")
        assert score.answer.new_tokens <= 3


def test_an_answer_alone_in_its_batch_is_that_of_a_full_batch(answers: QualityRecord) -> None:
    workload = load_workload(TINY, cell(batch_size=5).settings)

    again = answered(workload, cell(batch_size=5).settings, lambda what, done, total: None)

    assert [score.answer.text for score in again.samples] == [score.answer.text for score in answers.samples]


def test_the_last_batch_is_counted_by_itself(outcome: Outcome) -> None:
    metrics = outcome.record.summary.metrics
    (rest,) = tasks.load("TextVQA", "sample").samples(5)[4:]
    model = models.load(TINY)
    task, adapter = tasks.load("TextVQA", "sample"), models.adapter_named(TINY)
    inputs = adapter.inputs(model, tasks.open_images([rest]), [task.prompt(rest)], InputOptions(max_text_tokens=12))

    assert metrics["last_batch_samples"] == 1
    assert metrics["flops_last_batch"] == lp.count_flops(model, inputs).total
    assert metrics["batches"] == 2
    assert "samples_left_out" in {note.code for note in outcome.record.summary.notes}


def test_batches_that_come_out_even_have_a_last_one_too() -> None:
    metrics = measure(cell(samples=2, quality=False)).record.summary.metrics

    assert metrics["last_batch_samples"] == 2
    assert metrics["flops_last_batch"] == metrics["flops"]
    assert "wer" not in metrics


def test_what_was_in_force_is_kept_with_the_run(truth: TruthRecord, outcome: Outcome) -> None:
    assert (truth.optimization, truth.is_in_force, truth.has_nan) == ("sdpa", True, False)
    assert {part.attention for part in truth.parts if part.attention is not None} == {"sdpa"}
    assert truth.attention_ops
    assert outcome.record.summary.metrics["image_tokens"] == truth.image_tokens == 32
    assert outcome.record.summary.metrics["vision_tokens"] == truth.vision_tokens == 257


def test_the_convolution_has_its_own_time_and_flops(outcome: Outcome) -> None:
    metrics, profile = outcome.record.summary.metrics, outcome.profile
    assert profile is not None
    layer = profile["vision_model.embeddings.patch_embedding"]

    assert metrics["conv_flops"] == layer.self_flops
    assert metrics["conv_s"] is not None
    assert layer.self_s is not None
    assert min(layer.self_s.samples) <= metrics["conv_s"] <= max(layer.self_s.samples)


def test_an_optimization_that_was_not_in_force_makes_a_failed_run_with_its_evidence(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def missed(self: object, batch: object) -> TruthRecord:
        return TruthRecord(optimization="sdpa", is_in_force=False, reasons=("the vision tower computes eager",))

    monkeypatch.setattr("layerprof.sweeping.measuring.optimizing.Optimized.truth", missed)

    refused = measure(cell(samples=2))

    summary = refused.record.summary
    assert (summary.status, dict(summary.metrics)) == ("failed", {})
    assert summary.failure is not None
    assert summary.failure.kind == "not_in_force"
    assert "the vision tower computes eager" in summary.failure.text
    assert refused.profile is not None
    assert refused.evidence is not None
    assert refused.evidence.quality is None


@pytest.mark.parametrize(
    ("place", "change", "code", "what"),
    [
        (
            "layerprof.sweeping.measuring.optimizing.Optimized.truth",
            {"optimization": None, "quality": False},
            "truth_unchecked",
            "could not be looked at",
        ),
        ("layerprof.models.blip2.Blip2Adapter.answers", {}, "no_answers", "answers could not be had or scored"),
    ],
)
def test_what_cannot_be_looked_at_or_answered_costs_no_measurement(
    monkeypatch: pytest.MonkeyPatch, place: str, change: dict[str, AxisValue], code: str, what: str
) -> None:
    monkeypatch.setattr(place, _raising)

    summary = measure(cell(samples=2, **change)).record.summary

    assert summary.status == "done"
    assert summary.metrics["latency_s"] is not None
    (note,) = [note for note in summary.notes if note.code == code]
    assert what in note.text
    assert "RuntimeError: no luck" in note.text


def test_an_optimization_that_could_not_be_looked_at_is_no_result(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("layerprof.sweeping.measuring.optimizing.Optimized.truth", _raising)

    refused = measure(cell(samples=2, quality=False))

    assert refused.record.summary.failure is not None
    assert refused.record.summary.failure.kind == "not_in_force"
    assert "RuntimeError: no luck" in refused.record.summary.failure.text


def test_compiled_code_that_one_shape_does_not_run_is_not_in_force(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "layerprof.sweeping.measuring.optimizing.Optimized.missed", lambda self, batch: "vision ran 0 compiled graphs"
    )

    refused = measure(cell(samples=4, dataset="ScienceQA", seq_len=None, quality=False))

    assert refused.record.summary.failure is not None
    assert "vision ran 0 compiled graphs" in refused.record.summary.failure.text


def test_batches_are_kept_on_the_cpu_and_placed_for_their_steps() -> None:
    workload = load_workload(TINY, cell(samples=3).settings)

    for batch in (*workload.batches, workload.rest):
        assert isinstance(batch, dict)
        assert {value.device.type for value in batch.values() if isinstance(value, torch.Tensor)} == {"cpu"}
    placed = replace(workload, model=workload.model.to("meta")).placed(workload.batches[0])
    assert isinstance(placed, dict)
    assert {value.device.type for value in placed.values() if isinstance(value, torch.Tensor)} == {"meta"}


def test_compiled_rows_have_no_peak_of_memory() -> None:
    settings = cell(optimization="compile").settings

    (note,) = notes_on_peak(settings)

    assert note.quantity == "peak_bytes"
    assert list(notes_on_peak(cell().settings)) == []


def test_a_convolution_on_a_device_has_the_time_of_its_kernels_or_none(outcome: Outcome) -> None:
    assert outcome.profile is not None

    on_device = convolution_metrics(outcome.profile, has_kernels=True)

    assert on_device["conv_s"] is None
    assert on_device["conv_flops"] == outcome.record.summary.metrics["conv_flops"]


def _raising(*arguments: object, **options: object) -> object:
    raise RuntimeError("no luck")


def test_a_step_may_be_a_generation_of_exactly_so_many_tokens() -> None:
    one, two = (measure(cell(samples=2, quality=False, new_tokens=count)).record.summary.metrics for count in (1, 2))

    assert one["flops"] is not None
    assert two["flops"] is not None
    assert two["flops"] > one["flops"]
    assert one["latency_s"] is not None


def test_a_model_without_questions_is_asked_nothing() -> None:
    workload = load_workload(TINY, cell(samples=2).settings)

    with pytest.raises(ValueError, match="is asked nothing"):
        answered(replace(workload, questions=None), cell().settings, lambda what, done, total: None)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"seq_len": 3}, "do not hold the prompt's head and cue"),
        ({"samples": 5000, "batch_size": 5000, "dataset": "COCO"}, "samples of .* were asked for and there are"),
        ({"source": "no/such/folder"}, "no/such/folder"),
        ({"seq_len": None, "quality": False, "new_tokens": 2010}, "and 2010 new ones"),
        ({"seq_len": None, "max_new_tokens": 2010}, "and 2010 new ones"),
    ],
)
def test_data_that_cannot_be_used_make_a_failed_run_that_says_so(change: dict[str, AxisValue], message: str) -> None:
    failure = measure(cell(**change)).record.summary.failure

    assert failure is not None
    assert failure.kind in ("invalid", "unavailable")
    assert re.search(message, failure.text), failure.text
    assert "\n" not in failure.text
