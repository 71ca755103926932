"""The joules of a step in a few lines: what it took, what of it is idle, and what one sample and one token took."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

from layerprof.records import Closure, Energy, EnergySummary, Note, Profile
from layerprof.units import percent
from layerprof.views.base.base import DECODE, Amount, AmountForm, Cell, joules_of

TIMES_ONLY = "of assumed power: this compares times only"

Line = tuple[str, Cell, str]  # what, how much, remark

VERDICT_WORDS: Mapping[str, str] = {
    "ok": "ok",
    "warn": "read with care",
    "not_trustworthy": "layer energies not trustworthy",
}


def energy_lines(profile: Profile) -> Iterator[Line]:
    """One line a fact; a single one that says why where there are no joules."""
    summary = profile.energy
    if summary is None:
        yield _line_of_root(profile.root.energy, profile.notes)
        return
    step = summary.step
    yield "energy", _joules(step), f"per step, {_how(step)}"
    if step.power_w is not None:
        yield "mean power", replace(step_power(summary, form="plus_minus"), quantity="w"), _idle_words(step)
    if summary.closure is not None:
        yield "energy closure", closure_amount(summary.closure), _closure_words(summary, summary.closure)
    yield from _per_sample(summary)
    yield from _per_token(profile)
    if summary.carbon_g is not None:
        grams = Amount(value=summary.carbon_g, form="digits", quantity="ratio")
        yield "gCO2e", grams, f"per step, at {summary.carbon_g_per_kwh:g} g/kWh as the caller said"


def closure_amount(closure: Closure) -> Amount:
    """Parts over the whole, in percent with its error."""
    low, high = closure.ci95
    return Amount(value=closure.ratio, low=low, high=high, quantity="share", form="plus_minus")


def _line_of_root(energy: Energy | None, notes: tuple[Note, ...]) -> Line:
    if energy is None:
        reason = next((note.text for note in notes if note.quantity == "energy"), "not measured")
        return "energy", None, reason
    return "energy", _joules(energy), f"per step, {_how(energy)}"


def _how(energy: Energy) -> str:
    windows = f"{energy.windows} windows of " if energy.windows else ""
    words = f"{energy.kind} by {energy.source} over {windows}{energy.window_s:.3g} s"
    sensor = f"; the sensor's gain adds ± {100 * energy.sensor_rel:.2g} %" if energy.sensor_rel else ""
    return words + sensor


def _joules(energy: Energy) -> Amount:
    amount = joules_of([energy])
    return Amount(value=amount.value, low=amount.low, high=amount.high, quantity="j", form=amount.form)


def step_power(summary: EnergySummary, *, form: AmountForm) -> Amount:
    """Mean power of the step, which is known, with its own interval; without one where that is not known."""
    assert summary.step.power_w is not None  # or nobody asks
    low, high = summary.step_power_ci95_w or (None, None)
    return Amount(value=summary.step.power_w, low=low, high=high, form=form)


def _idle_words(energy: Energy) -> str:
    if energy.idle_j is None:
        return "of a step"
    return f"of a step; {percent(energy.idle_j, energy.total_j, digits=0)} of the joules would be drawn idle"


def _closure_words(summary: EnergySummary, closure: Closure) -> str:
    covered = percent(closure.covered, 1.0, digits=0)
    bound = ", at least, with all outside of them at idle power" if closure.is_lower_bound else ""
    words = f"{VERDICT_WORDS[closure.verdict]}; measured layers cover {covered} of its time"
    assumed = f"; {TIMES_ONLY}" if summary.counter.kind == "estimated" else ""
    return f"parts over the step{bound}: {words}{assumed}"


def _per_sample(summary: EnergySummary) -> Iterator[Line]:
    if summary.per_sample_j is not None and summary.samples:
        yield "energy per sample", _divided(summary.step, summary.samples), f"{summary.samples} in a step"


def _per_token(profile: Profile) -> Iterator[Line]:
    for phase in profile.phases:
        if phase.name == DECODE and phase.energy is not None and phase.steps:
            remark = f"{phase.steps} runs of decode, {phase.energy.kind}; one token of every sequence of the batch"
            yield "energy per token", _divided(phase.energy, phase.steps), remark


def _divided(energy: Energy, count: int) -> Amount:
    whole = _joules(energy)
    ends = (None if end is None else end / count for end in (whole.low, whole.high))
    low, high = ends
    return Amount(value=whole.value / count, low=low, high=high, quantity="j", form=whole.form)
