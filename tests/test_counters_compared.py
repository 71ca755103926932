"""Three counters against each other: ours, torch's, and fvcore's. Where they differ, the op and the reason are named.

The page on FLOPs tells the same in words.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping

import pytest
import torch
from architectures import ALL_ARCHITECTURES, Architecture
from architectures.base import BATCH
from other_counters import HANDLES, fvcore_macs, torch_flops
from torch import Tensor, nn

from layerprof.flops import FlopCounter, make_counter

COMPARED = (
    *("bert", "gpt2", "llama", "t5", "bloom", "resnet", "convnext", "vit", "swin", "clip", "siglip"),
    *("whisper", "encodec", "fnet", "mixtral", "mamba", "blip2-tiny"),
)
FAST = ("bert", "resnet", "fnet", "mixtral")
FUSED_ATTENTION = "aten._scaled_dot_product_flash_attention_for_cpu.default"

TORCH_LACKS: Mapping[str, str] = {  # architecture -> our name of the op that torch has no formula for
    "encodec": "aten.mkldnn_rnn_layer.default",
    "fnet": "aten._fft_c2c.default",
    "mixtral": "aten._grouped_mm.default",
}
FVCORE_LACKS: Mapping[str, Collection[str]] = {  # architecture -> ops that fvcore has no handle for, attention apart
    "bloom": ("aten::baddbmm",),
    "encodec": ("aten::lstm",),
    "fnet": ("aten::fft_fftn",),
    "mixtral": ("aten::_grouped_mm",),
    "siglip": ("aten::_convolution_mode",),
}
FVCORE_MISSES: Mapping[str, int] = {  # FLOPs of products whose left operand is stretched to the batch of the right one
    "mamba": 2 * (BATCH - 1) * 2 * (64 * 2) * 7  # in two layers, (64, 2) steps' weights by (2, 7) steps of each text
}
NOT_PRODUCTS = ("layer_norm", "batch_norm", "adaptive_avg_pool2d")  # fvcore counts them, and not in multiply-adds
OF_LAYER_NORM, OF_BATCH_NORM = 5, 2  # for each element, in eval mode, by fvcore's own estimate

ARCHITECTURES = [
    one
    for one in ALL_ARCHITECTURES
    if one.name in COMPARED and (one.attention != "eager" or one.name == "bert")  # all of eager attention is products
]


def _param(one: Architecture) -> object:
    return pytest.param(one, id=one.id, marks=[] if one.name in FAST else [pytest.mark.slow])


@pytest.fixture(scope="module", params=map(_param, ARCHITECTURES))
def architecture(request: pytest.FixtureRequest) -> Architecture:
    made: Architecture = request.param
    return made


@pytest.fixture(scope="module")
def model(architecture: Architecture) -> nn.Module:
    return architecture.model()


@pytest.fixture(scope="module")
def inputs(architecture: Architecture) -> Mapping[str, Tensor]:
    return architecture.inputs()


@pytest.fixture(scope="module")
def ours(model: nn.Module, inputs: Mapping[str, Tensor]) -> FlopCounter:
    counter = make_counter(lambda: -1)
    with counter:
        model(**inputs)
    return counter


def test_torch_counts_the_same_where_attention_is_products_but_for_ops_it_has_no_formula_for(
    architecture: Architecture, model: nn.Module, inputs: Mapping[str, Tensor], ours: FlopCounter
) -> None:
    lacking = ours.by_op[TORCH_LACKS.get(architecture.name, "")]

    assert ours.total - torch_flops(model, inputs) == lacking
    assert (lacking > 0) == (architecture.name in TORCH_LACKS)


def test_torch_leaves_out_the_attention_that_is_one_op_on_cpu(
    architecture: Architecture, model: nn.Module, inputs: Mapping[str, Tensor], ours: FlopCounter
) -> None:
    lacking = ours.by_op[TORCH_LACKS.get(architecture.name, "")] + ours.by_op[FUSED_ATTENTION]

    assert ours.total - torch_flops(model, inputs, backend=None) == lacking


def test_fvcores_multiply_adds_are_half_once_it_has_handles_for_what_it_lacks(
    architecture: Architecture, model: nn.Module, inputs: Mapping[str, Tensor], ours: FlopCounter
) -> None:
    macs, _ = fvcore_macs(model, inputs, HANDLES)

    flops = 2 * sum(count for name, count in macs.items() if name not in NOT_PRODUCTS)
    assert ours.total - flops == FVCORE_MISSES.get(architecture.name, 0)


def test_fvcore_by_itself_lacks_these(
    architecture: Architecture, model: nn.Module, inputs: Mapping[str, Tensor]
) -> None:
    _, unsupported = fvcore_macs(model, inputs)

    attention = {"aten::scaled_dot_product_attention"} if architecture.attention == "sdpa" else set()
    assert unsupported & set(HANDLES) == attention | set(FVCORE_LACKS.get(architecture.name, ()))


def test_fvcore_counts_norms_and_pooling_by_the_element(model: nn.Module, inputs: Mapping[str, Tensor]) -> None:
    macs, _ = fvcore_macs(model, inputs)

    assert macs.get("layer_norm", 0) == OF_LAYER_NORM * elements_through(nn.LayerNorm, model, inputs)
    assert macs.get("batch_norm", 0) == OF_BATCH_NORM * elements_through(nn.BatchNorm2d, model, inputs)
    assert macs.get("adaptive_avg_pool2d", 0) == elements_through(nn.AdaptiveAvgPool2d, model, inputs)


def elements_through(kind: type[nn.Module], model: nn.Module, inputs: Mapping[str, Tensor]) -> int:
    """How many elements go into modules of that class."""
    seen: list[int] = []

    def note(module: nn.Module, given: tuple[Tensor, ...], result: object) -> None:
        seen.append(given[0].numel())

    handles = [one.register_forward_hook(note) for one in model.modules() if isinstance(one, kind)]
    with torch.no_grad():
        model(**inputs)
    for handle in handles:
        handle.remove()
    return sum(seen)


class Function(nn.Module):
    """A function as a module."""

    def __init__(self, function: Callable[..., Tensor]) -> None:
        super().__init__()
        self.function = function

    def forward(self, **inputs: Tensor) -> Tensor:
        return self.function(**inputs)


def test_fvcore_reads_the_count_of_an_einsum_from_four_printed_digits() -> None:
    def contract(left: Tensor, right: Tensor) -> Tensor:
        return torch.einsum("abij,abjk->abik", left, right)

    inputs = {"left": torch.ones(2, 3, 7, 11), "right": torch.ones(2, 3, 11, 13)}
    flops = 2 * 2 * 3 * 7 * 11 * 13
    counter = make_counter(lambda: -1)
    with counter:
        contract(**inputs)

    macs, _ = fvcore_macs(Function(contract), inputs)

    assert counter.total == torch_flops(Function(contract), inputs) == flops
    assert macs == {"einsum": float(f"{flops:.3e}") // 2}
    assert 2 * macs["einsum"] != flops


def test_fvcore_counts_a_product_by_the_batch_of_its_left_operand_alone() -> None:
    inputs = {"left": torch.ones(7, 11), "right": torch.ones(3, 11, 13)}
    counter = make_counter(lambda: -1)
    with counter:
        inputs["left"] @ inputs["right"]

    macs, _ = fvcore_macs(Function(lambda left, right: left @ right), inputs)

    assert counter.total == 2 * 3 * 7 * 11 * 13
    assert macs == {"matmul": 7 * 11 * 13}


def test_torch_and_we_count_the_causal_triangle_dense() -> None:
    def attend(query: Tensor) -> Tensor:
        return nn.functional.scaled_dot_product_attention(query, query, query, is_causal=True)

    inputs = {"query": torch.ones(1, 2, 8, 4)}
    counter = make_counter(lambda: -1)
    with torch.no_grad(), counter:
        attend(**inputs)

    assert counter.total == torch_flops(Function(attend), inputs) == 2 * 2 * (2 * 8 * 8 * 4)
    assert counter.causal_total == 2 * 2 * (2 * 36 * 4)  # 1 + 2 + ... + 8 pairs
