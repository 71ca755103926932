"""From a module to the table of its layers."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import nn

from layerprof import tree as tree_module
from layerprof.errors import InputError
from layerprof.testing import ListNet, SharedNet
from layerprof.tree import StageRules, build_tree, kind_of

FLOAT = 4


def shared() -> nn.Module:
    """A linear layer under three names, two of them inside a shared block."""
    linear = nn.Linear(2, 3)
    block = nn.Sequential(linear)
    return nn.ModuleDict({"a": block, "b": block, "c": linear})


def test_the_root_comes_first_and_the_order_is_that_of_named_modules() -> None:
    model = nn.Sequential(nn.Sequential(nn.Linear(2, 2), nn.ReLU()), nn.Linear(2, 2))

    tree = build_tree(model)

    assert [layer.path for layer in tree.layers] == [name for name, _ in model.named_modules()]
    assert [layer.depth for layer in tree.layers] == [0, 1, 2, 2, 1]
    assert list(tree.modules) == list(model.modules())


def test_a_shared_module_is_one_layer_with_its_other_names() -> None:
    tree = build_tree(shared())

    assert {layer.path: layer.aliases for layer in tree.layers} == {"": (), "a": ("b",), "a.0": ("b.0", "c")}


def test_every_name_is_known() -> None:
    model = shared()

    names = {name for layer in build_tree(model).layers for name in (layer.path, *layer.aliases)}

    assert names == {name for name, _ in model.named_modules(remove_duplicate=False)}


def test_a_module_inside_itself_is_not_entered_again() -> None:
    model = nn.Sequential(nn.Linear(2, 2))
    model.add_module("itself", model)

    tree = build_tree(model)

    assert [(layer.path, layer.aliases) for layer in tree.layers] == [("", ()), ("0", ())]


def test_names_that_multiply_are_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tree_module, "MAX_NAMES", 50)
    model: nn.Module = nn.Linear(1, 1)
    for _ in range(20):  # a million names
        model = nn.ModuleList([model, model])

    tree = build_tree(model)

    assert len(tree.layers) == 21
    assert sum(len(layer.aliases) for layer in tree.layers) <= 50


def test_modules_in_a_plain_list_are_no_layers() -> None:
    assert [layer.path for layer in build_tree(ListNet()).layers] == ["", "child"]


def test_a_child_that_is_none_is_no_layer() -> None:
    model = nn.Sequential(nn.ReLU())
    model.register_module("nothing", None)

    assert [layer.path for layer in build_tree(model).layers] == ["", "0"]


def test_the_index_of_a_module_is_its_place_in_the_table() -> None:
    model = SharedNet()
    tree = build_tree(model)

    assert tree.index_of(model) == 0
    assert tree.layers[tree.index_of(model.right.child) or 0].path == "left.child"
    assert tree.index_of(nn.ReLU()) is None


def test_parameters_are_counted_for_the_layer_and_all_in_it() -> None:
    layers = {layer.path: layer for layer in build_tree(nn.Sequential(nn.Linear(2, 3), nn.Linear(3, 4))).layers}

    assert layers["0"].param_count == layers["0"].own_param_count == 2 * 3 + 3
    assert layers[""].param_count == 2 * 3 + 3 + 3 * 4 + 4
    assert layers[""].own_param_count == 0
    assert layers[""].param_bytes == FLOAT * layers[""].param_count


def test_bytes_follow_the_dtype() -> None:
    model = nn.Sequential(nn.Linear(2, 2, bias=False), nn.Linear(2, 2, bias=False).bfloat16())

    assert build_tree(model).layers[0].param_bytes == 4 * 4 + 4 * 2


def test_a_tied_weight_is_owned_by_its_first_holder_alone() -> None:
    model = nn.Sequential(nn.Embedding(5, 3), nn.Linear(3, 5, bias=False))
    model[1].weight = model[0].weight
    root, embedding, head = build_tree(model).layers

    assert (embedding.own_param_count, head.own_param_count) == (15, 0)
    assert (embedding.param_count, head.param_count, root.param_count) == (15, 15, 15)


def test_own_parameters_add_up_to_the_roots() -> None:
    layers = build_tree(SharedNet()).layers

    assert sum(layer.own_param_count or 0 for layer in layers) == layers[0].param_count


def test_lazy_parameters_count_nothing_yet() -> None:
    assert build_tree(nn.LazyLinear(3)).layers[0].param_count == 0


def test_a_model_on_the_meta_device_has_its_parameters() -> None:
    with torch.device("meta"):
        model = nn.Linear(1000, 1000, bias=False)

    assert build_tree(model).layers[0].param_bytes == FLOAT * 10**6


class LlamaRMSNorm(nn.Module): ...


class SelfAttention(nn.Module): ...


class VisionMLP(nn.Module): ...


class PatchEmbeddings(nn.Module): ...


class EncoderLayer(nn.Module): ...


class ResNetConvLayer(nn.Module): ...


class Conv1D(nn.Module): ...


class Whatever(nn.Module): ...


class LinearBlock(nn.Linear): ...


@pytest.mark.parametrize(
    ("make", "kind"),
    [
        (lambda: nn.Conv2d(1, 1, 1), "conv"),
        (lambda: nn.ConvTranspose1d(1, 1, 1), "conv"),
        (lambda: nn.Linear(1, 1), "linear"),
        (lambda: LinearBlock(1, 1), "linear"),
        (lambda: nn.Bilinear(1, 1, 1), "linear"),
        (lambda: nn.MultiheadAttention(2, 1), "attention"),
        (lambda: nn.LayerNorm(1), "norm"),
        (lambda: nn.BatchNorm2d(1), "norm"),
        (lambda: nn.RMSNorm(1), "norm"),
        (lambda: nn.Embedding(1, 1), "embedding"),
        (lambda: nn.GELU(), "activation"),
        (lambda: nn.Softmax(), "activation"),
        (lambda: nn.Sequential(), "container"),
        (lambda: nn.ModuleList(), "container"),
        (lambda: nn.TransformerEncoderLayer(2, 1, 2), "block"),
        (LlamaRMSNorm, "norm"),
        (SelfAttention, "attention"),
        (VisionMLP, "mlp"),
        (PatchEmbeddings, "embedding"),
        (EncoderLayer, "block"),
        (ResNetConvLayer, "conv"),
        (Conv1D, "linear"),
        (Whatever, "other"),
        (lambda: nn.Dropout(), "other"),
    ],
)
def test_a_layers_kind_is_read_from_its_type_or_its_name(make: Callable[[], nn.Module], kind: str) -> None:
    assert kind_of(make()) == kind


@pytest.mark.parametrize(
    "stages", [5, ["encoder.*"], {"encoder": "encoder.*"}, {"encoder": 5}, {1: ["encoder.*"]}, "encoder"]
)
def test_stages_that_are_no_rules_are_refused(stages: StageRules) -> None:
    with pytest.raises(InputError, match="stages must map names to lists of globs"):
        build_tree(nn.ReLU(), stages=stages)


def test_without_rules_a_stage_is_a_top_level_child() -> None:
    model = nn.Sequential(nn.Sequential(nn.ReLU()), nn.ReLU())

    assert [layer.stage for layer in build_tree(model).layers] == ["other", "0", "0", "1"]


def test_no_rules_at_all_put_everything_into_other() -> None:
    assert {layer.stage for layer in build_tree(shared(), stages={}).layers} == {"other"}
