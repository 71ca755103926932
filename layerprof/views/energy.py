"""The joules of a step by distinct layer, and the counter that they come from.

The rows of units, the rest and the gaps add up to the sum, which stands beside the step's own joules; what is between
the two is shown as the closure and never shared out. A number whose own interval is not known has two digits.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from layerprof.records import Closure, EnergyCounter, EnergySummary, EnergyUnit, LayerProfile, Note, Profile
from layerprof.units import Quantity, percent, with_unit
from layerprof.views.base import (
    TIMES_ONLY,
    Amount,
    Cell,
    Column,
    Row,
    Table,
    closure_amount,
    energy_footnotes,
    joules_of,
    step_power,
)

_COLUMNS = (
    Column(name="layer", align="left"),
    Column(name="phase", align="left"),
    Column(name="kind", align="left"),
    Column(name="energy", quantity="j"),
    Column(name="of step", quantity="share"),
    Column(name="mean power", quantity="w"),
    Column(name="idle", quantity="share"),
    Column(name="J/GFLOP", quantity="ratio"),
    Column(name="EDP", quantity="j_s"),
    Column(name="replay", quantity="ratio"),
)
_MEANING = "replay: time of a call replayed over its time in the model. EDP: joules times seconds. ±: 95 % interval."
_ESTIMATORS: Mapping[str, str] = {
    "ticks": "from tick to tick",
    "edges": "from edge to edge of long windows",
    "polled": "power summed over its readings",
    "assumed": "an assumption, nothing is measured",
}
_REST_OR_GAP = "(rest or gap)"


def energy_table(profile: Profile, *, most_units: int | None = None) -> Table:
    """One row a distinct layer in a phase, the most joules first, closed by rest, gap, sum, the step and the closure.

    It is empty where no layer was measured by itself.

    Args:
        profile: whose layers are shown.
        most_units: how many rows of layers there may be; the others share a row. None has no limit.
    """
    summary = profile.energy
    units = summary.units if summary is not None else ()
    has_phases = len(profile.phases) > 1
    rows: tuple[Row, ...] = ()
    if summary is not None and units:
        layers = {layer.path: layer for layer in profile.layers}
        shown = units if most_units is None or len(units) <= most_units else units[:most_units]
        rows = (
            *(_unit_row(unit, summary, layers) for unit in shown),
            *_row_of_others(units[len(shown) :], summary),
            *_closing_rows(summary),
        )
    kept = [place for place, column in enumerate(_COLUMNS) if has_phases or column.name != "phase"]
    return Table(
        title="Energy by distinct layer",
        columns=tuple(_COLUMNS[place] for place in kept),
        rows=tuple(Row(cells=tuple(row.cells[place] for place in kept), role=row.role) for row in rows),
        footnotes=(*_footnotes(summary), *energy_footnotes(profile)) if summary is not None and rows else (),
    )


def _unit_row(unit: EnergyUnit, summary: EnergySummary, layers: Mapping[str, LayerProfile]) -> Row:
    count = len(unit.paths)
    label = f"{unit.name or '(model)'} ×{count}" if count > 1 else unit.name or "(model)"
    head: tuple[Cell, ...] = (label, unit.phase, unit.kind)
    if unit.energy is None:
        return Row(cells=(*head, None, None, None, None, None, None, unit.fidelity))
    joules = joules_of([unit.energy])
    power_w = unit.energy.power_w
    idle = None if unit.energy.idle_j is None or not joules.value else unit.energy.idle_j / joules.value
    flops = _flops(unit, layers)
    return Row(
        cells=(
            *head,
            joules,
            _share(joules.value, summary),
            _power(unit),
            idle,
            None if flops is None else "" if not flops else _times(joules, 1e9 / flops),
            None if not power_w else Amount(value=joules.value**2 / power_w, form="digits"),
            unit.fidelity,
        )
    )


def _row_of_others(units: Sequence[EnergyUnit], summary: EnergySummary) -> Iterator[Row]:
    """What the units that have no row of their own took together."""
    known = [unit.energy for unit in units if unit.energy is not None]
    if known:
        joules = joules_of(known)
        cells: tuple[Cell, ...] = (f"({len(units)} others)", "", "", joules, _share(joules.value, summary))
        yield Row(cells=(*cells, "", "", "", "", ""))


def _power(unit: EnergyUnit) -> Cell:
    low, high = unit.ci95_w or (None, None)
    return None if unit.power_w is None else Amount(value=unit.power_w, low=low, high=high, form="plus_minus")


def _flops(unit: EnergyUnit, layers: Mapping[str, LayerProfile]) -> int | None:
    """FLOPs of all members in the phase; None where they were not counted."""
    rows = [layers[path].by_phase.get(unit.phase, layers[path]) for path in unit.paths if path in layers]
    counted = [row.flops for row in rows if row.flops is not None]
    return sum(counted) if rows and len(counted) == len(rows) else None


def _times(joules: Amount, factor: float) -> Amount:
    low, high = (None if end is None else factor * end for end in (joules.low, joules.high))
    return Amount(value=factor * joules.value, low=low, high=high, form="digits")


def _share(joules: float, summary: EnergySummary) -> float | None:
    return joules / summary.step.total_j if summary.step.total_j else None


def _closing_rows(summary: EnergySummary) -> Iterator[Row]:
    closure, step = summary.closure, summary.step
    if closure is not None:
        yield from _part_rows(closure, summary)
    power: Cell = "" if step.power_w is None else step_power(summary, form="digits")
    edp: Cell = "" if not step.power_w else Amount(value=step.total_j * summary.step_s, form="digits")
    idle: Cell = "" if step.idle_j is None or not step.total_j else step.idle_j / step.total_j
    share = _share(step.total_j, summary)
    cells: tuple[Cell, ...] = ("step", "", step.kind, joules_of([step]), share, power, idle, "", edp, "")
    yield Row(cells=cells, role="closing")
    if closure is not None:
        label = "closure, at least" if closure.is_lower_bound else "closure"
        yield _closing(label, closure.verdict, "", closure_amount(closure))


def _part_rows(closure: Closure, summary: EnergySummary) -> Iterator[Row]:
    """Rest and gap, whose errors the record does not have, and the sum with its own."""
    for label, kind, part_j in _outside_parts(closure):
        yield _closing(label, kind, Amount(value=part_j, form="digits"), _share(part_j, summary))
    low_j, high_j = closure.parts_ci95_j or (None, None)
    sum_j = closure.units_j + closure.outside_j
    whole = Amount(value=sum_j, low=low_j, high=high_j, form="digits")
    yield _closing("sum", "", whole, _share(sum_j, summary))


def _outside_parts(closure: Closure) -> Iterator[tuple[str, str, float]]:
    if closure.rest_j is None or closure.gap_j is None:
        yield _REST_OR_GAP, "idle", closure.outside_j
        return
    yield "(rest)", "time_share", closure.rest_j
    yield "(gap)", "idle", closure.gap_j


def _closing(label: str, kind: str, joules: Cell, share: Cell) -> Row:
    return Row(cells=(label, "", kind, joules, share, "", "", "", "", ""), role="closing")


def _footnotes(summary: EnergySummary) -> Iterator[str]:
    yield _MEANING
    if summary.closure is not None and summary.counter.kind == "estimated":
        yield f"The closure is {TIMES_ONLY}."
    if summary.step.sensor_rel:
        yield (
            f"The sensor's gain may be off by {100 * summary.step.sensor_rel:.2g} % besides, by the same for every row."
        )
    if summary.least_difference_rel is not None:
        share = percent(summary.least_difference_rel, 1.0)
        yield f"Two layers of one class whose joules differ by less than {share} cannot be told apart."


def energy_counter_table(profile: Profile) -> Table:
    """One row a fact about the counter and the device while it counted; it is empty where no joules were counted."""
    summary = profile.energy
    lines = () if summary is None else (*_counter_lines(summary.counter), *_condition_lines(summary))
    return Table(
        title="Energy counter",
        columns=tuple(Column(name=name, align="left") for name in ("fact", "value", "remark")),
        rows=tuple(Row(cells=line) for line in lines),
    )


_Line = tuple[str, Cell, str]


def _counter_lines(counter: EnergyCounter) -> Iterator[_Line]:
    yield "counter", counter.source, f"{counter.kind}, {counter.domain} of {counter.device}"
    yield "verdict", counter.verdict, f"joules are taken {_ESTIMATORS[counter.estimator]}"
    jitter = "" if counter.tick_jitter_s is None else f"; the time between two varies by {_s(counter.tick_jitter_s)}"
    yield "tick", _amount(counter.tick_s, "s"), f"how often it moves{jitter}"
    yield "lateness", _amount(counter.late_s, "s"), f"age of a reading; a load runs {_s(counter.pre_roll_s)} first"
    rates = ", ".join(f"{ratio:.3f} at {rate}" for rate, ratio in counter.read_rate_ratios.items())
    yield "reading it often", counter.read_rate, f"power over that of edges alone: {rates}" if rates else ""
    yield "counter over power sensor", _amount(counter.power_ratio, "ratio"), _power_tick(counter)
    yield "idle", _amount(counter.idle_w, "w"), "after some seconds of rest"
    yield "active idle", _amount(counter.active_idle_w, "w"), "right after a load"
    yield "load", _amount(counter.load_w, "w"), "of the load that it was tried with"
    yield "power limit", _amount(counter.limit_w, "w"), "of the device"
    yield "sensor's gain", f"± {100 * counter.sensor_rel:.2g} %", "bound of its error, the same for every layer"
    yield from _finding_lines(counter.findings)


def _finding_lines(findings: Sequence[Note]) -> Iterator[_Line]:
    for note in findings:
        yield "finding", note.code, note.text


def _condition_lines(summary: EnergySummary) -> Iterator[_Line]:
    conditions, step = summary.conditions, summary.step
    yield (
        "windows",
        f"{step.windows} × {_s(step.window_s)}",
        f"of the whole step; the pass took {_s(summary.duration_s)}",
    )
    yield "temperature", _range(conditions.temperature_c, 1.0, "°C"), "lowest and highest"
    yield "clocks", _range(conditions.clock_hz, 1e6, "MHz"), "lowest and highest"
    yield "throttled", str(conditions.throttled), _throttling(conditions.throttle_reasons)
    foreign = conditions.foreign_processes
    yield "foreign processes", None if foreign is None else str(foreign), "most at once on the device"
    ratio = _amount(summary.survey_ratio, "ratio")
    yield "survey", ratio, "step in the survey over step in the windows; times of layers are the survey's"
    drift = None if conditions.drift is None else Amount(value=conditions.drift - 1.0, quantity="share")
    yield "drift", drift, "of the reference windows, end over start"
    for name, words in conditions.facts.items():
        yield name, words, ""


def _throttling(reasons: Sequence[str]) -> str:
    return f"windows with clocks held down: {', '.join(reasons)}" if reasons else "windows with clocks held down"


def _power_tick(counter: EnergyCounter) -> str:
    tick = "" if counter.power_tick_s is None else f", which moves every {_s(counter.power_tick_s)}"
    return f"beside the device's power sensor{tick}"


def _range(pair: tuple[float, float] | None, divisor: float, unit: str) -> str | None:
    return None if pair is None else f"{pair[0] / divisor:,.0f} to {pair[1] / divisor:,.0f} {unit}"


def _amount(value: float | None, quantity: Quantity) -> Cell:
    return None if value is None else with_unit(value, quantity)


def _s(seconds: float) -> str:
    return with_unit(seconds, "s")
