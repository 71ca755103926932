"""Fakes for the seams, and nets of which every number of a profile is known beforehand.

    net = NestedNet()
    profile = layerprof.profile(net, net.inputs, clock=net.clock)
    assert profile["head"].calls == net.answers.layers["head"].calls

For tests of layerprof and of what is built on it; no other room imports it.
"""

from __future__ import annotations

from layerprof.testing.base import (
    PRODUCT_FLOPS,
    ROWS,
    TICK_S,
    WIDTH,
    Answers,
    Expected,
    FakeClock,
    KnownNet,
    Work,
    expected,
)
from layerprof.testing.meters import FakeMeter
from layerprof.testing.reaching import FunctionalNet, GeneratingNet, ListNet, MethodNet
from layerprof.testing.sharing import NestedNet, RecursiveNet, RepeatedNet, SharedNet, TwinsNet, UnusedNet
from layerprof.testing.trouble import CacheNet, KeyCache, LayerFailedError, RaisingChildNet, ThreadNet

__all__ = [
    "PRODUCT_FLOPS",
    "ROWS",
    "TICK_S",
    "WIDTH",
    "ZOO",
    "Answers",
    "CacheNet",
    "Expected",
    "FakeClock",
    "FakeMeter",
    "FunctionalNet",
    "GeneratingNet",
    "KeyCache",
    "KnownNet",
    "LayerFailedError",
    "ListNet",
    "MethodNet",
    "NestedNet",
    "RaisingChildNet",
    "RecursiveNet",
    "RepeatedNet",
    "SharedNet",
    "ThreadNet",
    "TwinsNet",
    "UnusedNet",
    "Work",
    "expected",
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
)
