"""The nets whose every duration is known, on a clock that spins: how far rows and phases are off in real time.

A net's answers are its spins alone; its tensors are small, but their ops, cold after a spin, take up to half a
millisecond a layer all the same, which no answer has. So each net runs twice: with its own ticks of 2 ms, where that
work is a good part of what a row may be off, and with ticks so long that it is little beside the 2 %.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import torch
from lines import Goal, Line, as_ratio, line_of

import layerprof as lp
from layerprof.attribute import attribute
from layerprof.measure import Call, LoopMeasurement, Measurement, Options, resolve
from layerprof.measure.base import bound_step
from layerprof.records import ProfileSpec, Quantities
from layerprof.testing import TICK_S, TRAINING, ZOO, CaptioningNet, Expected, KnownNet, PhasedNet, SpinningClock

REPEATS, WARMUP = 7, 1
STRETCHES = (1, 16)  # so many times a tick's 2 ms
RELATIVE, ABSOLUTE_S = 0.02, 1e-4  # a row may be off by so much of itself, or by so much, whichever is more
_MS_PER_S = 1e3


class _StretchedClock(SpinningClock):
    """A clock whose every tick takes so many times as long."""

    def __init__(self, stretch: int) -> None:
        self.stretch = stretch

    def advance_s(self, seconds: float) -> None:
        super().advance_s(self.stretch * seconds)


@dataclass(frozen=True, slots=True)
class _Deviation:
    """How far one duration is off, by repeat."""

    name: str
    samples_s: tuple[float, ...]
    expected_s: float

    @property
    def off_s(self) -> float:
        """Of the median."""
        return statistics.median(self.samples_s) - self.expected_s

    @property
    def allowed_s(self) -> float:
        """For this duration."""
        return max(RELATIVE * self.expected_s, ABSOLUTE_S)

    @property
    def share(self) -> float:
        """Of what is allowed."""
        return abs(self.off_s) / self.allowed_s


def lines() -> Iterator[Line]:
    """The worst duration of every net, with short ticks and with long ones."""
    for stretch in STRETCHES:
        yield from _stretched(stretch)


def _stretched(stretch: int) -> Iterator[Line]:
    for kind in ZOO:
        net = kind(_StretchedClock(stretch))
        yield _line(kind, stretch, _of_rows(_called(net), net.answers.layers, stretch))
    for trained in TRAINING:
        profile = _trained(trained(_StretchedClock(stretch)))
        yield _line(trained, stretch, _of_phases(profile, trained, stretch))
    profile = _generated(CaptioningNet(_StretchedClock(stretch)))
    yield _line(CaptioningNet, stretch, _of_phases(profile, CaptioningNet, stretch))


def _line(kind: type[KnownNet], stretch: int, deviations: Iterator[_Deviation]) -> Line:
    known = list(deviations)
    worst = max(known, key=lambda one: one.share)
    sign = 1 if worst.off_s >= 0 else -1
    return line_of(
        f"known durations, {kind.__name__}, ticks of {stretch * TICK_S * _MS_PER_S:.0f} ms",
        [sign * (sample - worst.expected_s) / worst.allowed_s for sample in worst.samples_s],
        as_ratio,
        goal=Goal(bound=1.0),
        note=f"of 2 % or 0.1 ms; {worst.name} is {worst.off_s * _MS_PER_S:+.3f} of "
        f"{worst.expected_s * _MS_PER_S:.2f} ms, the worst of {len(known)}",
    )


def _called(net: KnownNet) -> lp.Profile:
    """On fresh inputs each time; making them is under no layer."""
    with torch.no_grad():
        return _timed(net.eval(), lambda: bound_step(Call(model=net), net.inputs)())


def _trained(net: PhasedNet) -> lp.Profile:
    return _timed(net.train(), net.step)


def _timed(net: KnownNet, step: Callable[[], object]) -> lp.Profile:
    """Timed steps alone: bare ones would take as long again."""
    measurement = LoopMeasurement(resolve(net, runs_step=False), net.clock)
    for _ in range(WARMUP):
        step()
    for _ in range(REPEATS):
        with measurement.block("time"):
            step()
    return attribute(measurement.trace(_spec(net)))


def _generated(net: CaptioningNet) -> lp.Profile:
    """By the net's own rules of phases, which `lp.profile` asks of the adapters of real models alone."""
    call = Call(model=net, inputs=net.inputs, method="generate")
    options = Options(passes=("time",), warmup=WARMUP, repeats=REPEATS, clock=net.clock)
    measurement = Measurement(call, resolve(net, method="generate", runs_step=True), options, net.rules)
    measurement.run()
    return attribute(measurement.trace(_spec(net)))


def _spec(net: KnownNet) -> ProfileSpec:
    return ProfileSpec(model="", model_type=type(net).__name__, passes=("time",))


def _of_rows(profile: lp.Profile, answers: Mapping[str, Expected], stretch: int) -> Iterator[_Deviation]:
    for path, answer in answers.items():
        yield from _of_row(path or "the root", profile[path], answer, stretch)


def _of_phases(profile: lp.Profile, net: type[PhasedNet], stretch: int) -> Iterator[_Deviation]:
    """Of each layer in each phase."""
    for phase, answers in net.phases.items():
        for path, answer in answers.layers.items():
            yield from _of_row(f"{path or 'the root'} in {phase}", profile[path].by_phase[phase], answer, stretch)


def _of_row(name: str, row: Quantities, answer: Expected, stretch: int) -> Iterator[_Deviation]:
    for quantity in ("self_s", "total_s"):
        measured = getattr(row, quantity)
        yield _Deviation(f"{quantity} of {name}", measured.samples, stretch * getattr(answer, quantity))
