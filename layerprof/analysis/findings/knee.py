"""The knee of batch sizes: from where on more samples at once no longer make one of them cheaper."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

from layerprof.analysis.base import Interval, Series, metric_of, over, ratio_of, weakness_of
from layerprof.analysis.findings.base import NO_VERDICT, finding
from layerprof.records import CellRecord, Finding
from layerprof.units import percent

KNEE_GAIN = 0.05
"""Of the latency per sample, what a doubling of the batch has to save to be worth it: our choice."""

_BATCH = "batch_size"
_RULE = percent(KNEE_GAIN, 1.0, digits=0)


def knee(series: Series) -> Iterator[Finding]:
    """The smallest batch from which on no doubling saves 5 % of the latency per sample.

    It is told where the intervals of all doublings after it allow it, and denied where the last one clearly pays.
    """
    points = [(size, cell) for cell in series.cells for size in _size_of(cell)]
    if series.axis != _BATCH or len(points) < 2:
        return
    steps = [_step(*before, *after) for before, after in pairwise(points)]
    paid = max((place for place, step in enumerate(steps) if step.verdict == "pays"), default=-1)
    rest = steps[paid + 1 :]
    unsure = [step for step in rest if step.verdict == "open"]
    if not rest:
        said = f"no knee up to {steps[-1].after:,}: {steps[-1].words('still saves')}"
    elif unsure:
        reason = f" ({unsure[-1].weakness})" if unsure[-1].weakness else ""
        said = f"{NO_VERDICT} on a knee{reason}: {unsure[-1].words('saves')}"
    else:
        said = f"the knee is at {rest[0].before:,}, no doubling after it pays: {rest[0].words('saves')}"
    scope = f", {series.scope}" if series.scope else ""
    yield finding(series.study, "knee", f"{_BATCH}{scope}: {said}, and {_RULE} counts", scope=series.scope)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Step:
    """From one batch size to the next.

    Attributes:
        before, after: the sizes.
        gain: share of the latency per sample that a doubling saves.
        weakness: of the two cells.
    """

    before: int
    after: int
    gain: Interval
    weakness: str

    @property
    def verdict(self) -> Literal["pays", "spent", "open"]:
        """Whether a doubling saves enough; open where its interval holds both, or the cells carry no verdict."""
        low, high = self.gain.low, self.gain.high
        if self.weakness or low is None or high is None or low < KNEE_GAIN <= high:
            return "open"
        return "pays" if low >= KNEE_GAIN else "spent"

    def words(self, verb: str) -> str:
        """The gain in words, such as ``batch 8 still saves 16.3 % [9.1 %, 21.0 %] a sample over batch 4``."""
        low, high = self.gain.low, self.gain.high
        each = "" if self.after == 2 * self.before else " and doubling"
        if self.gain.value < 0.0:
            ends = _ends(None if high is None else -high, None if low is None else -low)
            more = f"{percent(-self.gain.value, 1.0)}{ends} more"
            return f"batch {self.after:,} takes {more} a sample{each} than batch {self.before:,}"
        saved = f"{percent(self.gain.value, 1.0)}{_ends(low, high)}"
        return f"batch {self.after:,} {verb} {saved} a sample{each} over batch {self.before:,}"


def _ends(low: float | None, high: float | None) -> str:
    return "" if low is None or high is None else f" [{percent(low, 1.0)}, {percent(high, 1.0)}]"


def _step(before: int, first: CellRecord, after: int, last: CellRecord) -> _Step:
    """The gain ``1 - (m / l) ** (1 / log2(c / b))`` of sizes b < c with latencies per sample l and m."""
    doublings = math.log2(after / before)
    old, new = metric_of(first, "latency_s"), metric_of(last, "latency_s")
    whole = None if old is None or new is None else ratio_of(new, old)
    assert whole is not None, "only cells that have a latency are points"
    ratio = over(whole, after / before)
    low, high = (None if end is None else _gain(end, doublings) for end in (ratio.high, ratio.low))
    gain = Interval(value=_gain(ratio.value, doublings), low=low, high=high)
    return _Step(before=before, after=after, gain=gain, weakness=weakness_of((first, last)))


def _gain(ratio: float, doublings: float) -> float:
    return 1.0 - float(ratio ** (1.0 / doublings))


def _size_of(cell: CellRecord) -> Iterator[int]:
    """The batch size, where the latency is known."""
    size, latency = cell.axes.get(_BATCH), metric_of(cell, "latency_s")
    if isinstance(size, int) and latency is not None and latency.value > 0.0:
        yield size
