"""Paths of layers in traces: by the head that layerprof wrote, by paths as names, or by torch's own names."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn
from torch_traces import written
from viewer_servers import module_events

import layerprof as lp
from layerprof.traces import export_trace, load_trace

ONCE = ("time", "ops")


def named_net(names: list[str]) -> nn.Module:
    net = nn.Sequential()
    for name in names:
        net.add_module(name, nn.Linear(4, 4))
    return net.eval()


def by_calls(profile: lp.Profile) -> dict[str, int]:
    return {layer.path: layer.calls for layer in profile.layers}


def profile_of_net(net: nn.Module) -> lp.Profile:
    return lp.profile(net, torch.randn(2, 4), passes=ONCE, warmup=1, repeats=2)


@pytest.mark.parametrize("as_list", [True, False])
def test_names_that_are_paths_are_kept_where_layerprofs_head_is_gone(tmp_path: Path, as_list: bool) -> None:
    inner = nn.Sequential(nn.Linear(4, 4), nn.ReLU())
    profile = profile_of_net(nn.Sequential(nn.Linear(4, 4), inner).eval())
    content = json.loads(export_trace(profile, tmp_path / "own.json").read_bytes())
    rest: Any = content["traceEvents"] if as_list else {"traceEvents": content["traceEvents"]}

    back = load_trace(written(rest, tmp_path / "rest.json"))

    assert by_calls(back) == {"": 1, "0": 1, "1": 1, "1.0": 1, "1.1": 1}
    assert back.layers[0].type_name == "Sequential"
    assert {layer.type_name for layer in back.layers[1:]} == {"unknown"}
    assert {layer.kind for layer in back.layers[1:]} == {"other"}


def test_paths_need_no_layers_around_them_in_the_trace(tmp_path: Path) -> None:
    events = module_events(["layers.0", "layers.0.fc_1", "layers.1"])

    back = load_trace(written({"traceEvents": events}, tmp_path / "paths.json"))

    assert by_calls(back) == {"": 1, "layers.0": 1, "layers.0.fc_1": 1, "layers.1": 1}
    assert [layer.stage for layer in back.layers[1:]] == ["layers"] * 3
    assert [check.name for check in back.checks if not check.ok] == []


def test_names_of_torch_are_numbered_classes_as_before(tmp_path: Path) -> None:
    events = [event | {"name": event["name"].replace("Root", "Root_0")} for event in module_events(["A_0", "B.c_1"])]

    back = load_trace(written({"traceEvents": events}, tmp_path / "torch.json"))

    assert by_calls(back) == {"": 1, "A_0": 1, "B_c_1": 1}
    assert [layer.type_name for layer in back.layers] == ["Root", "A", "B.c"]


def test_hostile_names_that_are_shown_alike_come_back_each_by_itself(tmp_path: Path) -> None:
    names = ["line\nbreak", "line\\nbreak", "right\u202eto left", "<script>"]
    profile = profile_of_net(named_net(names))

    back = load_trace(export_trace(profile, tmp_path / "own.json"))

    assert by_calls(back) == by_calls(profile) == {"": 1, **dict.fromkeys(names, 1)}
    assert back["line\nbreak"].param_count == 20


def test_a_name_with_half_a_character_is_written_as_an_escape(tmp_path: Path) -> None:
    profile = profile_of_net(named_net(["half\ud800"]))

    back = load_trace(export_trace(profile, tmp_path / "own.json.gz"))

    assert by_calls(back) == {"": 1, "half\\ud800": 1}
