"""The time pass: what its hooks add to a call of a module, and to a step of a small model."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import dataclass

from blip2 import sites_of, step_of, tiny
from lines import ROUNDS, Goal, Line, as_ratio, as_seconds, in_turn, line_of, ratios, seconds
from torch import nn

from layerprof.clock import SystemClock
from layerprof.instruments import Site, SpanRecorder

HOOK_ROUNDS = 51
MODULES, CALLS = 100, 25  # modules called in a row, so many times in one round


@dataclass(frozen=True, slots=True)
class Added:
    """Seconds added to one call of a module, by round: by hooks that do nothing, and by ours."""

    idle_s: tuple[float, ...]
    ours_s: tuple[float, ...]


def lines() -> Iterator[Line]:
    """The hooks' cost, and a step under them."""
    cost = added()
    what = "time pass, added to a module call"
    yield line_of(
        what,
        ratios(cost.ours_s, cost.idle_s),
        as_ratio,
        goal=Goal(bound=1.5),
        note="against a pre-hook and a post-hook that do nothing, on modules of the same kind",
    )
    yield line_of(what, cost.ours_s, as_seconds, note="against a call without hooks")
    yield line_of("hooks that do nothing, added to a module call", cost.idle_s, as_seconds, note="likewise")
    yield _small_step()


def added(rounds: int = HOOK_ROUNDS) -> Added:
    """What hooks add to one call, measured in turn with calls without any."""
    bare, idle, timed = ([nn.Identity() for _ in range(MODULES)] for _ in range(3))
    recorder = SpanRecorder(SystemClock())
    with _idle_hooks(idle), recorder.installed([Site(index=i, module=one) for i, one in enumerate(timed)]):
        times = in_turn(*(_calls(modules, recorder) for modules in (bare, idle, timed)), rounds=rounds)
    without, with_idle, with_ours = times
    calls = MODULES * CALLS
    return Added(
        idle_s=tuple((one - none) / calls for one, none in zip(with_idle, without, strict=True)),
        ours_s=tuple((one - none) / calls for one, none in zip(with_ours, without, strict=True)),
    )


@dataclass(frozen=True, slots=True)
class Steps:
    """Seconds of timed steps and of the bare ones beside them, and how many calls the last one had."""

    timed_s: tuple[float, ...]
    bare_s: tuple[float, ...]
    calls: int


def steps_in_turn(model: nn.Module, step: Callable[[], None], *, rounds: int) -> Steps:
    """Bare steps and timed ones, in ABBA blocks; hooks go on and off outside of what is timed."""
    recorder = SpanRecorder(SystemClock())
    sites = sites_of(model)
    bare_s: list[float] = []
    timed_s: list[float] = []
    calls = 0
    step()  # caches fill
    for turn in range(rounds):
        for is_timed in (False, True) if turn % 2 == 0 else (True, False):
            with recorder.installed(sites) if is_timed else nullcontext():
                recorder.begin()
                (timed_s if is_timed else bare_s).append(seconds(step))
            if is_timed:
                calls = recorder.events(start_ns=0, end_ns=0).threads[0].codes.size // 2
    return Steps(tuple(timed_s), tuple(bare_s), calls)


def _small_step() -> Line:
    model, inputs = tiny()
    steps = steps_in_turn(model, step_of(model, inputs), rounds=2 * ROUNDS)
    note = f"against a bare step; {steps.calls} module calls"
    return line_of("time pass, step of blip2-tiny", ratios(steps.timed_s, steps.bare_s), as_ratio, note=note)


@contextmanager
def _idle_hooks(modules: Sequence[nn.Module]) -> Iterator[None]:
    """A pair of hooks that do nothing on each module, registered as ours are."""
    with ExitStack() as stack:
        for module in modules:
            stack.callback(module.register_forward_pre_hook(_do_nothing, prepend=True).remove)
            stack.callback(module.register_forward_hook(_do_nothing_after, always_call=True).remove)
        yield


def _do_nothing(module: nn.Module, args: object) -> None:
    return


def _do_nothing_after(module: nn.Module, args: object, output: object) -> None:
    return


def _calls(modules: Sequence[nn.Module], recorder: SpanRecorder) -> Callable[[], None]:
    def run() -> None:
        recorder.begin()
        for _ in range(CALLS):
            for module in modules:
                module(None)

    return run
