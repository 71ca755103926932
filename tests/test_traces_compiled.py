"""Compiled code in traces: layers inside have no calls there, which is not the same as never called."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import nn
from torch_traces import cuda_trace, written
from trace_profiles import FC1, PATHS, cpu_profile

import layerprof as lp
from layerprof.records import Note
from layerprof.traces import export_trace, load_trace

REASON = "no hook fires inside compiled code; profile the model before torch.compile for its layers' times"


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.body, self.head, self.spare = nn.Sequential(nn.Linear(8, 8), nn.ReLU()), nn.Linear(8, 4), nn.Linear(8, 4)

    def forward(self, rows: torch.Tensor) -> torch.Tensor:
        return self.head(self.body(rows))  # type: ignore[no-any-return]  # modules have no types


def compiled_net(**given: object) -> Net:
    net = Net().eval()
    net.body.compile(backend="eager", **given)
    return net


@pytest.mark.parametrize("passes", [("time", "ops", "flops"), ("time", "ops"), ("ops",)])
def test_layers_in_compiled_code_are_unknown_and_not_without_calls(tmp_path: Path, passes: tuple[str, ...]) -> None:
    profile = lp.profile(compiled_net(), torch.randn(2, 8), passes=passes, warmup=1, repeats=2)

    back = load_trace(export_trace(profile, tmp_path / "compiled.json"))

    assert back.spec.is_compiled
    assert [layer.path for layer in back.layers if layer.total_s is None][:3] == ["body", "body.0", "body.1"]
    assert back["head"].calls == 1
    assert back["head"].total_s is not None
    assert {check.name for check in back.checks if not check.ok} == set()
    notes = [note for note in back.notes if note.code == "calls_unseen"]
    assert {note.quantity for note in notes} >= {"total_s", "self_s", "calls"}
    assert all(note.text.startswith(REASON) for note in notes)


def test_a_layer_that_was_never_called_beside_compiled_code_is_still_that(tmp_path: Path) -> None:
    profile = lp.profile(compiled_net(), torch.randn(2, 8), passes=("time", "ops"), warmup=1, repeats=2)

    back = load_trace(export_trace(profile, tmp_path / "compiled.json"))

    assert back["spare"].calls == 0
    assert back["spare"].total_s is not None


def test_without_compiled_code_every_layer_is_known(tmp_path: Path) -> None:
    back = load_trace(export_trace(cpu_profile(), tmp_path / "eager.json"))

    assert not back.spec.is_compiled
    assert [layer.path for layer in back.layers if layer.total_s is None] == []
    assert [note for note in back.notes if note.code == "calls_unseen"] == []


def test_what_a_trace_from_elsewhere_says_of_compiled_regions_is_told(tmp_path: Path) -> None:
    trace = cuda_trace()
    region = next(event for event in trace["traceEvents"] if event.get("name") == "aten::relu")
    region |= {"name": "Torch-Compiled Region: 0/0"}

    back = load_trace(written(trace, tmp_path / "foreign.json"))

    assert back.spec.is_compiled
    (note,) = [note for note in back.notes if note.code == "calls_unseen"]
    assert note.text.startswith("1 times the steps ran compiled code")


@pytest.mark.parametrize(
    "unseen",
    [7, [], {"layers": "x", "scopes": 3}, {"layers": [-1, 99, None, 1.0, True], "scopes": [["a"], "b", [1, 2], []]}],
)
def test_what_cannot_be_right_about_unseen_layers_is_not_believed(tmp_path: Path, unseen: object) -> None:
    content = json.loads(export_trace(cpu_profile(), tmp_path / "own.json").read_bytes())
    content["layerprof"]["unseen"] = unseen

    back = load_trace(written(content, tmp_path / "changed.json"))

    assert [layer.path for layer in back.layers if layer.total_s is None] == []
    assert [note for note in back.notes if note.code == "calls_unseen"] == []


def test_an_unseen_layer_with_calls_in_the_trace_is_known(tmp_path: Path) -> None:
    profile = cpu_profile()
    note = Note(code="calls_unseen", quantity="total_s", scope=PATHS[FC1], text=REASON)
    changed = [replace(layer, total_s=None) if place == FC1 else layer for place, layer in enumerate(profile.layers)]

    back = load_trace(export_trace(replace(profile, layers=tuple(changed), notes=(note,)), tmp_path / "own.json"))

    assert back[PATHS[FC1]].total_s is not None
