"""Counting without running: `count_flops` of BLIP-2 at full geometry, its peers, and what a counted model costs later.

The peers cannot count the whole model on the meta device: it asks a tensor there whether the text has as many places
for the picture as the picture has tokens, which has no answer. So all three count its vision tower.
"""

from __future__ import annotations

import subprocess
import sys
import warnings
from collections.abc import Callable, Iterator
from typing import cast

import torch
from blip2 import step_of, tiny
from lines import Goal, Line, as_ratio, as_seconds, line_of, ratios, seconds
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

import layerprof as lp
from layerprof import models, units

FULL = "blip2-opt-2.7b"
ROUNDS = 7
PROCESSES = 3
STEPS = 40  # before and after the model was counted
_BYTES_PER_MB, _BYTES_PER_KIB = 1e6, 1024
_MEMORY = """
from pathlib import Path
import torch
import layerprof as lp
from transformers import Blip2ForConditionalGeneration

def kibibytes(field):
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(field))

lp.models.load("blip2-tiny", device="meta")
lp.count_flops(torch.nn.Linear(2, 2), torch.ones(1, 2))
Path("/proc/self/clear_refs").write_text("5")  # the peak is counted from here: that of the imports is higher
before = kibibytes("VmRSS")
model = lp.models.load("blip2-opt-2.7b", device="meta")
with torch.device("meta"):
    pixels, ids = torch.empty(1, 3, 224, 224, dtype=torch.bfloat16), torch.empty(1, 41, dtype=torch.long)
lp.count_flops(model, {"pixel_values": pixels, "input_ids": ids})
print(kibibytes("VmHWM") - before)
"""


def lines() -> Iterator[Line]:
    """Seconds, memory, peers, and later runs."""
    model = models.load(FULL, device="meta")
    yield _whole(model)
    yield line_of(
        "memory of the same in a process of its own, beyond imports and a first small count",
        [_memory_bytes() for _ in range(PROCESSES)],
        _as_megabytes,
        goal=Goal(bound=300e6),
        note="peak of the resident size",
    )
    yield from _vision_tower(model.get_submodule("vision_model"))
    yield from _later_runs()


def _whole(model: nn.Module) -> Line:
    with torch.device("meta"):
        pixels, ids = torch.empty(1, 3, 224, 224, dtype=torch.bfloat16), torch.empty(1, 41, dtype=torch.long)
    inputs = {"pixel_values": pixels, "input_ids": ids}
    taken_s = [seconds(lambda: lp.count_flops(model, inputs)) for _ in range(ROUNDS + 1)][1:]
    return line_of(
        f"count_flops of {FULL} on meta", taken_s, as_seconds, goal=Goal(bound=2.0), note="after a first one"
    )


def _memory_bytes() -> float:
    done = subprocess.run([sys.executable, "-c", _MEMORY], capture_output=True, text=True, check=True)
    return float(done.stdout) * _BYTES_PER_KIB


def _as_megabytes(value: float) -> str:
    return f"{value / _BYTES_PER_MB:.0f} MB"


def _vision_tower(tower: nn.Module) -> Iterator[Line]:
    """The same part by each counter, on the meta device."""
    with torch.device("meta"):
        pixels = torch.empty(1, 3, 224, 224, dtype=torch.bfloat16)
    counters: dict[str, Callable[[], object]] = {
        "count_flops": lambda: lp.count_flops(tower, pixels),
        "torch's FlopCounterMode": lambda: _by_torch(tower, pixels),
        "fvcore's FlopCountAnalysis": lambda: _by_fvcore(tower, pixels),
    }
    for name, count in counters.items():
        try:
            taken_s = [seconds(count) for _ in range(ROUNDS + 1)][1:]
        except Exception as error:  # a peer's own, whatever it is
            yield Line(
                what=f"{name} of its vision tower",
                number=units.MISSING,
                interval=units.MISSING,
                goal="",
                verdict="",
                note=f"cannot: {error}"[:90],
            )
        else:
            yield line_of(f"{name} of its vision tower on meta", taken_s, as_seconds)


def _by_torch(tower: nn.Module, pixels: torch.Tensor) -> int:
    with FlopCounterMode(display=False) as mode:
        tower(pixels)
    return int(mode.get_total_flops())


def _by_fvcore(tower: nn.Module, pixels: torch.Tensor) -> int:
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")
        from fvcore.nn import FlopCountAnalysis

        analysis = FlopCountAnalysis(_FirstOnly(tower), pixels).unsupported_ops_warnings(False)
        return int(analysis.uncalled_modules_warnings(False).total())


class _FirstOnly(nn.Module):
    """A model that returns its first tensor, as tracing wants it."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        first: torch.Tensor = self.model(pixels)[0]
        return first


def _later_runs() -> Iterator[Line]:
    """A step after the model went through the flops pass, over one before."""
    net = nn.Sequential(nn.Linear(256, 256), nn.GELU(), nn.Linear(256, 256)).eval()
    compiled = cast(nn.Module, torch.compile(net))
    x = torch.randn(64, 256)
    yield _before_and_after("a compiled net of two layers", compiled, x, lambda: _no_grad(compiled, x))
    model, inputs = tiny()
    yield _before_and_after("blip2-tiny", model, inputs, step_of(model, inputs))


def _before_and_after(what: str, model: nn.Module, inputs: object, step: Callable[[], None]) -> Line:
    for _ in range(STEPS):
        step()  # caches fill, and a compiled net is compiled
    before_s = [seconds(step) for _ in range(STEPS)]
    lp.profile(model, inputs, passes=("flops",), warmup=0, repeats=1)
    lp.count_flops(model, inputs)
    step()
    after_s = [seconds(step) for _ in range(STEPS)]
    return line_of(f"step of {what} after the flops pass", ratios(after_s, before_s), as_ratio, note="over one before")


def _no_grad(model: nn.Module, x: torch.Tensor) -> None:
    with torch.no_grad():
        model(x)
