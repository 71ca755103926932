"""What each figure of a sweep's tables is of, once for all tables, and how and where all was measured."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from layerprof.records import CellRecord, QualityRecord
from layerprof.views.base import Column, Row, Table
from layerprof.views.base.sweeps import environment_footnotes, method_footnotes, note_footnotes
from layerprof.views.sweeps.base import Results, lost_footnotes, settings_in_words

_MOST_NOTES = 30
_OWN_METRICS: Mapping[str, str] = {
    "vqa_accuracy": "VQA accuracy: the mean over the annotators left out in turn of min(1, like answers / 3)",
    "choice_accuracy": "share of answers that name the right choice, by its letter, text or number",
    "exact_match": "share of answers that are one of the references after normalising",
}
_FIGURES: tuple[tuple[tuple[str, ...], str, str], ...] = (
    (("latency_s",), "latency", "of one forward pass of a full batch, or of one generation where new_tokens is set"),
    (
        ("energy_j_per_sample",),
        "energy per sample",
        "of the whole step, nothing subtracted for idling, over the samples of a batch",
    ),
    (("flops",), "FLOPs per batch", "mean over the full batches; a multiplication and an addition are two"),
    (
        ("flops_last_batch",),
        "FLOPs of last batch",
        "of the batch that is left over and may be smaller, as the published figures are",
    ),
    (("conv_s",), "convolutions", "the convolutions' own time in a step"),
    (("peak_bytes",), "peak memory", "the most that a step held at once"),
    (("wer",), "WER", "wrong, missing and added words over the words of the first reference, all samples together; "
     "new tokens only; a ratio, above 1 where answers are longer than references"),
    (("wer_min",), "WER, best reference", "likewise, against the reference that is nearest to each answer"),
    (("wer_echo",), "WER, prompt echoed", "likewise, of prompt and answer together, as published it seems"),
    (("cut_share",), "cut samples", "share of the samples whose prompt was cut to fit"),
)  # fmt: skip


def definitions_table(results: Results, *, most_notes: int | None = None) -> Table:
    """One row a figure that some cell has, then one a data set that was answered; below it how all was measured."""
    record = results.record
    names = {name for cell in record.cells for name, value in cell.metrics.items() if value is not None}
    places = tuple(dict.fromkeys(cell.environment for cell in record.cells if cell.environment))
    axes = tuple(dict.fromkeys(axis for test in record.plan.tests for axis, _ in test.axes))
    return Table(
        title="What the figures are",
        columns=(Column(name="figure", align="left"), Column(name="is", align="left")),
        rows=(
            *(Row(cells=(heading, text)) for metrics, heading, text in _FIGURES if names.intersection(metrics)),
            *(Row(cells=pair) for pair in _scorings(_qualities(results))),
            *(Row(cells=pair) for pair in _sources(record.cells)),
        ),
        footnotes=(
            *_of_all_tests(results),
            *method_footnotes(record),
            *environment_footnotes(record, places),
            *note_footnotes(record, axes=axes, most_notes=most_notes or _MOST_NOTES),
        ),
    )


def _qualities(results: Results) -> Iterator[QualityRecord]:
    for evidence in results.evidence.values():
        if evidence.quality is not None:
            yield evidence.quality


def _scorings(qualities: Iterable[QualityRecord]) -> Iterator[tuple[str, str]]:
    """How each data set is asked and scored; in several lines where cells differ."""
    said: dict[tuple[str, str], None] = {}
    for quality in qualities:
        own = _OWN_METRICS[quality.metric]
        asked = f"asked as “{quality.prompt}”, at most {quality.max_new_tokens} new tokens"
        said[quality.dataset, f"{quality.origin}; {asked}; words compared after {quality.normaliser}"] = None
        said[f"own metric of {quality.dataset}", own] = None
    yield from sorted(said)


def _sources(cells: Iterable[CellRecord]) -> Iterator[tuple[str, str]]:
    weights = dict.fromkeys(str(cell.axes["weights"]) for cell in cells if "weights" in cell.axes)
    if weights:
        words = {"random": "random: quality figures are of an untrained model"}
        yield "weights", ", ".join(words.get(name, name) for name in weights)


def _of_all_tests(results: Results) -> Iterator[str]:
    """What all tests share, and that the record came without the files beside it."""
    if said := settings_in_words(results.shared):
        yield f"Fixed in all tests: {said}."
    yield from lost_footnotes(results)
