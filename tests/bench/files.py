"""The store: seconds to save and to load a profile of many layers, with and without the timeline beside it."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import torch
from lines import Goal, Line, as_seconds, line_of, seconds
from torch import nn

import layerprof as lp
from layerprof import units

LAYERS, SAMPLES, OPS = 1000, 20, 10
ROUNDS = 15
_GOAL = Goal(bound=0.1)


class _TenOps(nn.Module):
    """A layer whose call is so many ops, each with other shapes."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        for width in range(1, OPS + 1):
            x[:width].neg_()
        return x


def lines() -> Iterator[Line]:
    """Saving and loading, first the record alone."""
    profile = _profile()
    ops = max(len(layer.ops) for layer in profile.layers)
    what = f"{len(profile.layers):,} layers, {SAMPLES} samples, {ops} ops a layer"
    with tempfile.TemporaryDirectory() as folder:
        yield from _both(replace(profile, timeline=None), Path(folder) / "profile.json", what, goal=_GOAL)
        yield from _both(profile, Path(folder) / "whole.json", f"{what}, and its timeline", goal=None)


def _both(profile: lp.Profile, path: Path, what: str, *, goal: Goal | None) -> Iterator[Line]:
    saving = [seconds(lambda: lp.save(profile, path)) for _ in range(ROUNDS)]
    loading = [seconds(lambda: lp.load(path)) for _ in range(ROUNDS)]
    size = units.with_unit(sum(one.stat().st_size for one in path.parent.glob(f"{path.stem}*")), "bytes")
    yield line_of("save", saving, as_seconds, goal=goal, note=f"{what}; {size}")
    yield line_of("load", loading, as_seconds, goal=goal, note=what)


def _profile() -> lp.Profile:
    model = nn.Sequential(*(_TenOps() for _ in range(LAYERS - 1)))
    return lp.profile(model, torch.ones(OPS), passes=("time", "ops"), warmup=1, repeats=SAMPLES)
