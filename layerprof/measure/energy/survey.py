"""Where a step's time goes by units, and which units do the same work.

one step with signatures   ─▶ what each call is given and gives      its times do not count
k steps with two marks     ─▶ time of each unit in each phase        signatures would be in their gaps
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Collection, Hashable, Iterator, Mapping, Sequence
from itertools import accumulate
from typing import TYPE_CHECKING

import torch
from torch import nn
from torch.nn.modules import module as of_all

from layerprof.machine import settle
from layerprof.measure.energy.base import (
    CallSignature,
    StepFollower,
    Survey,
    UnitCalls,
    UnitKey,
    bytes_of,
    conditions_now,
    held_tensors,
)
from layerprof.records import Note

if TYPE_CHECKING:
    from layerprof.measure.base import Target
    from layerprof.measure.energy.stopwatch import Stopwatch
    from layerprof.measure.phases import Phases
    from layerprof.measure.runner import StepRunner

_PLAIN = (bool, type(None), torch.dtype, torch.device)


def survey_units(
    runner: StepRunner, target: Target, units: Sequence[int], phases: Phases, stopwatch: Stopwatch, *, steps: int
) -> Survey:
    """Runs one step more than ``steps``, which are timed.

    Args:
        runner: of the step.
        target: the model, resolved.
        units: indices of layers, from `chosen_units`.
        phases: the account of phases.
        stopwatch: where times come from.
        steps: timed ones, at least 1.

    Raises:
        ValueError: for no step.
    """
    if steps < 1:
        raise ValueError(f"a survey needs at least one step; found {steps}")
    hooked = frozenset(layer for layer in units if _has_hooks(target.callables[layer]))
    signed = _SignedStep(target.device)
    following = [StepFollower(target, units, phases, signed)]
    following[0].run(runner)
    timed = []
    for _ in range(steps):
        step = _TimedStep(stopwatch)
        following.append(StepFollower(target, units, phases, step))
        following[-1].run(runner)
        step.end()
        settle(target.device)
        timed.append(step)
    elsewhere = sorted(frozenset[int]().union(*(one.elsewhere for one in following)))
    return _survey(target, signed, timed, phase_of=phases.phase_of(), elsewhere=elsewhere, hooked=hooked)


def _has_hooks(module: nn.Module) -> bool:
    """Whether hooks that are not ours run in each of a module's calls, and so in each replay."""
    inside = (one._forward_hooks or one._forward_pre_hooks for one in module.modules())
    return any(inside) or bool(of_all._global_forward_hooks or of_all._global_forward_pre_hooks)


class _SignedStep:
    """Takes the signature of every call."""

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._given: Hashable = ()
        self._held_bytes = 0
        self.calls: list[tuple[int, int, CallSignature]] = []  # (layer, the instruments' phase, signature)

    def began(self, phase: int) -> None:
        """Nothing of phases is wanted here."""

    def entered(self, layer: int, phase: int, args: tuple[object, ...], kwargs: Mapping[str, object]) -> None:
        found: list[object] = []
        self._given = (_described(args, found), _described(dict(kwargs), found), conditions_now(self._device))
        self._held_bytes = bytes_of(held_tensors(found))

    def left(self, layer: int, phase: int, output: object) -> None:
        work = (self._given, _described(output, []))
        self.calls.append((layer, phase, CallSignature(work=work, held_bytes=self._held_bytes)))


class _TimedStep:
    """Marks when phases begin, and when units are entered and left."""

    def __init__(self, stopwatch: Stopwatch) -> None:
        self._mark = stopwatch.mark
        self._seconds = stopwatch.seconds
        self._entered: object = None
        self._end: object = None
        self._phases: list[tuple[int, object]] = []
        self._calls: list[tuple[int, int, object, object]] = []

    def began(self, phase: int) -> None:
        self._phases.append((phase, self._mark()))

    def entered(self, layer: int, phase: int, args: tuple[object, ...], kwargs: Mapping[str, object]) -> None:
        self._entered = self._mark()

    def left(self, layer: int, phase: int, output: object) -> None:
        now = self._mark()
        self._calls.append((layer, phase, self._entered, now))

    def end(self) -> None:
        """The step is over."""
        self._end = self._mark()

    @property
    def step_s(self) -> float:
        return self._seconds(self._phases[0][1], self._end)

    def phase_s(self, phase_of: Sequence[int]) -> Mapping[int, float]:
        """Time of each of the record's phases; the step's very beginning belongs to the first that is marked."""
        found: defaultdict[int, float] = defaultdict(float)
        ends = [mark for _, mark in self._phases[1:]] + [self._end]
        names = [phase for phase, _ in self._phases]
        names[0] = names[1] if len(names) > 1 else names[0]
        for phase, (_, start), end in zip(names, self._phases, ends, strict=True):
            found[phase_of[phase]] += self._seconds(start, end)
        return found

    def unit_s(self, phase_of: Sequence[int]) -> Mapping[UnitKey, list[float]]:
        """Time of each call of each unit in each of the record's phases."""
        found: defaultdict[UnitKey, list[float]] = defaultdict(list)
        for layer, phase, start, end in self._calls:
            found[UnitKey(layer, phase_of[phase])].append(self._seconds(start, end))
        return found


def _survey(
    target: Target,
    signed: _SignedStep,
    timed: Sequence[_TimedStep],
    *,
    phase_of: Sequence[int],
    elsewhere: Sequence[int],
    hooked: Collection[int],
) -> Survey:
    by_step = [step.unit_s(phase_of) for step in timed]
    phase_s = [step.phase_s(phase_of) for step in timed]
    signatures: defaultdict[UnitKey, list[CallSignature]] = defaultdict(list)
    for layer, phase, signature in signed.calls:
        signatures[UnitKey(layer, phase_of[phase])].append(signature)
    units = [
        _unit(key, target, [one.get(key, []) for one in by_step], signatures[key], is_hooked=key.layer in hooked)
        for key in sorted(frozenset(signatures).union(*by_step))
    ]
    return Survey(
        units=tuple(units),
        phase_s={phase: tuple(one.get(phase, 0.0) for one in phase_s) for phase in sorted(frozenset().union(*phase_s))},
        step_s=tuple(step.step_s for step in timed),
        notes=tuple(_notes(target, units, elsewhere)),
    )


def _unit(
    key: UnitKey,
    target: Target,
    seconds: Sequence[Sequence[float]],
    signatures: Sequence[CallSignature],
    *,
    is_hooked: bool,
) -> UnitCalls:
    calls = len(signatures) or len(seconds[0])
    calls_vary = any(len(one) != calls for one in seconds)
    flags = {
        "varying_inputs": len(frozenset(signatures)) > 1,
        "calls_vary": calls_vary,
        "hooks_change_path": target.tree.layers[key.layer].path in target.rerouted,
        "user_hooks": is_hooked,
    }
    return UnitCalls(
        key=key,
        samples_s=tuple(sum(one) for one in seconds),
        calls=calls,
        module=_module_signature(target.tree.modules[key.layer]),
        signatures=dict(Counter(signatures)),
        flags=tuple(flag for flag, is_set in flags.items() if is_set),
        wanted_call=_wanted_call(signatures, seconds) if signatures and not calls_vary else None,
    )


def _wanted_call(signatures: Sequence[CallSignature], seconds: Sequence[Sequence[float]]) -> int:
    """The middle one among the calls of the signature that took the most time.

    Where each call does other work (a cache grows) that may be any; if it took less than all others together, it is the
    call at which half of the time is reached, when they are ordered by their time.
    """
    call_s = [math.fsum(steps) for steps in zip(*seconds, strict=True)]
    signature_s: defaultdict[CallSignature, float] = defaultdict(float)
    for signature, one in zip(signatures, call_s, strict=True):
        signature_s[signature] += one
    most = max(signature_s, key=lambda signature: signature_s[signature])
    places = [at for at, signature in enumerate(signatures) if signature == most]
    if len(places) > 1 or signature_s[most] > sum(call_s) / 2:
        return places[len(places) // 2]
    return _halfway(call_s)


def _halfway(call_s: Sequence[float]) -> int:
    order = sorted(range(len(call_s)), key=lambda at: call_s[at])
    reached = list(accumulate(call_s[at] for at in order))
    return next((at for at, sum_s in zip(order, reached, strict=True) if sum_s > reached[-1] / 2), len(call_s) // 2)


def _notes(target: Target, units: Sequence[UnitCalls], elsewhere: Sequence[int]) -> Iterator[Note]:
    for layer in elsewhere:
        text = "it ran on another thread than the step's, so its time in the step is not known and it is not replayed"
        yield Note(code="unit_elsewhere", quantity="energy", scope=target.tree.layers[layer].path, text=text)
    for unit in units:
        if "calls_vary" in unit.flags:
            text = "it was not called equally often in all steps; the middle call of the first stands for all"
            yield Note(code="calls_vary", quantity="energy", scope=target.tree.layers[unit.key.layer].path, text=text)


def _module_signature(module: nn.Module) -> Hashable:
    """Classes, shapes, formats and switches of a module and all in it; its numbers tell layers apart that are alike."""
    return (
        tuple(
            (name, type(one).__module__, type(one).__qualname__, _switches(one)) for name, one in module.named_modules()
        ),
        tuple((name, _tensor(one)) for name, one in module.named_parameters(remove_duplicate=False)),
        tuple((name, _tensor(one)) for name, one in module.named_buffers(remove_duplicate=False)),
    )


def _switches(module: nn.Module) -> Hashable:
    """Attributes that are true or false (train mode among them) or words; a word with a digit may be a layer's name."""
    return tuple(
        (name, value) for name, value in sorted(vars(module).items()) if isinstance(value, bool) or _is_word(value)
    )


def _is_word(value: object) -> bool:
    return isinstance(value, str) and not any(letter.isdigit() for letter in value)


def _described(value: object, objects: list[object]) -> Hashable:
    """What of a value decides how much work it makes; objects that are neither tensors nor containers are appended."""
    if isinstance(value, torch.Tensor):
        return _tensor(value)
    if isinstance(value, _PLAIN) or _is_word(value):
        return value
    if isinstance(value, Mapping):
        return type(value).__qualname__, tuple((str(key), _described(held, objects)) for key, held in value.items())
    if isinstance(value, list | tuple):
        return type(value).__qualname__, tuple(_described(held, objects) for held in value)
    if not isinstance(value, str | int | float | complex):
        objects.append(value)
    return type(value).__qualname__


def _tensor(tensor: torch.Tensor) -> Hashable:
    if tensor.layout != torch.strided or tensor.is_nested or isinstance(tensor, nn.UninitializedParameter):
        return "tensor", str(tensor.dtype), str(tensor.layout), str(tensor.device.type)
    return "tensor", str(tensor.dtype), tuple(tensor.shape), tensor.stride(), str(tensor.device.type)
