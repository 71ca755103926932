"""The energy pass: a counter that qualifies, windows of the whole step and of distinct layers, their time in the model.

    survey ─▶ distinct layers ─▶ captured inputs ─▶ verified replays ─▶ counter tried ─▶ rounds of windows ─▶ powers
       └──────────────────────── once more, after the windows ◀──────────────────────────────┘

Nothing of it runs inside another pass's window, and no profiler runs inside its own.
"""

from __future__ import annotations

import math
import random
import statistics
from collections.abc import Callable, Hashable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from typing import TYPE_CHECKING

import torch

from layerprof.attribute import EnergyPass
from layerprof.clock import PacedClock
from layerprof.energy import (
    SourceError,
    WatchedSource,
    Window,
    WindowMeter,
    best_counter,
    calibrate,
    drift_of,
    plan_windows,
    power_of,
)
from layerprof.machine import available_bytes, cache_bytes
from layerprof.measure.base import AskedJoules, Target
from layerprof.measure.energy.base import Captured, Survey, UnitClass, UnitKey, Wanted
from layerprof.measure.energy.capture import capture_inputs
from layerprof.measure.energy.distinct import distinct_units
from layerprof.measure.energy.finding import found_sources, is_found, require_one_device, require_source
from layerprof.measure.energy.mixing import Around, modules_around, regressed
from layerprof.measure.energy.powers import (
    MeasuredUnit,
    conditions_of,
    phase_times,
    powers_of,
    step_energy,
    unit_powers,
    unit_record,
)
from layerprof.measure.energy.remarks import (
    may_keep_step,
    notes_on_drift,
    notes_on_failed,
    notes_on_faults,
    notes_on_rhythm,
    notes_on_time,
)
from layerprof.measure.energy.replay import replay_of
from layerprof.measure.energy.replays import Replays, Surveyed
from layerprof.measure.energy.rotation import rotated
from layerprof.measure.energy.rounds import Series, Taken, take_rounds
from layerprof.measure.energy.steps import CopiesLoad, DitheredLoad, StepLoad
from layerprof.measure.energy.stopwatch import stopwatch_of
from layerprof.measure.energy.survey import survey_units
from layerprof.measure.energy.units import chosen_units
from layerprof.measure.energy.verification import verified
from layerprof.records import EnergyCounter, Note

if TYPE_CHECKING:
    from layerprof.measure.phases import Phases
    from layerprof.measure.runner import StepRunner

__all__ = ["EnergyMeasurement", "found_sources", "is_found"]

Progress = Callable[[str, int, int | None], None]

_SURVEY_S, _SURVEY_STEPS = 2.0, (4, 20)  # about so long, and at least and at most so many steps; twice
_SHORT_CALL_S = 0.004  # of a load between whose calls the ticks of a counter are well seen
_STEPS, _COPIES = "steps", "copies"  # keys of the windows of whole steps, and of the copies of their inputs
_COPIES_REL = 0.01  # of a step's time; copies that take less are not measured
_COPIES_TRIED = 4
_LEAST_WINDOWS = 2  # from which an error can be told
_DITHERED_WINDOWS = 3
_SHARE_OF_FREE = 0.4  # of the device's memory, for all copies that are taken in turn
_COPIES_BYTES = 2**30  # where nobody knows what is free


class EnergyMeasurement:
    """The energy pass of one model.

    Args:
        runner: of the step.
        target: the model, resolved.
        phases: the account of phases.
        asked: where joules come from, and how they are measured.
        clock: that windows are timed by and waited with.
        is_replayed: whether layers may be re-run alone; not where they are trained.

    Attributes:
        partial: what `run` had measured when it did not come to its end, as far as that makes a whole step.
    """

    def __init__(
        self,
        runner: StepRunner,
        target: Target,
        phases: Phases,
        asked: AskedJoules,
        *,
        clock: PacedClock,
        is_replayed: bool,
    ) -> None:
        self._runner, self._target, self._phases, self._clock = runner, target, phases, clock
        self._asked, self._options = asked, asked.options
        self._is_replayed = is_replayed and asked.options.layers != "none"
        self._draw = random.Random(f"energy {asked.options.seed}")
        self._notes: list[Note] = []
        self.partial: EnergyPass | None = None
        self._began_ns = clock.now_ns()

    def run(self, progress: Progress) -> EnergyPass:
        """Measures; the model is afterwards as it was before.

        Raises:
            SourceError: where there is no counter, or none that can be believed, or it stopped to answer.
        """
        self._began_ns = self._clock.now_ns()
        require_one_device(self._target.tree.modules[0])
        sources = found_sources(self._asked.source, self._target.device, self._clock)
        require_source(sources)
        with ExitStack() as stack:
            for source in sources.energy if is_found(self._asked.source) else ():
                stack.callback(source.close)  # a source that the caller made is the caller's to close
            watched = tuple(WatchedSource(source, self._clock) for source in sources.energy)
            progress("energy: survey", 0, None)
            step = self._step_series()
            known = self._surveyed(step.call_s, stack)
            measured = self._measured(watched, step, known, progress)
        return replace(measured, duration_s=self._elapsed_s())

    def _elapsed_s(self) -> float:
        return (self._clock.now_ns() - self._began_ns) / 1e9

    def _step_series(self) -> Series:
        load = StepLoad(self._runner)
        return Series(load=load, call_s=calibrate(load, self._clock), count=self._options.windows)

    def _surveyed(self, step_s: float, stack: ExitStack) -> Surveyed:
        """Where a step's time goes, and loads of what is worth a replay; of no unit where layers are not replayed."""
        layers, reachable = self._target.tree.layers, frozenset(site.index for site in self._target.timed)
        units, survey = self._survey_called(self._chosen(reachable), step_s, reachable)
        self._notes.extend(survey.notes)
        classes = self._classes(survey)
        replays = Replays()
        self._replay([sample for one in classes for sample in one.sampled], replays, stack)
        self._notes.extend(replays.notes(classes, layers))
        missing = [one for one in replays.missing(classes) if "no_memory" not in replays.flags_of(one)]
        outer = modules_around(missing, layers, reachable)
        around = [one for one in self._survey(outer, step_s).units if one.calls] if outer else []
        self._replay([one.wanted for one in around], replays, stack)
        seconds = {one.key: one.seconds for one in around if one.key in replays.loads}
        return Surveyed(units=units, survey=survey, classes=classes, replays=replays, around=seconds)

    def _survey_called(
        self, units: tuple[int, ...], step_s: float, reachable: frozenset[int]
    ) -> tuple[tuple[int, ...], Survey]:
        """The units that steps call, and their survey: of one that is never called, what is in it is looked at."""
        never: frozenset[int] = frozenset()
        survey = self._survey(units, step_s)
        while uncalled := frozenset(units) - {one.key.layer for one in survey.units if one.calls} - never:
            never |= uncalled
            called = reachable - never
            chosen = self._chosen(called)
            if chosen == tuple(index for index in units if index not in uncalled):
                break
            units, survey = chosen, self._survey(chosen, step_s)
        return units, survey

    def _chosen(self, called: frozenset[int]) -> tuple[int, ...]:
        if not self._is_replayed or self._options.layers == "none":
            return ()
        reachable = [site.index for site in self._target.timed]
        return chosen_units(self._target.tree.layers, asked=self._options.layers, reachable=reachable, called=called)

    def _survey(self, units: Sequence[int], step_s: float) -> Survey:
        steps = min(max(math.ceil(_SURVEY_S / step_s), _SURVEY_STEPS[0]), _SURVEY_STEPS[1])
        stopwatch = stopwatch_of(self._target.device, self._clock)
        return survey_units(self._runner, self._target, units, self._phases, stopwatch, steps=steps)

    def _classes(self, survey: Survey) -> tuple[UnitClass, ...]:
        """The distinct layers that are worth a replay, those with the most time first."""
        found = distinct_units(survey, self._target.tree.layers, self._options.least_share)
        ranked = sorted(found, key=lambda one: -one.share)
        return tuple(ranked if self._options.top_k is None else ranked[: self._options.top_k])

    def _replay(self, wanted: Sequence[Wanted], replays: Replays, stack: ExitStack) -> None:
        """Adds a verified load for each wanted call that can be replayed."""
        captures = capture_inputs(self._runner, self._target, self._phases, wanted)
        left_bytes = _copies_budget(self._target.device)
        for key, missed in captures.missed.items():
            replays.leave_out(key, [missed.flag], missed.reason)
        for captured in captures.found.values():
            left_bytes -= self._add_replay(captured, replays, stack, budget_bytes=left_bytes)

    def _add_replay(self, captured: Captured, replays: Replays, stack: ExitStack, *, budget_bytes: int) -> int:
        """Adds a load, if it does what the model did; gives the bytes of its copies."""
        target, key = self._target, captured.wanted.key
        module = target.callables[key.layer]
        rotation = rotated(
            captured,
            module,
            model_bytes=target.tree.layers[0].param_bytes or 0,  # a model that is there has its count
            cache_bytes=cache_bytes(target.device),
            budget_bytes=max(0, budget_bytes),
        )
        load = replay_of(captured, module, target.device, copies=rotation.copies)
        verdict = verified(load)
        if not verdict.is_replayable:
            replays.leave_out(key, verdict.flags, verdict.reason or "it does not do alone what it does in the model")
            return 0
        stack.enter_context(load.kept())
        replays.add(key, load, rotation.footprint_bytes, (*verdict.flags, *rotation.flags))
        return rotation.copied_bytes

    def _measured(
        self, sources: Sequence[WatchedSource], step: Series, known: Surveyed, progress: Progress
    ) -> EnergyPass:
        """Tries the counters, takes the windows, and makes powers of them."""
        series = self._series(known)
        replays = [*series.values(), step]  # those with the most time first
        reference = next((one for one in replays if one.call_s <= _SHORT_CALL_S), replays[0])
        progress("energy: trying the counter", 0, None)
        source, counter = self._counter(sources, reference)
        plan = plan_windows(counter, target_rel=self._options.target_rel, windows=self._options.windows)
        meter = WindowMeter(source, self._clock, plan, self._draw)
        series = self._affordable({**self._whole(step), **series}, meter)
        taken = Taken()
        try:
            take_rounds(
                meter,
                series,
                taken,
                reference=reference,
                draw=self._draw,
                tell=lambda done, total: progress("energy: windows", done, total),
            )
            later = self._survey(known.units, step.call_s)  # the device may be warmer now than it was at first
            known = replace(known, survey=known.survey.joined(later))
            flags = self._rhythm(meter, step, taken, counter)
        except (SourceError, KeyboardInterrupt) as error:
            self._keep(source, counter, known, taken, error)
            raise
        self._notes.extend((*notes_on_drift(taken.reference), *notes_on_faults(source)))
        return self._pass(source, counter, known, taken, flags=flags)

    def _keep(
        self,
        source: WatchedSource,
        counter: EnergyCounter,
        known: Surveyed,
        taken: Taken,
        error: SourceError | KeyboardInterrupt,
    ) -> None:
        """What the windows until now come to, where they come to a step."""
        code, why = "pass_not_finished", "it was interrupted"
        if isinstance(error, SourceError):
            code, why = error.code, str(error)
            taken.drop_latest()  # the fault may have begun in it
        if min(len(taken.windows.get(_STEPS, ())), len(taken.idle)) < _LEAST_WINDOWS:
            return
        text = f"the energy pass did not finish ({why}); joules are of the windows until then"
        self._notes.append(Note(code=code, quantity="energy", scope="step", text=text))
        self.partial = self._pass(source, counter, known, taken, flags=("pass_not_finished",))

    def _whole(self, step: Series) -> dict[Hashable, Series]:
        """Windows of whole steps, and of the copies of their inputs where these take time."""
        load = CopiesLoad(self._runner)
        began_ns = self._clock.now_ns()
        load.launch(_COPIES_TRIED)  # not calibrated: where nothing is copied it takes no time at all
        copies_s = (self._clock.now_ns() - began_ns) / 1e9 / _COPIES_TRIED
        copies = Series(load=load, call_s=copies_s, count=step.count)
        return {_STEPS: step, **({_COPIES: copies} if copies.call_s > _COPIES_REL * step.call_s else {})}

    def _series(self, known: Surveyed) -> dict[Hashable, Series]:
        """The windows of each sampled member, the middle one's the most, and of modules around others."""
        options = self._options
        counts: dict[UnitKey, int] = {}
        for unit in known.classes:
            counts.update({one.key: options.member_windows for one in unit.sampled})
            counts[unit.sampled[len(unit.sampled) // 2].key] = options.windows
        counts.update(dict.fromkeys(known.around, options.windows))
        loads = [(key, known.replays.loads[key], count) for key, count in counts.items() if key in known.replays.loads]
        return {key: Series(load=load, call_s=calibrate(load, self._clock), count=count) for key, load, count in loads}

    def _counter(self, sources: Sequence[WatchedSource], reference: Series) -> tuple[WatchedSource, EnergyCounter]:
        """The first source that qualifies.

        Raises:
            SourceError: where none does.
        """
        chosen, counters = best_counter(sources, reference.load, self._clock, call_s=reference.call_s, draw=self._draw)
        source = next((one for one in sources if one is chosen), None)
        if source is None:
            findings = [note for counter in counters for note in counter.findings]
            text = "; ".join(dict.fromkeys(note.text for note in findings)) or "no counter qualified"
            raise SourceError(findings[-1].code if findings else "unsupported_device", text)
        self._notes.extend(note for counter in counters for note in counter.findings)
        return source, next(counter for counter in counters if counter.source == source.facts.name)

    def _affordable(self, series: Mapping[Hashable, Series], meter: WindowMeter) -> dict[Hashable, Series]:
        """Those that fit into the time that is left, by their order; the step's own windows are always taken."""
        kept: dict[Hashable, Series] = {}
        left_s = self._options.max_s - self._elapsed_s()
        for key, one in series.items():
            cost_s = one.cost_s(meter.plan)
            if cost_s <= left_s or key in (_STEPS, _COPIES):
                kept[key] = one
                left_s -= cost_s
        self._notes.extend(notes_on_time(len(series) - len(kept), self._options.max_s))
        return kept

    def _rhythm(self, meter: WindowMeter, step: Series, taken: Taken, counter: EnergyCounter) -> tuple[str, ...]:
        """Whether steps keep step with the counter: with pauses of random length before them they take other power."""
        if not may_keep_step(step.call_s, counter):
            return ()
        load = DitheredLoad(self._runner, self._clock, most_s=counter.tick_s or 0.0, draw=self._draw)
        call_s = step.call_s + (counter.tick_s or 0.0) / 2.0
        paused = [meter.measure(load, call_s) for _ in range(_DITHERED_WINDOWS)]
        notes = notes_on_rhythm(
            paused, load.paused_s / load.calls, steps=taken.windows[_STEPS], step_s=step.call_s, idle=taken.idle
        )
        self._notes.extend(notes)
        return tuple(note.code for note in notes)

    def _pass(
        self, source: WatchedSource, counter: EnergyCounter, known: Surveyed, taken: Taken, *, flags: tuple[str, ...]
    ) -> EnergyPass:
        if len(taken.windows.get(_STEPS, ())) < _LEAST_WINDOWS:
            raise SourceError("no_windows", f"whole steps could not be measured ({taken.failed.get(_STEPS)})")
        self._notes.extend(notes_on_failed(taken.failed, self._target.tree.layers))
        calls = {one.key: one for one in known.survey.units}
        drift = drift_of([[window.power_w for window in windows] for windows in taken.windows.values()])
        step = step_energy(taken.windows[_STEPS], taken.windows.get(_COPIES, ()), drift, flags=flags)
        measured = [replace(one, drift=drift) for one in self._units(known, taken)]
        phases = [phase.name for phase in self._phases.shown()]
        paths = [layer.path for layer in self._target.tree.layers]
        powers = [power for number, unit in enumerate(measured) for power in unit_powers(number, unit, calls)]
        return EnergyPass(
            counter=counter,
            step=step,
            idle_w=drift.added_to(power_of(taken.idle, origin="idle")),
            powers=tuple(powers),
            units=tuple(unit_record(unit, calls, paths=paths, phases=phases) for unit in measured),
            phase_s=phase_times(known.survey, len(phases), step.seconds.value),
            survey_ratio=statistics.fmean(known.survey.step_s) / step.seconds.value,
            conditions=conditions_of(taken.all(), reference=taken.reference, facts=source.facts.facts),
            samples=self._options.samples,
            carbon_g_per_kwh=self._options.carbon_g_per_kwh,
            notes=tuple({(note.code, note.quantity, note.scope): note for note in self._notes}.values()),
        )

    def _units(self, known: Surveyed, taken: Taken) -> list[MeasuredUnit]:
        """The distinct layers that have a power: replayed ones, then those that regression gives one."""
        measured = [
            MeasuredUnit(
                unit=unit,
                windows=_enough(taken, [one.key for one in unit.sampled]),
                copies=max((known.replays.copies_of(one.key) for one in unit.sampled), default=1),
                footprint_bytes=known.replays.footprint_bytes.get(unit.sampled[0].key),
                flags=known.replays.flags_of(unit),
            )
            for unit in known.classes
        ]
        replayed = [one for one in measured if one.windows]
        return [*replayed, *self._regressed(known, taken, replayed, [one for one in measured if not one.windows])]

    def _regressed(
        self, known: Surveyed, taken: Taken, replayed: Sequence[MeasuredUnit], others: Sequence[MeasuredUnit]
    ) -> list[MeasuredUnit]:
        around = [
            Around(key=key, power_w=power_of(taken.windows[key], origin=f"windows of {key}"), seconds=seconds)
            for key, seconds in known.around.items()
            if key in _enough(taken, [key])
        ]
        powers = {key: power for one in replayed for key, power in powers_of(one).items()}
        missing = [one.unit for one in others]
        found = regressed(around, missing, powers, known.survey.units, self._target.tree.layers)
        return [replace(one, power_w=found[one.name]) for one in others if one.name in found]


def _enough(taken: Taken, keys: Sequence[UnitKey]) -> dict[UnitKey, Sequence[Window]]:
    """The windows of those that have enough of them."""
    return {key: taken.windows[key] for key in keys if len(taken.windows.get(key, ())) >= _LEAST_WINDOWS}


def _copies_budget(device: torch.device) -> int:
    free_bytes = available_bytes(device)
    return _COPIES_BYTES if free_bytes is None else int(_SHARE_OF_FREE * free_bytes)
