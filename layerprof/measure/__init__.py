"""The passes, in order: the only room that runs a model.

    warm-up ─▶ bare and time, in turn ─▶ ops ─▶ flops ─▶ memory ─▶ energy

None runs inside another's window. What is finished stays in the `Measurement` when a later pass fails.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import replace

from layerprof.attribute import EnergyPass, FlopsPass, Phase, RawTrace, TimePass
from layerprof.clock import Clock, PacedClock, SystemClock
from layerprof.energy import SourceError
from layerprof.machine import environment_of
from layerprof.measure.allocation import MemoryStep
from layerprof.measure.base import AskedJoules, Call, Options, Target, TimingLog, checked, may_have_compiled
from layerprof.measure.counting import FlopsStep
from layerprof.measure.energy import EnergyMeasurement, found_sources, is_found
from layerprof.measure.faking import one_count_at_a_time, run_on_fakes
from layerprof.measure.feed import InputFeed
from layerprof.measure.loop import InputShapes, LoopSteps
from layerprof.measure.phases import LoopBook, Phases, book_of, generates
from layerprof.measure.recording import OpsRecording, require_no_profiler
from layerprof.measure.runner import StepRunner
from layerprof.measure.sampling import PowerSampler
from layerprof.measure.session import only_measurement, quiet_session
from layerprof.measure.target import describe_inputs, resolve, unwrapped
from layerprof.measure.timing import measure_times
from layerprof.records import Note, PhaseRules, ProfileSpec

__all__ = [
    "AskedJoules",
    "Call",
    "LoopMeasurement",
    "Measurement",
    "Options",
    "Target",
    "count_on_fakes",
    "describe_inputs",
    "found_sources",
    "one_count_at_a_time",
    "require_no_profiler",
    "resolve",
    "unwrapped",
]


class _Passes:
    """What the passes of one model have brought so far."""

    def __init__(self, target: Target, phases: Phases) -> None:
        self._target = target
        self._phases = phases
        self._timing = TimingLog()
        self._ops: OpsRecording | None = None
        self._flops: FlopsStep | None = None
        self._memory: MemoryStep | None = None
        self._energy: EnergyPass | None = None
        self._no_energy: tuple[str, str] | None = None

    def trace(self, spec: ProfileSpec) -> RawTrace:
        """All of it, for attribution."""
        return RawTrace(
            spec=spec,
            environment=environment_of(self._target.device),
            layers=self._target.tree.layers,
            phases=self._phases.shown(),
            has_device=self._target.has_kernels,
            may_hide_calls=may_have_compiled(),
            warmup_ns=tuple(self._timing.warmup_ns),
            bare_ns=tuple(self._timing.bare_ns),
            overhead_pairs_ns=tuple(self._timing.pairs_ns()),
            time=self._time_pass(),
            ops=self._ops.result() if self._ops else None,
            flops=self._flops.result() if self._flops else None,
            memory=self._memory.result() if self._memory else None,
            energy=self._energy,
            no_energy=self._no_energy,
            notes=tuple(self._notes()),
        )

    def _time_pass(self) -> TimePass | None:
        if not self._timing.steps:
            return None
        return TimePass(
            steps=tuple(self._timing.steps), phase_of=self._phases.phase_of(), unseen=self._target.unseen_timed
        )

    def _notes(self) -> Iterator[Note]:
        width = self._timing.unsteadiness()
        if width is not None:
            text = f"the 95 % interval is ±{100 * width:.0f} % of the median; ask for more repeats on a quieter machine"
            yield Note(code="unsteady", quantity="latency_s", scope="step", text=text)
        if self._timing.bare_ns and not self._timing.is_finished:
            text = f"the measurement ended after {len(self._timing.bare_ns)} bare steps"
            yield Note(code="pass_not_finished", quantity="latency_s", scope="step", text=text)
        yield from self._phases.notes()
        if self._ops is not None:
            yield from self._ops.notes()
        replaced = self._target.replaced()
        if replaced:
            text = (
                f"the model replaced {len(replaced)} modules while it ran, first {replaced[0]!r}; the work of those "
                "that took their places is their callers'"
            )
            yield Note(code="modules_replaced", quantity="total_s", scope="*", text=text)
        rerouted = self._target.rerouted
        if rerouted and self._timing.steps and self._phases.backward is None:
            text = (
                f"torch runs {len(rerouted)} nn.TransformerEncoderLayer, first {rerouted[0]!r}, fused while it has no "
                "hooks; latency_s is of the fused path, the layers' numbers are of the parts"
            )
            yield Note(code="hooks_change_path", quantity="total_s", scope="*", text=text)


class Measurement(_Passes):
    """One model's passes: run them, and take what they brought, also after one of them failed.

    Args:
        call: what a step runs.
        target: the model, resolved.
        options: how to measure.
        rules: which calls of the model begin which phase of a generation, where it generates.

    Attributes:
        current_pass: the pass that is running, or the last one that ran.
    """

    def __init__(self, call: Call, target: Target, options: Options, rules: PhaseRules | None = None) -> None:
        super().__init__(target, book_of(target, rules, generates=generates(call), train=options.train))
        self._feed = InputFeed(call.inputs)
        self._is_root_step = call.function is None
        self._runner = StepRunner(checked(call), target, options.clock, self._feed)
        self._options = options
        self.current_pass = "set-up"

    def trace(self, spec: ProfileSpec) -> RawTrace:
        """All of it so far, for attribution."""
        return replace(super().trace(spec), is_root_step=self._is_root_step)

    def run(self) -> None:
        """Runs the passes that were asked for; the model is afterwards as it was before."""
        with quiet_session(self._target.tree.modules[0], train=self._options.train):
            if "ops" in self._options.passes:
                require_no_profiler()
            self.current_pass = "time" if "time" in self._options.passes else "bare"
            measure_times(self._runner, self._target, self._options, self._phases, self._timing)
            if "ops" in self._options.passes:
                self._begin_pass("ops")
                with self._power_sampler() as sampler:
                    ops = OpsRecording(self._target, self._phases, sampler)
                    ops.run(self._runner)
                self._ops = ops
            if "flops" in self._options.passes:
                self._begin_pass("flops")
                flops = FlopsStep(self._target, self._phases)
                with flops.installed():
                    self._runner.run(flops.paths, around=flops.counter)
                self._flops = flops
            if "memory" in self._options.passes:
                self._begin_pass("memory")
                memory = MemoryStep(self._target, self._phases, self._feed.tensors())
                with memory.installed():
                    self._runner.run(memory.paths, around=memory.storages.running())
                self._memory = memory
            if "energy" in self._options.passes:
                self._begin_pass("energy")
                self._measure_energy()

    @contextmanager
    def _power_sampler(self) -> Iterator[PowerSampler | None]:
        """What reads the device's power for the traces: where joules were asked for and time is the machine's own."""
        asked, clock = self._options.energy.source, self._options.clock
        if "energy" not in self._options.passes or asked is None or not isinstance(clock, SystemClock):
            yield None
            return
        try:
            sources = found_sources(asked, self._target.device, clock).energy
        except SourceError:  # the energy pass tells of it
            sources = ()
        with ExitStack() as stack:
            for source in sources if is_found(asked) else ():
                stack.callback(source.close)  # a source that the caller made is the caller's to close
            yield PowerSampler(sources[0]) if sources else None

    def _measure_energy(self) -> None:
        """The energy pass; where there is no counter, or none that can be believed, its reason."""
        options = self._options
        if options.energy.source is None:
            self._no_energy = "pass_not_asked", "the energy pass was asked for without a source: energy=None"
            return
        measurement = EnergyMeasurement(
            self._runner,
            self._target,
            self._phases,
            options.energy,
            clock=options.clock if isinstance(options.clock, PacedClock) else SystemClock(),
            is_replayed=not options.train,
        )
        try:
            self._energy = measurement.run(options.progress)
        except SourceError as error:
            self._energy, self._no_energy = measurement.partial, (error.code, str(error))
        except KeyboardInterrupt:
            self._energy = measurement.partial
            self._no_energy = "pass_not_finished", "the energy pass was interrupted before a step was measured"
            raise

    def _begin_pass(self, name: str) -> None:
        self.current_pass = name
        self._options.progress(name, 0, 1)


class LoopMeasurement(_Passes):
    """The passes of a loop that is not ours; the caller enters one of the blocks around each of its steps.

    Args:
        target: the model, resolved.
        clock: where time comes from.
        rules: which calls of the model begin which phase of a generation, where it generates.

    Attributes:
        steps: how many were finished.
    """

    def __init__(self, target: Target, clock: Clock, rules: PhaseRules | None = None) -> None:
        super().__init__(target, LoopBook(target, rules))
        self._timing.is_finished = True  # the caller decides how many steps there are
        self._loop = LoopSteps(target, clock, self._phases, self._timing)
        self._shapes = InputShapes(target.callables[0])
        self.steps = 0

    @contextmanager
    def block(self, name: str) -> Iterator[None]:
        """The block of one step of pass ``name``: bare, time, ops, flops or memory."""
        blocks = {
            "bare": self._loop.bare,
            "time": self._loop.time,
            "ops": self._ops_step,
            "flops": self._flops_step,
            "memory": self._memory_step,
        }
        is_rated = name in ("time", "ops", "flops")  # whose FLOPs or times are put together
        with only_measurement(), self._shapes.watched() if is_rated else nullcontext(), blocks[name]():
            yield
        self.steps += 1

    def trace(self, spec: ProfileSpec) -> RawTrace:
        """All of it so far, for attribution."""
        return replace(super().trace(spec), has_unlike_steps=self._shapes.differ)

    @contextmanager
    def _ops_step(self) -> Iterator[None]:
        step = OpsRecording(self._target, self._phases)
        with step.block():
            yield
        self._ops = step

    @contextmanager
    def _flops_step(self) -> Iterator[None]:
        step = FlopsStep(self._target, self._phases)
        with step.installed():
            step.paths.begin()
            with step.counter:
                yield
        self._flops = step

    @contextmanager
    def _memory_step(self) -> Iterator[None]:
        step = MemoryStep(self._target, self._phases)
        with step.installed():
            step.paths.begin()
            with step.storages.running():
                yield
        self._memory = step


def count_on_fakes(
    call: Call, target: Target, *, train: bool, rules: PhaseRules | None = None
) -> tuple[FlopsPass, tuple[Phase, ...]]:
    """FLOPs of one step on tensors without data, and its phases: nothing is computed and no weight is read."""
    phases = book_of(target, rules, generates=generates(call), train=train)
    step, inputs = FlopsStep(target, phases), InputFeed(checked(call).inputs)
    with quiet_session(target.tree.modules[0], train=train), step.installed():
        run_on_fakes(call, inputs.next(), target, step.paths, step.counter)
    return step.result(), phases.shown()
