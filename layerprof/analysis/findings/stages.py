"""Stages and kinds of layers that grow otherwise than their own FLOPs; those that do not, in one sentence."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from layerprof.analysis.base import (
    CLEAR_SHARE,
    CellLayers,
    Interval,
    Series,
    Share,
    amount_text,
    is_clear,
    over,
    times_text,
    weakness_of,
)
from layerprof.analysis.findings.base import (
    NO_VERDICT,
    finding,
    has_same_flops,
    ratio_between,
    scope_in,
    strength_of,
    verdict,
    work_verdict,
    zip_by_name,
)
from layerprof.records import Finding
from layerprof.units import significant

_LEAST_SHARE = 0.01  # of a step, below which growth is not told


def stage_growth(series: Series) -> Iterator[Finding]:
    """Stages and kinds of layers whose time grows otherwise than their own FLOPs, or changes at all."""
    first, last = (series.study.layers.get(cell.id) for cell in (series.first, series.last))
    if first is None or last is None or not series.is_amount:
        return
    weakness = weakness_of((series.first, series.last))
    stages = tuple(_grown(series, first, last, zip_by_name(first.stages, last.stages)))
    for each in stages:
        if each.is_shown(weakness):
            yield _told(series, each, each.name)
    if not series.rank and not weakness:
        of_stages = {(each.before, each.after) for each in stages}
        for each in _grown(series, first, last, zip_by_name(first.kinds, last.kinds)):
            if each.is_shown(weakness) and (each.before, each.after) not in of_stages:  # the same layers, told above
                yield _told(series, each, f"layers of kind {each.name}")
    rest = [each for each in stages if not each.is_shown(weakness)]
    if rest and not has_same_flops(series):
        yield _folded(series, rest, weakness)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Growth:
    """How the time of a group of layers changes along a series.

    Attributes:
        name: of the group.
        before, after: seconds at both ends.
        ratio: of them.
        flops: likewise, of its FLOPs; None where they are not known, or there are none.
    """

    name: str
    before: float
    after: float
    ratio: Interval
    flops: float | None

    @property
    def has_other_flops(self) -> bool:
        """Whether its FLOPs change."""
        return self.flops is not None and abs(self.flops - 1.0) >= CLEAR_SHARE

    @property
    def against(self) -> Interval:
        """The growth over that of its FLOPs, where they change."""
        return self.ratio if self.flops is None or not self.has_other_flops else over(self.ratio, self.flops)

    @property
    def is_judged(self) -> bool:
        """Whether the interval allows that it grows otherwise than its FLOPs."""
        return is_clear(self.against)

    def is_shown(self, weakness: str) -> bool:
        """Whether the cells carry that, too."""
        return self.is_judged and not weakness


def _grown(
    series: Series, first: CellLayers, last: CellLayers, pairs: Iterable[tuple[Share, Share]]
) -> Iterator[_Growth]:
    for before, after in pairs:
        ratio = ratio_between(before, after, series.first, series.last)
        if ratio is None or before.time is None or after.time is None:
            continue
        if max(_share_of(first, before.time), _share_of(last, after.time)) < _LEAST_SHARE:
            continue
        flops = after.flops / before.flops if before.flops and after.flops else None
        yield _Growth(name=before.name, before=before.time.value, after=after.time.value, ratio=ratio, flops=flops)


def _share_of(layers: CellLayers, time: Interval) -> float:
    """Of the step, what a part of the model takes; 0 where that is not known."""
    return time.value / layers.step_s if layers.step_s else 0.0


def _told(series: Series, growth: _Growth, name: str) -> Finding:
    """A growth that shows something, in a sentence of its own."""
    if growth.flops is not None and growth.has_other_flops:
        work = f", its FLOPs × {significant(growth.flops)}"
        said = work_verdict(growth.against, "", is_growing=growth.flops > 1.0)
    else:
        work = "" if growth.flops is None else " with the same FLOPs"
        said = verdict(growth.ratio, "", above="slower", below="faster")
    ends = f"{amount_text(growth.before, 's')} to {amount_text(growth.after, 's')}"
    text = f"{series.name}: {name} {times_text(growth.ratio)} ({ends}){work}: {said}"
    strength = strength_of(growth.against, "")
    return finding(series.study, "layer_growth", text, scope=scope_in(series, growth.name), strength=strength)


def _folded(series: Series, growths: Iterable[_Growth], weakness: str) -> Finding:
    """Those that show nothing: because cells are weak or have no interval, and because it is within their intervals."""
    still: list[_Growth] = []
    unsure: list[_Growth] = []
    for each in growths:
        is_open = each.is_judged or each.ratio.low is None
        (unsure if is_open else still).append(each)
    names = ", ".join(each.name for each in still)
    if unsure:
        said = f"time × / FLOPs ×, {NO_VERDICT} ({weakness or 'no interval'}): {', '.join(map(_beside_work, unsure))}"
        said += f"; as the FLOPs within its interval: {names}" if names else ""
    else:
        said = f"no stage differs from its FLOPs beyond its interval: {names}"
    text = f"{series.name}: {said}"
    return finding(series.study, "layer_growth", text, scope=series.scope)


def _beside_work(growth: _Growth) -> str:
    """Such as ``qformer 1.91 / 8.00``."""
    work = "" if growth.flops is None else f" / {significant(growth.flops)}"
    return f"{growth.name} {significant(growth.ratio.value)}{work}"
