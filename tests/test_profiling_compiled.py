"""Compiled and scripted models: layers by their own names, what no hook sees noted, the compiled form untouched."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
import torch
from torch import nn

import layerprof as lp

PASSES = ("time", "flops", "memory")
X = torch.ones(2, 4)
PRODUCT_FLOPS = 2 * 2 * 4 * 4


class Block(nn.Module):
    """Two linear layers with a sum around them."""

    def __init__(self) -> None:
        super().__init__()
        self.fc1 = nn.Linear(4, 4)
        self.fc2 = nn.Linear(4, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + torch.relu(self.fc2(torch.relu(self.fc1(x))))


class Backend:
    """A compiler that runs graphs as they are, and counts."""

    def __init__(self) -> None:
        self.graphs = 0
        self.runs = 0

    def __call__(self, graph: torch.fx.GraphModule, inputs: list[torch.Tensor]) -> Callable[..., object]:
        self.graphs += 1

        def run(*arguments: object) -> object:
            self.runs += 1
            result: object = graph.forward(*arguments)
            return result

        return run


@pytest.fixture(autouse=True)
def _fresh_compiler() -> Iterator[None]:
    torch.compiler.reset()
    yield
    torch.compiler.reset()


def compiled(model: nn.Module, backend: Backend) -> nn.Module:
    wrapped: object = torch.compile(model, backend=backend)
    assert isinstance(wrapped, nn.Module)
    return wrapped


def profile(model: nn.Module, *, warmup: int = 1) -> lp.Profile:
    return lp.profile(model, X, passes=PASSES, warmup=warmup, repeats=2)


def make_compiled() -> tuple[nn.Module, Backend]:
    backend = Backend()
    return compiled(nn.Sequential(Block(), Block()).eval(), backend), backend


def make_compiled_in_place() -> tuple[nn.Module, Backend]:
    backend = Backend()
    model = nn.Sequential(Block(), Block()).eval()
    model.compile(backend=backend)
    return model, backend


Make = Callable[[], tuple[nn.Module, Backend]]
WHOLE = pytest.mark.parametrize("make", [make_compiled, make_compiled_in_place])


@WHOLE
def test_paths_are_those_of_the_module_that_was_compiled(make: Make) -> None:
    profiled = profile(make()[0])

    assert [layer.path for layer in profiled.layers] == ["", "0", "0.fc1", "0.fc2", "1", "1.fc1", "1.fc2"]
    assert profiled.spec.model_type == "Sequential"
    assert profiled.spec.is_compiled


@WHOLE
def test_the_root_is_timed_and_the_layers_inside_are_not(make: Make) -> None:
    profiled = profile(make()[0])

    assert profiled.root.total_s is not None
    assert [layer.total_s for layer in profiled.layers[1:]] == [None] * 6
    assert {note.scope for note in profiled.notes if note.code == "calls_unseen"} == {"?*"}


@WHOLE
def test_flops_and_calls_are_counted_layer_by_layer(make: Make) -> None:
    profiled = profile(make()[0])

    assert [layer.flops for layer in profiled.layers] == [PRODUCT_FLOPS * n for n in (4, 2, 1, 1, 2, 1, 1)]
    assert [layer.calls for layer in profiled.layers] == [1] * 7


@WHOLE
def test_the_call_trees_calls_add_up_to_the_rows(make: Make) -> None:
    profiled = profile(make()[0])

    assert profiled.call_tree is not None
    calls = {node.path: node.calls for node in profiled.call_tree.walk()}
    assert calls == {layer.path: layer.calls for layer in profiled.layers}


@WHOLE
def test_the_call_tree_has_no_time_where_none_was_seen(make: Make) -> None:
    profiled = profile(make()[0])

    assert profiled.call_tree is not None
    inside = [node for node in profiled.call_tree.walk() if node.path]
    assert len(inside) == 6
    assert [node.total_s for node in inside] == [None] * 6


@WHOLE
def test_every_check_holds(make: Make) -> None:
    checks = profile(make()[0]).checks

    assert [check for check in checks if not check.ok] == []


@WHOLE
def test_no_graph_is_compiled_again_by_a_profile(make: Make) -> None:
    model, backend = make()
    with torch.no_grad():
        model(X)
        graphs, runs_a_call = backend.graphs, backend.runs

        profile(model)
        runs = backend.runs
        model(X)

    assert backend.graphs == graphs
    assert backend.runs == runs + runs_a_call


@WHOLE
def test_a_model_profiled_before_its_first_call_is_still_compiled_afterwards(make: Make) -> None:
    model, backend = make()
    with torch.no_grad():
        profile(model, warmup=0)
        graphs, runs = backend.graphs, backend.runs
        model(X)

    assert backend.graphs == graphs
    assert backend.runs > runs


@WHOLE
def test_the_timed_steps_run_compiled(make: Make) -> None:
    model, backend = make()
    with torch.no_grad():
        model(X)
    runs_a_call = backend.runs

    profile(model, warmup=1)

    steps = 1 + 1 + 2 * 2  # the warm-up, the first hooked step, then two bare and two hooked ones
    assert backend.runs == runs_a_call * (1 + steps)


@WHOLE
def test_results_are_the_same_after_a_profile(make: Make) -> None:
    model, _ = make()
    with torch.no_grad():
        before = model(X)

        profile(model)

        assert torch.equal(model(X), before)


def test_a_compiled_child_is_unseen_and_its_siblings_are_not() -> None:
    model = nn.Sequential(Block(), Block()).eval()
    model[1] = compiled(model[1], Backend())

    profiled = profile(model)

    missing = [layer.path for layer in profiled.layers if layer.total_s is None]
    assert profiled["0.fc1"].total_s is not None
    assert missing
    assert all(path.startswith("1.") for path in missing)
    assert [check for check in profiled.checks if not check.ok] == []
    assert profiled.root.flops == 4 * PRODUCT_FLOPS


def test_counting_without_running_sees_inside_a_compiled_model() -> None:
    model, backend = make_compiled()

    report = lp.count_flops(model, X)

    assert report.total == 4 * PRODUCT_FLOPS
    assert report.by_layer["1.fc2"] == PRODUCT_FLOPS
    assert backend.graphs == 0


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # torch calls scripting deprecated
def test_a_scripted_child_is_unseen_with_a_note_and_its_flops_are_its_callers() -> None:
    model = nn.Sequential(Block(), torch.jit.script(Block())).eval()

    profiled = profile(model)

    assert profiled["1.fc1"].total_s is None
    assert profiled["1.fc1"].flops is None
    assert profiled["0.fc1"].flops == PRODUCT_FLOPS
    assert profiled.step_flops == 4 * PRODUCT_FLOPS
    assert any("scripted modules take no hooks" in note.text for note in profiled.notes)
    assert [check for check in profiled.checks if not check.ok] == []
