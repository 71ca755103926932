"""The table of ops that count as 0, and the promise that what is in no table is named."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

import layerprof as lp
from layerprof import flops


def test_no_op_is_both_counted_and_zero() -> None:
    assert flops.ZERO_OPS & set(flops._BUILT_IN) == set()


def test_every_op_in_the_tables_is_one_of_torchs() -> None:
    names = [name.split(".") for name in sorted(flops.ZERO_OPS | set(flops._BUILT_IN))]

    assert [name for name in names if not hasattr(getattr(torch.ops, name[0]), name[1])] == []


class Function(nn.Module):
    """A layer that is a function."""

    def __init__(self, function: Callable[[Tensor], object]) -> None:
        super().__init__()
        self._function = function

    def forward(self, x: Tensor) -> object:
        return self._function(x)


def profile_of(model: nn.Module, x: Tensor) -> lp.Profile:
    return lp.profile(model, x, passes=("flops",), warmup=0, repeats=1)


def test_an_uncounted_op_has_its_calls_and_its_layers() -> None:
    transform = Function(torch.fft.fft)
    model = nn.Sequential(transform, Function(torch.real), transform, Function(lambda x: torch.fft.fft(x.real)))

    uncounted = profile_of(model, torch.ones(2, 8)).uncounted

    by_op = {one.op: (one.calls, one.layers) for one in uncounted}
    assert by_op["aten._fft_r2c.default"] == (3, ("0", "3"))


def test_work_under_no_layer_is_named_without_one() -> None:
    model = nn.Identity()

    profile = lp.profile(model, call=lambda: torch.fft.fft(torch.ones(8)), passes=("flops",), warmup=0, repeats=1)

    assert [one.layers for one in profile.uncounted] == [()]


PRODUCTS_IN_DISGUISE: dict[str, tuple[Callable[[], nn.Module], tuple[int, ...]]] = {
    "bilinear": (lambda: Function(lambda x: nn.Bilinear(4, 4, 2)(x, x)), (3, 4)),
    "lstm": (lambda: nn.LSTM(4, 4), (3, 1, 4)),
    "gru": (lambda: nn.GRU(4, 4), (3, 1, 4)),
    "rnn": (lambda: nn.RNN(4, 4), (3, 1, 4)),
    "lstm cell": (lambda: nn.LSTMCell(4, 4), (3, 4)),
    "attention": (lambda: Function(lambda x: nn.MultiheadAttention(4, 2).eval()(x, x, x)), (3, 1, 4)),
    "encoder layer": (lambda: nn.TransformerEncoderLayer(4, 2, 8, batch_first=True), (3, 1, 4)),
    "distances": (lambda: Function(lambda x: torch.cdist(x, x)), (30, 4)),
    "fft": (lambda: Function(lambda x: torch.fft.rfft2(x)), (4, 4)),
    "inverse": (lambda: Function(lambda x: torch.linalg.inv(x + 9 * torch.eye(4))), (4, 4)),
    "power": (lambda: Function(lambda x: torch.linalg.matrix_power(x, 3)), (4, 4)),
    "covariance": (lambda: Function(torch.cov), (4, 4)),
}


@pytest.mark.parametrize("name", PRODUCTS_IN_DISGUISE)
def test_a_product_in_disguise_is_counted_or_named_and_never_silently_zero(name: str) -> None:
    make, shape = PRODUCTS_IN_DISGUISE[name]

    profile = profile_of(make(), torch.ones(*shape))

    assert profile.step_flops or profile.uncounted


def test_recurrent_cells_of_products_are_counted() -> None:
    steps, width = 3, 4

    profile = profile_of(nn.GRU(width, width, bias=False), torch.ones(steps, 1, width))

    assert profile.step_flops == 2 * steps * 3 * (width * width + width * width)
    assert profile.uncounted == ()
