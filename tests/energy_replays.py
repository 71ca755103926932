"""A model with what is put around it to survey, capture and replay its layers, as a measurement does."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import nn

from layerprof.clock import Clock, SystemClock
from layerprof.measure import Call, Target, resolve
from layerprof.measure.energy.base import Captured, Captures, Survey, UnitKey, Wanted
from layerprof.measure.energy.capture import capture_inputs
from layerprof.measure.energy.replay import ReplayLoad, replay_of
from layerprof.measure.energy.stopwatch import HostStopwatch
from layerprof.measure.energy.survey import survey_units
from layerprof.measure.energy.units import chosen_units
from layerprof.measure.feed import InputFeed
from layerprof.measure.phases import Phases, book_of, generates
from layerprof.measure.runner import StepRunner
from layerprof.measure.session import quiet_session
from layerprof.records import PhaseRules

CPU = torch.device("cpu")


class Bench:
    """One model under measurement.

    Args:
        model: to be measured.
        inputs: of its call.
        clock: where time comes from.
        method, method_kwargs, function: as of `Call`.
        rules: of a generation.
        train: whether it trains.
    """

    def __init__(  # noqa: PLR0913 - what a measurement is asked for
        self,
        model: nn.Module,
        inputs: object = None,
        *,
        clock: Clock | None = None,
        method: str | None = None,
        method_kwargs: Mapping[str, object] | None = None,
        function: Callable[[], object] | None = None,
        rules: PhaseRules | None = None,
        train: bool = False,
    ) -> None:
        call = Call(
            model=model, inputs=inputs, function=function, method=method, method_kwargs=dict(method_kwargs or {})
        )
        self.clock = clock or SystemClock()
        self.train = train
        self.target: Target = resolve(model, method=method, runs_step=function is None, inputs=inputs)
        self.phases: Phases = book_of(self.target, rules, generates=generates(call), train=train)
        self.runner = StepRunner(call, self.target, self.clock, InputFeed(inputs))

    @contextmanager
    def session(self) -> Iterator[None]:
        """The block that measurements stand in."""
        with quiet_session(self.target.tree.modules[0], train=self.train):
            yield

    def index(self, path: str) -> int:
        return next(at for at, layer in enumerate(self.target.tree.layers) if layer.path == path)

    def paths(self, keys: tuple[UnitKey, ...]) -> list[str]:
        return [self.target.tree.layers[key.layer].path for key in keys]

    def units(self) -> tuple[int, ...]:
        reachable = {site.index for site in self.target.timed}
        return chosen_units(self.target.tree.layers, asked="blocks", reachable=reachable)

    def survey(self, *, paths: tuple[str, ...] | None = None, steps: int = 1) -> Survey:
        units = self.units() if paths is None else tuple(self.index(path) for path in paths)
        with self.session():
            return survey_units(self.runner, self.target, units, self.phases, HostStopwatch(self.clock), steps=steps)

    def captures(self, *wanted: Wanted, budget_bytes: int | None = None) -> Captures:
        with self.session():
            return capture_inputs(self.runner, self.target, self.phases, wanted, budget_bytes=budget_bytes)

    def captured(self, path: str, *, phase: int = 0, call: int = 0, calls: int = 1) -> Captured:
        wanted = Wanted(key=UnitKey(self.index(path), phase), call=call, calls=calls)
        captures = self.captures(wanted)
        assert not captures.missed, captures.missed
        return captures.found[wanted.key]

    def load(self, path: str, *, phase: int = 0, call: int = 0, calls: int = 1) -> ReplayLoad:
        captured = self.captured(path, phase=phase, call=call, calls=calls)
        return replay_of(captured, self.target.callables[self.index(path)], CPU)
