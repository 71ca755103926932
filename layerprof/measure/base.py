"""What a measurement is asked to do, and what it hands on while it runs.

warm-up ─▶ bare and time, interleaved ─▶ flops ─▶ memory        each pass appends to the RawTrace
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

import torch
from torch import nn

from layerprof import stats
from layerprof.attribute import StepEvents, Unseen
from layerprof.clock import Clock, SystemClock
from layerprof.energy import EnergySource, Sources
from layerprof.errors import InputError
from layerprof.instruments import BackwardFollower, Site, SpanRecorder
from layerprof.records import EnergyOptions
from layerprof.tree import LayerTree

if TYPE_CHECKING:
    from layerprof.measure.phases import Phases

MIN_REPEATS = 6  # the median's 95 % interval exists from six samples on
MAX_REPEATS = 200
MEASURE_SECONDS = 10.0  # of bare steps and timed ones together
INTERVAL_GOAL = 0.02  # half width of the median's interval, as a fraction of the median
MAX_WARMUP = 20
WARMUP_SECONDS = 5.0

Progress = Callable[[str, int, int | None], None]  # (pass, steps done, steps to do if known)


def no_progress(name: str, done: int, total: int | None) -> None:
    """Shows nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """What one step runs.

    Attributes:
        model: the module whose mode is set and restored.
        inputs: as the caller gave them, where ``function`` is None.
        function: a zero-argument callable that is the whole step.
        method: a method's name; the root's row is that method then.
        method_kwargs: beside ``inputs``.
    """

    model: nn.Module
    inputs: object = None
    function: Callable[[], object] | None = None
    method: str | None = None
    method_kwargs: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class AskedJoules:
    """Where joules are to come from, and how they are to be measured.

    Attributes:
        source: "auto", an estimate's name, a source, several of one device, or None for none.
        options: of the pass.
    """

    source: EnergySource | Sources | str | None = "auto"
    options: EnergyOptions = field(default_factory=EnergyOptions)


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """How a measurement is made.

    Attributes:
        passes: names, in any order; those that do not exist are ignored here.
        train: train mode with gradients.
        warmup: steps, or None until a plateau.
        repeats: steps of each timed pass, or None until the interval is narrow.
        clock: where time comes from.
        progress: told of every step.
        energy: for the energy pass.
    """

    passes: tuple[str, ...]
    train: bool = False
    warmup: int | None = None
    repeats: int | None = None
    clock: Clock = field(default_factory=SystemClock)
    progress: Progress = no_progress
    energy: AskedJoules = field(default_factory=AskedJoules)


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """The model under measurement, resolved.

    Attributes:
        tree: its layers.
        callables: the modules as they are called: what ``torch.compile`` returned in place of what it holds.
        device: of its first parameter, else the CPU.
        timed, counted: sites for the time pass, and for the passes that run compiled code eagerly.
        unseen_timed, unseen_counted: layers that their hooks cannot reach.
        root_is_step: whether the runner brackets the root's row, because no hook of the root's would fire.
        is_compiled: whether compiled code is in it anywhere.
        rerouted: paths of layers that torch runs another way, in eval mode, while they have hooks.
    """

    tree: LayerTree
    callables: tuple[nn.Module, ...]
    device: torch.device
    timed: tuple[Site, ...]
    counted: tuple[Site, ...]
    unseen_timed: Unseen
    unseen_counted: Unseen
    root_is_step: bool
    is_compiled: bool
    rerouted: tuple[str, ...] = ()

    @property
    def has_kernels(self) -> bool:
        """Whether the ops pass can record the device's own activities: on CUDA."""
        return self.device.type == "cuda"

    def replaced(self) -> tuple[str, ...]:
        """Paths of the modules that are no longer in the model."""
        present = set(map(id, self.tree.modules[0].modules()))
        return tuple(
            layer.path
            for layer, module in zip(self.tree.layers, self.tree.modules, strict=True)
            if id(module) not in present
        )


@dataclass(slots=True)
class TimingLog:
    """What the warm-up, the bare pass and the time pass have brought so far; grows while they run."""

    warmup_ns: list[int] = field(default_factory=list)
    bare_ns: list[int] = field(default_factory=list)
    steps: list[StepEvents] = field(default_factory=list)
    is_finished: bool = False

    def pairs_ns(self) -> list[tuple[int, int]]:
        """(bare, timed) neighbours: the first bare step with the first timed one, and so on."""
        timed = (step.end_ns - step.start_ns for step in self.steps)
        return list(zip(self.bare_ns, timed, strict=False))

    def unsteadiness(self) -> float | None:
        """Half the width of the bare median's interval as a fraction of it, where that is above the goal; else None."""
        width = stats.relative_half_width(self.bare_ns)
        return width if width is not None and width > INTERVAL_GOAL else None


class TimedStep:
    """The time pass's instrument around one step: spans, phases, and backward work where there may be any.

    Args:
        target: the model, resolved.
        clock: where time comes from.
        phases: the account of phases.
    """

    def __init__(self, target: Target, clock: Clock, phases: Phases) -> None:
        self._target = target
        self._phases = phases
        self._plain = SpanRecorder(clock)
        self._follower = BackwardFollower(clock)
        self._following = SpanRecorder(clock, self._follower)

    @contextmanager
    def installed(self) -> Iterator[SpanRecorder]:
        """The block around the step, with its recorder; no hook is left on anything afterwards."""
        with ExitStack() as stack:
            stack.callback(self._follower.end)
            is_followed = self._phases.backward is not None and torch.is_grad_enabled()
            recorder = self._following if is_followed else self._plain
            stack.enter_context(recorder.installed(self._target.timed))
            with self._phases.marked(recorder):
                yield recorder
                self._phases.ran_backward(
                    self._follower.runs, is_time_pass=True, is_by_threads=self._follower.is_by_threads
                )


class Instrument(Protocol):
    """What is put around a step: hooks on the sites, and the root's own bracket where hooks cannot see it."""

    def installed(self, sites: Sequence[Site]) -> AbstractContextManager[None]:
        """The block in which the sites' calls are followed."""
        ...

    def call(self, index: int) -> AbstractContextManager[None]:
        """Follows one call of layer ``index`` that goes through no hook."""
        ...

    def begin(self) -> None:
        """A step begins on this thread."""
        ...


def eager() -> AbstractContextManager[object]:
    """The block in which compiled code runs as it was written, its compiled form untouched.

    Instruments below autograd would otherwise make compiled code run eagerly for good, or see nothing of it. It may
    be anywhere: in the model, in an attribute, in the caller's own callable. Before the compiler is loaded there is
    none.
    """
    return torch.compiler.set_stance("force_eager") if may_have_compiled() else nullcontext()


def may_have_compiled() -> bool:
    """Whether the compiler was loaded in this process; without it there is no compiled code anywhere."""
    return "torch._dynamo" in sys.modules


def checked(call: Call) -> Call:
    """The call, if it says what to run and on what.

    Raises:
        InputError: when it says neither or both, or names a method that the model lacks.
    """
    if call.function is None and call.inputs is None:
        raise InputError("nothing to run: give inputs (a mapping, a tuple, or one value), or call= with a callable")
    if call.function is not None and (call.inputs is not None or call.method is not None):
        raise InputError("call= is the whole step; leave out inputs and method, or leave out call")
    if call.function is not None and call.method_kwargs:
        raise InputError("method_kwargs go with method=; call= is the whole step already")
    if call.function is not None and not callable(call.function):
        raise InputError(f"call= takes a zero-argument callable; found {type(call.function).__name__}")
    if call.method is not None and not (
        isinstance(call.method, str) and callable(getattr(call.model, call.method, None))
    ):
        raise InputError(f"{type(call.model).__name__} has no method {call.method!r}; leave it out to call the model")
    return call


def bound_step(call: Call, inputs: object) -> Callable[[], object]:
    """The step with its inputs bound: a mapping by name, a tuple or list by position, else the one argument."""
    if call.function is not None:
        return call.function
    function = getattr(call.model, call.method) if call.method else call.model
    extra = call.method_kwargs
    if isinstance(inputs, Mapping):
        by_name = {**{str(name): value for name, value in inputs.items()}, **extra}
        return lambda: function(**by_name)
    by_position = tuple(inputs) if isinstance(inputs, tuple | list) else (inputs,)
    return lambda: function(*by_position, **extra)
