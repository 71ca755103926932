"""Traces that torch's profiler records here: loaded, they have what layerprof's own passes see of the same step."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from answers import trained_profile
from torch import nn
from torch.profiler import ProfilerActivity, profile, record_function, schedule

import layerprof as lp
from layerprof.testing import TRAINING, PhasedNet
from layerprof.traces.reading import load_trace

STEPS = 2

Calls = Counter[tuple[str, int]]
Ops = Counter[tuple[str, str, tuple[tuple[int, ...], ...]]]


class Net(nn.Module):
    """A block called twice, a layer called in a range of the user's own, and an op of lists."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Linear(4, 4), nn.ReLU(), nn.Linear(4, 4))
        self.head = nn.Linear(4, 2)

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        hidden = self.body(self.body(inputs))
        with record_function("my range"):
            output: torch.Tensor = self.head(torch.cat([hidden, hidden]))
        return output


def recorded(step: Callable[[], object], path: Path, *, steps: int = STEPS, **options: bool) -> Path:
    """A trace of some steps by torch's own profiler, after one that it warms up in."""
    plan = schedule(wait=0, warmup=1, active=steps, repeat=1)

    def export(session: profile) -> None:
        session.export_chrome_trace(str(path))

    with profile(activities=[ProfilerActivity.CPU], schedule=plan, on_trace_ready=export, **options) as session:  # type: ignore[arg-type]
        for _ in range(steps + 1):
            step()
            session.step()
    return path


def calls_of(record: lp.Profile) -> Calls:
    """How often layers of each class are called."""
    return Counter((layer.type_name, layer.calls) for layer in record.layers if layer.calls)


def ops_of(record: lp.Profile) -> Ops:
    """Calls of each op by the class of its layer."""
    found: Ops = Counter()
    for layer in record.layers:
        for op in layer.ops:
            found[layer.type_name, op.name, op.shapes] += op.calls
    return found


def failed(record: lp.Profile) -> list[str]:
    return [check.name for check in record.checks if not check.ok]


def codes_of(record: lp.Profile) -> set[str]:
    return {note.code for note in record.notes}


@pytest.fixture(scope="module")
def net() -> Net:
    torch.manual_seed(0)
    return Net().eval().requires_grad_(False)


def test_calls_and_ops_are_those_of_a_profile(net: Net, tmp_path: Path) -> None:
    inputs = torch.ones(3, 4)

    loaded = load_trace(recorded(lambda: net(inputs), tmp_path / "net.json", with_stack=True, record_shapes=True))

    measured = lp.profile(net, inputs, passes=("time", "ops"), warmup=1, repeats=2)
    assert calls_of(loaded) == calls_of(measured)
    assert ops_of(loaded) == ops_of(measured)
    assert failed(loaded) == []


def test_paths_come_from_the_first_call_and_types_from_the_names(net: Net, tmp_path: Path) -> None:
    inputs = torch.ones(3, 4)

    loaded = load_trace(recorded(lambda: net(inputs), tmp_path / "net.json.gz", with_stack=True))

    assert [layer.type_name for layer in loaded.layers] == ["Net", "Sequential", "Linear", "ReLU", "Linear", "Linear"]
    assert [layer.path.count(".") for layer in loaded.layers] == [0, 0, 1, 1, 1, 0]
    assert [layer.kind for layer in loaded.layers][1:4] == ["container", "linear", "activation"]
    assert [layer.calls for layer in loaded.layers] == [1, 2, 2, 2, 2, 1]
    assert loaded.layers[2].stage == loaded.layers[1].path


@pytest.mark.parametrize("made", TRAINING)
def test_training_is_that_of_a_profile(made: type[PhasedNet], tmp_path: Path) -> None:
    trained = made().train()

    loaded = load_trace(recorded(trained.step, tmp_path / "train.json", with_stack=True, record_shapes=True))

    measured = trained_profile(made(), ("time", "ops"))
    assert failed(loaded) == []
    assert [phase.name for phase in loaded.phases][:2] == ["forward", "backward"]
    assert calls_of(loaded) == calls_of(measured)
    assert ops_of(loaded) == ops_of(measured)


@pytest.mark.parametrize("options", [{"with_modules": True}, {}, {"record_shapes": True, "profile_memory": True}])
def test_without_calls_of_modules_the_root_has_everything(net: Net, tmp_path: Path, options: dict[str, bool]) -> None:
    inputs = torch.ones(3, 4)

    loaded = load_trace(recorded(lambda: net(inputs), tmp_path / "bare.json", **options))

    assert [layer.path for layer in loaded.layers] == [""]
    assert loaded.root.total_s == loaded.step_s
    assert {"aten::cat", "aten::addmm", "my range"} <= {op.name for op in loaded.root.ops}
    assert "no_modules" in codes_of(loaded)
    assert any("with_stack=True" in note.text for note in loaded.notes)
    assert failed(loaded) == []


def test_a_trace_without_steps_is_one_step(net: Net, tmp_path: Path) -> None:
    inputs = torch.ones(3, 4)
    with profile(activities=[ProfilerActivity.CPU], with_stack=True) as session:
        net(inputs)
        net(inputs)
    session.export_chrome_trace(str(tmp_path / "whole.json"))

    loaded = load_trace(tmp_path / "whole.json")

    assert loaded.step_s is not None
    assert loaded.step_s.n == 1
    assert loaded.root.calls == 2
    assert "no_steps" in codes_of(loaded)
    assert failed(loaded) == []


def test_a_loss_beside_the_model_leaves_the_root_uncalled(net: Net, tmp_path: Path) -> None:
    inputs, loss = torch.ones(3, 4), nn.MSELoss()
    target = torch.zeros(6, 2)

    loaded = load_trace(recorded(lambda: loss(net(inputs), target), tmp_path / "loss.json", with_stack=True))

    assert loaded.root.calls == 0
    assert [stage.name.rpartition("_")[0] for stage in loaded.stages if stage.name != "other"] == ["Net", "MSELoss"]
    assert failed(loaded) == []


def test_memory_of_the_trace_is_in_the_timeline(net: Net, tmp_path: Path) -> None:
    inputs = torch.ones(3, 4)

    loaded = load_trace(recorded(lambda: net(inputs), tmp_path / "memory.json", profile_memory=True))

    assert loaded.timeline is not None
    assert loaded.timeline.allocations["bytes"].max() > 0
    assert set(loaded.timeline.allocations["device"].tolist()) == {-1}


def test_a_loaded_profile_is_saved_shown_and_exported(net: Net, tmp_path: Path) -> None:
    inputs = torch.ones(3, 4)
    loaded = load_trace(recorded(lambda: net(inputs), tmp_path / "net.json", with_stack=True, record_shapes=True))

    lp.save(loaded, tmp_path / "saved.json")

    assert lp.load(tmp_path / "saved.json") == loaded
    assert "Sequential" in str(loaded)
    assert loaded._repr_html_()


@pytest.mark.slow
def test_a_model_of_transformers_has_the_calls_and_ops_of_a_profile(tmp_path: Path) -> None:
    from transformers import BertConfig, BertModel

    torch.manual_seed(0)
    sizes = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32}
    model = BertModel(BertConfig(vocab_size=50, **sizes)).eval().requires_grad_(False)
    tokens = torch.ones(2, 6, dtype=torch.int64)

    loaded = load_trace(recorded(lambda: model(tokens), tmp_path / "bert.json", with_stack=True, record_shapes=True))

    measured = lp.profile(model, tokens, passes=("time", "ops"), warmup=1, repeats=2)
    assert calls_of(loaded) == calls_of(measured)
    assert ops_of(loaded) == ops_of(measured)
    assert failed(loaded) == []
