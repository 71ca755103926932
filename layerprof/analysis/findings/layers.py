"""What layers say of single cells: what takes most, and what each convolution takes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from layerprof.analysis.base import CellLayers, Series, Share, amount_text, metric_of, value_words, weakness_of
from layerprof.analysis.findings.base import finding
from layerprof.records import CellRecord, Finding
from layerprof.units import percent

_CONVOLUTION_AXES = ("batch_size", "image_size")
_NOT_TOLD = ("dataset", "resized_to")  # of what takes most: other axes of the same test tell it
_MOST_CONVOLUTIONS = 6


def dominant(series: Series, baseline: CellRecord) -> Iterator[Finding]:
    """The stage and the layer that take most: at both ends of an axis of amounts, of any other in the baseline."""
    if series.rank or series.axis in _NOT_TOLD:
        return
    cells = (series.first, series.last) if series.is_amount else (baseline,)
    words: list[str] = []
    shares: list[float] = []
    names: list[str] = []
    for cell in cells:
        layers = series.study.layers.get(cell.id)
        share = _largest(layers) if layers is not None else None
        if layers is None or share is None or share.time is None or not layers.step_s:
            continue
        at = value_words(cell, series.axis)
        start = f"at {at}" if words else f"{series.axis} {at}{_scope(series)}: most is taken by"
        single = _single(share, layers) if cell is cells[-1] else ""
        words.append(f"{start} {share.name} ({_part(share, layers, is_first=not words)}){single}")
        shares.append(share.time.value / layers.step_s)
        names.append(share.name)
    if words:
        text = f"{'; '.join(words)}{_weak(cells)}"
        yield finding(series.study, "dominant", text, scope=names[-1], strength=max(shares))


def convolutions(series: Series) -> Iterator[Finding]:
    """What each convolution takes along batch sizes and picture sizes."""
    if series.rank or series.axis not in _CONVOLUTION_AXES:
        return
    known = [(cell, layers) for cell in series.cells if (layers := series.study.layers.get(cell.id)) is not None]
    paths = list(dict.fromkeys(share.name for _, layers in known for share in layers.convolutions))
    for path in paths[:_MOST_CONVOLUTIONS]:
        yield from _convolution(series, path, known)
    if len(paths) > _MOST_CONVOLUTIONS:
        text = f"{len(paths) - _MOST_CONVOLUTIONS:,} more convolutions are in the cells' layer tables"
        yield finding(series.study, "convolution", text)
    if not paths:
        yield from _together(series)


def _convolution(series: Series, path: str, known: Iterable[tuple[CellRecord, CellLayers]]) -> Iterator[Finding]:
    words: list[str] = []
    shares: list[float] = []
    cells: list[CellRecord] = []
    type_name = ""
    for cell, layers in known:
        share = next((each for each in layers.convolutions if each.name == path), None)
        if share is None or share.time is None:
            continue
        type_name = share.type_name
        at = value_words(cell, series.axis)
        place = f"{series.axis} {at}" if not words else at
        part = _part(share, layers, is_first=not words)
        words.append(f"{amount_text(share.time.value, 's')} ({part}) at {place}")
        cells.append(cell)
        if layers.step_s:
            shares.append(share.time.value / layers.step_s)
    text = f"{path} ({type_name}) takes {', '.join(words)}{_weak(cells)}"
    yield finding(series.study, "convolution", text, scope=path, strength=max(shares, default=0.0))


def _together(series: Series) -> Iterator[Finding]:
    """The convolutions' own time by the cells' metrics, where no layer profile is there."""
    known = [(cell, amount) for cell in series.cells if (amount := metric_of(cell, "conv_s")) is not None]
    if known:
        words = [f"{amount_text(amount.value, 's')} at {value_words(cell, series.axis)}" for cell, amount in known]
        weak = _weak(cell for cell, _ in known)
        yield finding(
            series.study, "convolution", f"the convolutions together take, by {series.axis}, {', '.join(words)}{weak}"
        )


def _weak(cells: Iterable[CellRecord]) -> str:
    weakness = weakness_of(cells)
    return f"; {weakness}" if weakness else ""


def _largest(layers: CellLayers) -> Share | None:
    has_stages = all(stage.time is not None for stage in layers.stages)  # not where code was compiled
    groups = layers.stages if has_stages else layers.parts
    return max(groups, key=lambda share: share.time.value if share.time else 0.0, default=None)


def _single(largest: Share, layers: CellLayers) -> str:
    """The layer that takes most by itself, where it is not all of what takes most."""
    heaviest = layers.heaviest
    if heaviest is None or not heaviest.name or heaviest.time is None or largest.time is None:
        return ""
    if heaviest.time.value == largest.time.value:
        return ""
    return f", of single layers {heaviest.name} ({percent(heaviest.time.value, layers.step_s)})"


def _part(share: Share, layers: CellLayers, *, is_first: bool) -> str:
    """The share, and the first time what it is of: ``2.0 % of the instrumented step, 18.6 ms; 15.0 ms without …``."""
    part = percent(None if share.time is None else share.time.value, layers.step_s)
    if not is_first or not layers.step_s:
        return part
    bare = (
        "" if layers.is_device or layers.bare_s is None else f"; {amount_text(layers.bare_s, 's')} without instruments"
    )
    return f"{part} of {layers.whole_name}, {amount_text(layers.step_s, 's')}{bare}"


def _scope(series: Series) -> str:
    return f", {series.scope}" if series.scope else ""
