"""Our figures beside the published ones, row by row."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from layerprof.analysis.base import metric_of, value_words
from layerprof.analysis.published.base import Pairing, PublishedCell, differences, joined, kind_of
from layerprof.records import CellRecord, Comparison
from layerprof.units import Quantity, significant, with_unit

_TIMED: tuple[tuple[str, Quantity], ...] = (("latency_s", "s"), ("energy_j_per_sample", "j"))


def figures_of(pairs: Iterable[Pairing]) -> Iterator[Comparison]:
    """Every figure of a published table with ours beside it.

    Figures of a CPU are only compared with those of a CPU; where there are none, the published one is in the remark.
    """
    for pair in pairs:
        ours = pair.ours
        if ours is None:
            theirs = pair.theirs.latency_s
            yield _comparison(pair, "latency_s", None, theirs, "there is no such cell in this sweep")
        elif ours.failure is not None or pair.theirs.failure:
            yield _without_numbers(pair, ours)
        else:
            yield from _timed(pair, ours)
            yield _flops(pair, ours)
            yield from _quality(pair, ours)


def _without_numbers(pair: Pairing, ours: CellRecord) -> Comparison:
    """One row for a cell that either side has no numbers of."""
    our_end = "has numbers" if ours.failure is None else f"has none ({ours.failure.kind}: {ours.failure.text})"
    remark = joined((f"ours {our_end}", f"theirs: {pair.theirs.failure}" if pair.theirs.failure else ""))
    return _comparison(pair, "latency_s", _value(ours, "latency_s"), pair.theirs.latency_s, remark)


def _timed(pair: Pairing, ours: CellRecord) -> Iterator[Comparison]:
    for name, quantity in _TIMED:
        remarks = tuple(differences([(ours, pair.timed or pair.theirs)], pair.model, name))
        theirs = None if pair.timed is None else _published(pair.timed, name)
        other = ""
        if pair.timed is None:
            found = with_unit(_published(pair.theirs, name), quantity)
            theirs_on = f"{pair.theirs.axes['device']} in batches of {pair.theirs.batch_size}"
            ours_on = f"{kind_of(ours)} in batches of {value_words(ours, 'batch_size')}"
            other = f"published for {theirs_on} alone ({found}), ours is of {ours_on}"
        yield _comparison(pair, name, _value(ours, name), theirs, joined((other, *remarks, pair.theirs.suspect)))


def _flops(pair: Pairing, ours: CellRecord) -> Comparison:
    """FLOPs of the last batch, as published; of as many of our samples where our last batch has others."""
    samples = pair.theirs.last_batch_samples
    remarks = tuple(differences([(ours, pair.theirs)], pair.model, "flops_last_batch"))
    flops, found = _value(ours, "flops_last_batch"), _value(ours, "last_batch_samples")
    if found != samples or flops is None:
        each = _value(ours, "flops_per_sample")
        flops = None if each is None else each * samples
        last = "" if found is None else f", as our last batch has {found:,.0f}"
        remarks = (f"ours per sample times {samples}, the samples of their last batch{last}", *remarks)
    return _comparison(pair, "flops_last_batch", flops, pair.theirs.flops, joined((*remarks, pair.theirs.suspect)))


def _quality(pair: Pairing, ours: CellRecord) -> Iterator[Comparison]:
    remarks = (*differences([(ours, pair.theirs)], pair.model, "wer_echo"), pair.theirs.suspect)
    yield _comparison(pair, "wer_echo", _value(ours, "wer_echo"), pair.theirs.wer, joined(remarks))
    if pair.theirs.wer is not None:
        other = (
            f"of the answer alone; published is {significant(pair.theirs.wer)}, it seems of prompt and answer together"
        )
        yield _comparison(pair, "wer", _value(ours, "wer"), None, joined((other, *remarks)))


def _comparison(pair: Pairing, quantity: str, ours: float | None, published: float | None, remark: str) -> Comparison:
    return Comparison(test=pair.test, row=pair.row, quantity=quantity, ours=ours, published=published, remark=remark)


def _published(cell: PublishedCell, name: str) -> float | None:
    return cell.latency_s if name == "latency_s" else cell.energy_j_per_sample


def _value(cell: CellRecord, name: str) -> float | None:
    amount = metric_of(cell, name)
    return None if amount is None else amount.value
