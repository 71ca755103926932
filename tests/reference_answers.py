"""Made-up answers to twenty samples, scored by a law, and what was in force beside them.

Every data set's errors are the same whatever the length of the text; a larger true picture changes one answer, and so
does eager attention, which is far less than twenty samples can show.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from reference_profiles import PARTS, Work

from layerprof.records import (
    Answer,
    AxisValue,
    Estimate95,
    EvidenceRecord,
    FrozenMapping,
    PartInfo,
    QualityMetric,
    QualityRecord,
    SampleScore,
    SeenOp,
    TruthRecord,
)

SAMPLES = 20
HALF_WIDTH = 0.25  # of a rate's interval
WORDS = {"TextVQA": (1, 2), "ScienceQA": (1, 1), "COCO": (10, 11)}  # of the first reference, in turn
METRICS: Mapping[str, QualityMetric] = {
    "TextVQA": "vqa_accuracy",
    "ScienceQA": "choice_accuracy",
    "COCO": "exact_match",
}
PROMPT_WORDS = 9  # that an echoed prompt puts before the answer
FOUND_TOKENS = {"TextVQA": 12, "ScienceQA": 84, "COCO": 5}
NEW_TOKENS = 4


def quality_of(axes: Mapping[str, AxisValue]) -> QualityRecord:
    """The answers of a cell, and the rates made of them."""
    dataset = str(axes["dataset"])
    scores = tuple(_score(number, axes) for number in range(SAMPLES))
    words = sum(score.reference_words for score in scores)
    right = [score.accuracy for score in scores if score.accuracy is not None]
    return QualityRecord(
        dataset=dataset,
        origin=f"{dataset}, made up",
        samples_sha256="00" * 32,
        metric=METRICS[dataset],
        normaliser="words-1",
        prompt="Question: … Short answer:",
        max_new_tokens=10,
        samples=scores,
        estimates=(
            _estimate("wer", sum(score.errors or 0 for score in scores) / words),
            _estimate("wer_min", sum(score.least_errors or 0 for score in scores) / words),
            Estimate95(name="wer_macro", value=_macro(scores), low=None, high=None, n=SAMPLES),
            _estimate("wer_echo", sum(score.echo_errors or 0 for score in scores) / words),
            _estimate("accuracy", sum(right) / len(right)),
            _estimate("exact_match", sum(score.is_exact is True for score in scores) / len(scores)),
        ),
    )


def evidence_of(axes: Mapping[str, AxisValue], work: Work) -> EvidenceRecord:
    return EvidenceRecord(truth=truth_of(work), quality=quality_of(axes))


def truth_of(work: Work) -> TruthRecord:
    is_whole = work.optimization == "compile_whole"
    attention = "eager" if work.optimization == "eager" else "sdpa"
    graphs: Mapping[str, int] = {"": 1} if is_whole else dict.fromkeys(PARTS, 1)
    op = "aten::bmm" if attention == "eager" else "aten::_scaled_dot_product_flash_attention_for_cpu"
    return TruthRecord(
        optimization=work.optimization,
        is_in_force=True,
        reasons=("the forward pass is compiled; generate ran 0 compiled graphs",) if is_whole else (),
        parts=tuple(
            PartInfo(name=part, path=part, dtype="bfloat16", attention=attention, device="cpu") for part in PARTS
        ),
        attention_ops=tuple(SeenOp(part=part, name=op, calls=1) for part in PARTS),
        graphs=FrozenMapping(graphs if work.is_compiled else {}),
        recompiles=0 if work.is_compiled else None,
        graph_breaks=0 if work.is_compiled else None,
        generate_graphs=(0 if is_whole else 3) if work.is_compiled else None,
        compile_s=41.5 if work.is_compiled else None,
        image_tokens=32,
        vision_tokens=work.vision_tokens,
        has_nan=False,
        image_processor="BlipImageProcessor",
    )


def _score(number: int, axes: Mapping[str, AxisValue]) -> SampleScore:
    dataset = str(axes["dataset"])
    words = WORDS[dataset][number % 2]
    is_changed = number == 1 and (axes["image_size"] != 224 or axes["optimization"] == "eager")
    is_right = number % 5 == 0 or is_changed
    reference = " ".join(["word"] * words)
    text = reference if is_right else f"{'other ' * words}more"
    errors = 0 if is_right else words
    inserted = 0 if is_right else 1
    found, most = FOUND_TOKENS[dataset], int(axes["seq_len"] or 0)
    return SampleScore(
        answer=Answer(
            sample=f"{dataset}-{number}",
            text=text,
            prompt=" ".join(["prompt"] * PROMPT_WORDS),
            text_tokens=min(found, most),
            cut_tokens=max(0, found - most),
            new_tokens=NEW_TOKENS,
        ),
        cluster=f"picture-{number // 2}",
        references=(reference,),
        substitutions=errors,
        deletions=0,
        insertions=inserted,
        reference_words=words,
        least_errors=errors + inserted,
        least_words=words,
        echo_errors=errors + inserted + PROMPT_WORDS,
        accuracy=float(is_right),
        is_exact=is_right,
    )


def _estimate(name: str, value: float) -> Estimate95:
    return Estimate95(name=name, value=value, low=max(0.0, value - HALF_WIDTH), high=value + HALF_WIDTH, n=SAMPLES)


def _macro(scores: Sequence[SampleScore]) -> float:
    rates = [(score.errors or 0) / score.reference_words for score in scores]
    return sum(rates) / len(rates)
