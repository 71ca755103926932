"""What stands behind a run's row besides its layers: what was in force, and what the model answered.

TruthRecord      what was asked of the libraries, and what was then seen: graphs, kernels, dtypes, image tokens
QualityRecord    one `SampleScore` a sample, and an `Estimate95` for each number made of them
EvidenceRecord   the two together, kept in a file beside the run's record
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from layerprof.records.base import SCHEMA, FrozenMapping, Note

if TYPE_CHECKING:
    from layerprof.records.profile import PartInfo

QualityMetric = Literal["vqa_accuracy", "choice_accuracy", "exact_match"]


@dataclass(frozen=True, slots=True, kw_only=True)
class SeenOp:
    """An op or a kernel by which attention was computed.

    Attributes:
        part: the model's part whose layers called it, such as ``vision``; "" where it could not be told.
        name: as the dispatcher or the profiler names it.
        calls: in one step.
    """

    part: str
    name: str
    calls: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TruthRecord:
    """What a run asked of the libraries, and what was seen to be in force.

    Attributes:
        optimization: asked for; None where nothing was.
        is_in_force: whether all of it was; None where nothing was asked for that could be missed.
        reasons: what was not in force, or where it holds and where not, in one line each.
        parts: dtype, attention and device of each part of the model.
        attention_ops: that computed attention in one step; empty where none was looked for.
        graphs: that were compiled for the measured step, by part, "" for the whole model; empty where nothing is
            compiled.
        recompiles: graphs that were compiled while steps were measured; None where nothing is compiled.
        graph_breaks: in what was compiled; likewise.
        generate_graphs: that one ``generate`` ran or compiled; None where nothing is compiled or none was run.
        compile_s: seconds of the first call of what was compiled, compiling included; likewise.
        image_tokens: of each sample; None for a model that has none.
        vision_tokens: of the vision tower's sequence; likewise.
        has_nan: whether the outputs that were looked at hold NaN; None where none was looked at.
        image_processor: class that made the pixels; "" where there is none.
    """

    optimization: str | None = None
    is_in_force: bool | None = None
    reasons: tuple[str, ...] = ()
    parts: tuple[PartInfo, ...] = ()
    attention_ops: tuple[SeenOp, ...] = ()
    graphs: FrozenMapping[int] = field(default_factory=FrozenMapping)
    recompiles: int | None = None
    graph_breaks: int | None = None
    generate_graphs: int | None = None
    compile_s: float | None = None
    image_tokens: int | None = None
    vision_tokens: int | None = None
    has_nan: bool | None = None
    image_processor: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a model said to one sample, before it is scored.

    Attributes:
        sample: its id.
        text: of the new tokens alone, special ones left out.
        prompt: as the model saw it, after cutting; without image tokens.
        text_tokens: of the prompt.
        cut_tokens: that were cut from it to fit.
        new_tokens: that were generated, without padding.
    """

    sample: str
    text: str
    prompt: str
    text_tokens: int
    cut_tokens: int
    new_tokens: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SampleScore:
    """One answer against what its data set accepts.

    Attributes:
        answer: as the model gave it.
        cluster: what is resampled together, such as the picture that several questions are about.
        references: that were scored against, as the data set has them; the first is the target of `errors`.
        substitutions, deletions, insertions: of words against the first reference; None where that one is empty.
        reference_words: of the first reference after normalising; 0 leaves the sample out of the rate.
        least_errors: of words, against the reference that has the lowest rate; None where all are empty.
        least_words: of that reference.
        echo_errors: against the first reference, of the prompt and the answer together; None where it was not asked.
        accuracy: by the data set's own rule, from 0 to 1; None where it has none or nothing to score against.
        is_exact: whether the answer is one of the references, both normalised; None where all are empty.
    """

    answer: Answer
    cluster: str
    references: tuple[str, ...]
    substitutions: int | None
    deletions: int | None
    insertions: int | None
    reference_words: int
    least_errors: int | None
    least_words: int | None
    echo_errors: int | None = None
    accuracy: float | None = None
    is_exact: bool | None = None

    @property
    def errors(self) -> int | None:
        """Substituted, deleted and inserted words."""
        if self.substitutions is None or self.deletions is None or self.insertions is None:
            return None
        return self.substitutions + self.deletions + self.insertions


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate95:
    """A number over samples.

    Attributes:
        name: of the metric, as in a run's metrics.
        value: None where there was nothing to score.
        low, high: of its 95 % interval; None with fewer than eight clusters, unless all outcomes are equal: then it is
            exact, from two on.
        n: samples that it is of.
    """

    name: str
    value: float | None
    low: float | None
    high: float | None
    n: int


@dataclass(frozen=True, slots=True, kw_only=True)
class QualityRecord:
    """How good the answers are, sample by sample and altogether.

    Attributes:
        dataset: name of the task.
        origin: where the samples came from: hub id, configuration, split and revision, a folder, or a package.
        samples_sha256: of the samples' content: ids, questions, references and the bytes of the pictures.
        metric: the data set's own.
        normaliser: name and version of what is done to texts before words are compared.
        prompt: the template, such as ``Question: … Short answer:``.
        max_new_tokens: at which an answer is cut off.
        samples: in the data set's order.
        estimates: each once; ``wer`` first.
        notes: on what was left out.
    """

    dataset: str
    origin: str
    samples_sha256: str
    metric: QualityMetric
    normaliser: str
    prompt: str
    max_new_tokens: int
    samples: tuple[SampleScore, ...]
    estimates: tuple[Estimate95, ...]
    notes: tuple[Note, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class EvidenceRecord:
    """What stands behind a run's row besides its layers.

    Attributes:
        schema: version of the stored form.
        truth: what was in force; None where the run ended before it was looked at.
        quality: of the answers; None where none were asked for.
    """

    schema: int = SCHEMA
    truth: TruthRecord | None = None
    quality: QualityRecord | None = None
