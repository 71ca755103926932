"""A profile in the words of the nets' answers, so that both are compared by ``==``."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import nn

import layerprof as lp
from layerprof.records import Quantities
from layerprof.testing import Expected, KnownNet, PhaseAnswers, PhasedNet

PASSES = ("time", "flops", "memory")
REPEATS = 3


@dataclass(frozen=True)
class Whole:
    """What a phase is as a whole."""

    total_s: float
    flops: int


def profile_of(
    net: KnownNet, *, repeats: int = REPEATS, warmup: int = 1, ceilings: lp.Ceilings | None = None
) -> lp.Profile:
    """Of the net's call on its inputs, under ceilings that are given, or those that are kept."""
    asked: lp.Ceilings | Literal["auto"] = "auto" if ceilings is None else ceilings
    return lp.profile(net, net.inputs, clock=net.clock, passes=PASSES, warmup=warmup, repeats=repeats, ceilings=asked)


def trained_profile(net: PhasedNet, passes: tuple[str, ...] = PASSES) -> lp.Profile:
    """Of the net's step."""
    return lp.profile(net, call=net.step, train=True, clock=net.clock, passes=passes, warmup=1, repeats=REPEATS)


def constant(distribution: lp.Distribution | None) -> float:
    """The one value that it has in every step."""
    assert distribution is not None
    assert set(distribution.samples) == {distribution.samples[0]}
    return distribution.samples[0]


def answer_of(row: Quantities) -> Expected:
    """A row in the words of an answer, once it is the same in every step."""
    assert row.flops is not None
    assert row.self_flops is not None
    return Expected(
        calls=row.calls,
        self_s=constant(row.self_s),
        total_s=constant(row.total_s),
        self_flops=row.self_flops,
        flops=row.flops,
        concurrent_s=constant(row.concurrent_s),
    )


def rows_of(profile: lp.Profile) -> dict[str, Expected]:
    """Path to answer."""
    return {layer.path: answer_of(layer) for layer in profile.layers}


def calls_in(tree: lp.CallNode | None) -> dict[tuple[str, ...], int]:
    """Call path to calls, callers first; a top node that stands for the step's range is left out of the paths."""
    calls: dict[tuple[str, ...], int] = {}
    for path, node in nodes_of(tree):
        calls[path] = calls.get(path, 0) + node.calls
    return calls


def nodes_of(tree: lp.CallNode | None) -> Iterator[tuple[tuple[str, ...], lp.CallNode]]:
    """Every node with its call path."""
    assert tree is not None
    for top in tree.children if tree.is_range else (tree,):
        yield from _walk(top, ())


def _walk(node: lp.CallNode, above: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], lp.CallNode]]:
    path = (*above, node.path)
    yield path, node
    for child in node.children:
        yield from _walk(child, path)


def phases_of(profile: lp.Profile) -> dict[str, PhaseAnswers]:
    """Phase to answer, in order."""
    return {
        phase.name: PhaseAnswers(
            steps=phase.steps,
            layers={
                layer.path: answer_of(layer.by_phase[phase.name])
                for layer in profile.layers
                if phase.name in layer.by_phase
            },
            calls={path: node.calls for path, node in nodes_of(profile.call_tree) if node.phase == phase.name},
            unattributed_s=constant(phase.unattributed_s),
        )
        for phase in profile.phases
    }


def wholes_of(profile: lp.Profile) -> dict[str, Whole]:
    """Phase to what it is as a whole."""
    return {phase.name: Whole(constant(phase.total_s), phase.flops or 0) for phase in profile.phases}


def failed_checks(profile: lp.Profile) -> list[lp.Check]:
    """Those that do not hold."""
    return [check for check in profile.checks if not check.ok]


def hooks_of(model: nn.Module) -> list[object]:
    """All hooks around calls, in order."""
    kinds = ("_forward_hooks", "_forward_pre_hooks", "_forward_hooks_always_called", "_forward_pre_hooks_with_kwargs")
    return [list(getattr(module, kind).items()) for module in model.modules() for kind in kinds]


def state_of(model: nn.Module) -> tuple[object, ...]:
    """What a profile has to leave as it was."""
    return (
        hooks_of(model),
        [module.training for module in model.modules()],
        [list(vars(module)) for module in model.modules()],
        torch.is_grad_enabled(),
        torch.get_rng_state().tolist(),
    )


@contextmanager
def global_hook(register: Callable[..., Any], hook: Callable[..., object], **options: bool) -> Iterator[None]:
    """The block in which a hook of all modules is registered."""
    handle = register(hook, **options)
    try:
        yield
    finally:
        handle.remove()
