"""The call path at any moment, and the counts by call path that the flops and memory passes stand on."""

from __future__ import annotations

import threading

import torch
from torch import nn

from layerprof.attribute import CallGraph
from layerprof.instruments import CallPaths, Site
from layerprof.testing import KnownNet, NestedNet, RaisingChildNet, RecursiveNet, SharedNet, ThreadNet

OUTSIDE = -1


def sites_of(model: nn.Module) -> tuple[Site, ...]:
    return tuple(Site(index=index, module=module) for index, module in enumerate(model.modules()))


def graph_of(net: KnownNet) -> CallGraph:
    paths = CallPaths()
    with paths.installed(sites_of(net)):
        paths.begin()
        net(net.inputs)
    return paths.graph({})


def calls_by_path(net: KnownNet) -> dict[tuple[str, ...], int]:
    graph = graph_of(net)
    names = [name for name, _ in net.named_modules()]
    found: list[tuple[str, ...]] = []
    for parent, layer in zip(graph.parent.tolist(), graph.layer.tolist(), strict=True):
        found.append((*(found[parent] if parent != OUTSIDE else ()), names[layer]))
    return dict(zip(found, graph.values["calls"][:, 0].tolist(), strict=True))


def test_call_paths_are_those_the_nets_say() -> None:
    for net in (NestedNet(), SharedNet(), RecursiveNet(), RaisingChildNet(), ThreadNet()):
        assert calls_by_path(net) == net.answers.calls


def test_under_no_layer_there_is_no_path() -> None:
    paths = CallPaths()
    paths.begin()

    assert paths.current() == OUTSIDE


def test_the_current_path_follows_the_calls() -> None:
    paths = CallPaths()
    paths.begin()
    seen = []

    with paths.call(5):
        seen.append(paths.layer_of(paths.current()))
        with paths.call(6):
            seen.append(paths.layer_of(paths.current()))
        seen.append(paths.layer_of(paths.current()))

    assert seen == [5, 6, 5]
    assert paths.current() == OUTSIDE


def test_a_stray_leave_is_ignored() -> None:
    net = NestedNet()
    paths = CallPaths()

    with paths.installed(sites_of(net)):
        paths.begin()
        net.head.register_forward_pre_hook(lambda *_: paths.begin())  # forgets the open calls, as a new step does
        net(net.inputs)

    assert paths.current() == OUTSIDE


def test_another_threads_path_is_its_own() -> None:
    paths = CallPaths()
    paths.begin()
    seen: list[int] = []

    with paths.call(1):
        worker = threading.Thread(target=lambda: seen.append(paths.current()))
        worker.start()
        worker.join()

    assert seen == [OUTSIDE]


class Listener:
    """Writes down what it is told."""

    def __init__(self) -> None:
        self.told: list[object] = []

    def entered(self) -> None:
        self.told.append("entered")

    def left(self, path: int, output: object) -> None:
        self.told.append((path, type(output).__name__))


def test_a_listener_is_told_of_each_call_with_what_it_returned() -> None:
    listener = Listener()
    paths = CallPaths(listener)
    model = nn.Sequential(nn.Identity())

    with paths.installed(sites_of(model)):
        paths.begin()
        model(torch.ones(1))

    assert listener.told == ["entered", "entered", (1, "Tensor"), (0, "Tensor")]


def test_a_listener_is_told_of_a_call_that_raised() -> None:
    listener = Listener()
    paths = CallPaths(listener)
    net = RaisingChildNet()

    with paths.installed(sites_of(net)):
        paths.begin()
        net(net.inputs)

    assert listener.told.count("entered") == 5
    assert listener.told[-1] == (0, "Tensor")
    assert (2, "NoneType") in listener.told


def test_a_listener_is_not_told_of_other_threads() -> None:
    listener = Listener()
    paths = CallPaths(listener)
    net = ThreadNet()

    with paths.installed(sites_of(net)):
        paths.begin()
        net(net.inputs)

    assert listener.told.count("entered") == 2


def test_values_stand_at_the_nodes_of_their_paths() -> None:
    paths = CallPaths()
    paths.begin()
    with paths.call(3), paths.call(4):
        innermost = paths.current()

    graph = paths.graph({"flops": {innermost: 7}})

    assert graph.layer.tolist() == [3, 4]
    assert graph.values["flops"].tolist() == [[0], [7]]
    assert graph.values["calls"].tolist() == [[1], [1]]


def test_a_graph_of_no_calls_is_empty() -> None:
    graph = CallPaths().graph({"flops": {}})

    assert graph.layer.size == 0
    assert graph.values["flops"].shape == (0, 1)
