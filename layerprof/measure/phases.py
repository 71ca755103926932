"""The phases of a measurement's steps: who marks them, and what the marks come to in the record.

A method or callable of a model that generates has the phases of its rules, or is one forward where it turns out that
nothing was decoded. Training has forward, backward and optimizer. Anything else is one forward.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from fnmatch import fnmatchcase

from torch import nn

from layerprof.attribute import Phase
from layerprof.instruments import BACKWARD_PHASE, GenerationPhases, PhaseListener, TrainingPhases
from layerprof.measure.base import Call, Target
from layerprof.records import PhaseRules

ONE = ("forward",)
TRAINING = ("forward", "backward", "optimizer")


class Phases:
    """Keeps account of phases over all passes of one measurement.

    The instruments mark phases by the numbers of `names`. Which of them the record shows is settled once, after the
    first marked step.

    Attributes:
        names: all that there may be, by the instruments' numbers.
        backward: the number of backward work, or None.
    """

    def __init__(self) -> None:
        self.names: tuple[str, ...] = ONE
        self.backward: int | None = None
        self._steps: list[int] = [1]
        self._shown: tuple[int, ...] | None = None

    @contextmanager
    def marked(self, listener: PhaseListener) -> Iterator[None]:
        """The block around one step, whose phases the listener is told."""
        yield

    def ran_backward(self, times: int) -> None:
        """The engine ran so often in the step."""

    def phase_of(self) -> tuple[int, ...]:
        """What the instruments' numbers are in the record."""
        shown = self._settled()
        return tuple(shown.index(number) if number in shown else 0 for number in range(len(self.names)))

    def shown(self) -> tuple[Phase, ...]:
        """The record's phases."""
        return tuple(Phase(name=self.names[number], steps=self._steps[number]) for number in self._settled())

    def _settled(self) -> tuple[int, ...]:
        if self._shown is None:
            self._shown = self._chosen() or (0,)
        return self._shown

    def _chosen(self) -> tuple[int, ...]:
        return (0,)

    def _saw(self, steps: Sequence[int]) -> None:
        """The first step in which anything was marked counts."""
        if not any(self._steps):
            self._steps = list(steps)


class GenerationBook(Phases):
    """The phases of a model that generates.

    Args:
        target: the model, resolved.
        rules: which calls begin which phase.
        is_certain: whether the step is known to generate; else it is one forward, unless it decodes something.
    """

    def __init__(self, target: Target, rules: PhaseRules, *, is_certain: bool) -> None:
        super().__init__()
        self.names = rules.names
        self._is_certain = is_certain
        self._steps = [0] * len(self.names)
        language = _matching(target, () if rules.language is None else (rules.language,))
        self._watch = GenerationPhases(
            [
                (module, number)
                for number, (_, globs) in enumerate(rules.opened_by)
                for module in _matching(target, globs)
            ],
            language=language[0] if language else None,
            early=_matching(target, rules.early),
            count=len(self.names),
        )

    @contextmanager
    def marked(self, listener: PhaseListener) -> Iterator[None]:
        """The block around one step, whose phases the listener is told."""
        with self._watch.installed(listener):
            yield
        self._saw(self._watch.steps)

    def shown(self) -> tuple[Phase, ...]:
        """The record's phases; one called forward where nothing was generated."""
        if self._is_forward():
            return (Phase(name=ONE[0]),)
        return super().shown()

    def _is_forward(self) -> bool:
        return self._settled() == (0,) and not (self._is_certain and self._steps[0])

    def _chosen(self) -> tuple[int, ...]:
        decodes = self._steps[-1] > 0
        return tuple(n for n, steps in enumerate(self._steps) if steps) if self._is_certain or decodes else (0,)


class TrainingBook(Phases):
    """The phases of training.

    Args:
        root: the module whose outermost calls begin forward.
        is_certain: whether the step is known to train; else phases that never came about are left out.
    """

    def __init__(self, root: nn.Module, *, is_certain: bool) -> None:
        super().__init__()
        self.names = TRAINING
        self.backward = BACKWARD_PHASE
        self._is_certain = is_certain
        self._steps = [0, 0, 0]
        self._runs = 0
        self._watch = TrainingPhases(root)

    @contextmanager
    def marked(self, listener: PhaseListener) -> Iterator[None]:
        """The block around one step, whose phases the listener is told."""
        self._runs = 0
        with self._watch.installed(listener):
            yield
        self._saw((self._watch.steps[0] or 1, self._runs, self._watch.steps[2]))

    def ran_backward(self, times: int) -> None:
        """The engine ran so often in the step; told inside the block."""
        self._runs = times

    def _chosen(self) -> tuple[int, ...]:
        return (0, 1, 2) if self._is_certain else (0, *(n for n in (1, 2) if self._steps[n]))


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


def book_of(target: Target, rules: PhaseRules | None, *, generates: bool | None, train: bool | None) -> Phases:
    """The account that fits a measurement.

    Args:
        target: the model, resolved.
        rules: the model's own, or None.
        generates: True where the step is a generation, None where it may be one.
        train: True where the step trains, None where it may.
    """
    if train is not False:
        return TrainingBook(target.callables[0], is_certain=train is True)
    if rules is not None and generates is not False:
        return GenerationBook(target, rules, is_certain=generates is True)
    return Phases()
