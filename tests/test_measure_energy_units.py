from __future__ import annotations

import pytest
import torch
from torch import nn

from layerprof.clock import SystemClock
from layerprof.measure import resolve
from layerprof.measure.energy.stopwatch import DeviceStopwatch, HostStopwatch, stopwatch_of
from layerprof.measure.energy.units import chosen_units
from layerprof.testing import FakeClock
from layerprof.testing.energy import Planted, PoweredNet, SimulatedDevice
from layerprof.tree import build_tree


def powered_net() -> nn.Module:
    kinds = [Planted(name="wide", count=2, power_w=200.0, seconds=0.01)]
    net = PoweredNet(SimulatedDevice(), kinds)
    net.add_module("head", nn.Linear(1, 1))
    return net


def paths_of(
    model: nn.Module, asked: object = "blocks", *, without: tuple[str, ...] = (), **options: object
) -> list[str]:
    layers = build_tree(model).layers
    reachable = {at for at, layer in enumerate(layers) if layer.path not in without}
    called = options.get("called")
    known = None if called is None else {at for at, layer in enumerate(layers) if layer.path in called}  # type: ignore[operator]  # paths
    units = chosen_units(layers, asked=asked, reachable=reachable, called=known)  # type: ignore[arg-type]  # all three kinds
    return [layers[at].path for at in units]


def test_blocks_are_units_whole_and_lone_layers_beside_them() -> None:
    assert paths_of(powered_net()) == ["wide.0", "wide.1", "head"]


def test_leaves_are_layers_without_children() -> None:
    assert paths_of(powered_net(), "leaves") == [
        "wide.0.first",
        "wide.0.second",
        "wide.1.first",
        "wide.1.second",
        "head",
    ]


def test_the_outermost_matches_of_globs_are_units() -> None:
    assert paths_of(powered_net(), ("wide.1*", "*.first")) == ["wide.0.first", "wide.1"]


def test_a_list_that_only_holds_layers_is_no_unit_of_a_glob() -> None:
    assert paths_of(powered_net(), ("*",)) == ["wide.0", "wide.1", "head"]


def test_a_glob_finds_a_shared_layer_by_its_other_name() -> None:
    net = nn.ModuleDict({"left": nn.Linear(1, 1)})
    net["right"] = net["left"]

    assert paths_of(net, ("right",)) == ["left"]


def test_the_root_is_a_unit_only_without_children() -> None:
    assert paths_of(nn.Linear(1, 1)) == [""]
    assert "" not in paths_of(nn.TransformerEncoderLayer(4, 1))


def test_a_layer_out_of_reach_is_no_unit() -> None:
    assert paths_of(powered_net(), without=("wide.0", "wide.0.first", "wide.0.second")) == ["wide.1", "head"]


def test_a_layer_whose_children_are_out_of_reach_is_a_unit_whole() -> None:
    model = nn.Sequential(nn.Sequential(nn.Linear(1, 1)), nn.ReLU())

    assert paths_of(model, "leaves", without=("0.0",)) == ["0", "1"]


def test_a_block_that_is_not_called_itself_gives_way_to_its_layers() -> None:
    called = ("", "wide.0.first", "wide.0.second", "wide.1", "head")

    assert paths_of(powered_net(), called=called) == ["wide.0.first", "wide.0.second", "wide.1", "head"]


def test_units_of_a_compiled_part_are_what_was_compiled() -> None:
    model = nn.Sequential(nn.Sequential(nn.Linear(1, 1), nn.ReLU()), nn.ReLU())
    model[0] = torch.compile(model[0], backend="eager")  # type: ignore[assignment]  # a module too
    target = resolve(model, runs_step=True)

    units = chosen_units(target.tree.layers, asked="leaves", reachable={site.index for site in target.timed})

    assert [target.tree.layers[at].path for at in units] == ["0", "1"]
    assert target.callables[units[0]] is model[0]


def test_every_layer_without_children_is_under_one_unit() -> None:
    layers = build_tree(nn.Transformer(8, 2, 2, 2, 8, batch_first=True)).layers
    paths = [layer.path for layer in layers]
    leaves = [path for path in paths if not any(other.startswith(f"{path}.") for other in paths) and path]

    units = chosen_units(layers, asked="blocks", reachable=range(len(layers)))

    above = [[at for at in units if f"{leaf}.".startswith(f"{paths[at]}.")] for leaf in leaves]
    assert [len(found) for found in above] == [1] * len(leaves)


class FakeEvent:
    """An event that is reached when it is recorded."""

    def __init__(self, clock: FakeClock) -> None:
        self._clock, self.at_ns = clock, -1

    def record(self) -> None:
        self.at_ns = self._clock.now_ns()

    def elapsed_time(self, end_event: object) -> float:
        assert isinstance(end_event, FakeEvent)
        return (end_event.at_ns - self.at_ns) / 1e6


@pytest.mark.parametrize("kind", ["host", "device"])
def test_a_stopwatch_gives_the_time_between_its_marks(kind: str) -> None:
    clock = FakeClock()
    watch = HostStopwatch(clock) if kind == "host" else DeviceStopwatch(lambda: FakeEvent(clock))

    first = watch.mark()
    clock.advance_s(0.25)
    second = watch.mark()

    assert watch.seconds(first, second) == 0.25


def test_marks_of_another_stopwatch_are_refused() -> None:
    with pytest.raises(TypeError, match="no marks"):
        HostStopwatch(FakeClock()).seconds(0, "later")


def test_a_cpu_is_timed_by_the_host_and_cuda_by_events() -> None:
    assert isinstance(stopwatch_of(torch.device("cpu"), SystemClock()), HostStopwatch)
    assert isinstance(stopwatch_of(torch.device("cuda", 0), SystemClock()), DeviceStopwatch)
