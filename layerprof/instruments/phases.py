"""Where the phases of a step begin: told from which modules are called, and with what.

    vision_model ─▶ vision     qformer ─▶ qformer     language model ─▶ prefill, then decode, decode, decode …
    the model    ─▶ forward    autograd's engine ─▶ backward            an optimizer's step ─▶ optimizer

A phase lasts until the next one begins, so what happens between (sampling a token, say) belongs to the one before it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from typing import Protocol

import torch
from torch import nn
from torch.optim.optimizer import register_optimizer_step_pre_hook

from layerprof.instruments.base import engine_task

FORWARD, BACKWARD_PHASE, OPTIMIZER = 0, 1, 2  # of training

_QUERIES = ("inputs_embeds", "input_ids", "decoder_inputs_embeds", "decoder_input_ids")
_NOTHING = -1


class PhaseListener(Protocol):
    """An instrument that keeps account of phases."""

    def phase(self, index: int) -> None:
        """Phase ``index`` begins."""
        ...


class GenerationPhases:
    """The phases of a generation; the last two are prefill and decode.

    A call of the language model is the prefill when it is the first of a sequence, and decode when it carries one on:
    a single token, or more of them on a cache that holds tokens already (candidates that are verified together);
    without a cache, a query longer by one than the one before.

    Args:
        openers: (module, phase index): its call begins the phase.
        language: the module that is called for every token, or None.
        early: modules whose call before the language model's first one belongs to the prefill already.
        first: the number of the first phase.
        tells_every_token: whether the listener is told of each call of the language model, also where the phase stays
            the same: for where others may tell it of theirs in between.
        count: how many phases there are.

    Attributes:
        steps: how often each phase ran since the block was entered.

    Limits: a prompt that is read in several pieces counts as decode from the second piece on.
    """

    def __init__(
        self,
        openers: Sequence[tuple[nn.Module, int]],
        *,
        language: nn.Module | None,
        early: Sequence[nn.Module] = (),
        first: int = 0,
        count: int,
        tells_every_token: bool = False,
    ) -> None:
        self._openers = openers
        self._language = language
        self._early = early
        self._first = first
        self._tells_every_token = tells_every_token
        self._prefill, self._decode = first + count - 2, first + count - 1
        self.steps = [0] * count
        self._phase = _NOTHING
        self._length: int | None = None  # of the language model's query in its latest call of this sequence

    @contextmanager
    def installed(self, listener: PhaseListener) -> Iterator[None]:
        """The block around one step, whose phases the listener is told."""
        self.steps = [0] * len(self.steps)
        self._phase, self._length = _NOTHING, None

        def begin(phase: int) -> None:
            if phase != self._phase:
                self._phase = phase
                listener.phase(phase)

        with ExitStack() as stack:
            for module, phase in self._openers:
                stack.callback(_before(module, self._opener(begin, phase)))
            for module in self._early:
                stack.callback(_before(module, self._early_opener(begin)))
            if self._language is not None:
                stack.callback(_before(self._language, self._language_opener(begin)))
            yield

    def _opener(self, begin: _Begin, phase: int) -> _Hook:
        def entered(module: nn.Module, args: tuple[object, ...], kwargs: dict[str, object]) -> None:
            self.steps[phase - self._first] += phase != self._phase
            self._length = None
            begin(phase)

        return entered

    def _early_opener(self, begin: _Begin) -> _Hook:
        def entered(module: nn.Module, args: tuple[object, ...], kwargs: dict[str, object]) -> None:
            if self._length is None:
                begin(self._prefill)

        return entered

    def _language_opener(self, begin: _Begin) -> _Hook:
        def entered(module: nn.Module, args: tuple[object, ...], kwargs: dict[str, object]) -> None:
            length = _query_length(args, kwargs)
            carries_on = self._length is not None and _carries_on(length, self._length, kwargs)
            phase = self._decode if carries_on else self._prefill
            self._length = length
            self.steps[phase - self._first] += 1
            if self._tells_every_token:
                self._phase = _NOTHING
            begin(phase)

        return entered


class TrainingPhases:
    """The phases of a training step: an outermost call of the model begins forward, an optimizer's step optimizer.

    Backward is not begun here: instruments ask autograd's engine.

    Attributes:
        steps: how often forward, backward (0 here) and optimizer ran since the block was entered.
    """

    def __init__(self, root: nn.Module) -> None:
        self._root = root
        self.steps = [0, 0, 0]

    @contextmanager
    def installed(self, listener: PhaseListener) -> Iterator[None]:
        """The block around one step, whose phases the listener is told."""
        self.steps = [0, 0, 0]

        def forward(module: nn.Module, args: tuple[object, ...], kwargs: dict[str, object]) -> None:
            if engine_task() == -1:  # else it is recomputation
                self.steps[FORWARD] += 1
                listener.phase(FORWARD)

        def optimizer(*_: object) -> None:
            self.steps[OPTIMIZER] += 1
            listener.phase(OPTIMIZER)

        with ExitStack() as stack:
            stack.callback(_before(self._root, forward))
            stack.callback(register_optimizer_step_pre_hook(optimizer).remove)
            yield


class _Begin(Protocol):
    def __call__(self, phase: int) -> None: ...


class _Hook(Protocol):
    def __call__(self, module: nn.Module, args: tuple[object, ...], kwargs: dict[str, object]) -> None: ...


def _before(module: nn.Module, hook: _Hook) -> Callable[[], None]:
    """Outermost of all hooks, for the phase begins before the call does; gives what takes it off again.

    Scripted modules take no hooks: their calls begin no phase.
    """
    if isinstance(module, torch.jit.ScriptModule):
        return lambda: None
    return module.register_forward_pre_hook(hook, prepend=True, with_kwargs=True).remove


def _query_length(args: tuple[object, ...], kwargs: Mapping[str, object]) -> int:
    """Tokens of the query: the second axis of the first tensor that holds any; 0 where there is none."""
    candidates = (*(kwargs.get(name) for name in _QUERIES), *args)
    shapes = (value.shape for value in candidates if isinstance(value, torch.Tensor) and value.dim() > 1)
    return next((int(shape[1]) for shape in shapes), 0)


def _carries_on(length: int, before: int, kwargs: Mapping[str, object]) -> bool:
    """Whether a query of that length goes on with the sequence of the call before."""
    if length == 1:
        return True
    cache = kwargs.get("past_key_values")
    if cache is None:
        return length == before + 1
    held = getattr(cache, "get_seq_length", None)
    return callable(held) and bool(held())
