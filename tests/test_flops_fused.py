"""Ops that run a whole layer at once count what the layer's parts count."""

from __future__ import annotations

import pytest
import torch
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


@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize("is_bidirectional", [False, True])
def test_an_lstm_counts_the_products_of_its_gates(layers: int, is_bidirectional: bool) -> None:
    length, batch, width, hidden = 3, 2, 4, 8
    model = nn.LSTM(width, hidden, num_layers=layers, bidirectional=is_bidirectional)
    directions = 2 if is_bidirectional else 1
    inner = (layers - 1) * (directions * hidden + hidden)

    counted = flops(model, torch.ones(length, batch, width), train=False)

    assert counted == 2 * length * batch * 4 * hidden * directions * (width + hidden + inner)
