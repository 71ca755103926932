"""The bare pass and the time pass, in turn, so that drift of the machine falls on both alike.

B T T B  B T T B  …        B: a bare step     T: a step with hooks; they go on before and off after, outside
                           the windows. Each B and the T beside it are a pair for the overhead's ratio.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from layerprof import stats
from layerprof.attribute import StepEvents
from layerprof.measure.base import (
    INTERVAL_GOAL,
    MAX_REPEATS,
    MAX_WARMUP,
    MEASURE_SECONDS,
    MIN_REPEATS,
    WARMUP_SECONDS,
    Options,
    Target,
    TimedStep,
    TimingLog,
)

if TYPE_CHECKING:
    from layerprof.measure.phases import Phases
    from layerprof.measure.runner import StepRunner

_NS_PER_S = 1e9


def measure_times(runner: StepRunner, target: Target, options: Options, phases: Phases, log: TimingLog) -> None:
    """Warms up, then runs bare and timed steps in turn until there are enough; fills ``log`` as it goes."""
    _warm_up(runner, options, log)
    timed = _TimedSteps(runner, target, options, phases) if "time" in options.passes else None
    if timed is not None and options.warmup != 0:
        timed.run()  # the first hooked step fills caches of its own; it does not count
    began_ns = options.clock.now_ns()
    while not _is_enough(log, options, began_ns):
        is_bare_first = len(log.bare_ns) % 2 == 0
        if is_bare_first:
            log.bare_ns.append(_duration(runner.run()))
        if timed is not None:
            log.steps.append(timed.run())
        if not is_bare_first:
            log.bare_ns.append(_duration(runner.run()))
        options.progress("time", len(log.bare_ns), options.repeats)
    log.is_finished = True


class _TimedSteps:
    """Steps under the span recorder; hooks go on and off around each, outside its window."""

    def __init__(self, runner: StepRunner, target: Target, options: Options, phases: Phases) -> None:
        self._runner = runner
        self._timed = TimedStep(target, options.clock, phases)

    def run(self) -> StepEvents:
        with self._timed.installed() as recorder:
            start_ns, end_ns = self._runner.run(recorder)
        return recorder.events(start_ns=start_ns, end_ns=end_ns)


def _warm_up(runner: StepRunner, options: Options, log: TimingLog) -> None:
    """Bare steps until they stop getting faster, or as many as asked."""
    began_ns = options.clock.now_ns()
    limit = MAX_WARMUP if options.warmup is None else options.warmup
    while len(log.warmup_ns) < limit:
        log.warmup_ns.append(_duration(runner.run()))
        options.progress("warm-up", len(log.warmup_ns), options.warmup)
        is_late = (options.clock.now_ns() - began_ns) / _NS_PER_S > WARMUP_SECONDS
        if options.warmup is None and (is_late or stats.is_plateau(log.warmup_ns)):
            break


def _is_enough(log: TimingLog, options: Options, began_ns: int) -> bool:
    """Whether the asked number of steps is reached; where none was asked, whether more would hardly help."""
    steps = len(log.bare_ns)
    if options.repeats is not None:
        return steps >= options.repeats
    if steps < MIN_REPEATS:
        return False
    is_late = (options.clock.now_ns() - began_ns) / _NS_PER_S > MEASURE_SECONDS
    width = stats.relative_half_width(log.bare_ns)
    return is_late or steps >= MAX_REPEATS or (width is not None and width <= INTERVAL_GOAL)


def _duration(window_ns: tuple[int, int]) -> int:
    return window_ns[1] - window_ns[0]
