"""The phases of a measurement's steps: who marks them, and what the marks come to in the record.

A method or callable of a model that generates has the phases of its rules, or is one forward where it turns out that
nothing was decoded. Training has forward, backward and optimizer. A loop that is not ours may be either, which shows in
what it does. Anything else is one forward.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from fnmatch import fnmatchcase

from torch import nn

from layerprof.attribute import Phase
from layerprof.instruments import BACKWARD_PHASE, GenerationPhases, PhaseListener, TrainingPhases
from layerprof.measure.base import Call, Target
from layerprof.records import Note, PhaseRules

ONE = ("forward",)
TRAINING = ("forward", "backward", "optimizer")

_BY_THREADS = (
    "layers ran on other threads with gradients; autograd's numbers are counted by thread, so whose the backward work "
    "is cannot be told, and it is under no layer"
)
_UNSEEN = (
    "autograd's engine ran and the time pass could not see when it came to the model's layers (compiled code, or "
    "outputs inside objects that hide them); that time is in the phase before"
)
_VARY = "not every step had the same phases; how often one ran is of the first step in which it did"


class Phases:
    """Keeps account of phases over all passes of one measurement; this one has a single phase.

    The instruments mark phases by the numbers of `names`. What the record shows follows from all steps of all passes,
    so it is asked for when they are over.

    Attributes:
        names: all that there may be, by the instruments' numbers.
        backward: the number of backward work, or None.
    """

    def __init__(self, names: tuple[str, ...] = ONE, *, backward: int | None = None) -> None:
        self.names = names
        self.backward = backward
        self._steps = [0] * len(names)  # how often each ran, in the first step in which it did
        self._varies = False
        self._runs = 0  # of the engine, in the step that runs
        self._engine_runs: dict[bool, int] = {}  # the most of a step: in the time pass, and in others
        self._is_by_threads = False

    @contextmanager
    def marked(self, listener: PhaseListener) -> Iterator[None]:
        """The block around one step, whose phases the listener is told."""
        self._runs = 0
        with ExitStack() as stack:
            for watch in self._watches():
                stack.enter_context(watch.installed(listener))
            yield
            self._saw(self._counts())

    def ran_backward(self, runs: int, *, is_time_pass: bool = False, is_by_threads: bool = False) -> None:
        """The engine ran so often in the step; told inside the block."""
        self._runs = runs
        self._engine_runs[is_time_pass] = max(runs, self._engine_runs.get(is_time_pass, 0))
        self._is_by_threads |= is_by_threads

    def has_backward(self) -> None:
        """A pass that does not count the engine's runs has seen that it ran."""
        if self.backward is not None:
            self._steps[self.backward] = self._steps[self.backward] or 1

    def phase_of(self) -> tuple[int, ...]:
        """What the instruments' numbers are in the record."""
        shown = self._shown()
        return tuple(shown.index(number) if number in shown else 0 for number in range(len(self.names)))

    def shown(self) -> tuple[Phase, ...]:
        """The record's phases, at least one."""
        found = tuple(Phase(name=self.names[number], steps=self._steps[number]) for number in self._shown())
        return found or (Phase(name=ONE[0]),)

    def notes(self) -> Iterator[Note]:
        """What weakens them."""
        if self._is_by_threads and any(self._engine_runs.values()):
            yield Note(code="backward_by_threads", quantity="total_s", scope="phase backward", text=_BY_THREADS)
        if self._engine_runs.get(True) == 0 and self._engine_runs.get(False):
            yield Note(code="backward_unseen", quantity="total_s", scope="phase backward", text=_UNSEEN)
        if self._varies:
            yield Note(code="phases_vary", quantity="phases", scope="step", text=_VARY)

    def _watches(self) -> Sequence[GenerationPhases | TrainingPhases]:
        return ()

    def _counts(self) -> Sequence[int]:
        """How often each phase ran in the step that has just ended."""
        return (1,)

    def _shown(self) -> tuple[int, ...]:
        """The numbers of the phases that the record shows."""
        return ()

    def _saw(self, counts: Sequence[int]) -> None:
        if any(self._steps):
            self._varies |= any(bool(ran) != bool(before) for ran, before in zip(counts, self._steps, strict=True))
        self._steps = [before or ran for before, ran in zip(self._steps, counts, strict=True)]


class GenerationBook(Phases):
    """The phases of a model that generates.

    Args:
        target: the model, resolved.
        rules: which calls begin which phase.
        is_certain: whether the step is known to generate; else it is one forward, unless it decodes something.
    """

    def __init__(self, target: Target, rules: PhaseRules, *, is_certain: bool) -> None:
        super().__init__(rules.names)
        self._is_certain = is_certain
        self._watch = _generation_watch(target, rules)

    def _watches(self) -> Sequence[GenerationPhases | TrainingPhases]:
        return (self._watch,)

    def _counts(self) -> Sequence[int]:
        return self._watch.steps

    def _shown(self) -> tuple[int, ...]:
        decodes = self._steps[-1] > 0
        return tuple(n for n, steps in enumerate(self._steps) if steps) if self._is_certain or decodes else ()


class TrainingBook(Phases):
    """The phases of a step that trains.

    Args:
        root: the module whose outermost calls begin forward.
    """

    def __init__(self, root: nn.Module) -> None:
        super().__init__(TRAINING, backward=BACKWARD_PHASE)
        self._watch = TrainingPhases(root)

    def _watches(self) -> Sequence[GenerationPhases | TrainingPhases]:
        return (self._watch,)

    def _counts(self) -> Sequence[int]:
        return self._watch.steps[0] or 1, self._runs, self._watch.steps[2]

    def _shown(self) -> tuple[int, ...]:
        return (0, 1, 2)


class LoopBook(Phases):
    """The phases of somebody else's loop, of which it is not known what it does: training, a generation, or neither.

    Args:
        target: the model, resolved.
        rules: which calls begin which phase of a generation, or None for a model that does not generate.
    """

    def __init__(self, target: Target, rules: PhaseRules | None) -> None:
        super().__init__((*TRAINING, *(rules.names if rules else ())), backward=BACKWARD_PHASE)
        self._training = TrainingPhases(target.callables[0])
        self._generation = None if rules is None else _generation_watch(target, rules, after=len(TRAINING))

    def _watches(self) -> Sequence[GenerationPhases | TrainingPhases]:
        # The later one's hooks run first: a call that begins both is in the generation's phase.
        return (self._training,) if self._generation is None else (self._generation, self._training)

    def _counts(self) -> Sequence[int]:
        generated = self._generation.steps if self._generation else ()
        return self._training.steps[0] or 1, self._runs, self._training.steps[2], *generated

    def _shown(self) -> tuple[int, ...]:
        if any(self._steps[1 : len(TRAINING)]):
            return (0, *(number for number in (1, 2) if self._steps[number]))
        if self._generation is not None and self._steps[-1]:
            return tuple(number for number in range(len(TRAINING), len(self._steps)) if self._steps[number])
        return ()


def _generation_watch(target: Target, rules: PhaseRules, *, after: int = 0) -> GenerationPhases:
    """The watch of a generation, whose phases are numbered after so many of another's."""
    language = _matching(target, () if rules.language is None else (rules.language,))
    openers = [
        (module, after + number)
        for number, (_, globs) in enumerate(rules.opened_by)
        for module in _matching(target, globs)
    ]
    return GenerationPhases(
        openers,
        language=language[0] if language else None,
        early=_matching(target, rules.early),
        first=after,
        count=len(rules.names),
        tells_every_token=after > 0,
    )


def _matching(target: Target, globs: Sequence[str]) -> list[nn.Module]:
    """The modules whose paths match, as they are called: what torch.compile returned in place of what it holds."""
    return [
        target.callables[index]
        for index, layer in enumerate(target.tree.layers)
        if any(fnmatchcase(layer.path, glob) for glob in globs)
    ]


def generates(call: Call) -> bool | None:
    """Whether a step is a generation; None where nobody can tell beforehand."""
    if call.method == "generate":
        return True
    return None if call.function is not None or call.method is not None else False


def book_of(target: Target, rules: PhaseRules | None, *, generates: bool | None, train: bool) -> Phases:
    """The account that fits a measurement of ours.

    Args:
        target: the model, resolved.
        rules: the model's own, or None.
        generates: True where the step is a generation, None where it may be one.
        train: whether the step trains.
    """
    if train:
        return TrainingBook(target.callables[0])
    if rules is not None and generates is not False:
        return GenerationBook(target, rules, is_certain=generates is True)
    return Phases()
