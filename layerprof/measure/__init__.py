"""The passes, in order: the only room that runs a model.

    warm-up ─▶ bare and time, in turn ─▶ flops ─▶ memory

None runs inside another's window. What is finished stays in the `Measurement` when a later pass fails.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from layerprof.attribute import FlopsPass, MemoryPass, RawTrace, TimePass
from layerprof.clock import Clock
from layerprof.machine import environment_of
from layerprof.measure.allocation import MemoryStep
from layerprof.measure.base import Call, Options, Target, TimingLog, checked, may_have_compiled
from layerprof.measure.counting import FlopsStep
from layerprof.measure.faking import run_on_fakes
from layerprof.measure.feed import InputFeed
from layerprof.measure.loop import LoopSteps
from layerprof.measure.runner import StepRunner
from layerprof.measure.session import quiet_session
from layerprof.measure.target import describe_inputs, resolve, unwrapped
from layerprof.measure.timing import measure_times
from layerprof.records import Note, ProfileSpec

__all__ = [
    "Call",
    "LoopMeasurement",
    "Measurement",
    "Options",
    "Target",
    "count_on_fakes",
    "describe_inputs",
    "resolve",
    "unwrapped",
]


class _Passes:
    """What the passes of one model have brought so far."""

    def __init__(self, target: Target, *, phase: str, is_one_phase: bool) -> None:
        self._target = target
        self._phase = phase
        self._is_one_phase = is_one_phase
        self._timing = TimingLog()
        self._flops: FlopsPass | None = None
        self._memory: MemoryPass | None = None

    def trace(self, spec: ProfileSpec) -> RawTrace:
        """All of it, for attribution."""
        steps = tuple(self._timing.steps)
        return RawTrace(
            spec=spec,
            environment=environment_of(self._target.device),
            layers=self._target.tree.layers,
            phase=self._phase,
            may_hide_calls=may_have_compiled(),
            warmup_ns=tuple(self._timing.warmup_ns),
            bare_ns=tuple(self._timing.bare_ns),
            overhead_pairs_ns=tuple(self._timing.pairs_ns()),
            time=TimePass(steps=steps, unseen=self._target.unseen_timed) if steps else None,
            flops=self._flops,
            memory=self._memory,
            notes=tuple(self._notes()),
        )

    def _notes(self) -> Iterator[Note]:
        width = self._timing.unsteadiness()
        if width is not None:
            text = f"the 95 % interval is ±{100 * width:.0f} % of the median; ask for more repeats on a quieter machine"
            yield Note(code="unsteady", quantity="latency_s", scope="step", text=text)
        if self._timing.bare_ns and not self._timing.is_finished:
            text = f"the measurement ended after {len(self._timing.bare_ns)} bare steps"
            yield Note(code="pass_not_finished", quantity="latency_s", scope="step", text=text)
        rerouted = self._target.rerouted
        if rerouted and self._timing.steps and self._phase == "forward":
            text = (
                f"torch runs {len(rerouted)} nn.TransformerEncoderLayer, first {rerouted[0]!r}, fused while it has no "
                "hooks; latency_s is of the fused path, the layers' numbers are of the parts"
            )
            yield Note(code="hooks_change_path", quantity="total_s", scope="*", text=text)
        if not self._is_one_phase:
            text = f"the step is shown as one phase, {self._phase!r}: this version of layerprof does not split it yet"
            yield Note(code="phases_not_split", quantity="phases", scope="step", text=text)


class Measurement(_Passes):
    """One model's passes: run them, and take what they brought, also after one of them failed.

    Args:
        call: what a step runs.
        target: the model, resolved.
        options: how to measure.

    Attributes:
        current_pass: the pass that is running, or the last one that ran.
    """

    def __init__(self, call: Call, target: Target, options: Options) -> None:
        is_one_phase = call.function is None and call.method is None and not options.train
        super().__init__(target, phase="step" if options.train else "forward", is_one_phase=is_one_phase)
        self._feed = InputFeed(call.inputs)
        self._runner = StepRunner(checked(call), target, options.clock, self._feed)
        self._options = options
        self.current_pass = "set-up"

    def run(self) -> None:
        """Runs the passes that were asked for; the model is afterwards as it was before."""
        with quiet_session(self._target.tree.modules[0], train=self._options.train):
            self.current_pass = "time" if "time" in self._options.passes else "bare"
            measure_times(self._runner, self._target, self._options, self._timing)
            if "flops" in self._options.passes:
                self._begin_pass("flops")
                flops = FlopsStep(self._target)
                with flops.installed():
                    self._runner.run(flops.paths, around=flops.counter)
                self._flops = flops.result()
            if "memory" in self._options.passes:
                self._begin_pass("memory")
                memory = MemoryStep(self._target, self._feed.tensors())
                with memory.installed():
                    self._runner.run(memory.paths, around=memory.meter.running())
                self._memory = memory.result()

    def _begin_pass(self, name: str) -> None:
        self.current_pass = name
        self._options.progress(name, 0, 1)


class LoopMeasurement(_Passes):
    """The passes of a loop that is not ours; the caller enters one of the blocks around each of its steps.

    Args:
        target: the model, resolved.
        clock: where time comes from.

    Attributes:
        steps: how many were finished.
    """

    def __init__(self, target: Target, clock: Clock) -> None:
        super().__init__(target, phase="step", is_one_phase=False)
        self._timing.is_finished = True  # the caller decides how many steps there are
        self._loop = LoopSteps(target, clock, self._timing)
        self.steps = 0

    @contextmanager
    def block(self, name: str) -> Iterator[None]:
        """The block of one step of pass ``name``: bare, time, flops or memory."""
        blocks = {
            "bare": self._loop.bare,
            "time": self._loop.time,
            "flops": self._flops_step,
            "memory": self._memory_step,
        }
        with blocks[name]():
            yield
        self.steps += 1

    @contextmanager
    def _flops_step(self) -> Iterator[None]:
        step = FlopsStep(self._target)
        with step.installed():
            step.paths.begin()
            with step.counter:
                yield
        self._flops = step.result()

    @contextmanager
    def _memory_step(self) -> Iterator[None]:
        step = MemoryStep(self._target)
        with step.installed():
            step.paths.begin()
            with step.meter.running():
                yield
        self._memory = step.result()


def count_on_fakes(call: Call, target: Target, *, train: bool) -> FlopsPass:
    """FLOPs of one step on tensors without data: nothing is computed and no weight is read."""
    step = FlopsStep(target)
    with quiet_session(target.tree.modules[0], train=train), step.installed():
        run_on_fakes(checked(call), target, step.paths, step.counter)
    return step.result()
