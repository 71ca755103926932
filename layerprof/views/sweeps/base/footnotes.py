"""Sentences below the tables of a sweep's tests: what is fixed, why there is no number, and what figures are of."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping

from layerprof.records import AxisValue, CellRecord
from layerprof.views.sweeps.base.base import CellsOfTest, Results, has_echo, status_of

RANDOM_WEIGHTS = "Weights are random: quality figures are of an untrained model."
PUBLISHED_FLOPS = "FLOPs: the mean over the full batches; the published ones are of the last batch alone."
PUBLISHED_WER = (
    "WER: of new tokens only; the published one seems to be of prompt and answer together, as “WER, prompt echoed” is."
)
PUBLISHED_WER_ALONE = (
    "WER: of new tokens only; the published one seems to be of prompt and answer together, not asked for here."
)

SAID_ONCE = frozenset({RANDOM_WEIGHTS, PUBLISHED_FLOPS, PUBLISHED_WER, PUBLISHED_WER_ALONE})
"""Sentences that hold for all tables; the first table that they are of has them."""

_QUALITY = ("wer", "accuracy")


def fixed_footnotes(of: CellsOfTest) -> Iterator[str]:
    """The settings that the test's cells share and other tests' do not; those that say nothing are left out."""
    varying = {name for name, _ in of.test.axes}
    own = {name: value for name, value in of.test.fixed.items() if name not in varying and name not in of.shared}
    if said := settings_in_words(own):
        yield f"Fixed: {said}."


def settings_in_words(settings: Mapping[str, AxisValue]) -> str:
    """The settings with their values; "" where none of them says anything."""
    said = [f"{name} {value}" for name, value in settings.items() if value is not None and value is not False]
    return ", ".join(said)


def lost_footnotes(results: Results) -> Iterator[str]:
    """That the files which cells name were not found, so that what is made of them could not be."""
    if results.lost:
        yield (
            f"Layer profiles and evidence of {results.lost:,} cells are not beside this record, so that what they tell "
            "is not known here; report the sweep's folder."
        )


def weakness_footnotes(cells: Iterable[CellRecord], label: Callable[[CellRecord], str]) -> Iterator[str]:
    """Why rows have no numbers or weak ones, those of one reason together, for a table without a status."""
    return _grouped((label(cell), status_of(cell)) for cell in cells if status_of(cell) != "done")


def reason_footnotes(cells: Iterable[CellRecord], label: Callable[[CellRecord], str]) -> Iterator[str]:
    """Why rows have no numbers, those of one reason together, for a table whose status has the kind alone."""
    return _grouped((label(cell), cell.failure.text) for cell in cells if cell.failure is not None)


def _grouped(pairs: Iterable[tuple[str, str]]) -> Iterator[str]:
    alike: dict[str, list[str]] = {}
    for name, reason in pairs:
        alike.setdefault(reason, []).append(name)
    for reason, names in alike.items():
        yield f"{'; '.join(dict.fromkeys(names))}: {reason.removesuffix('.')}."


def rate_footnotes(cells: Collection[CellRecord]) -> Iterator[str]:
    """What the published word error rate is of, where there is one beside it, and that weights are random."""
    if any(cell.metrics.get("wer") is not None for cell in cells):
        yield PUBLISHED_WER if has_echo(cells) else PUBLISHED_WER_ALONE
    yield from weight_footnotes(cells)


def weight_footnotes(cells: Iterable[CellRecord]) -> Iterator[str]:
    """That quality is of an untrained model, where it is and there is any."""
    scored = [cell for cell in cells if any(cell.metrics.get(name) is not None for name in _QUALITY)]
    if any(cell.axes.get("weights") == "random" for cell in scored):
        yield RANDOM_WEIGHTS
