"""The phases: parts of the step in time that add up to it, with what one run of each took."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from layerprof.records import PhaseProfile, Profile
from layerprof.views.base import (
    DECODE,
    Cell,
    Closing,
    Column,
    Metric,
    Reading,
    Row,
    Table,
    above_footnotes,
    energy_footnotes,
    energy_readings,
    layer_metrics,
    measured,
    roof_readings,
    time_footnotes,
)

_METRICS = (
    "calls",
    "total_s",
    "total_share",
    "per_step_s",
    "unattributed_s",
    "device_total_s",
    "flops",
    "flops_per_step",
    "intensity",
    "efficiency",
    "bound",
    "energy_error",
    "power",
    "j_per_gflop",
)
_OF_ONE_RUN = ("per_step_s", "flops_per_step")  # not shown where every phase runs once
_TOKENS_FOOTNOTE = "tokens/s: runs of decode in a second, each of which makes one token of every sequence of the batch."


def phases_table(profile: Profile) -> Table:
    """One row a phase, closed by the step: how often it ran in a step, what it took, and what one run of it took.

    It is empty where the step is one phase.
    """
    phases = profile.phases if len(profile.phases) > 1 else ()
    metrics = measured(_phase_metrics(profile), phases)
    has_tokens = any(_tokens_per_s(phase, metrics) != "" for phase in phases)
    rows = [Row(cells=(phase.name, phase.steps, *_phase_cells(phase, metrics, has_tokens))) for phase in phases]
    whole = [_blank_if_missing(metric.closing_cells()[2]) for metric in metrics]
    marked = above_footnotes(profile, [cell for row in rows for cell in row.cells])
    step = Row(cells=("step", "", *whole, *([""] if has_tokens else [])), role="closing")
    return Table(
        title="Phases",
        columns=(
            Column(name="phase", align="left"),
            Column(name="runs", quantity="integer"),
            *(metric.column for metric in metrics),
            *([Column(name="tokens/s", quantity="ratio")] if has_tokens else []),
        ),
        rows=(*rows, step) if rows else (),
        footnotes=(
            *time_footnotes(profile),
            *([_TOKENS_FOOTNOTE] if has_tokens else []),
            *energy_footnotes(profile),
            *marked,
        ),
    )


def _phase_metrics(profile: Profile) -> list[Reading]:
    """The columns of phases: those of layers, and those that only a phase has."""
    available = layer_metrics(profile)
    time, flops = available["total_s"], available["flops"]
    own: dict[str, Reading] = {
        **available,
        **roof_readings(profile),
        **energy_readings(profile),
        "per_step_s": _derived(time, "time/run", "per_step_s"),
        "unattributed_s": _derived(time, "unattributed", "unattributed_s", step=time.closing.unattributed),
        "flops_per_step": _derived(flops, "FLOPs/run", "flops_per_step"),
    }
    is_repeated = any(phase.steps != 1 for phase in profile.phases)
    names = [name for name in _METRICS if is_repeated or name not in _OF_ONE_RUN]
    return [own[name] for name in names]


def _derived(metric: Metric, name: str, attribute: str, *, step: float | None = None) -> Metric:
    column = replace(metric.column, name=name)
    return replace(metric, column=column, attribute=attribute, closing=Closing(step=step, steps=metric.closing.steps))


def _phase_cells(phase: PhaseProfile, metrics: Sequence[Reading], has_tokens: bool) -> Iterator[Cell]:
    yield from (metric.over([phase]) for metric in metrics)
    if has_tokens:
        yield _tokens_per_s(phase, metrics)


def _tokens_per_s(phase: PhaseProfile, metrics: Sequence[Reading]) -> Cell:
    """Runs a second of the phase that makes tokens; "" for any other."""
    if phase.name != DECODE:
        return ""
    token_s = next((metric.over([phase]) for metric in metrics if metric.attribute == "per_step_s"), None)
    return 1.0 / token_s if isinstance(token_s, float) and token_s else None


def _blank_if_missing(value: Cell) -> Cell:
    return "" if value is None else value
