"""A run's record within the bytes that one file may have; what is left out is said in the record."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

from layerprof.ledger.base import MOST_BYTES
from layerprof.records import CellFailure, Distribution, Note, RunRecord
from layerprof.store import to_bytes

_LEAST_SAMPLES = 100  # that long texts do not take away; enough for the interval of a median
_TEXT_LENGTHS = (1000, 300, 100)  # characters, tried in this order
_MOST_NOTES = 20
_ELLIPSIS = "…"
_THINNED = "samples_thinned"


def fitted(record: RunRecord) -> tuple[RunRecord, bytes]:
    """The record with its file, at most `MOST_BYTES` long.

    Latency samples go first, evenly in time so that a drift stays visible; then long texts are cut, then notes left
    out. Metrics stay as they are: the median and its interval are of all samples.

    Limits:
        What cannot be cut, such as hundreds of metrics, may still be longer.
    """
    content = to_bytes(record)
    for smaller in _attempts(record):
        if len(content) <= MOST_BYTES:
            break
        record = smaller(record)
        content = to_bytes(record)
    return record, content


def _attempts(record: RunRecord) -> Iterator[Callable[[RunRecord], RunRecord]]:
    whole = record.latency_s
    yield lambda given: _thinned(given, whole, least=_LEAST_SAMPLES)
    for most in _TEXT_LENGTHS:
        yield lambda given, most=most: _with_short_texts(given, most)  # type: ignore[misc]  # bound now, for the loop
    yield _with_few_notes
    yield lambda given: _thinned(given, whole, least=1)


def _thinned(record: RunRecord, whole: Distribution | None, *, least: int) -> RunRecord:
    """The record with as many of the samples as fit, but so many at least."""
    if whole is None:
        return record
    spare_bytes = MOST_BYTES - len(to_bytes(_with_samples(record, whole, kept=1)))
    bytes_each = max(len(repr(sample)) + 1 for sample in whole.samples)
    return _with_samples(record, whole, kept=min(whole.n, max(least, spare_bytes // bytes_each)))


def _with_samples(record: RunRecord, whole: Distribution, *, kept: int) -> RunRecord:
    """The record with so many of the samples, evenly in time, and a note that says so."""
    if kept == whole.n:
        return record
    samples = tuple(whole.samples[position * whole.n // kept] for position in range(kept))
    text = f"{kept} of {whole.n} samples are kept, evenly in time; the median and its interval are of all"
    note = Note(code=_THINNED, quantity="latency_s", scope="step", text=text)
    notes = (*(one for one in record.summary.notes if one.code != _THINNED), note)
    return replace(record, latency_s=Distribution(samples=samples), summary=replace(record.summary, notes=notes))


def _with_short_texts(record: RunRecord, most: int) -> RunRecord:
    summary = record.summary
    notes = tuple(replace(note, text=_short(note.text, most)) for note in summary.notes)
    failure = None if summary.failure is None else _short_failure(summary.failure, most)
    discarded = tuple(_short_failure(one, most) for one in record.discarded)
    return replace(record, summary=replace(summary, notes=notes, failure=failure), discarded=discarded)


def _short_failure(failure: CellFailure, most: int) -> CellFailure:
    return replace(failure, text=_short(failure.text, most))


def _short(text: str, most: int) -> str:
    return text if len(text) <= most else text[: most - 1] + _ELLIPSIS


def _with_few_notes(record: RunRecord) -> RunRecord:
    notes, discarded = record.summary.notes, record.discarded[:_MOST_NOTES]
    if len(notes) > _MOST_NOTES:
        text = f"{len(notes) - _MOST_NOTES} more notes found no space in the run's file"
        kept = notes[:_MOST_NOTES] + tuple(one for one in notes[_MOST_NOTES:] if one.code == _THINNED)
        notes = (*kept, Note(code="notes_left_out", quantity="", scope="", text=text))
    return replace(record, summary=replace(record.summary, notes=notes), discarded=discarded)
