"""An optimisation put in force for as long as a cell is measured, and the truth about it.

    with optimized(model, "compile") as way:
        way.prepare(batch, call)     the first call of each shape: what is compiled gets compiled
        way.mark()                   a graph that is compiled from here on is a recompile
        …                            steps of way.model are measured
        truth = way.truth(batch)     one more step, looked at: attention, graphs, parts, tokens

Afterwards the model is as before: its attention, its forwards, PyTorch's choice of kernels.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import replace
from functools import partial

from torch import nn

from layerprof.clock import Clock, SystemClock
from layerprof.measure import Call
from layerprof.measure.base import bound_step, eager
from layerprof.measure.feed import InputFeed
from layerprof.measure.session import quiet_session
from layerprof.models import adapter_for
from layerprof.profiling import profile
from layerprof.records import FrozenMapping, Profile, TruthRecord
from layerprof.sweeping.base.refusals import RefusedError
from layerprof.sweeping.measuring.optimizing.attention import ATTENTIONS, attention_of
from layerprof.sweeping.measuring.optimizing.base import (
    INDUCTOR,
    Compiled,
    Sighting,
    attending_parts,
    graph_breaks,
)
from layerprof.sweeping.measuring.optimizing.compiling import compiled, lacking_compiler
from layerprof.sweeping.measuring.optimizing.looking import (
    TokenCounter,
    attention_ops,
    called_parts,
    image_processor,
    image_tokens,
)
from layerprof.sweeping.measuring.optimizing.verdict import failure_of_truth, faults, remarks

__all__ = ["Optimized", "StepOf", "failure_of_truth", "optimized"]

StepOf = Callable[[nn.Module, Mapping[str, object]], object]
"""One step: ``call(model, batch)``."""

_NS_PER_S = 1e9
_OPS_OF = partial(profile, passes=("ops",), warmup=0, repeats=1, energy=None, ceilings=None)
_GENERATED = 2  # tokens: the least that shows the graphs of the prompt and of a token after it


@contextmanager
def optimized(
    model: nn.Module, optimization: str | None, *, backend: str = INDUCTOR, clock: Clock | None = None
) -> Iterator[Optimized]:
    """The block in which an optimisation is in force; afterwards the model is as before.

    Args:
        model: loaded, not compiled.
        optimization: the setting's value; None leaves the model as it is.
        backend: that compiles; any but the default is for tests.
        clock: where time comes from; None is the process's performance counter.

    Raises:
        RefusedError: before the block, of kind ``unsupported``, ``unavailable`` or ``not_in_force``.
    """
    with ExitStack() as stack:
        graphs: Compiled | None = None
        if optimization in ATTENTIONS:
            stack.enter_context(attention_of(model, optimization))
        elif optimization is not None:
            graphs = stack.enter_context(compiled(model, optimization, backend=backend))
        yield Optimized(model, optimization, graphs, clock or SystemClock())


class Optimized:
    """A model with an optimisation in force.

    Args:
        inner: the model itself.
        optimization: that is in force, or None.
        graphs: what of it is compiled, or None.
        clock: where time comes from.

    Attributes:
        inner: the module itself.
        model: what is to be called: the module, or what ``torch.compile`` returned.
        optimization: that is in force, or None.
    """

    def __init__(self, inner: nn.Module, optimization: str | None, graphs: Compiled | None, clock: Clock) -> None:
        self.inner = inner
        self.model = inner if graphs is None else graphs.model
        self.optimization = optimization
        self._compiled = graphs
        self._clock = clock
        self._call: StepOf | None = None
        self._compile_ns = 0
        self._aside = 0
        self._breaks_before = None if graphs is None else graph_breaks()
        self._marked: dict[str, int] = {}

    def prepare(self, batch: object, call: StepOf | None = None) -> None:
        """Makes the first call of a batch's shape where something is compiled; else there is nothing to prepare.

        Args:
            batch: of one step.
            call: the step; None calls the model. It is also the step that `truth` looks at.

        Raises:
            RefusedError: where the compiler lacks something that can be installed.
        """
        self._call = call
        if self._compiled is None or self.optimization is None:
            return
        began_ns = self._clock.now_ns()
        try:
            self._run(batch)
        except Exception as error:  # whatever the model or the compiler raises
            failure = lacking_compiler(self.optimization, error)
            if failure is None:
                raise
            raise RefusedError(failure) from error
        self._compile_ns += self._clock.now_ns() - began_ns
        self.mark()

    def mark(self) -> None:
        """From here on a graph that is compiled is a recompile."""
        self._marked = {} if self._compiled is None else self._compiled.graphs()
        self._aside = 0

    @contextmanager
    def aside(self) -> Iterator[None]:
        """The block in which graphs may be compiled without being recompiles, such as those of answers."""
        before = self._count()
        try:
            yield
        finally:
            self._aside += self._count() - before

    def truth(self, batch: object) -> TruthRecord:
        """What is in force, looked at in one more step, after those that are measured.

        Args:
            batch: as measured, and prepared.

        Returns:
            All but ``has_nan``, which is another look.

        Raises:
            MeasurementError: where the step raised, or a torch profiler is running.
        """
        recompiles = None if self._compiled is None else self._count() - sum(self._marked.values()) - self._aside
        tokens = TokenCounter(attending_parts(self.inner))
        seen = self._seen(batch, tokens)
        found = () if self.optimization is None else tuple(faults(self.optimization, seen))
        return TruthRecord(
            optimization=self.optimization,
            is_in_force=None if self.optimization is None else not found,
            reasons=(*found, *remarks(self.optimization, seen, recompiles=recompiles)),
            parts=seen.parts,
            attention_ops=seen.ops,
            graphs=FrozenMapping(self._marked),
            recompiles=recompiles,
            graph_breaks=self._breaks(),
            generate_graphs=seen.generate_graphs,
            compile_s=None if self._compiled is None else self._compile_ns / _NS_PER_S,
            image_tokens=image_tokens(self.inner, batch),
            vision_tokens=tokens.tokens,
            image_processor=image_processor(self.inner),
        )

    def missed(self, batch: object) -> str | None:
        """Which compiled parts ran no compiled graph in a step on this batch, in one line; None where all did.

        A compiler that gives up on one shape runs it as it is, and the others compiled.

        Args:
            batch: as measured, and prepared.
        """
        if self._compiled is None:
            return None
        before = self._compiled.runs()
        self._run(batch)
        ran = _distinct(before, self._compiled.runs())
        idle = [part or "the model" for part, graphs in ran.items() if graphs == 0]
        return f"{', '.join(idle)} ran 0 compiled graphs on a batch of another shape" if idle else None

    def generate_graphs(self, batch: object) -> int | None:
        """Compiled graphs that a generation of two tokens runs, each counted once.

        Args:
            batch: of one step.

        Returns:
            None where nothing is compiled, or the model does not generate.

        Limits:
            Its shapes are others than those of a call, so it may compile, which takes as long as it does.
        """
        generate: object = getattr(self.inner, "generate", None)
        if self._compiled is None or not callable(generate) or not isinstance(batch, Mapping):
            return None
        before = self._compiled.runs()
        with self.aside(), quiet_session(self.inner, train=False):
            generate(**batch, max_new_tokens=_GENERATED, min_new_tokens=_GENERATED, do_sample=False)
        return sum(_distinct(before, self._compiled.runs()).values())

    def _seen(self, batch: object, tokens: TokenCounter) -> Sighting:
        graphs = self._compiled
        if graphs is None:
            with tokens.watching():
                return _sighting(self.inner, self._profiled(batch))
        with eager() if graphs.is_whole else nullcontext(), tokens.watching():
            self._run(batch)  # apart: a hook inside of what is compiled as a whole would have it compiled anew
        self._run(batch)
        runs, count = graphs.runs(), self._count()
        seen = _sighting(self.inner, self._profiled(batch))
        return replace(
            seen,
            ran=FrozenMapping(_distinct(runs, graphs.runs())),
            compiled=self._count() - count,
            generate_graphs=self._whole_generate_graphs(batch),
        )

    def _whole_generate_graphs(self, batch: object) -> int | None:
        """Those of a model that is compiled as a whole, of which generating runs none and compiles none."""
        if self._compiled is None or not self._compiled.is_whole or not isinstance(batch, Mapping):
            return None
        if "input_ids" not in batch:
            return None
        return self.generate_graphs(batch)

    def _profiled(self, batch: object) -> Profile:
        call = self._call
        if call is None or not isinstance(batch, Mapping):
            return _OPS_OF(self.model, batch)
        return _OPS_OF(self.model, call=lambda: call(self.model, batch))

    def _run(self, batch: object) -> None:
        with quiet_session(self.inner, train=False):
            if self._call is not None and isinstance(batch, Mapping):
                self._call(self.model, batch)
            else:
                bound_step(Call(model=self.model, inputs=batch), InputFeed(batch).next())()

    def _count(self) -> int:
        return 0 if self._compiled is None else sum(self._compiled.graphs().values())

    def _breaks(self) -> int | None:
        now = None if self._breaks_before is None else graph_breaks()
        return None if now is None or self._breaks_before is None else now - self._breaks_before


def _sighting(model: nn.Module, layers: Profile) -> Sighting:
    """What an ops pass has seen."""
    parts = attending_parts(model)
    described = adapter_for(model).describe(model).parts
    return Sighting(parts=described, called=called_parts(layers, parts), ops=attention_ops(layers, parts))


def _distinct(before: Mapping[str, tuple[int, ...]], after: Mapping[str, tuple[int, ...]]) -> dict[str, int]:
    """Graphs that ran at least once between the two, by part."""
    return {part: _run_since(before[part], runs) for part, runs in after.items()}


def _run_since(before: tuple[int, ...], after: tuple[int, ...]) -> int:
    known = before + (0,) * (len(after) - len(before))
    return sum(now > then for then, now in zip(known, after, strict=True))
