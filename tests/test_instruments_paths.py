"""The call path at any moment, and the counts by call path that the flops and memory passes stand on."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode

from layerprof.attribute import CallGraph
from layerprof.instruments import CallPaths, Site
from layerprof.testing import (
    PRODUCT_FLOPS,
    TRAINING,
    CheckpointNet,
    KnownNet,
    MicroBatchNet,
    NestedNet,
    OptimizerNet,
    PhasedNet,
    RaisingChildNet,
    RecursiveNet,
    ReentrantCheckpointNet,
    ReplicaNet,
    SharedNet,
    ThreadNet,
)

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
    for net in (NestedNet(), SharedNet(), RecursiveNet(), RaisingChildNet(), ThreadNet(), ReplicaNet()):
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


BACKWARD = 1
NAMES = ("forward", "backward", "optimizer")


class Marking(TorchDispatchMode):
    """Writes down at which place of the call paths each product is done."""

    def __init__(self, paths: CallPaths) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # torch leaves it without annotations
        self._paths = paths
        self.places: list[int] = []

    def __torch_dispatch__(
        self, func: Callable[..., object], types: object, args: tuple[object, ...] = (), kwargs: Any = None
    ) -> object:
        if func is torch.ops.aten.mm.default:
            self.places.append(self._paths.current())
        return func(*args, **(kwargs or {}))


def products_of(net: PhasedNet) -> Counter[tuple[str, str]]:
    """(phase, layer) to products of one step."""
    paths = CallPaths(backward=BACKWARD)
    mode = Marking(paths)
    with paths.installed(sites_of(net)):
        paths.begin()
        with mode:
            net.step()
    names = [name for name, _ in net.named_modules()]
    return Counter((NAMES[paths.phase_of(place)], names[paths.layer_of(place)]) for place in mode.places)


@pytest.mark.parametrize("net_type", TRAINING)
def test_each_product_is_at_the_layer_and_phase_that_the_net_says(net_type: type[PhasedNet]) -> None:
    assert products_of(net_type()) == {
        (phase, path): layer.self_flops // PRODUCT_FLOPS
        for phase, answers in net_type.phases.items()
        for path, layer in answers.layers.items()
        if layer.self_flops
    }


@pytest.mark.parametrize("net_type", [CheckpointNet, ReentrantCheckpointNet])
def test_calls_of_recomputation_are_in_backward_under_their_forward_caller(net_type: type[PhasedNet]) -> None:
    net = net_type()
    paths = CallPaths(backward=BACKWARD)

    with paths.installed(sites_of(net)):
        paths.begin()
        net.step()

    graph = paths.graph({}, phase_of=(0, 1, 2))
    block = [(phase, parent) for layer, phase, parent in columns(graph) if layer == 1]
    roots = {phase: node for node, (layer, phase, _) in enumerate(columns(graph)) if layer == 0}
    assert block == [(0, roots[0]), (BACKWARD, roots[BACKWARD])]
    assert not graph.is_concurrent.any()


def columns(graph: CallGraph) -> list[tuple[int, int, int]]:
    """Layer, phase and caller of each node."""
    return list(zip(graph.layer.tolist(), graph.phase.tolist(), graph.parent.tolist(), strict=True))


def test_runs_of_the_engine_are_counted_where_work_was_seen_in_them() -> None:
    net = MicroBatchNet()
    paths = CallPaths(backward=BACKWARD)

    with paths.installed(sites_of(net)):
        paths.begin()
        with Marking(paths):
            net.step()

    assert paths.engine_runs == 2


def test_gradients_asked_for_in_a_call_are_at_that_call_and_no_run_of_backward() -> None:
    class Asking(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            weight = torch.ones(4, 4, requires_grad=True)
            (gradient,) = torch.autograd.grad((x @ weight).sum(), weight)
            return gradient

    paths = CallPaths(backward=BACKWARD)
    mode = Marking(paths)

    with paths.installed([Site(index=0, module=(model := Asking()))]):
        paths.begin()
        with mode:
            model(torch.ones(2, 4))

    assert [(paths.layer_of(place), paths.phase_of(place)) for place in mode.places] == [(0, 0), (0, 0)]
    assert paths.engine_runs == 0


def test_work_of_a_gradients_accumulator_is_at_the_layer_that_fed_it() -> None:
    net = OptimizerNet()
    handle = net.child.weight.register_post_accumulate_grad_hook(_multiply)
    paths = CallPaths(backward=BACKWARD)
    mode = Marking(paths)

    with paths.installed(sites_of(net)):
        paths.begin()
        with mode:
            net.step()

    handle.remove()
    assert [(paths.layer_of(place), paths.phase_of(place)) for place in mode.places] == [(1, 0), *[(1, BACKWARD)] * 3]


def _multiply(weight: torch.Tensor) -> None:
    torch.mm(weight, weight)


def test_without_a_backward_phase_work_of_the_engine_is_under_no_layer() -> None:
    net = OptimizerNet()
    paths = CallPaths()
    mode = Marking(paths)

    with paths.installed(sites_of(net)):
        paths.begin()
        with mode:
            net.step()

    assert [paths.layer_of(place) for place in mode.places] == [1, OUTSIDE, OUTSIDE]


def test_a_phase_begins_places_of_its_own_on_one_path() -> None:
    paths = CallPaths()
    paths.begin()
    places = []

    with paths.call(5):
        for phase in (0, 2, 0):
            paths.phase(phase)
            places.append(paths.current())

    assert places[0] == places[2] != places[1]
    assert [paths.layer_of(place) for place in places] == [5, 5, 5]
    assert [paths.phase_of(place) for place in places] == [0, 2, 0]


def test_under_no_layer_a_place_says_its_phase_alone() -> None:
    paths = CallPaths()
    paths.begin()
    paths.phase(2)

    place = paths.current()

    assert (paths.layer_of(place), paths.phase_of(place)) == (OUTSIDE, 2)


def test_a_step_begins_in_the_first_phase() -> None:
    paths = CallPaths()
    paths.begin()
    paths.phase(2)

    paths.begin()

    assert paths.phase_of(paths.current()) == 0


def test_another_threads_calls_are_in_the_phase_of_the_step() -> None:
    paths = CallPaths(backward=BACKWARD)
    paths.begin()
    paths.phase(2)
    seen: list[int] = []

    def aside() -> None:
        with paths.call(7):
            seen.append(paths.current())

    worker = threading.Thread(target=aside)
    worker.start()
    worker.join()

    assert [(paths.layer_of(place), paths.phase_of(place)) for place in seen] == [(7, 2)]
    assert paths.graph({}, phase_of=(0, 1, 2)).is_concurrent.tolist() == [True]
