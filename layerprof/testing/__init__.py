"""Fakes for the seams, and nets of which every number of a profile is known beforehand.

    net = NestedNet()
    profile = layerprof.profile(net, net.inputs, clock=net.clock)
    assert profile["head"].calls == net.answers.layers["head"].calls

`ZOO` holds those whose step is one call, `TRAINING` those whose step is `PhasedNet.step` with ``train=True``. With
``NestedNet(SpinningClock())`` the same work takes real time.

For tests of layerprof and of what is built on it; no other room imports it.
"""

from __future__ import annotations

from layerprof.testing.answering import Answer, LazyNet, OutputsNet
from layerprof.testing.base import (
    PRODUCT_FLOPS,
    ROWS,
    TICK_S,
    WIDTH,
    Answers,
    Caller,
    Expected,
    FakeClock,
    KnownNet,
    MovableClock,
    PhaseAnswers,
    PhasedNet,
    SpinningClock,
    Work,
    expected,
    whole_step,
)
from layerprof.testing.generating import PROMPT, TOKENS, CaptioningNet
from layerprof.testing.hooking import HookedNet, PatchedNet, ReplicaNet
from layerprof.testing.meters import FakeMeter
from layerprof.testing.reaching import FunctionalNet, GeneratingNet, ListNet, MethodNet
from layerprof.testing.sharing import NestedNet, RecursiveNet, RepeatedNet, SharedNet, TwinsNet, UnusedNet
from layerprof.testing.stepping import (
    AccumulatingNet,
    CheckpointNet,
    MicroBatchNet,
    OptimizerNet,
    ReentrantCheckpointNet,
    RetainedNet,
    TakingOptimizer,
)
from layerprof.testing.training import (
    DroppedNet,
    FrozenNet,
    QueryKeyValueNet,
    SharedTrainingNet,
    TiedNet,
    TowersNet,
    TrainingNet,
    trained,
)
from layerprof.testing.trouble import CacheNet, KeyCache, LayerFailedError, RaisingChildNet, ThreadNet

__all__ = [
    "PRODUCT_FLOPS",
    "PROMPT",
    "ROWS",
    "TICK_S",
    "TOKENS",
    "TRAINING",
    "WIDTH",
    "ZOO",
    "AccumulatingNet",
    "Answer",
    "Answers",
    "CacheNet",
    "Caller",
    "CaptioningNet",
    "CheckpointNet",
    "DroppedNet",
    "Expected",
    "FakeClock",
    "FakeMeter",
    "FrozenNet",
    "FunctionalNet",
    "GeneratingNet",
    "HookedNet",
    "KeyCache",
    "KnownNet",
    "LayerFailedError",
    "LazyNet",
    "ListNet",
    "MethodNet",
    "MicroBatchNet",
    "MovableClock",
    "NestedNet",
    "OptimizerNet",
    "OutputsNet",
    "PatchedNet",
    "PhaseAnswers",
    "PhasedNet",
    "QueryKeyValueNet",
    "RaisingChildNet",
    "RecursiveNet",
    "ReentrantCheckpointNet",
    "RepeatedNet",
    "ReplicaNet",
    "RetainedNet",
    "SharedNet",
    "SharedTrainingNet",
    "SpinningClock",
    "TakingOptimizer",
    "ThreadNet",
    "TiedNet",
    "TowersNet",
    "TrainingNet",
    "TwinsNet",
    "UnusedNet",
    "Work",
    "expected",
    "trained",
    "whole_step",
]

ZOO: tuple[type[KnownNet], ...] = (
    NestedNet,
    SharedNet,
    RepeatedNet,
    RecursiveNet,
    TwinsNet,
    UnusedNet,
    FunctionalNet,
    MethodNet,
    ListNet,
    RaisingChildNet,
    ThreadNet,
    CacheNet,
    ReplicaNet,
    HookedNet,
    PatchedNet,
    OutputsNet,
    LazyNet,
)
TRAINING: tuple[type[PhasedNet], ...] = (
    QueryKeyValueNet,
    TowersNet,
    SharedTrainingNet,
    TiedNet,
    FrozenNet,
    DroppedNet,
    OptimizerNet,
    MicroBatchNet,
    RetainedNet,
    AccumulatingNet,
    CheckpointNet,
    ReentrantCheckpointNet,
)
