"""Ops that run a whole layer at once count what the layer's parts count."""

from __future__ import annotations

import torch
from flop_counts import by_hand, flops_of, shaped
from torch import nn

import layerprof as lp
from layerprof.flops import make_counter

X = torch.ones(2, 5, 16)


def flops(model: nn.Module, *inputs: torch.Tensor, train: bool) -> int:
    profile = lp.profile(model, inputs, passes=("flops",), train=train, warmup=0, repeats=1)

    assert profile.uncounted == ()
    assert profile.step_flops is not None
    return profile.step_flops


def test_fused_self_attention_counts_as_much_as_its_parts() -> None:
    model = nn.MultiheadAttention(16, 4, batch_first=True)

    assert flops(model, X, X, X, train=False) == flops(model, X, X, X, train=True)


def test_the_fused_encoder_layer_counts_as_much_as_its_parts() -> None:
    model = nn.TransformerEncoderLayer(16, 4, dim_feedforward=24, batch_first=True)
    counter = make_counter(lambda: -1)

    with torch.no_grad(), counter:  # without hooks, which would make torch take the other path
        model.eval()(X)

    assert list(counter.by_op) == ["aten._transformer_encoder_layer_fwd.default"]
    assert counter.total == flops(model, X, train=True)


def test_a_mask_leaves_the_fused_layer_dense() -> None:
    model = nn.TransformerEncoderLayer(16, 4, dim_feedforward=24, batch_first=True).eval()
    padding = torch.tensor([[False, False, True, True, True], [False] * 5])

    assert flops_of(lambda: model(X, src_key_padding_mask=padding)) == flops_of(lambda: model(X)) > 0


def test_tritons_fused_attention_counts_what_torchs_does() -> None:
    x, weights = shaped(2, 5, 16), shaped(48, 16)

    torchs = by_hand("aten._native_multi_head_attention", x, x, x, 16, 4, weights)
    tritons = by_hand("aten._triton_multi_head_attention", x, x, x, 16, 4, weights)

    assert torchs == tritons is not None
