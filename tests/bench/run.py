"""What the profiler itself costs: ``make bench``.

Everything that can be is a ratio of two things measured side by side in this run, step by step in turn, since two
measurements one after the other differ by several percent on identical code. Each line is the median and its 95 %
interval. Under a minute on two cores.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from rich.console import Console
from rich.table import Table
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

import layerprof as lp
from layerprof import models, stats, units
from layerprof.attribute import StepEvents, ThreadEvents, graph_of, spans_of
from layerprof.clock import SystemClock
from layerprof.flops import make_counter
from layerprof.instruments import CallPaths, MemoryRecorder, Site, SpanRecorder, StorageMeter
from layerprof.records import Prompt

ROUNDS = 15  # of each pair
MODULES, CALLS = 100, 20  # modules called in a row, so many times in one round
BIG_LAYERS, BIG_SAMPLES = 1000, 20  # of the profile that is saved and loaded
EVENT_COUNTS = (10**5, 10**6)

NS_PER_S = 1e9


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One measured number, its interval as text, and what it is of."""

    what: str
    number: str
    interval: str
    note: str


def seconds(function: Callable[[], object]) -> float:
    """How long one call takes."""
    began = time.perf_counter_ns()
    function()
    return (time.perf_counter_ns() - began) / NS_PER_S


def in_turn(first: Callable[[], object], second: Callable[[], object]) -> tuple[list[float], list[float]]:
    """Seconds of both, run in turn, the order swapped each time."""
    times: tuple[list[float], list[float]] = ([], [])
    first()  # caches fill
    second()
    for turn in range(ROUNDS):
        for which in (0, 1) if turn % 2 == 0 else (1, 0):
            times[which].append(seconds((first, second)[which]))
    return times


def ratio_line(what: str, above: Callable[[], object], below: Callable[[], object], note: str) -> Line:
    """The ratio of two things run in turn."""
    ratio, interval = stats.paired_ratio(*in_turn(above, below))
    return Line(what=what, number=f"{ratio:.3f} ×", interval=_range(interval, lambda one: f"{one:.3f}"), note=note)


def time_line(what: str, samples: Sequence[float], note: str) -> Line:
    """The median of some seconds."""
    middle = sorted(samples)[len(samples) // 2]
    interval = stats.median_interval(samples)
    return Line(
        what=what,
        number=units.with_unit(middle, "s"),
        interval=_range(interval, lambda s: units.with_unit(s, "s")),
        note=note,
    )


def _range(interval: tuple[float, float] | None, text: Callable[[float], str]) -> str:
    return units.MISSING if interval is None else f"{text(interval[0])} to {text(interval[1])}"


@contextmanager
def idle_hooks(modules: Sequence[nn.Module]) -> Iterator[None]:
    """A pair of hooks that do nothing on each module: what any hook costs."""
    with ExitStack() as stack:
        for module in modules:
            stack.callback(module.register_forward_pre_hook(lambda *_: None).remove)
            stack.callback(module.register_forward_hook(lambda *_: None, always_call=True).remove)
        yield


def cost_of_a_call() -> Line:
    """The time pass's hooks against hooks that do nothing, in seconds added to one module call."""
    idle, timed = ([nn.Identity() for _ in range(MODULES)] for _ in range(2))
    recorder = SpanRecorder(SystemClock())

    def calls(of: Sequence[nn.Module]) -> Callable[[], None]:
        def run() -> None:
            recorder.begin()
            for _ in range(CALLS):
                for module in of:
                    module(None)

        return run

    with idle_hooks(idle), recorder.installed([Site(index=i, module=one) for i, one in enumerate(timed)]):
        with_ours, with_none = in_turn(calls(timed), calls(idle))
    added = [(ours - none) / (MODULES * CALLS) for ours, none in zip(with_ours, with_none, strict=True)]
    return time_line("time pass, added to a module call", added, "beyond a pair of hooks that do nothing")


def tiny_model() -> tuple[nn.Module, models.ModelInputs]:
    """BLIP-2 in small, and one picture with a question."""
    model = models.load("blip2-tiny")
    prompt = Prompt(head="Question:", body="what is this?", tail="Short answer:")
    adapter = models.adapter_for(model)
    return model, adapter.inputs(model, [Image.new("RGB", (64, 48), "red")], [prompt], models.InputOptions())


def step_of(
    model: nn.Module,
    inputs: models.ModelInputs,
    around: Callable[[], AbstractContextManager[object]] = nullcontext,
    *,
    has_gradients: bool = False,
) -> Callable[[], None]:
    """One forward, inside a context made anew for it."""

    def run() -> None:
        with torch.set_grad_enabled(has_gradients), around():
            model(**inputs)

    return run


def sites_of(model: nn.Module) -> tuple[Site, ...]:
    """Every module of the model."""
    return tuple(Site(index=index, module=module) for index, module in enumerate(model.modules()))


@contextmanager
def flops_pass(model: nn.Module) -> Iterator[None]:
    """Call paths and the counter, as the pass has them."""
    paths = CallPaths()
    with paths.installed(sites_of(model)):
        paths.begin()
        with make_counter(paths.current):
            yield


@contextmanager
def memory_pass(model: nn.Module) -> Iterator[None]:
    """Call paths, the storage meter and its recorder, as the pass has them."""
    meter = StorageMeter(list(model.parameters()))
    recorder = MemoryRecorder(meter)
    paths = CallPaths(recorder)
    with paths.installed(sites_of(model)):
        paths.begin()
        recorder.begin()
        with meter.running():
            yield


def cost_of_the_passes() -> Iterator[Line]:
    """Steps of a real model under each pass against steps without."""
    model, inputs = tiny_model()
    bare = step_of(model, inputs)
    layers = f"{sum(1 for _ in model.modules())} modules"
    yield timed_step(model, bare, layers)
    yield ratio_line(
        "flops pass, step of blip2-tiny",
        step_of(model, inputs, lambda: flops_pass(model), has_gradients=True),
        step_of(model, inputs, lambda: FlopCounterMode(display=False), has_gradients=True),
        "against torch's FlopCounterMode, which needs gradients here",
    )
    yield ratio_line(
        "flops pass, step of blip2-tiny", step_of(model, inputs, lambda: flops_pass(model)), bare, "against a bare step"
    )
    yield ratio_line(
        "memory pass, step of blip2-tiny",
        step_of(model, inputs, lambda: memory_pass(model)),
        bare,
        "against a bare step",
    )


def timed_step(model: nn.Module, bare: Callable[[], None], note: str) -> Line:
    """A step under the time pass's hooks, which go on and off outside of what is timed."""
    recorder = SpanRecorder(SystemClock())
    times: tuple[list[float], list[float]] = ([], [])
    bare()
    for turn in range(2 * ROUNDS):
        for is_timed in (False, True) if turn % 2 == 0 else (True, False):
            with recorder.installed(sites_of(model)) if is_timed else nullcontext():
                recorder.begin()
                times[is_timed].append(seconds(bare))
    ratio, interval = stats.paired_ratio(times[1], times[0])
    return Line(
        what="time pass, step of blip2-tiny",
        number=f"{ratio:.3f} ×",
        interval=_range(interval, lambda one: f"{one:.3f}"),
        note=f"against a bare step; {note}",
    )


def big_profile() -> lp.Profile:
    """A profile of many layers with many samples each."""
    model = nn.Sequential(*(nn.Identity() for _ in range(BIG_LAYERS - 1)))
    return lp.profile(model, torch.ones(1), passes=("time",), warmup=1, repeats=BIG_SAMPLES)


def store_lines() -> Iterator[Line]:
    """Seconds to save and to load a big profile."""
    profile = big_profile()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "profile.json"
        saving = [seconds(lambda: lp.save(profile, path)) for _ in range(7)]
        loading = [seconds(lambda: lp.load(path)) for _ in range(7)]
        size = units.with_unit(path.stat().st_size, "bytes")
    what = f"{BIG_LAYERS} layers of {BIG_SAMPLES} samples"
    yield time_line("save", saving, f"{what}, {size}")
    yield time_line("load", loading, what)


def synthetic_step(events: int) -> StepEvents:
    """A step whose calls nest six deep, a hundred layers in turn."""
    block = np.concatenate([np.arange(6), ~np.arange(6)[::-1]])
    blocks = events // block.size
    layers = np.repeat(np.arange(blocks) % 100, block.size) * 6
    codes = np.where(np.tile(block, blocks) >= 0, np.tile(block, blocks) + layers, np.tile(block, blocks) - layers)
    thread = ThreadEvents(is_step_thread=True, codes=codes, times_ns=np.arange(codes.size, dtype=np.int64))
    return StepEvents(start_ns=0, end_ns=codes.size, threads=(thread,))


def attribution_line(events: int) -> Line:
    """Events a second from buffers to call graph."""
    step = synthetic_step(events)

    def run() -> None:
        spans = spans_of([step])
        assert spans.repairs == 0
        graph_of(spans, steps=1)

    run()
    rates = [events / seconds(run) for _ in range(7)]
    middle, interval = sorted(rates)[len(rates) // 2], stats.median_interval(rates)
    return Line(
        what="attribution",
        number=f"{middle / 1e6:.2f} M events/s",
        interval=_range(interval, lambda one: f"{one / 1e6:.2f}"),
        note=f"{events:,} events to call graph",
    )


def lines() -> Iterator[Line]:
    """All of them, in the order of the table."""
    yield cost_of_a_call()
    yield from cost_of_the_passes()
    yield from store_lines()
    for events in EVENT_COUNTS:
        yield attribution_line(events)


def main() -> None:
    """Measures and prints the table."""
    torch.manual_seed(0)
    table = Table(title=f"layerprof's own cost, torch {torch.__version__}, {torch.get_num_threads()} threads")
    for column in ("what", "median", "95 % interval", "of"):
        table.add_column(column)
    for line in lines():
        table.add_row(line.what, line.number, line.interval, line.note)
    Console().print(table)


if __name__ == "__main__":
    main()
