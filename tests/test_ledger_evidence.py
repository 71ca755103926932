"""What stands behind a run lies beside its record, is read again from there, and goes with the run that it is of."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from ledger_runs import files_in, key, outcome, planned, run, summary, sweep

from layerprof.ledger import Layout, Outcome, begin, keep, load_sweep, merged, read_outcome, scan, write_outcome
from layerprof.records import (
    Answer,
    Estimate95,
    EvidenceRecord,
    FrozenMapping,
    QualityRecord,
    SampleScore,
    SeenOp,
    TruthRecord,
)
from layerprof.store import load_evidence, write_record

STEM = key().stem


def evidence(text: str = "a red circle") -> EvidenceRecord:
    answer = Answer(sample="s/1", text=text, prompt="what is it?", text_tokens=5, cut_tokens=1, new_tokens=3)
    score = SampleScore(
        answer=answer,
        cluster="picture 1",
        references=("a circle",),
        substitutions=0,
        deletions=0,
        insertions=1,
        reference_words=2,
        least_errors=1,
        least_words=2,
    )
    unscored = replace(score, substitutions=None, deletions=None, insertions=None, reference_words=0, accuracy=0.5)
    quality = QualityRecord(
        dataset="sample",
        origin="somewhere",
        samples_sha256="00",
        metric="exact_match",
        normaliser="words-1",
        prompt="{question}",
        max_new_tokens=3,
        samples=(score, unscored),
        estimates=(Estimate95(name="wer", value=0.5, low=None, high=None, n=1),),
    )
    truth = TruthRecord(
        optimization="compile",
        is_in_force=True,
        attention_ops=(SeenOp(part="vision", name="aten::sdpa", calls=6),),
        graphs=FrozenMapping({"vision": 1}),
        recompiles=0,
    )
    return EvidenceRecord(truth=truth, quality=quality)


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    return Layout(tmp_path / "sweep")


def test_evidence_at_hand_is_kept_beside_the_record(layout: Layout) -> None:
    kept = keep(layout, replace(outcome(), evidence=evidence()), key=key())

    assert kept.summary.evidence_path == f"evidence/{STEM}.json"
    assert load_evidence(layout.evidence(key())) == evidence()


def test_evidence_that_a_process_left_is_kept_and_a_run_without_has_none(layout: Layout, tmp_path: Path) -> None:
    left = Outcome(record=run(), evidence=evidence())
    write_outcome(left, tmp_path / "work")
    found = read_outcome(tmp_path / "work")

    assert found is not None
    kept = keep(layout, found, key=key())
    other = keep(layout, outcome(summary(key(2))), key=key(2))

    assert kept.summary.evidence_path is not None
    assert load_evidence(layout.folder / kept.summary.evidence_path) == evidence()
    assert other.summary.evidence_path is None


def test_a_cell_reads_the_evidence_of_its_middle_run(layout: Layout) -> None:
    begin(layout, sweep([planned()], rounds=3), is_alone=True)
    for repeat, (latency_s, word) in enumerate(((3.0, "slow"), (1.0, "fast"), (2.0, "middle"))):
        of = key(repeat=repeat)
        keep(
            layout,
            replace(outcome(summary(of, metrics={"latency_s": latency_s})), evidence=evidence(word)),
            key=of,
        )

    (cell,) = load_sweep(layout.folder).cells

    assert cell.evidence == evidence("middle")
    assert planned().evidence is None


def test_evidence_goes_with_the_run_that_is_replaced(layout: Layout) -> None:
    keep(layout, replace(outcome(summary(failed="hang")), evidence=evidence("before")), key=key())

    kept = keep(layout, replace(outcome(summary()), evidence=evidence("after")), key=key())

    assert kept.summary.evidence_path is not None
    assert kept.summary.evidence_path != f"evidence/{STEM}.json"
    assert load_evidence(layout.folder / kept.summary.evidence_path) == evidence("after")
    assert {name for name in files_in(layout) if name.startswith("evidence/")} == {kept.summary.evidence_path}


def test_evidence_of_a_run_that_never_came_is_tidied_away(layout: Layout) -> None:
    begin(layout, sweep([planned()]), is_alone=True)
    keep(layout, replace(outcome(), evidence=evidence()), key=key())
    write_record(evidence("lost"), layout.evidence(key(), attempt="0123abcd"))

    begin(layout, sweep([planned()]), is_alone=True)

    assert {name for name in files_in(layout) if name.startswith("evidence/")} == {f"evidence/{STEM}.json"}


def test_runs_that_answered_otherwise_are_told(layout: Layout) -> None:
    runs = [
        summary(key(repeat=repeat), metrics={"latency_s": 1.0, "wer": wer}) for repeat, wer in enumerate((1.0, 2.0))
    ]

    differing = merged(planned(), runs, rounds=2)
    equal = merged(planned(), [runs[0], replace(runs[1], metrics=runs[0].metrics)], rounds=2)

    assert "answers_differ" in {note.code for note in differing.notes}
    assert "answers_differ" not in {note.code for note in equal.notes}
    assert differing.metrics["wer"] == 1.5


def test_the_index_remembers_where_the_evidence_is(layout: Layout) -> None:
    begin(layout, sweep([planned()]), is_alone=True)
    keep(layout, replace(outcome(), evidence=evidence()), key=key())
    scan(layout)

    (found,) = scan(layout).summaries

    assert found.evidence_path == f"evidence/{STEM}.json"
