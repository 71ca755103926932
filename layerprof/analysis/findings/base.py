"""How sentences are made: what a ratio may be said to show, and the record that a sentence becomes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from layerprof.analysis.base import Interval, Series, Share, Study, is_clear, metric_of, ratio_of
from layerprof.records import CellRecord, Finding, FindingKind

NOISE = "within the noise"
NO_VERDICT = "no verdict"


def finding(study: Study, kind: FindingKind, text: str, *, scope: str = "", strength: float = 0.0) -> Finding:
    """The sentence as a record, a stop at its end."""
    return Finding(test=study.test, kind=kind, scope=scope, text=f"{text}.", strength=strength)


def verdict(ratio: Interval, weakness: str, *, above: str, below: str) -> str:
    """What a ratio shows.

    Args:
        ratio: with its interval, where it has one.
        weakness: of the cells behind it; no verdict rests on a weak one.
        above: what is said of a ratio that is clearly above 1.
        below: likewise, below 1.
    """
    if ratio.low is None:
        return f"no interval, so {NO_VERDICT}"
    if not is_clear(ratio):
        return f"{NOISE} ({weakness})" if weakness else NOISE
    if weakness:
        return f"{NO_VERDICT} ({weakness})"
    return above if ratio.value > 1.0 else below


def work_verdict(against: Interval, weakness: str, *, is_growing: bool) -> str:
    """What a growth shows beside that of its own work.

    Args:
        against: the ratio of times over that of FLOPs.
        weakness: of the cells behind it; no verdict rests on a weak one.
        is_growing: whether the FLOPs grow, and not fall.
    """
    if against.low is None:
        return f"no interval, so {NO_VERDICT}"
    verb, above, below = ("grows", "faster", "slower") if is_growing else ("falls", "less", "more")
    if weakness:
        return f"whether {above} or {below} than its FLOPs: {NO_VERDICT} ({weakness})"
    if not is_clear(against):
        return f"{verb} as its FLOPs do, as far as this can tell"
    return f"{verb} {above if against.value > 1.0 else below} than its FLOPs"


def strength_of(ratio: Interval, weakness: str) -> float:
    """A ratio's distance from 1, the same for a half and a double; 0 where it shows nothing."""
    if weakness or not is_clear(ratio) or ratio.value <= 0.0:
        return 0.0
    return max(ratio.value, 1.0 / ratio.value) - 1.0


def scope_in(series: Series, name: str) -> str:
    """A part of the model, with the series' own scope behind it."""
    return f"{name}, {series.scope}" if series.scope else name


def ratio_between(before: Share, after: Share, first: CellRecord, last: CellRecord) -> Interval | None:
    """How the time of a part of the model changes between two cells.

    Its error is that of the steps of the profiled process, and that of the cell's latency, in quadrature: the latter
    holds how processes differ, which steps of one do not show.
    """
    if before.time is None or after.time is None:
        return None
    widths = [latency.relative if (latency := metric_of(cell, "latency_s")) else None for cell in (first, last)]
    return ratio_of(after.time.widened(widths[1]), before.time.widened(widths[0]))


def zip_by_name(before: Iterable[Share], after: Iterable[Share]) -> Iterator[tuple[Share, Share]]:
    """The parts that are in both, in the order of the first."""
    others = {share.name: share for share in after}
    for share in before:
        if share.name in others:
            yield share, others[share.name]


def has_same_flops(series: Series) -> bool:
    """Whether the FLOPs are known of all cells of the series, and the same."""
    counts = [metric_of(cell, "flops") for cell in series.cells]
    return None not in counts and len({count.value for count in counts if count is not None}) == 1
