"""The flops pass and the memory pass: a step of a small model under each, against one without."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from blip2 import sites_of, step_of, tiny
from lines import Line, as_ratio, in_turn, line_of, ratios
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from layerprof.flops import make_counter
from layerprof.instruments import CallPaths, MemoryRecorder, StorageMeter


def lines() -> Iterator[Line]:
    """Steps under each pass."""
    model, inputs = tiny()
    ours, theirs = in_turn(
        step_of(model, inputs, lambda: _flops_pass(model), has_gradients=True),
        step_of(model, inputs, lambda: FlopCounterMode(display=False), has_gradients=True),
    )
    what = "flops pass, step of blip2-tiny"
    note = "against torch's FlopCounterMode, which needs gradients here"
    yield line_of(what, ratios(ours, theirs), as_ratio, note=note)
    bare, counted, followed = in_turn(
        step_of(model, inputs),
        step_of(model, inputs, lambda: _flops_pass(model)),
        step_of(model, inputs, lambda: _memory_pass(model)),
    )
    yield line_of(what, ratios(counted, bare), as_ratio, note="against a bare step")
    yield line_of("memory pass, step of blip2-tiny", ratios(followed, bare), as_ratio, note="against a bare step")


@contextmanager
def _flops_pass(model: nn.Module) -> Iterator[None]:
    """Call paths and the counter, as the pass has them."""
    paths = CallPaths()
    with paths.installed(sites_of(model)):
        paths.begin()
        with make_counter(paths.current):
            yield


@contextmanager
def _memory_pass(model: nn.Module) -> Iterator[None]:
    """Call paths, the storage meter and its recorder, as the pass has them."""
    meter = StorageMeter(list(model.parameters()))
    recorder = MemoryRecorder(meter)
    paths = CallPaths(recorder)
    with paths.installed(sites_of(model)):
        paths.begin()
        recorder.begin()
        with meter.running():
            yield
