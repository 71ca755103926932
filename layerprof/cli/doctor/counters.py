"""The doctor's word on joules: which counters there are, and with ``--energy`` what they are worth."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass
from typing import TYPE_CHECKING

from layerprof.cli.base import console
from layerprof.cli.doctor.base import NO, YES, Fact, all_devices, failure_text
from layerprof.errors import LayerprofError

if TYPE_CHECKING:
    import torch
    from rich.table import Table

    from layerprof.clock import PacedClock
    from layerprof.energy import Load, SelfCheck, Sources
    from layerprof.records import EnergyCounter
    from layerprof.units import Quantity

_SEED = 0  # of the random delays between readings of a counter


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """A device whose counters can be tried.

    Attributes:
        device: in words.
        sources: that it has; to be closed.
        make_loads: two loads of different power.
        clock: where time comes from.
    """

    device: str
    sources: Sources
    make_loads: Callable[[], tuple[Load, Load]]
    clock: PacedClock


def counter_facts() -> Iterator[Fact]:
    """Each source of joules that there is or could have been."""
    for trial in trials():
        what = f"energy of {trial.device}"
        with _closed(trial.sources):
            for source in trial.sources.energy:
                remarks = "".join(f"; [{note.code}] {note.text}" for note in source.facts.notes)
                yield what, YES, f"{source.facts.name}: {source.facts.device}{remarks}"
        for refusal in trial.sources.refusals:
            yield what, NO, f"{refusal.name}: [{refusal.code}] {refusal.text}"


def trials() -> Iterator[Trial]:
    """Every device with its sources of joules."""
    from layerprof.clock import SystemClock

    clock = SystemClock()
    for device in all_devices():
        sources = _sources_on(device, clock)
        yield Trial(device=str(device), sources=sources, make_loads=_making_loads(device), clock=clock)


def _sources_on(device: torch.device, clock: PacedClock) -> Sources:
    """Its sources; a device that torch cannot describe has none."""
    from layerprof import machine
    from layerprof.energy import Refusal, Sources, device_asked, sources_of

    try:
        name = machine.cpu_name() if device.type == "cpu" else machine.device_name(device)
        asked = device_asked(device, name=name)
    except RuntimeError as error:
        text = f"{device} cannot be asked: {failure_text(error)}"
        return Sources(refusals=(Refusal(name=device.type, code="unsupported_device", text=text),))
    return sources_of(asked, clock=clock)


def _making_loads(device: torch.device) -> Callable[[], tuple[Load, Load]]:
    def make_loads() -> tuple[Load, Load]:
        from layerprof.machine.loads import CopyLoad, ProductLoad

        return ProductLoad(device), CopyLoad(device)

    return make_loads


def _closed(sources: Sources) -> ExitStack:
    """Closes all sources at its end."""
    stack = ExitStack()
    for source in sources.energy:
        stack.enter_context(closing(source))
    return stack


def print_counters(*, is_shown: bool) -> None:
    """Tries the counters of every device, and prints what they are worth, or why there are none."""
    for trial in trials():
        with _closed(trial.sources):
            _print_trial(trial, is_shown=is_shown)


def _print_trial(trial: Trial, *, is_shown: bool) -> None:
    tables: list[Table] = []
    lines = [f"{refusal.name}: [{refusal.code}] {refusal.text}" for refusal in trial.sources.refusals]
    if trial.sources.energy:
        try:
            counters, checks = _tried(trial, is_shown=is_shown)
        except LayerprofError as error:
            lines.append(f"not tried: {error}")
        except RuntimeError as error:
            lines.append(f"{NO}, not tried: {failure_text(error)}")
        else:
            tables = [*map(_counter_table, counters), *([_checks_table(checks)] if checks else [])]
    screen = console()
    screen.print(f"\n{'Counters' if trial.sources.energy else 'No counter'} of {trial.device}")
    for table in tables:
        screen.print(table)
    for line in lines:
        screen.print(line, markup=False, highlight=False, soft_wrap=True)


def _tried(trial: Trial, *, is_shown: bool) -> tuple[tuple[EnergyCounter, ...], tuple[SelfCheck, ...]]:
    """As `_check_counter`, with a bar."""
    from layerprof.progress import progress_bar

    with progress_bar(f"energy of {trial.device}", is_shown=is_shown) as show:

        def tell(what: str) -> None:
            show(what, 0, None)

        return _check_counter(trial, tell=tell)


def _check_counter(
    trial: Trial, *, tell: Callable[[str], None]
) -> tuple[tuple[EnergyCounter, ...], tuple[SelfCheck, ...]]:
    """What was found out about each counter that was tried, and the checks of the one that was not rejected.

    Raises:
        MeasurementError: where the loads do not do.
        UnavailableError: where the device cannot run them.
    """
    from layerprof import energy

    load, other = trial.make_loads()
    clock, draw = trial.clock, random.Random(_SEED)
    call_s = energy.calibrate(load, clock)
    source, counters = energy.best_counter(trial.sources.energy, load, clock, call_s=call_s, draw=draw, tell=tell)
    if source is None:
        return counters, ()
    beside = (one for one in trial.sources.energy if one is not source and one.facts.poll_s is not None)
    power = next((one for one in beside if one.facts.domain == source.facts.domain), None)
    checks = energy.self_checks(source, counters[-1], clock, load, other, power=power, draw=draw, tell=tell)
    return counters, checks


def _counter_table(counter: EnergyCounter) -> Table:
    """What was found out about a counter, a line each."""
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(no_wrap=True)
    table.add_column()
    for row in _counter_rows(counter):
        table.add_row(*map(Text, row))
    return table


def _counter_rows(counter: EnergyCounter) -> Iterator[tuple[str, str]]:
    from layerprof.units import MISSING, significant, with_unit

    pre_roll = with_unit(counter.pre_roll_s, "s")
    yield "counter", f"{counter.source} ({counter.domain}) of {counter.device}"
    use = "" if counter.verdict == "rejected" else f"; windows by {counter.estimator}, pre-roll {pre_roll}"
    yield "verdict", f"{counter.verdict}{use}"
    yield "moves", f"every {with_unit(counter.tick_s, 's')}, jitter {with_unit(counter.tick_jitter_s, 's')}"
    yield "late", with_unit(counter.late_s, "s")
    ratios = ", ".join(f"{rate} {significant(ratio, digits=4)}" for rate, ratio in counter.read_rate_ratios.items())
    yield "read often", counter.read_rate + (f" ({ratios})" if ratios else "")
    beside = MISSING if counter.power_ratio is None else significant(counter.power_ratio, digits=4)
    yield "over power sensor", beside
    powers = (counter.load_w, counter.active_idle_w, counter.idle_w)
    yield "load, after it, rest", ", ".join(with_unit(power, "w") for power in powers)
    yield "gain", f"within {significant(100.0 * counter.sensor_rel)} %" if counter.sensor_rel else MISSING
    for note in counter.findings:
        yield "finding", f"[{note.code}] {note.text}"


def _checks_table(checks: tuple[SelfCheck, ...]) -> Table:
    """What was expected, found and tolerated, a row for each check."""
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False)
    for heading, justify in (("check", "left"), ("ok", "left"), ("found", "right"), ("expected", "right")):
        table.add_column(heading, justify="right" if justify == "right" else "left", no_wrap=True)
    table.add_column("±", justify="right", no_wrap=True)
    table.add_column("what")
    for check in checks:
        is_ok = {True: YES, False: NO, None: "–"}[check.is_ok]
        numbers = (check.measured, check.expected, check.tolerance)
        table.add_row(*map(Text, (check.name, is_ok, *(_amount(n, check.quantity) for n in numbers), check.detail)))
    return table


def _amount(value: float | None, name: str) -> str:
    """A number in the unit that the suffix of its name says."""
    from layerprof.units import MISSING, significant, with_unit

    suffixes: dict[str, Quantity] = {"w": "w", "j": "j", "s": "s"}
    quantity = suffixes.get(name.rpartition("_")[2])
    if value is None:
        return MISSING
    return significant(value) if quantity is None else with_unit(value, quantity)
