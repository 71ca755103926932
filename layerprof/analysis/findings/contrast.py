"""Cells that differ by a name: an optimisation, a device, a number format, each against a baseline."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from layerprof.analysis.base import (
    CLEAR_SHARE,
    Interval,
    Series,
    Share,
    Study,
    Trial,
    amount_text,
    is_clear,
    metric_of,
    ratio_of,
    setting_words,
    times_text,
    trials_of,
    value_words,
    weakness_of,
)
from layerprof.analysis.findings.base import (
    NO_VERDICT,
    NOISE,
    finding,
    ratio_between,
    scope_in,
    strength_of,
    verdict,
    zip_by_name,
)
from layerprof.records import CellRecord, Finding, FindingKind
from layerprof.units import percent, significant

OPTIMIZATION = "optimization"
BASELINES = ("sdpa", None)  # of optimisations, the first that has numbers

_COMPARED = (OPTIMIZATION, "device", "dtype", "device_type")
_LEAST_SHARE = 0.05  # of the baseline's step, below which a part is not told


def baseline_of(series: Series) -> CellRecord:
    """What the others are compared with: ``sdpa``, else the model's own, else the first."""
    if series.axis == OPTIMIZATION:
        for name in BASELINES:
            for cell in series.cells:
                if cell.axes.get(OPTIMIZATION) == name:
                    return cell
    return series.first


def contrasts(series: Series) -> Iterator[Finding]:
    """What each name costs or saves against the baseline, in all."""
    if series.axis in _COMPARED:
        for trial in trials_of(series, baseline_of(series)):
            yield from _whole(trial)


def parts(series: Series) -> Iterator[Finding]:
    """Which stages each name helps or hurts, and in one sentence those of which nothing can be said."""
    if series.axis not in _COMPARED:
        return
    changes = [each for trial in trials_of(series, baseline_of(series)) for each in _by_part(trial)]
    for each in changes:
        if is_clear(each.ratio) and not each.trial.weakness:
            yield _told(each)
    rest = [each for each in changes if not is_clear(each.ratio) or each.trial.weakness]
    if rest:
        yield _folded(series, rest)


def without_numbers(study: Study) -> Iterator[Finding]:
    """The cells that failed or were skipped, one sentence a reason."""
    kind: FindingKind = "optimization" if OPTIMIZATION in study.axes else "growth"
    reasons: dict[tuple[str, str], list[CellRecord]] = {}
    for cell in study.cells:
        if cell.failure is not None and not study.is_done(cell):
            reasons.setdefault((cell.failure.kind, _reason(cell, study.axes)), []).append(cell)
    for cells in reasons.values():
        failure = cells[0].failure
        words = _settings(cells, study.axes)
        if failure is not None:
            text = f"{words}: no result ({failure.kind}: {failure.text.rstrip('.')})"
            yield finding(study, kind, text, scope=words)


def _settings(cells: Sequence[CellRecord], axes: tuple[str, ...]) -> str:
    """Cells by their settings; where one alone varies, by its values."""
    if len(axes) == 1:
        return f"{axes[0]} {', '.join(value_words(cell, axes[0]) for cell in cells)}"
    return "; ".join(setting_words(cell, axes) for cell in cells)


def _reason(cell: CellRecord, axes: tuple[str, ...]) -> str:
    """Why it has no numbers, without the settings that tell it from others with the same reason."""
    text = "" if cell.failure is None else cell.failure.text
    values = {str(cell.axes[name]) for name in axes if cell.axes.get(name) is not None}
    for value in sorted(values, key=len, reverse=True):
        text = re.sub(rf"(?<!\w){re.escape(value)}(?!\w)", "", text)
    return text


def _whole(trial: Trial) -> Iterator[Finding]:
    ratio = _ratio(trial, "latency_s")
    before, after = metric_of(trial.before, "latency_s"), metric_of(trial.after, "latency_s")
    if ratio is None or before is None or after is None:
        return
    ends = f"{amount_text(before.value, 's')} to {amount_text(after.value, 's')}"
    said = verdict(ratio, trial.weakness, above="slower", below="faster")
    extras = "".join(_extras(trial))
    text = f"{trial.name}: latency {times_text(ratio)} ({ends}), {said}{extras}"
    strength = strength_of(ratio, trial.weakness)
    yield finding(trial.series.study, _kind(trial.series), text, scope=_scope(trial), strength=strength)


def _extras(trial: Trial) -> Iterator[str]:
    """FLOPs that differ, joules, and what was compiled."""
    flops, energy = _ratio(trial, "flops"), _ratio(trial, "energy_j")
    if flops is not None and abs(flops.value - 1.0) >= CLEAR_SHARE:
        yield f"; FLOPs {times_text(flops)}"
    if energy is not None:
        yield f"; energy {times_text(energy)}, {verdict(energy, trial.weakness, above='more', below='less')}"
    seconds, graphs = metric_of(trial.after, "compile_s"), metric_of(trial.after, "graphs")
    if seconds is not None and graphs is not None:
        noun = "graph" if graphs.value == 1 else "graphs"
        yield f"; {graphs.value:,.0f} {noun} compiled in {amount_text(seconds.value, 's')}"
    generated = metric_of(trial.after, "generate_graphs")
    if generated is not None and generated.value == 0:
        yield "; generate ran no compiled graph, so answers are not made any faster"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Change:
    """What a trial does to one stage or part; `before` and `after` are its seconds."""

    trial: Trial
    name: str
    ratio: Interval
    before: float
    after: float


def _by_part(trial: Trial) -> Iterator[_Change]:
    """Stages where both cells have their times, else the model's parts, as compiled code shows no more."""
    layers = trial.series.study.layers
    before, after = layers.get(trial.before.id), layers.get(trial.after.id)
    if before is None or after is None or not before.step_s or before.is_device != after.is_device:
        return
    has_stages = all(stage.time is not None for stage in (*before.stages, *after.stages))
    groups = (before.stages, after.stages) if has_stages else (before.parts, after.parts)
    for old, new in _largest_first(zip_by_name(*groups)):
        ratio = ratio_between(old, new, trial.before, trial.after)
        if ratio is None or old.time is None or new.time is None or old.time.value < _LEAST_SHARE * before.step_s:
            continue
        yield _Change(trial=trial, name=old.name, ratio=ratio, before=old.time.value, after=new.time.value)


def _told(change: _Change) -> Finding:
    """A change that shows something, in a sentence of its own."""
    series = change.trial.series
    above, below = ("hurt", "helped") if series.axis == OPTIMIZATION else ("slower", "faster")
    said = verdict(change.ratio, "", above=above, below=below)
    ends = f"{amount_text(change.before, 's')} to {amount_text(change.after, 's')}"
    text = f"{change.trial.name}: {change.name} {times_text(change.ratio)} ({ends}), {said}"
    strength = strength_of(change.ratio, "")
    return finding(series.study, _kind(series), text, scope=scope_in(series, change.name), strength=strength)


def _folded(series: Series, changes: Sequence[_Change]) -> Finding:
    """Changes that show nothing: of weak cells or without an interval, and those within their intervals."""
    unsure: dict[str, list[_Change]] = {}
    for each in changes:
        if is_clear(each.ratio) or each.ratio.low is None:
            unsure.setdefault(each.name, []).append(each)
    said = []
    if unsure:
        cells = [cell for found in unsure.values() for each in found for cell in (each.trial.before, each.trial.after)]
        words = [f"{name} with {', '.join(map(_with_ratio, found))}" for name, found in unsure.items()]
        said.append(f"{NO_VERDICT} ({weakness_of(cells) or 'no interval'}) on {', '.join(words)}")
    if sum(map(len, unsure.values())) < len(changes):
        said.append(f"all {'others' if unsure else 'changes that are not told above'} {NOISE}")
    scope = f", {series.scope}" if series.scope else ""
    against = value_words(changes[0].trial.before, series.axis)
    least = percent(_LEAST_SHARE, 1.0, digits=0)
    text = f"{series.axis} against {against}{scope}, by stages of {least} of the step: {'; '.join(said)}"
    return finding(series.study, _kind(series), text, scope=series.scope)


def _with_ratio(change: _Change) -> str:
    return f"{_scope(change.trial)} (× {significant(change.ratio.value)})"


def _largest_first(pairs: Iterator[tuple[Share, Share]]) -> Sequence[tuple[Share, Share]]:
    return sorted(pairs, key=lambda pair: -pair[0].time.value if pair[0].time is not None else 0.0)


def _ratio(trial: Trial, name: str) -> Interval | None:
    before, after = metric_of(trial.before, name), metric_of(trial.after, name)
    return None if before is None or after is None else ratio_of(after, before)


def _kind(series: Series) -> FindingKind:
    return "optimization" if series.axis == OPTIMIZATION else "growth"


def _scope(trial: Trial) -> str:
    return f"{trial.after.axes.get(trial.series.axis)}"
