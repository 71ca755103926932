"""Ratios along each axis beside the published ones: what carries over to another device or a smaller model."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping

from layerprof.analysis.base import metric_of
from layerprof.analysis.published.base import TIMED, Pairing, PublishedCell, differences, joined, kind_of
from layerprof.records import Comparison

RATIOS: Mapping[str, str] = {
    "latency_s": "latency_ratio",
    "energy_j_per_sample": "energy_per_sample_ratio",
    "flops_per_sample": "flops_per_sample_ratio",
    "wer_echo": "wer_echo_ratio",
}
"""What a comparison calls the ratio of a metric."""

_NO_RATIO = "no ratio of ours"


def ratios_of(pairs: Iterable[Pairing]) -> Iterator[Comparison]:
    """Each row of a published table over its first row of the same data set, theirs and ours.

    Ours is missing where either cell has no numbers, or the two ran on other devices than each other but for the test
    of devices.
    """
    firsts: dict[str, Pairing] = {}
    for pair in pairs:
        dataset = str(pair.theirs.axes["dataset"])
        first = firsts.setdefault(dataset, pair)
        if first is not pair and not pair.theirs.failure:
            yield from _of_pair(first, pair)


def _of_pair(first: Pairing, pair: Pairing) -> Iterator[Comparison]:
    for name, theirs_of in _THEIRS.items():
        remark = _remark(first, pair, name)
        ours = None if remark.startswith(_NO_RATIO) else _ratio(_value(pair, name), _value(first, name))
        theirs = _ratio(theirs_of(pair.theirs), theirs_of(first.theirs))
        if ours is not None or theirs is not None:
            row = f"{pair.row} / {first.row}"
            yield Comparison(test=pair.test, row=row, quantity=RATIOS[name], ours=ours, published=theirs, remark=remark)


def _remark(first: Pairing, pair: Pairing, name: str) -> str:
    """Why there is no ratio of ours, or what weakens it."""
    missing = [each.row for each in (first, pair) if each.ours is None or each.ours.status != "done"]
    if missing or first.ours is None or pair.ours is None:
        return f"{_NO_RATIO}: nothing was measured of {' and '.join(dict.fromkeys(missing))}"
    other = _devices(first, pair) if name in TIMED else ""
    if other.startswith(_NO_RATIO):
        return other
    cells = ((first.ours, first.theirs), (pair.ours, pair.theirs))
    return joined((other, *differences(cells, pair.model, name), pair.theirs.suspect))


def _devices(first: Pairing, pair: Pairing) -> str:
    """On what ours ran and theirs, where that is not what varies."""
    kinds = {kind_of(each.ours) for each in (first, pair) if each.ours is not None}
    device = pair.theirs.axes["device"]
    if first.theirs.axes["device"] != device or kinds == {device}:
        return ""
    if len(kinds) > 1:
        return f"{_NO_RATIO}: one cell is of {' and the other of '.join(sorted(kinds))}"
    return f"ours of {', '.join(kinds)}, theirs of {device}"


def _value(pair: Pairing, name: str) -> float | None:
    amount = None if pair.ours is None else metric_of(pair.ours, name)
    return None if amount is None else amount.value


def _ratio(after: float | None, before: float | None) -> float | None:
    return None if after is None or not before else after / before


def _flops_per_sample(cell: PublishedCell) -> float | None:
    return None if cell.flops is None else cell.flops / cell.last_batch_samples


_THEIRS: Mapping[str, Callable[[PublishedCell], float | None]] = {
    "latency_s": lambda cell: cell.latency_s,
    "energy_j_per_sample": lambda cell: cell.energy_j_per_sample,
    "flops_per_sample": _flops_per_sample,
    "wer_echo": lambda cell: cell.wer,
}
